"""What happened to an object: its events, and those of what it was linked to."""

from __future__ import annotations

from heapq import merge
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from django.db import router
from django.db.models import Model

from handleref.events.copying import ancestors, concrete
from handleref.events.models import Context
from handleref.events.registry import all_event_models, event_models

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django.db.models import Field, QuerySet

    from handleref.events.base import Event

CHUNK = 1_000


def timeline(
    target: Model | type[Model], object_id: Any = None, *, using: str | None = None
) -> Iterator[Event]:
    """Yield the events of an object and of its tracked many-to-many fields, oldest first.

    Those of one table come in the order in which they were written; between tables, the
    clock of the database decides. Memory does not grow with the number of events.

    :param target: an instance, or a model class.
    :param object_id: with a class, the key of one object, which need not exist any more.
    :param using: the alias of the database, by default that of the instance, or the router's.
    :raises ValueError: for an instance without a key, and for a model without events.
    """
    model = target if isinstance(target, type) else type(target)
    if isinstance(target, Model):
        object_id, using = target.pk, using or target._state.db
    tables = _tables(model)
    if not tables:
        raise ValueError(f"{model._meta.label} has no events that tell of which object they are.")
    if object_id is None:
        name = model._meta.object_name
        raise ValueError(
            f"This {name} has no key, so no events: it was never saved, or is deleted."
            f" Ask timeline({name}, key)."
        )
    using = using or router.db_for_write(model)
    streams = [_dated(each, object_id, using, place) for place, each in enumerate(tables)]
    return (event for _, event in merge(*streams, key=lambda dated: dated[0]))


def _tables(model: type[Model]) -> list[type[Event]]:
    own = [each for each in event_models(model) if not each.hr_tracking.owner]
    return [each for each in [*own, *link_models(model).values()] if key_names(each)]


def _dated(
    event_model: type[Event], key: Any, using: str, place: int
) -> Iterator[tuple[tuple[datetime, int], Event]]:
    """Yield an object's events in one table, each with its place among all tables'."""
    values = key if isinstance(key, tuple) else (key,)
    of_object = dict(zip(key_names(event_model), values, strict=True))
    events = rows_of(event_model).using(using).filter(**of_object).order_by("hr_id")
    found = events.iterator(CHUNK)
    # A clock that is set back does not change the order within a table.
    return accumulate(
        (((event.hr_created_at, place), event) for event in found),
        lambda before, after: (max(before[0], after[0]), after[1]),
    )


def kept_in(model: type[Model]) -> type[Event] | None:
    """Return the event model whose rows are versions of a model: that with the most fields."""
    found = [each for each in event_models(model) if _is_of_objects(each)]
    return max(found, key=lambda each: len(each.hr_tracking.fields), default=None)


def kept_models() -> list[type[Model]]:
    """Return the models of whose objects events are versions."""
    models = dict.fromkeys(concrete(each.hr_tracking.model) for each in all_event_models())
    return [model for model in models if kept_in(model)]


def _is_of_objects(event_model: type[Event]) -> bool:
    return (
        not event_model.hr_tracking.owner
        and bool(key_names(event_model))
        and refers_to_context(event_model)
    )


def refers_to_context(event_model: type[Event]) -> bool:
    """Tell whether the events of a model know who wrote, and why."""
    fields = {field.name: field for field in event_model._meta.concrete_fields}
    context = fields.get("hr_context")
    return context is not None and context.related_model is Context


def key_names(event_model: type[Event]) -> tuple[str, ...]:
    """Return the names of the columns by which events tell their object, if they do."""
    fields = {field.name: field.attname for field in event_model._meta.concrete_fields}
    if "hr_obj" in fields:
        return (fields["hr_obj"],)
    names = [field.name for field in event_model.hr_tracking.model._meta.pk_fields]
    return tuple(fields[name] for name in names) if {*names} <= fields.keys() else ()


def rows_of(event_model: type[Event]) -> QuerySet[Any]:
    """Return all events of an event model, whose columns only that knows."""
    rows: QuerySet[Any] = event_model._base_manager.order_by()
    return rows


def link_models(model: type[Model]) -> dict[Any, type[Event]]:
    """Return the event models of a model's many-to-many fields, by field, as far as tracked."""
    found: dict[Any, type[Event]] = {}
    for field in model._meta.many_to_many:
        through: Any = field.remote_field.through
        events = {
            concrete(each.hr_tracking.subject): each
            for each in event_models(through)
            if each.hr_tracking.subject and each.hr_tracking.owner == field.m2m_field_name()
        }
        for subject in (concrete(model), *ancestors(concrete(model))):
            if subject in events:
                found[field] = events[subject]
                break
    return found


def link_key(model: type[Model], events: type[Event]) -> Field[Any, Any]:
    """Return the field of a model by whose value events of its links know an object."""
    subject: Any = events.hr_tracking.subject
    options = concrete(model)._meta
    field: Any = options.get_ancestor_link(concrete(subject)) or options.pk
    return field  # type: ignore[no-any-return]
