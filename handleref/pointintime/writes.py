"""Writes of many rows: each leaves what the row was, in a number of statements that stays small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import F, Model, QuerySet
from django.db.models.sql import UpdateQuery
from django.utils.timezone import now

from handleref.pointintime.as_of import refuse_past
from handleref.pointintime.base import STAMPS, all_rows, end_of_day, parts_of
from handleref.pointintime.citing import cited_among, cited_by_all, lock_cited
from handleref.pointintime.copying import table_of
from handleref.pointintime.deletion import mark_deleted, purge
from handleref.pointintime.locking import hold, hold_objects, holding, narrowed
from handleref.pointintime.recording import checked, said
from handleref.pointintime.revert import Rollback, names_to_take_back
from handleref.pointintime.saving import begin
from handleref.references.base import MANY, alters_data

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import date, datetime
    from typing import Self

    from handleref.pointintime.locking import Held

M = TypeVar("M", bound=Model)


class VersionedWrites(QuerySet[M]):
    """The writes of a queryset of versions."""

    if TYPE_CHECKING:  # Django's own, which its stubs leave out.
        _fields: Any
        _chain: Callable[[], Self]
        _not_support_combined_queries: Callable[[str], None]

    @alters_data()
    def update(self, **kwargs: Any) -> int:
        """Update the rows, in a few statements; each gets its next version.

        :returns: the number of rows.
        :raises RowReplacedError: when there are replaced rows among them.
        :raises ValueError: for a column that tells of a row's place among the versions.
        """
        refuse_past(self)
        if not kwargs or _follows_deletion(self, kwargs):
            return super().update(**kwargs)
        _refuse_stamps(self.model, kwargs)
        rows = self._to_be_written("update")
        # Refuses what cannot be, before anything is written.
        rows.query.chain(UpdateQuery).add_update_values(kwargs)  # type: ignore[attr-defined]
        with holding(hold_citing, rows, kwargs, "updated") as held:
            held.replace()
            for keys in held.parts():
                QuerySet.update(narrowed(rows, keys), **authorship(kwargs), **kwargs)
            held.follow()
        self._result_cache = None
        return len(held)

    @alters_data()
    def bulk_update(
        self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        """Update the fields of the objects; each gets its next version.

        :returns: the number of rows.
        :raises RowReplacedError: when there is a replaced row among them.
        :raises RowChangedError: with ``optimistic``, when a row was saved by someone else.
        """
        objs, fields = tuple(objs), tuple(fields)
        _refuse_stamps(self.model, fields)
        rows = self._to_be_written("update")
        plain = all_rows(self.model, rows.db)
        wrong = not fields or any(obj.pk is None for obj in objs)
        # Django says what is wrong, before anything is written.
        plain.bulk_update(objs if wrong else [], fields, batch_size)
        with holding(hold_objects, rows, objs, "updated") as held:
            held.replace()
            there = [obj for obj in objs if obj.pk in held.versions]
            plain.bulk_update(there, fields, batch_size)
            more = authorship(fields)
            for keys in held.parts():
                held.rows(keys).update(**more)
            held.follow()
        for obj in there:
            held.tell(obj, more)
        return len(held)

    @alters_data()
    def bulk_create(
        self,
        objs: Iterable[M],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[M]:
        """Insert the objects, each as the first version of a new one.

        :raises ValueError: with ``update_conflicts``, which would overwrite rows, and with
            ``ignore_conflicts`` where the database makes the keys, since it tells none.
        """
        objs = list(objs)
        made_by_database = table_of(self.model).makes_keys
        if update_conflicts:
            raise ValueError(
                f"bulk_create(update_conflicts=True) would overwrite {self.model._meta.label} rows"
                " and keep no versions. Look up which are there, and bulk_update() those."
            )
        keyless = [obj for obj in objs if made_by_database and obj.pk is None]
        if ignore_conflicts and keyless:
            raise ValueError(
                f"bulk_create(ignore_conflicts=True) does not tell the keys of the new rows of"
                f" {self.model._meta.label}. Look up which are there, and leave those out."
            )
        self._for_write = True
        refuse_past(self)
        moment, block = now(), said()
        for obj in objs:
            begin(obj, moment, block.user, str(block.comment))
        with transaction.atomic(using=self.db, savepoint=False):
            lock_cited(self.db, cited_by_all(self.model, self.db, objs))
            made = super().bulk_create(objs, batch_size, ignore_conflicts)
            for start in range(0, len(keyless), MANY):
                pks = [obj.pk for obj in keyless[start : start + MANY]]
                all_rows(self.model, self.db).filter(pk__in=pks).update(row_id=F("pk"))
        for obj in keyless:
            vars(obj)["row_id"] = obj.pk
        for part in parts_of([obj.pk for obj in objs]):
            block.note(self.model, self.db, moment, part)
        return made

    @alters_data(queryset_only=True)
    def delete(self) -> tuple[int, dict[str, int]]:
        """Mark the rows as deleted: from now on they hold no more, and stay in the table.

        :returns: the number of rows, and a dict of model label to number, as Django does.
        :raises RowReplacedError: when there are replaced rows among them.
        """
        rows = self._to_be_written("delete")
        with holding(hold, rows, "deleted") as held:
            result = mark_deleted(held)
        self._result_cache = None
        return result

    @alters_data(queryset_only=True)
    async def adelete(self) -> tuple[int, dict[str, int]]:
        """Do what :meth:`delete` does."""
        return await sync_to_async(self.delete)()

    @alters_data(queryset_only=True)
    def rollback_latest(
        self,
        fields: Collection[str] | None = None,
        exclude: Collection[str] | None = None,
        *,
        user: Any = None,
        reason: str = "",
    ) -> int:
        """Take back the last change of the rows' objects; it is forgotten.

        An object that was never changed is purged; one that was deleted is there again.

        :param fields: only these; what the others became stands in the version before.
        :param exclude: not these.
        :param user: who does it, for the signal ``rolled_back``.
        :param reason: why, for the signal and the log.
        :returns: the number of objects that went back, or were purged.
        """
        return self._roll_back(None, fields, exclude, user, reason)

    @alters_data(queryset_only=True)
    def rollback_to_at(
        self,
        time: date | datetime,
        fields: Collection[str] | None = None,
        exclude: Collection[str] | None = None,
        *,
        user: Any = None,
        reason: str = "",
    ) -> int:
        """Take the rows' objects back to what they were; what came after is forgotten.

        An object that was not there yet is purged. Parameters as for :meth:`rollback_latest`.

        :param time: a datetime (naive: current time zone); a date means the end of that day.
        """
        return self._roll_back(end_of_day(time, "time"), fields, exclude, user, reason)

    def _roll_back(self, moment: Any, fields: Any, exclude: Any, user: Any, reason: str) -> int:
        names = names_to_take_back(self.model, fields, exclude)
        rows = self._objects()
        with holding(hold, rows, "rolled back", deleted=True, savepoint=True) as held:
            return Rollback(held, moment, names, checked(user) or said().user, reason).run()

    @alters_data(queryset_only=True)
    def purge(self, *, user: Any = None, reason: str = "") -> tuple[int, dict[str, int]]:
        """Really delete the rows' objects, with all that they ever were.

        :param user: who does it, for the signal ``purged``.
        :param reason: why, for the signal and the log.
        :returns: the number of rows, and a dict of model label to number.
        :raises ProtectedError, RestrictedError: as Django does.
        """
        rows = self._objects()
        with holding(hold, rows, "purged", deleted=True, savepoint=True) as held:
            return purge(held, checked(user) or said().user, reason)

    @alters_data(queryset_only=True)
    async def arollback_latest(self, *args: Any, **kwargs: Any) -> int:
        """Do what :meth:`rollback_latest` does."""
        return await sync_to_async(self.rollback_latest)(*args, **kwargs)

    @alters_data(queryset_only=True)
    async def arollback_to_at(self, *args: Any, **kwargs: Any) -> int:
        """Do what :meth:`rollback_to_at` does."""
        return await sync_to_async(self.rollback_to_at)(*args, **kwargs)

    @alters_data(queryset_only=True)
    async def apurge(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Do what :meth:`purge` does."""
        return await sync_to_async(self.purge)(*args, **kwargs)

    def _objects(self) -> QuerySet[Any]:
        """Return the current rows, or last ones, of the objects that the rows are of."""
        refuse_past(self)
        self._for_write = True
        self._result_cache = None
        return all_rows(self.model, self.db).filter(pk__in=self.order_by().values("row_id"))

    def _to_be_written(self, verb: str) -> Self:
        """Return the rows as a write takes them; refuse what Django refuses, in its words."""
        self._not_support_combined_queries(verb)
        if self.query.is_sliced:
            what = "use 'limit' or 'offset' with delete()."
            taken = "update a query once a slice has been taken."
            raise TypeError(f"Cannot {taken if verb == 'update' else what}")
        if self.query.distinct_fields:
            raise TypeError(f"Cannot call {verb}() after .distinct(*fields).")
        if self._fields is not None and verb != "update":
            raise TypeError(f"Cannot call {verb}() after .values() or .values_list()")
        refuse_past(self)
        rows: Self = self._chain()
        rows._for_write = True
        rows.query.select_for_update = False
        rows.query.select_related = False
        rows.query.clear_ordering(force=True)
        return rows


def _follows_deletion(rows: QuerySet[Any], values: Collection[str]) -> bool:
    """Tell whether Django takes back foreign keys to what it is about to delete, in all rows.

    There is no version to keep of what cannot be pointed at any more.
    """
    if not getattr(rows.query, "is_base", False):
        return False
    conditions = rows.query.where.leaves()
    narrowed_by = {getattr(getattr(each, "lhs", None), "target", None) for each in conditions}
    return all(rows.model._meta.get_field(name) in narrowed_by for name in values)


def hold_citing(rows: QuerySet[Any], values: dict[str, Any], verb: str) -> Held:
    """Lock rows, and before them the objects that frozen keys are to be written of."""
    lock_cited(rows.db, cited_among(rows.model, values))
    return hold(rows, verb)


def authorship(given: Collection[str]) -> dict[str, Any]:
    """Return what a set-based write says of its versions, but for what it is given."""
    block = said()
    user = {} if {"modified_by", "modified_by_id"} & {*given} else {"modified_by": block.user}
    says = {**user, "change_comment": str(block.comment), "reverted_from": None}
    return {name: value for name, value in says.items() if name not in given}


def _refuse_stamps(model: type[Model], names: Iterable[str]) -> None:
    """Refuse to set by hand what tells of a row's place among the versions."""
    if wrong := [name for name in names if name in {*STAMPS, "pk", model._meta.pk.name}]:
        raise ValueError(
            f"{', '.join(wrong)} of {model._meta.label} cannot be updated: each write of a version"
            " sets it."
        )
