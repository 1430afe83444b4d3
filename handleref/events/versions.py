"""The versions that events are."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import router, transaction
from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat, Length
from django.utils.timezone import is_naive, make_aware

from handleref.events import diff
from handleref.events.base import DELETE
from handleref.events.context import REVERTED, context, current
from handleref.events.copying import concrete
from handleref.events.history import kept_in, key_names, rows_of
from handleref.events.models import Context
from handleref.events.state import Data, EventRows, owner_name, tracked_links
from handleref.exceptions import KeeperError
from handleref.references.base import is_reference
from handleref.references.expressions import DELETED as DELETED_STATUS
from handleref.references.fields import live
from handleref.references.revert import ReferenceRules, is_soft_deleted, stamp_fields
from handleref.versions.base import Version
from handleref.versions.keepers import Keeper

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from django.db.models import Model
    from django.db.models.expressions import Combinable

    from handleref.events.base import Event
    from handleref.versions.keepers import Text
    from handleref.versions.state import State


class EventVersion(Version):
    """An event: of those of an object in one block, the last; outside of blocks, each."""

    row: Any

    @cached_property
    def object_id(self) -> Any:
        key = tuple(getattr(self.row, name) for name in key_names(type(self.row)))
        return key if len(key) > 1 else key[0]

    @property
    def date(self) -> datetime:
        date: datetime = self.row.hr_created_at
        # With USE_TZ = False the database has local times.
        return make_aware(date) if is_naive(date) else date

    @property
    def context(self) -> Context | None:
        """Who wrote it, and why, as far as that was told."""
        context: Context | None = self.row.hr_context
        return context

    @property
    def user(self) -> Any:
        return self.context.user if self.context else None

    @property
    def comment(self) -> str:
        return self.context.comment if self.context else ""

    @property
    def reverted_from(self) -> Any:
        noted = self.context.metadata.get(REVERTED, {}) if self.context else {}
        return noted.get(self.row._meta.label_lower, {}).get(str(self.object_id))

    @cached_property
    def data(self) -> Mapping[str, Any]:
        names = [field.name for field in concrete(self.model)._meta.pk_fields]
        key = self.object_id if len(names) > 1 else (self.object_id,)
        return Data(self.model, self.row, dict(zip(names, key, strict=True)))

    def __str__(self) -> str:
        """Return what the object would be called with these values."""
        fields = self.model._meta.concrete_fields
        held = {f.attname: self.data[f.name] for f in fields if f.name in self.data}
        obj = self.model.from_db(self.using, [*held], [*held.values()])
        try:
            return str(obj)
        except ObjectDoesNotExist:
            # What its name tells of is gone, or was never recorded.
            return super().__str__()


class EventKeeper(ReferenceRules, Keeper):
    """Versions kept by the database itself, whoever writes."""

    name: ClassVar[str] = "events"
    order: ClassVar[str] = "hr_id"
    object_id: ClassVar[str] = "hr_key"
    date: ClassVar[str] = "hr_created_at"
    user: ClassVar[str] = "hr_context__user"

    def keeps(self, model: type[Model]) -> bool:
        return kept_in(model) is not None

    def rows(self, model: type[Model], using: str | None = None) -> QuerySet[Any]:
        events = _kept_in(model)
        rows = EventRows(events, query=diff.versions(events).query.clone())
        linked = _linked(events)
        if linked:
            rows = rows.annotate(hr_has_links=linked)
        named: QuerySet[Any] = rows.using(using or router.db_for_write(model))
        keyed: QuerySet[Any] = named.alias(hr_key=_key(events))
        return keyed.select_related("hr_context__user")

    def version(self, model: type[Model], row: Any) -> EventVersion:
        return EventVersion(self, model, row)

    def changing(self, rows: QuerySet[Any], field: str) -> QuerySet[Any]:
        if field in stamp_fields(rows.model.hr_tracking.model):
            return rows.none()
        return diff.changing(rows, field)

    def searched(self, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        found = Q()
        for name in _names(rows.model):
            found |= Q((f"{name}__icontains", text))
        return rows.filter(found) if found else rows.none()

    def existing(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        there = rows.exclude(hr_operation=DELETE)
        tracking = rows.model.hr_tracking
        if is_reference(tracking.model) and "status" in tracking.fields:
            return there.exclude(status=DELETED_STATUS)
        return there

    def gone(
        self, model: type[Model], rows: QuerySet[Any], using: str | None = None
    ) -> QuerySet[Any]:
        objects = model._base_manager.order_by()
        if is_reference(model):
            objects = objects.filter(live())
        keys = [field.attname for field in concrete(model)._meta.pk_fields]
        names = zip(keys, key_names(rows.model), strict=True)
        same = Q(*((key, OuterRef(name)) for key, name in names))
        return rows.filter(~Exists(objects.filter(same)))

    def stored_id(self, object_id: Any) -> Any:
        return _joined(map(Value, object_id)) if isinstance(object_id, tuple) else object_id

    def is_deleted(self, version: State) -> bool:
        if isinstance(version, EventVersion) and version.row.hr_operation == DELETE:
            return True
        return is_soft_deleted(version.model, version.data)

    @contextmanager
    def recording(self, user: Any = None, comment: Text = "") -> Iterator[None]:
        using = router.db_for_write(Context)
        with transaction.atomic(using), context(user=user, comment=comment):
            yield

    def mark_reverted(self, obj: Model, version: Version) -> None:
        opened = current()
        if opened is None:
            raise KeeperError(f"{obj._meta.label} {obj.pk} is not being recorded.")
        label = version.row._meta.label_lower
        opened.reverted.setdefault(label, {})[str(version.object_id)] = version.id


def _kept_in(model: type[Model]) -> type[Event]:
    found = kept_in(model)
    if found is None:
        raise KeeperError(f"{model._meta.label} has no events that are versions.")
    return found


def _key(events: type[Event]) -> Combinable:
    """Return what names the object of an event: its key, or the parts of one as a text."""
    names = key_names(events)
    return F(names[0]) if len(names) == 1 else _joined(map(F, names))


def _joined(parts: Iterator[Any]) -> Combinable:
    """Return values as one text, the same for the same values only."""
    texts = [Cast(part, TextField()) for part in parts]
    pieces = [(Cast(Length(text), TextField()), Value(":"), text) for text in texts]
    return Concat(*(part for piece in pieces for part in piece), output_field=TextField())


def _linked(events: type[Event]) -> Any:
    """Return whether an object has or had links: if not, they need not be read."""
    found: Any = None
    for field, links in tracked_links(events.hr_tracking.model).items():
        owner = OuterRef(owner_name(events, links))
        through: Any = field.remote_field.through
        recorded = Exists(rows_of(links).filter(hr_obj_id=owner))
        there = Exists(through._base_manager.filter((field.m2m_field_name(), owner)))
        either = recorded | there
        found = either if found is None else found | either
    return found


def _names(events: type[Event]) -> list[str]:
    """Return the fields that may name an object: short texts without choices."""
    tracking = events.hr_tracking
    fields = [
        field
        for field in tracking.copied
        if isinstance(field, CharField | TextField) and not field.choices
        if field.name not in stamp_fields(tracking.model)
    ]
    short = [field.name for field in fields if isinstance(field, CharField)]
    return short or [field.name for field in fields]
