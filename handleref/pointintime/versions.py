"""The versions that point-in-time rows are."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from django.db import connections, router, transaction
from django.db.models import Exists, Field, ManyToManyField, OuterRef, Q, QuerySet
from django.utils.timezone import is_naive, make_aware, now

from handleref.exceptions import RevertError
from handleref.pointintime.base import BOOKKEEPING, all_rows, frozen_relations
from handleref.pointintime.copying import follow, later, table_of
from handleref.pointintime.dialects import become_writer
from handleref.pointintime.models import PointInTimeModel
from handleref.pointintime.recording import recording, said
from handleref.versions.base import Version
from handleref.versions.keepers import Keeper
from handleref.versions.lookups import differing, named_like
from handleref.versions.state import fields_of, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from django.db.models import Model

    from handleref.versions.keepers import Text
    from handleref.versions.state import State


CURRENT: Final = Q(replaced_at__isnull=True)


class PointInTimeVersion(Version):
    """A row: what an object was from when it was written until it was replaced or deleted."""

    row: Any

    @property
    def id(self) -> str:
        # Not the row's key, which the next version takes over.
        return _id(self.row.row_id, self.row.row_version)

    @property
    def object_id(self) -> Any:
        return self.row.row_id

    @property
    def date(self) -> datetime:
        date: datetime = self.row.created_at
        # With USE_TZ = False the database has local times.
        return make_aware(date) if is_naive(date) else date

    @property
    def user(self) -> Any:
        return self.row.modified_by

    @property
    def comment(self) -> str:
        comment: str = self.row.change_comment
        return comment

    @property
    def reverted_from(self) -> str | None:
        number = self.row.reverted_from
        return None if number is None else _id(self.row.row_id, number)

    @cached_property
    def data(self) -> Mapping[str, Any]:
        values = {name: value_of(self.row, f) for name, f in _columns(self.model).items()}
        key: Any = self.model._meta.pk
        return {**values, key.name: self.row.row_id}

    def __str__(self) -> str:
        """Return what the object is called with these values."""
        return str(self.row)


class PointInTimeKeeper(Keeper):
    """Versions that stand in the table of the objects themselves.

    A deletion is the end of a version, and no version: no version says that the object was
    deleted, and the last one before is what is left of an object that is.
    """

    name: ClassVar[str] = "pointintime"
    order: ClassVar[str] = "row_version"
    object_id: ClassVar[str] = "row_id"
    date: ClassVar[str] = "created_at"
    user: ClassVar[str] = "modified_by"
    timeline: ClassVar[str] = "created_at"

    def keeps(self, model: type[Model]) -> bool:
        return issubclass(model, PointInTimeModel)

    def rows(self, model: type[Model], using: str | None = None) -> QuerySet[Any]:
        rows = all_rows(model, using or router.db_for_write(model))
        return rows.select_related("modified_by")

    def version(self, model: type[Model], row: Any) -> PointInTimeVersion:
        return PointInTimeVersion(self, model, row)

    def changing(self, rows: QuerySet[Any], field: str) -> QuerySet[Any]:
        stamps, columns = self.stamp_fields(rows.model), _columns(rows.model)
        if field in stamps or field not in columns:
            return rows.none()
        return differing(self, rows, all_rows(rows.model, rows.db), columns[field])

    def searched(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return named_like(rows, text, without=self.stamp_fields(rows.model))

    def at(self, rows: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        return super().at(rows, moment).filter(Q(replaced_at__gt=moment) | CURRENT)

    def existing(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows

    def gone(
        self, model: type[Model], rows: QuerySet[Any], using: str | None = None
    ) -> QuerySet[Any]:
        current = self.objects(model, rows.db).filter(row_id=OuterRef("row_id"))
        return rows.filter(~Exists(current))

    def with_id(self, rows: QuerySet[Any], version_id: Any) -> QuerySet[Any]:
        row_id, _dot, number = str(version_id).rpartition(".")
        return rows.filter(row_id=row_id, row_version=int(number))

    def id_of(self, obj: Model) -> Any:
        return _row(obj).row_id

    def stamp_fields(self, model: type[Model]) -> frozenset[str]:
        fields = model._meta.concrete_fields
        return BOOKKEEPING | {f.name for f in fields if getattr(f, "auto_now", False)}

    def is_deleted(self, version: State) -> bool:
        # In a version the object was there; the row of a deleted one may be held by an instance.
        if isinstance(version, PointInTimeVersion):
            return False
        return version.data.get("replaced_at") is not None and _is_place(version)

    def objects(self, model: type[Model], using: str | None = None) -> QuerySet[Any]:
        return all_rows(model, using or router.db_for_write(model)).filter(CURRENT)

    def find(
        self, model: type[Model], object_id: Any, *, using: str | None = None, lock: bool = False
    ) -> Model | None:
        rows = all_rows(model, using or router.db_for_write(model))
        if lock:
            table, rows = table_of(model), rows.select_for_update()
            become_writer(connections[rows.db], table.name, table.key.column)
        # That of a deleted object too, so that those who bring it back do so one by one.
        found: Model | None = rows.filter(pk=object_id).first()
        return found if found and _row(found).replaced_at is None else None

    def recording(self, user: Any = None, comment: Text = "") -> AbstractContextManager[Any]:
        return recording(user, comment)

    def refresh(self, obj: Model, using: str) -> None:
        # What was asked of a replaced row was done to its object.
        obj.pk = self.id_of(obj)
        super().refresh(obj, using)

    def check_restorable(self, obj: Model) -> None:
        """Do nothing: an object is not deleted with what it refers to."""

    def insert(self, obj: Model, version: Version) -> None:
        """Write the object anew: in its old place where its rows are there, with its key."""
        using = obj._state.db or router.db_for_write(type(obj))
        with transaction.atomic(using=using, savepoint=False):
            held = table_of(type(obj)).lock(connections[using], obj.pk)
            if held is None:
                super().insert(obj, version)
            else:
                _revive(obj, held, using)

    def mark_reverted(self, obj: Model, version: Version) -> None:
        row, source = _row(obj), version.row
        # Of an object that was purged and begins anew, the source is not in the history.
        if source.row_version < row.row_version:
            rows = all_rows(type(obj), row._state.db)
            rows.filter(pk=row.pk).update(reverted_from=source.row_version)


def _revive(obj: Any, held: list[Any], using: str) -> None:
    """Write an instance into the row of its deleted object, and what that was into another.

    :param held: the row, which is locked, as the database has it.
    """
    model: type[Model] = type(obj)
    block = said()
    connection, table = connections[using], table_of(model)
    old = {name: table.python(connection, name, held[place]) for name, place in table.place.items()}
    name = f"{obj._meta.label} {obj.pk}"
    if old["row_id"] != obj.pk:
        raise RevertError(f"{name} cannot be recovered: a row of {old['row_id']} has its key.")
    if old["replaced_at"] is None:
        raise RevertError(f"{name} is not deleted, so it cannot be recovered.")
    obj.row_id, obj.row_version = obj.pk, old["row_version"] + 1
    obj.created_at, obj.replaced_at = later(now(), old["replaced_at"]), None
    obj.modified_by, obj.change_comment = block.user, str(block.comment)
    obj._save(using=using, force_update=True)  # noqa: SLF001 - public, but for its name
    block.note(model, using, obj.created_at, [obj.pk])
    frozen = any(frozen_relations(model))
    copied = table.insert(connection, held, returning=frozen)
    if frozen:
        follow(model, using, obj.pk, copied)


def _columns(model: type[Model]) -> dict[str, Field[Any, Any]]:
    """Return the fields that stand in a row, by name: no relations to many."""
    fields = fields_of(model).items()
    return {name: field for name, field in fields if not isinstance(field, ManyToManyField)}


def _is_place(state: State) -> bool:
    """Tell whether a row is the one that has the object's key."""
    key: Any = state.model._meta.pk
    return bool(state.data[key.name] == state.data["row_id"])


def _row(obj: Model) -> PointInTimeModel:
    return cast("PointInTimeModel", obj)


def _id(row_id: Any, number: int) -> str:
    return f"{row_id}.{number}"
