"""The versions that django-reversion keeps."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import datetime, time
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import reversion
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import router
from django.utils.encoding import force_str
from django.utils.timezone import is_naive, make_aware
from django.utils.translation import gettext_lazy as _
from reversion.errors import RevertError
from reversion.models import Version as Row

from handleref.references.base import is_reference
from handleref.references.cascade import as_text, is_text
from handleref.references.fields import live
from handleref.references.revert import ReferenceRules, is_soft_deleted
from handleref.revisions import base, tracking
from handleref.revisions.context import create_revision
from handleref.versions.base import Version
from handleref.versions.keepers import Keeper
from handleref.versions.state import Misfit, State, fields_of, typed_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Field, Model, QuerySet

    from handleref.versions.keepers import Text


def options_of(model: type[Model]) -> base.Options:
    """Return with which options a model, or the model of a proxy, is registered."""
    concrete: Any = model._meta.concrete_model
    return base.options(concrete)


def key_field(model: type[Model]) -> Field[Any, Any]:
    """Return the field by which reversion tells the objects of a model apart."""
    field: Any = model._meta.get_field(options_of(model).object_id_field)
    return cast("Field[Any, Any]", field)


class RevisionVersion(Version):
    """A version of django-reversion, with the row of ours beside it."""

    row: Row

    @cached_property
    def object_id(self) -> Any:
        return typed_value(key_field(self.model), self.row.object_id)

    @property
    def date(self) -> datetime:
        date: datetime = self.row.revision.date_created
        # With USE_TZ = False the database has local times.
        return make_aware(date) if is_naive(date) else date

    @property
    def user(self) -> Any:
        return self.row.revision.user

    @property
    def comment(self) -> str:
        comment: str = self.row.revision.get_comment()
        return comment

    @property
    def using(self) -> str:
        alias: str = self.row.db
        return alias

    @property
    def record(self) -> Any:
        """Our own row, or None for a version that reversion made alone."""
        return getattr(self.row, "record", None)

    @property
    def reverted_from(self) -> Any:
        return self.record.reverted_from_id if self.record else None

    @cached_property
    def data(self) -> dict[str, Any]:
        if self.row.format != "json" or options_of(self.model).use_natural_foreign_keys:
            return self._reversions_own()
        elements = json.loads(self.row.serialized_data)
        return {**self._bases(len(elements)), **dict(_typed(self.tables, elements))}

    def _reversions_own(self) -> dict[str, Any]:
        """Return what reversion reads; where it cannot, values that fit no more."""
        try:
            return dict(_by_name(self.model, self.row.field_dict))
        except (RevertError, ValidationError, ObjectDoesNotExist):
            names = options_of(self.model).fields
            return dict.fromkeys(names, Misfit(_("unreadable")))

    def _bases(self, known: int) -> dict[str, Any]:
        """Return what reversion alone wrote of base tables, into versions of their own."""
        if known > 1 or len(self.tables) == 1:
            return {}
        try:
            return dict(_by_name(self.model, self.row.field_dict))
        except ObjectDoesNotExist:
            # Those tables were not registered.
            return {}

    @property
    def tables(self) -> list[type[Model]]:
        """The models whose tables have the object: its own, then those of its bases."""
        model: Any = self.model._meta.concrete_model
        return [model, *model._meta.all_parents]

    def __str__(self) -> str:
        return str(self.row.object_repr)


def _by_name(model: type[Model], values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield reversion's own reading of a version by the names of the fields."""
    for name, field in fields_of(model).items():
        if field.attname in values:
            value = values[field.attname]
            yield name, tuple(sorted(value)) if isinstance(value, list) else value


def _typed(tables: list[type[Model]], elements: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield the values of a version as the bridge wrote it: one element for each table."""
    fields = fields_of(tables[0])
    # A version of another time may have had other bases.
    for table, element in reversed([*zip(tables, elements, strict=False)]):
        for name, value in {**_key(table, element["pk"]), **element["fields"]}.items():
            yield name, typed_value(fields[name], value) if name in fields else value


def _key(table: type[Model], value: Any) -> dict[str, Any]:
    """Return a primary key by the names of its fields."""
    key: Any = table._meta.pk
    parts = getattr(key, "fields", None)
    if parts is None:
        return {key.name: value}
    return {part.name: each for part, each in zip(parts, value, strict=True)}


class RevisionKeeper(ReferenceRules, Keeper):
    """Versions kept by django-reversion, in blocks of ``create_revision()``."""

    name: ClassVar[str] = "revisions"
    # Revisions are numbered when their block ends, with the rows still locked.
    order: ClassVar[str] = "revision_id"
    object_id: ClassVar[str] = "object_id"
    date: ClassVar[str] = "revision__date_created"
    user: ClassVar[str] = "revision__user"

    def keeps(self, model: type[Model]) -> bool:
        return bool(reversion.is_registered(model._meta.concrete_model))

    def rows(self, model: type[Model], using: str | None = None) -> QuerySet[Row]:
        rows: Any = Row.objects.using(router.db_for_read(Row))
        rows = rows.get_for_model(model._meta.concrete_model, model_db=using)
        found: QuerySet[Row] = rows.order_by().select_related("revision__user", "record")
        return found

    def version(self, model: type[Model], row: Any) -> RevisionVersion:
        return RevisionVersion(self, model, row)

    def changing(self, rows: QuerySet[Any], field: str) -> QuerySet[Any]:
        return rows.filter(record__changed_fields__has=field)

    def searched(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return rows.filter(object_repr__icontains=text)

    def existing(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.exclude(record__deleted=True)

    def gone(
        self, model: type[Model], rows: QuerySet[Any], using: str | None = None
    ) -> QuerySet[Any]:
        objects = model._base_manager.using(using or router.db_for_write(model)).order_by()
        if is_reference(model):
            objects = objects.filter(live())
        key = key_field(model)
        keys: Any = objects.values(key.name)
        if not is_text(key):
            keyed = objects.annotate(hr_key=as_text(key, objects.db, key.name))
            keys = keyed.values("hr_key")
        if objects.db != rows.db:
            keys = [value for row in keys for value in row.values()]
        return rows.exclude(object_id__in=keys)

    def stored_id(self, object_id: Any) -> str:
        return force_str(object_id)

    def id_of(self, obj: Model) -> Any:
        return getattr(obj, options_of(type(obj)).object_id_field)

    def changed_fields(self, version: Version) -> list[str]:
        record = version.record if isinstance(version, RevisionVersion) else None
        if record is None:
            return super().changed_fields(version)
        known = {name: place for place, name in enumerate(fields_of(version.model))}
        return sorted(
            record.changed_fields or (), key=lambda name: (known.get(name, len(known)), name)
        )

    def is_deleted(self, version: State) -> bool:
        record = version.record if isinstance(version, RevisionVersion) else None
        if record is not None:
            deleted: bool = record.deleted
            return deleted
        return is_soft_deleted(version.model, version.data)

    def is_current(self, version: Version, state: State) -> bool:
        record = version.record if isinstance(version, RevisionVersion) else None
        if not (record and record.complete):
            # Reversion alone cuts times to milliseconds.
            state = State(state.model, {n: _cut(v) for n, v in state.data.items()})
        return super().is_current(version, state)

    def find(
        self, model: type[Model], object_id: Any, *, using: str | None = None, lock: bool = False
    ) -> Model | None:
        rows = model._base_manager.using(using or router.db_for_write(model))
        key = options_of(model).object_id_field
        return (rows.select_for_update() if lock else rows).filter((key, object_id)).first()

    @contextmanager
    def recording(self, user: Any = None, comment: Text = "") -> Iterator[None]:
        # An anonymous user has no row to refer to.
        with create_revision(user=user if getattr(user, "pk", None) is not None else None):
            yield
            # Read now: a lazy text may have grown while the block was open.
            if said := str(comment):
                reversion.set_comment(said)

    def mark_reverted(self, obj: Model, version: Version) -> None:
        using = obj._state.db or router.db_for_write(type(obj))
        model: Any = type(obj)._meta.concrete_model
        tracking.mark_reverted(model, using, self.stored_id(self.id_of(obj)), version.id)


def _cut(value: Any) -> Any:
    if isinstance(value, datetime | time):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value
