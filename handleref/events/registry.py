"""Which event models there are, and the triggers that each has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db.models import Index
from django.db.models.signals import class_prepared

from handleref.events.base import Event
from handleref.events.copying import concrete
from handleref.events.indexes import ClockIndex, SparseIndex
from handleref.events.trackers import refusals

if TYPE_CHECKING:
    from django.db.models import Model

    from handleref.events.base import Tracking

# By the model that is tracked.
_event_models: dict[type[Model], list[type[Event]]] = {}


def event_models(model: type[Model]) -> list[type[Event]]:
    """Return the models of the events of a model, in the order of their declaration."""
    return [*_event_models.get(concrete(model), ())]


def all_event_models() -> list[type[Event]]:
    """Return every event model."""
    return [each for models in _event_models.values() for each in models]


def finish(sender: type[Model], **_: Any) -> None:
    """Register an event model and give it its triggers; a receiver of ``class_prepared``.

    So models that are written by hand on an abstract event model are finished as well.
    """
    if issubclass(sender, Event) and hasattr(sender, "hr_tracking") and is_real(sender):
        _event_models.setdefault(concrete(sender.hr_tracking.model), []).append(sender)
        _place_triggers(sender)


def is_real(model: type[Model]) -> bool:
    """Tell whether a model is one of the project's, not one of a migration's."""
    return model._meta.apps is apps


def _place_triggers(event_model: type[Event]) -> None:
    tracking, options = event_model.hr_tracking, event_model._meta
    names = {field.name for field in options.local_fields}
    keys = ["hr_obj"] if "hr_obj" in names else _key_fields(tracking, names)
    added: list[Index] = [ClockIndex(fields=["hr_created_at"])]
    if keys:
        added.append(Index(fields=[*keys, "hr_id"]))
    if "hr_context" in names:
        # What was written in a block, and to the same object.
        added.append(SparseIndex(fields=["hr_context", *keys]))
    for index in added:
        index.set_name_with_model(event_model)
    triggers = [index for each in tracking.trackers for index in each.indexes(event_model)]
    if tracking.append_only:
        triggers += refusals(event_model)
    options.indexes = [*options.indexes, *added, *triggers]
    # Migrations look at what was declared.
    options.original_attrs["indexes"] = options.indexes


def _key_fields(tracking: Tracking, names: set[str]) -> list[str]:
    keys = [field.name for field in tracking.model._meta.pk_fields]
    return keys if {*keys} <= names else []


class_prepared.connect(finish, dispatch_uid="handleref.events.finish")
