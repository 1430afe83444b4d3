"""What objects were linked to by many-to-many fields, as their events tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db.models import (
    BigIntegerField,
    CharField,
    DateTimeField,
    Exists,
    OuterRef,
    QuerySet,
    UUIDField,
    Value,
)

from handleref.events.base import DELETE
from handleref.events.history import link_key, link_models, rows_of
from handleref.versions.state import fields_of, many_to_many, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model

    from handleref.events.base import Event

# How many keys a query lists at most: SQLite takes no more than 32,766 parameters.
MANY: Final = 10_000
# How long before a row its links may be deleted, where nothing else ties the two together.
DELETION: Final = timedelta(seconds=1)


class LinkEvent(NamedTuple):
    """An event of a link, a row through which one object refers to another.

    Without an operation, it stands for a link of which there is no event: it was there
    before anything was recorded.
    """

    owner: Any
    operation: str
    at: Any
    context: Any
    transaction: Any
    link: Any
    target: Any
    id: int


def tracked_links(model: type[Model]) -> dict[Any, type[Event]]:
    """Return the event models of the many-to-many fields that a version has, by field."""
    kept = many_to_many(model)
    return {field: events for field, events in link_models(model).items() if field in kept}


class Links:
    """What the objects of events that were read together were linked to, read once for all."""

    def __init__(self, rows: Iterable[Event], using: str) -> None:
        self.rows = [*rows]
        self.using = using
        self._read: dict[str, Mapping[Any, list[LinkEvent]]] = {}

    def of(self, row: Event, field: Any) -> tuple[Any, ...]:
        """Return the keys that an object was linked to as of an event, in order."""
        if not getattr(row, "hr_has_links", True):
            return ()
        if field.name not in self._read:
            self._read[field.name] = self._events(field)
        events = self._read[field.name].get(_owner(row, field), [])
        return tuple(sorted(set(_replayed(events, row))))

    def _events(self, field: Any) -> Mapping[Any, list[LinkEvent]]:
        """Read what there is of the links of all objects, with one query."""
        found: defaultdict[Any, list[LinkEvent]] = defaultdict(list)
        keys = list(dict.fromkeys(_owner(row, field) for row in self.rows))
        events = _link_events(self.rows[0], field)
        for start in range(0, len(keys), MANY):
            part = keys[start : start + MANY]
            recorded = _recorded(events, field, part).using(self.using)
            both = recorded.union(_unrecorded(events, field, part), all=True)
            for each in both.order_by("hr_id"):
                found[each[0]].append(LinkEvent._make(each))
        return found


def _recorded(events: type[Event], field: Any, keys: list[Any]) -> QuerySet[Any, Any]:
    names = {each.name: each.attname for each in events._meta.concrete_fields}
    columns = ["hr_obj_id", "hr_operation", "hr_created_at", "hr_context_id", "hr_txid"]
    link, target = field.remote_field.through._meta.pk, field.m2m_reverse_field_name()
    rows = rows_of(events).filter(hr_obj_id__in=keys)
    return rows.values_list(*columns, names[link.name], names[target], "hr_id")


def _unrecorded(events: type[Event], field: Any, keys: list[Any]) -> QuerySet[Any, Any]:
    """Return the links of which there is no event, in columns of the same types."""
    through = field.remote_field.through
    owner = through._meta.get_field(field.m2m_field_name()).attname
    target = through._meta.get_field(field.m2m_reverse_field_name()).attname
    known = rows_of(events).filter(
        (through._meta.pk.name, OuterRef("pk")), hr_obj_id=OuterRef(owner)
    )
    nothing = {
        "hr_operation": Value("", CharField()),
        "hr_at": Value(None, DateTimeField()),
        "hr_context": Value(None, UUIDField()),
        "hr_txid": Value(None, BigIntegerField()),
        "hr_id": Value(0, BigIntegerField()),
    }
    rows = through._base_manager.filter((f"{owner}__in", keys)).filter(~Exists(known))
    *before, last = nothing
    found: QuerySet[Any, Any] = rows.annotate(**nothing).values_list(
        owner, *before, "pk", target, last
    )
    return found


def _link_events(row: Event, field: Any) -> type[Event]:
    return link_models(row.hr_tracking.model)[field]


def _owner(row: Event, field: Any) -> Any:
    """Return the key by which links know the object of an event."""
    return getattr(row, owner_name(type(row), _link_events(row, field)))


def owner_name(event_model: type[Event], links: type[Event]) -> str:
    """Return the column of an event by whose value links know its object."""
    model = event_model.hr_tracking.model
    key = link_key(model, links)
    mirrored = key.name in event_model.hr_tracking.fields and not key.primary_key
    return key.attname if mirrored else "hr_obj_id"


def _replayed(events: list[LinkEvent], row: Event) -> Iterator[Any]:
    """Yield the keys that were linked as of an event of the object."""
    links: dict[Any, Any] = {}
    seen: set[Any] = set()
    for each in events:
        if each.link not in seen and each.operation in {"", DELETE}:
            # Nothing tells of its beginning: that was before.
            links[each.link] = each.target
        seen.add(each.link)
    for each in _until([each for each in events if each.operation], row):
        if each.operation == DELETE:
            links.pop(each.link, None)
        else:
            links[each.link] = each.target
    yield from links.values()


def _until(events: list[LinkEvent], row: Event) -> list[LinkEvent]:
    """Return the events of links up to an event of their object, those of its block included."""
    context, at = row.hr_context_id, row.hr_created_at  # type: ignore[attr-defined]
    own = _last(each.context == context for each in events) if context is not None else 0
    # SQLite's clock counts milliseconds: at one, what follows the block's own came after it.
    before = _last(each.at < at or (each.at == at and not own) for each in events)
    known = events[: max(own, before)]
    while row.hr_operation == DELETE and known and _went_with(known[-1], row):
        known.pop()
    return known


def _last(flags: Iterable[bool]) -> int:
    """Return the place of the last that is true, from 1, or 0 without any."""
    return max((place for place, flag in enumerate(flags, 1) if flag), default=0)


def _went_with(link: LinkEvent, row: Event) -> bool:
    """Tell whether a link was deleted since its object was."""
    context = row.hr_context_id  # type: ignore[attr-defined]
    if link.operation != DELETE or link.context != context:
        return False
    if context is None and row.hr_txid is not None:
        return bool(link.transaction == row.hr_txid)
    return context is not None or link.at >= row.hr_created_at - DELETION


class Data(Mapping[str, Any]):
    """The values of an event by field name; of many-to-many fields, read when asked for."""

    def __init__(self, model: type[Model], row: Event, key: Mapping[str, Any]) -> None:
        self._row = row
        fields = fields_of(model)
        mirrored = {each.name: each for each in row._meta.concrete_fields}
        names = [name for name in fields if name in mirrored and name in row.hr_tracking.fields]
        self._values = {**key, **{name: value_of(row, mirrored[name]) for name in names}}
        self._many = {field.name: field for field in tracked_links(row.hr_tracking.model)}

    @cached_property
    def _links(self) -> Links:
        links: Links | None = getattr(self._row, "hr_links", None)
        return links or Links([self._row], self._row._state.db or "default")

    def __getitem__(self, name: str) -> Any:
        if name not in self._values and name in self._many:
            self._values[name] = self._links.of(self._row, self._many[name])
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._values, *self._many]))

    def __len__(self) -> int:
        return len(self._values.keys() | self._many.keys())

    def __repr__(self) -> str:
        return repr(dict(self))


class EventRows(QuerySet[Any]):
    """Events, of which those that are read together share what they read of links."""

    def _fetch_all(self) -> None:
        fresh = self._result_cache is None
        super()._fetch_all()
        rows: Any = self._result_cache
        if fresh and rows and isinstance(rows[0], self.model):
            links = Links(rows, self.db)
            for row in rows:
                row.hr_links = links
