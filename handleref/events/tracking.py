"""Declaring what is recorded: ``@track()`` makes the model of a model's events."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from django.apps import apps
from django.db.models import Model
from django.db.models.fields.related import lazy_related_operation
from django.db.models.signals import class_prepared

from handleref.events.base import Event, Tracking
from handleref.events.copying import ancestors, concrete
from handleref.events.fields import (
    DEFAULT,
    ContextField,
    Default,
    ObjForeignKey,
    chosen,
    has_composite_key,
    mirror,
)
from handleref.events.options import check_given
from handleref.events.registry import event_models, is_real
from handleref.events.trackers import (
    DEFAULT_TRACKERS,
    DeleteEvent,
    InsertEvent,
    ManualEvent,
    New,
    Old,
    RowEvent,
    Snapshot,
    Tracker,
    UpdateEvent,
)
from handleref.triggers.base import Delete, Insert, Level, Row, Statement, Update
from handleref.triggers.conditions import (
    AllChange,
    AllDontChange,
    AnyChange,
    AnyDontChange,
    Condition,
)

__all__ = [
    "AllChange",
    "AllDontChange",
    "AnyChange",
    "AnyDontChange",
    "Condition",
    "Delete",
    "DeleteEvent",
    "Insert",
    "InsertEvent",
    "ManualEvent",
    "New",
    "ObjForeignKey",
    "Old",
    "Row",
    "RowEvent",
    "Snapshot",
    "Statement",
    "Tracker",
    "Update",
    "UpdateEvent",
    "create_event_model",
    "event_models",
    "track",
]

if TYPE_CHECKING:
    from django.db.models import ForeignKey

M = TypeVar("M", bound=type[Model])
# What abstract models hand on to their children.
_handed_on: dict[type[Model], list[tuple[tuple[Tracker, ...], dict[str, Any]]]] = {}


def track(*trackers: Tracker, m2m: Iterable[str] = (), **options: Any) -> Callable[[M], M]:
    """Return a decorator that makes the database record what happens to a model.

    The event model is called ``<Model>Event`` and lives in the model's module. On an
    abstract model, the decorator is handed on to every child.

    :param trackers: what to record; by default inserts, updates and deletions.
    :param m2m: names of many-to-many fields whose additions and removals are recorded
        too, in event models ``<Model><Field>Event``.
    :param options: those of :func:`create_event_model`.
    :raises ValueError: for fields that there are not, and names that are taken.
    """
    check_given(trackers, m2m=m2m, **options)

    def decorate(model: M) -> M:
        if model._meta.abstract:
            _handed_on.setdefault(model, []).append((trackers, {"m2m": tuple(m2m), **options}))
            return model
        many = [_many_to_many(model, name) for name in m2m]
        create_event_model(model, *trackers, **options)
        for field in many:
            _track_many(model, field, options)
        return model

    return decorate


def create_event_model(
    model: type[Model],
    *trackers: Tracker,
    fields: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
    append_only: bool = False,
    model_name: str | None = None,
    app_label: str | None = None,
    base_model: type[Event] = Event,
    attrs: dict[str, Any] | None = None,
    meta: dict[str, Any] | None = None,
    level: Level | None = None,
    obj_field: ObjForeignKey | Default | None = DEFAULT,
    context_field: ForeignKey[Any, Any] | Default | None = DEFAULT,
    abstract: bool = False,
) -> type[Event]:
    """Return a new model of the events of a model; its triggers come with its migration.

    :param model: the model, which may be another app's.
    :param trackers: what to record; by default inserts, updates and deletions.
    :param fields: the names of the fields to copy, by default all that have a column.
    :param exclude: names of fields not to copy.
    :param append_only: whether the database refuses to change or delete events.
    :param model_name: by default ``<Model>Event``.
    :param app_label: the app that gets the event model, by default the model's own.
    :param base_model: an abstract child of :class:`~handleref.events.base.Event`.
    :param attrs: more attributes of the event model, fields too.
    :param meta: more attributes of its ``Meta``.
    :param level: ``Row`` or ``Statement``, for trackers that name none; by default
        statements, where the database knows them.
    :param obj_field: how events refer to the object; None for not at all.
    :param context_field: how they refer to the context; None for not at all.
    :param abstract: whether to return a base to write one's own event model on.
    :raises ValueError: for fields that there are not, and names that are taken.
    """
    check_given(trackers, fields=fields, exclude=exclude, level=level)
    tracking = Tracking(
        model=model,
        trackers=trackers or tuple(kind() for kind in DEFAULT_TRACKERS),
        fields=chosen(model, fields, exclude),
        append_only=append_only,
        level=level,
    )
    if isinstance(obj_field, Default):
        obj_field = None if has_composite_key(model) else ObjForeignKey(accessor(model))
    refers = obj_field and obj_field.field(concrete(model))
    return _made(
        tracking,
        name=model_name or f"{model.__name__}Event",
        app_label=app_label,
        base=base_model,
        attrs={"hr_obj": refers, "hr_context": _context(context_field)} | (attrs or {}),
        meta={**(meta or {}), "abstract": abstract},
    )


def _context(given: ForeignKey[Any, Any] | Default | None) -> ForeignKey[Any, Any] | None:
    return ContextField() if isinstance(given, Default) else given


def accessor(model: type[Model]) -> str:
    """Return the name of the accessor from an object to its events.

    :raises ValueError: when another event model has it.
    """
    if event_models(model):
        raise ValueError(
            f"{model._meta.label} answers to .events already: give the second event model"
            " obj_field=ObjForeignKey(related_name=…)."
        )
    # A child has its parent's accessors, too.
    if any(event_models(parent) for parent in ancestors(model)):
        return f"{model._meta.model_name}_events"
    return "events"


def _made(
    tracking: Tracking,
    *,
    name: str,
    app_label: str | None,
    base: type[Event] = Event,
    attrs: dict[str, Any],
    meta: dict[str, Any],
) -> type[Event]:
    """Make an event model, and put it where its app's models are."""
    model = tracking.model
    app_label = app_label or model._meta.app_label
    module = _module(model, app_label)
    if hasattr(sys.modules.get(module), name):
        raise ValueError(f"{module} has a {name} already: give another model_name.")
    body: dict[str, Any] = {field.name: mirror(field) for field in tracking.copied}
    clashes = sorted(each for each in body if each.startswith("hr_"))
    if clashes:
        raise ValueError(f"{model._meta.label} has fields whose names are ours: {clashes}.")
    body |= {key: value for key, value in attrs.items() if value is not None}
    body |= {
        "__module__": module,
        "__doc__": f"An event of {model._meta.label}.",
        "hr_tracking": tracking,
        "Meta": type("Meta", (), {"app_label": app_label, **meta}),
    }
    metaclass: Any = type(base)
    made: type[Event] = metaclass(name, (base,), body)
    if not meta.get("abstract"):
        setattr(sys.modules[module], name, made)
    return made


def _module(model: type[Model], app_label: str) -> str:
    """Return the module that gets an event model."""
    if app_label == model._meta.app_label:
        return model.__module__
    try:
        config = apps.app_configs[app_label]
    except KeyError:
        label = model._meta.label
        raise ValueError(f"There is no app {app_label!r} for the events of {label}.") from None
    return f"{config.name}.models"


def hand_on(sender: type[Model], **_: Any) -> None:
    """Track a model whose abstract bases are tracked; a receiver of ``class_prepared``."""
    if is_real(sender) and not sender._meta.proxy and not issubclass(sender, Event):
        for base in sender.__mro__[1:]:
            for trackers, options in _handed_on.get(base, ()):
                track(*trackers, **options)(sender)


def _many_to_many(model: type[Model], name: str) -> Any:
    """Return a many-to-many field of a model.

    :raises ValueError: when it has none of that name.
    """
    for field in model._meta.many_to_many:
        if field.name == name:
            return field
    raise ValueError(f"{model._meta.label}.{name} is no many-to-many field.")


def _track_many(model: type[Model], field: Any, options: dict[str, Any]) -> None:
    """Track the rows through which a many-to-many field ties objects together."""
    name = field.name
    shared = {key: options[key] for key in ("append_only", "level", "app_label") if key in options}

    def make(owner: type[Model], through: type[Model], _: type[Model]) -> None:
        tracking = Tracking(
            model=through,
            trackers=(
                InsertEvent(f"{name}_add"),
                UpdateEvent(f"{name}_change"),
                DeleteEvent(f"{name}_remove"),
            ),
            fields=chosen(through, None, None),
            append_only=shared.get("append_only", False),
            level=shared.get("level"),
            subject=owner,
            owner=field.m2m_field_name(),
        )
        title = "".join(part.capitalize() for part in name.split("_"))
        _made(
            tracking,
            name=f"{owner.__name__}{title}Event",
            app_label=shared.get("app_label", owner._meta.app_label),
            attrs={
                "hr_obj": ObjForeignKey(f"{name}_events").field(concrete(owner)),
                "hr_context": _context(options.get("context_field", DEFAULT)),
            },
            meta={},
        )

    # What the field is called in the table between is known once both ends are.
    lazy_related_operation(make, model, field.remote_field.through, field.remote_field.model)


class_prepared.connect(hand_on, dispatch_uid="handleref.events.hand_on")
