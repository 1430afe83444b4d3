"""One instance is saved as a version of its object."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

from django.db import connections, models, router, transaction
from django.utils.timezone import now

from handleref.exceptions import RowChangedError, RowPurgedError, RowReplacedError
from handleref.pointintime.as_of import own_version
from handleref.pointintime.base import BOOKKEEPING, all_rows, frozen_relations
from handleref.pointintime.copying import follow, later, table_of
from handleref.pointintime.dialects import replaces_at_once
from handleref.pointintime.locking import hold_targets
from handleref.pointintime.recording import checked, said
from handleref.versions.as_of import refuse_writing

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

    from django.db.models import Model, QuerySet


def begin(obj: Any, moment: datetime, user: Any, comment: str) -> None:
    """Let an instance be the first version of a new object."""
    obj.row_id, obj.row_version, obj.reverted_from = None, 1, None
    obj.created_at, obj.replaced_at = moment, None
    obj.start_at = obj.start_at or moment
    obj.change_comment = comment
    if user is not None:
        obj.modified_by = user


class Saving:
    """An instance being saved: what is said of the version, and what may stand in the way."""

    def __init__(self, obj: Any, user: Any, expected: int | None) -> None:
        around = said()
        self.obj = obj
        self.user = checked(user) or around.user
        self.comment = str(around.comment)
        self.expected = expected
        self.outer: Saving | None = None
        if expected is None and obj.optimistic:
            self.expected = vars(obj).get("row_version")

    def __enter__(self) -> Self:
        refuse_writing(f"{self.obj._meta.label} {self.obj.pk}")
        state: Any = self.obj._state
        # A receiver may save the instance that is being saved.
        self.outer = vars(state).get("saving")
        state.saving = self
        return self

    def __exit__(self, *error: object) -> None:
        state: Any = self.obj._state
        state.saving = self.outer

    def begin(self) -> None:
        """Let the instance be the first version of a new object."""
        begin(self.obj, said().moment or now(), self.user, self.comment)

    def replace(self, rows: QuerySet[Any], key: Any, values: Any, *returning: Any) -> Any:
        """Write the values into the current row, and what it was into a row of its own.

        :param rows: all rows of the model.
        :param values: as Django hands them to ``_do_update()``.
        :returns: what Django returns, or a false value when there is no such row.
        """
        if self.obj.replaced_at is not None:
            raise replaced(self.obj)
        values = _foreign(values)
        table = table_of(cast("type[Model]", rows.model))
        at_once = replaces_at_once(connections[rows.db], citing=bool(table.frozen))
        if at_once and not any(returning) and table.takes(values):
            # Done at once it needs no transaction, unless frozen keys have to follow; and in one
            # that is open, nothing goes on after it has failed.
            alone = connections[rows.db].get_autocommit() and not frozen_relations(rows.model)
            with nullcontext() if alone else transaction.atomic(rows.db, savepoint=False):
                if self._at_once(rows, key, values):
                    return [()]
        with transaction.atomic(rows.db, savepoint=False):
            return self._step_by_step(rows, key, values, *returning)

    def _at_once(self, rows: QuerySet[Any], key: Any, values: Any) -> bool:
        """Replace the row in one statement, and tell whether there was one to replace."""
        connection, table = connections[rows.db], table_of(cast("type[Model]", rows.model))
        said = table.own(self._said())
        done = table.replace(connection, key, [*values, *said], now(), self.expected)
        if done is None:
            return False
        copied, version, moment = done
        follow(rows.model, rows.db, key, copied)
        self._tell(rows, key, version, moment)
        return True

    def _step_by_step(self, rows: QuerySet[Any], key: Any, values: Any, *returning: Any) -> Any:
        """Lock the row and read it, take the time, write it anew, insert what it was."""
        connection, table = connections[rows.db], table_of(cast("type[Model]", rows.model))
        if table.frozen:
            hold_targets(all_rows(rows.model, rows.db).filter(pk=key))
        row = table.lock(connection, key)
        if row is None:
            self._refuse_purged(rows.db)
            return []
        held = {name: row[place] for name, place in table.place.items()}
        self._check(held)
        version = held["row_version"] + 1
        moment = later(now(), table.python(connection, "created_at", held["created_at"]))
        stamps = {"row_id": key, "row_version": version, "created_at": moment, **self._said()}
        written = table.update(rows, key, [*values, *table.own(stamps)], *returning)
        row[table.place["replaced_at"]] = table.stored(connection, "replaced_at", moment)
        row[table.place["row_id"]] = held[table.key.name]
        frozen = frozen_relations(rows.model)
        copied = table.insert(connection, row, returning=bool(frozen))
        if frozen:
            follow(rows.model, rows.db, key, copied)
        self._tell(rows, key, version, moment)
        return written

    def _said(self) -> dict[str, Any]:
        """Return what is said of the version."""
        given = self.user is None and vars(self.obj._state).get("user_given")
        user = vars(self.obj).get("modified_by_id") if given else self.user and self.user.pk
        return {"modified_by_id": user, "change_comment": self.comment, "reverted_from": None}

    def _tell(self, rows: QuerySet[Any], key: Any, version: int, moment: datetime) -> None:
        """Let the instance know what was written; not before it is."""
        place = {"row_id": key, "row_version": version, "created_at": moment, "replaced_at": None}
        for name, value in {**place, **self._said()}.items():
            if vars(self.obj).get(name, place) != value:
                setattr(self.obj, name, value)
        if self.user:
            self.obj.modified_by = self.user
        vars(self.obj._state).pop("user_given", None)
        said().note(rows.model, rows.db, moment, [key])

    def _check(self, held: dict[str, Any]) -> None:
        if held["replaced_at"] is not None:
            raise replaced(self.obj)
        if self.expected is not None and held["row_version"] != self.expected:
            raise RowChangedError(
                f"{self._name} has version {held['row_version']}, and not {self.expected}: somebody"
                " else has saved it. Nothing is saved; refresh_from_db() reads the row as it is.",
                instance=self.obj,
                expected=self.expected,
                found=held["row_version"],
            )

    def _refuse_purged(self, using: str) -> None:
        if not self.obj._state.adding and self.obj._state.db == using:
            raise RowPurgedError(
                f"{self._name} is not there any more: it was purged, or what made it was rolled"
                " back. Nothing is saved; with save(force_insert=True) it begins anew.",
                instance=self.obj,
            )

    @property
    def _name(self) -> str:
        return f"{self.obj._meta.label} {self.obj.pk}"


def replaced(obj: Any) -> RowReplacedError:
    """Return the error of an instance that is not its object as it is now."""
    name = f"{obj._meta.label} {obj.pk}"
    if obj.row_id == obj.pk:
        return RowReplacedError(
            f"{name} was deleted, or is shown as it once was. Nothing is saved; read it anew,"
            " or revert it to a version.",
            instance=obj,
        )
    return RowReplacedError(
        f"{name} is a replaced row, and what was is only read. Nothing is saved; the current"
        f" row is {obj._meta.label} {obj.row_id}.",
        instance=obj,
    )


def _foreign(values: Any) -> list[Any]:
    """Return what others have to write."""
    return [(field, value) for field, _model, value in values if field.name not in BOOKKEEPING]


class SavedAsVersion(models.Model):
    """The places where Django's ``save()`` writes a row, for an instance that is a version."""

    if TYPE_CHECKING:
        row_id: Any
        row_version: Any
        created_at: Any
        start_at: Any

    class Meta:
        abstract = True

    def refresh_from_db(
        self, using: str | None = None, fields: Any = None, from_queryset: Any = None
    ) -> None:
        """Read the row as Django does; fields that were left out, from the version read before."""
        if fields is not None and from_queryset is None:
            from_queryset = own_version(self, using)
        super().refresh_from_db(using, fields, from_queryset)
        if "modified_by_id" in vars(self):
            vars(self._state).pop("user_given", None)

    @property
    def _saving(self) -> Saving | None:
        """Who saves the instance as a version, while that is under way."""
        saving: Saving | None = vars(self._state).get("saving")
        return saving

    def _keep_transaction(self, using: str | None) -> None:
        """Leave an open transaction usable, since the refused save wrote nothing."""
        using = using or router.db_for_write(type(self), instance=self)
        if connections[using].in_atomic_block:
            transaction.set_rollback(False, using=using)

    def _save_table(
        self,
        raw: bool = False,
        cls: Any = None,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Any = None,
    ) -> Any:
        """Save the first version of a new object, or the next one.

        A raw save writes what the fixture says; what that leaves out is of a new object.
        """
        new = force_insert or self.pk is None or self._state.adding or self._is_elsewhere(using)
        if self._saving is not None and new:
            self._saving.begin()
        elif vars(self).get("start_at", self) is None:
            self.start_at = now() if self._saving is not None else self.created_at
        if raw and self.row_id is None:
            self.row_id = self.pk
        options = (raw, cls, force_insert, force_update, using, update_fields)
        return super()._save_table(*options)  # type: ignore[misc]

    def _is_elsewhere(self, using: str | None) -> bool:
        """Tell whether the instance is an object's current row in another database."""
        return self._state.db not in {None, using} and vars(self).get("replaced_at") is None

    # Django 5.2 returns a bool and hands over one argument less.
    def _do_update(  # type: ignore[override]
        self, base_qs: Any, using: str, pk_val: Any, values: Any, update_fields: Any, *rest: Any
    ) -> Any:
        """Replace the current row, unless the row itself is saved."""
        if self._saving is None:
            return super()._do_update(base_qs, using, pk_val, values, update_fields, *rest)
        return self._saving.replace(base_qs, pk_val, values, *rest[1:])

    def _do_insert(
        self, manager: Any, using: str | None, fields: Any, returning_fields: Any, raw: bool
    ) -> Any:
        """Insert the row, and let it be that of a new object, whose key may be known only now."""
        insert = super()._do_insert  # type: ignore[misc]
        saving, table = self._saving, table_of(manager.model)
        known = self.pk is not None and not hasattr(self.pk, "resolve_expression")
        adopted = (saving is not None or raw) and self.row_id is None
        alone = known or not adopted
        with nullcontext() if alone else transaction.atomic(using=using, savepoint=False):
            made: Any = insert(manager, using, fields, returning_fields, raw)
            if adopted and self.row_id is None:
                self.row_id = made[0][returning_fields.index(table.key)]
                table.adopt(connections[str(using)], self.row_id)
        if saving is not None:
            said().note(manager.model, str(using), self.created_at, [self.row_id])
        return made
