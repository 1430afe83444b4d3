"""Checks of what Django would accept silently about reference models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import models

from handleref.references.base import is_reference, owner
from handleref.references.cascade import CASCADE, all_edges, names, reachable
from handleref.references.constraints import LiveUniqueConstraint
from handleref.references.fields import (
    StatusField,
    UpdatedDateTimeField,
    VersionField,
)
from handleref.references.handles import TAG, tagged_models
from handleref.references.managers import HandleRefManager
from handleref.references.models import HandleRefModel
from handleref.references.options import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

OWN_FIELDS = {
    "created": models.DateTimeField,
    "updated": UpdatedDateTimeField,
    "status": StatusField,
    "version": VersionField,
    "deletion": models.UUIDField,
    "former_status": models.CharField,
}


def check_references(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Check every reference model of the project, and the models around them."""
    found = [*_check_tags(), *_check_time_zone()]
    for model in _models(app_configs):
        if model._meta.proxy:
            found += _check_proxy(model)
        elif is_reference(model):
            found += _check_bases(model)
            found += _check_fields(model)
            found += _check_managers(model)
            found += _check_cascade(model)
        else:
            found += _check_plain_parent(model)
            found += _check_constraints(model)
        found += _check_links(model)
    return found


def _models(app_configs: Any) -> Iterator[type[Model]]:
    for config in apps.get_app_configs() if app_configs is None else app_configs:
        yield from config.get_models()


def _check_tags() -> Iterator[CheckMessage]:
    for tag, tagged in tagged_models().items():
        for model in tagged:
            if not TAG.fullmatch(tag):
                yield Error(
                    f"HandleRef.tag is {tag!r}, which handles cannot carry.",
                    hint="Start with a lower-case letter; go on with those, digits, '_' or '.'.",
                    obj=model,
                    id="handleref.E002",
                )
        for model in tagged[1:]:
            yield Error(
                f"HandleRef.tag {tag!r} is also that of {tagged[0]._meta.label}.",
                hint=f'Add to its class HandleRef: tag = "{model._meta.app_label}_{tag}".',
                obj=model,
                id="handleref.E001",
            )


def _check_time_zone() -> Iterator[CheckMessage]:
    if not settings.USE_TZ and tagged_models():
        yield Warning(
            "created and updated are naive, since USE_TZ is False.",
            hint="Set USE_TZ = True: local times repeat when clocks go back.",
            id="handleref.W001",
        )


def _check_bases(model: type[Model]) -> Iterator[CheckMessage]:
    """Find a second base with fields of our names: Django keeps one of the two."""
    for base in model.__mro__[1:]:
        meta = getattr(base, "_meta", None)
        if meta is None or issubclass(base, HandleRefModel):
            continue
        doubled = sorted(OWN_FIELDS.keys() & {f.name for f in meta.local_fields})
        if doubled:
            yield Error(
                f"{base.__name__} and HandleRefModel both define {', '.join(doubled)}.",
                hint="Keep one of the two bases: Django would silently drop a field.",
                obj=model,
                id="handleref.E003",
            )


def _check_fields(model: type[Model]) -> Iterator[CheckMessage]:
    for name, kind in OWN_FIELDS.items():
        field = model._meta.get_field(name)
        if not isinstance(field, kind):
            yield Error(
                f"The field {name} is a {type(field).__name__}.",
                hint=f"Remove it, or make it a {kind.__name__}.",
                obj=model,
                id="handleref.E004",
            )
    status: Any = model._meta.get_field("status")
    choices = {value for value, _label in status.flatchoices}
    if choices and not {"ok", "deleted"} <= choices:
        yield Error(
            "The choices of status leave out 'ok' or 'deleted'.",
            hint="Write choices=[*Status.choices, …].",
            obj=model,
            id="handleref.E005",
        )


def _check_managers(model: type[Model]) -> Iterator[CheckMessage]:
    if not isinstance(model._base_manager, HandleRefManager):
        yield Error(
            f"The base manager {model._meta.base_manager_name!r} is not a HandleRefManager,"
            " so related writes are not counted.",
            hint='Remove base_manager_name from its Meta, or name "handleref".',
            obj=model,
            id="handleref.E006",
        )
    for manager in model._meta.managers:
        if not isinstance(manager, HandleRefManager):
            yield Warning(
                f"The manager {manager.name} is not a HandleRefManager:"
                " what it writes is neither stamped nor counted, and it really deletes.",
                hint=f"Write {manager.name} = HandleRefManager.from_queryset(…)(),"
                " with a HandleRefQuerySet.",
                obj=model,
                id="handleref.W002",
            )


def _check_cascade(model: type[Model]) -> Iterator[CheckMessage]:
    option: object = options(model).delete_cascade
    if not isinstance(option, bool | list | tuple):
        yield Error(
            f"delete_cascade is {option!r}.",
            hint='Write True, or a list of related names: ["airports"].',
            obj=model,
            id="handleref.E007",
        )
        return
    yield from _check_names(model)
    if owner(model) is model:
        yield from _check_left_alone(model)


def _check_proxy(model: type[Model]) -> Iterator[CheckMessage]:
    table: Any = model._meta.concrete_model
    if is_reference(model) and options(model).delete_cascade != options(table).delete_cascade:
        yield Error(
            f"The delete_cascade of a proxy is not heeded; that of {table._meta.label} is.",
            hint=f"Write it in the class HandleRef of {table.__name__}.",
            obj=model,
            id="handleref.E010",
        )


def _check_names(model: type[Model]) -> Iterator[CheckMessage]:
    known = {name for _edge, name in all_edges(model) if name}
    for name in names(model):
        if name not in known:
            yield Error(
                f"delete_cascade names {name!r}, which is no reverse relation.",
                hint=f"Choose from: {', '.join(sorted(known)) or 'none yet'}.",
                obj=model,
                id="handleref.E008",
            )


def _check_left_alone(model: type[Model]) -> Iterator[CheckMessage]:
    for ahead in reachable(model).values():
        for edge in ahead:
            # The rows of an automatic many-to-many table are links, not children.
            if edge.kind is CASCADE and edge.leaves_alone and not edge.child._meta.auto_created:
                yield Warning(
                    f"delete_cascade leaves {edge} alone, since {edge.child._meta.label}"
                    " is no HandleRefModel.",
                    hint=f"Make {edge.child.__name__} a HandleRefModel, or silence this.",
                    obj=model,
                    id="handleref.W003",
                )


def _check_plain_parent(model: type[Model]) -> Iterator[CheckMessage]:
    """Find reference children that the deletion of a plain parent really deletes."""
    for edge, _name in all_edges(model):
        if edge.kind is CASCADE and not edge.leaves_alone:
            yield _really_deletes(
                model,
                edge.child,
                f"Let {edge} not cascade (on_delete=PROTECT), make {model.__name__} a"
                " HandleRefModel, or silence this.",
            )
    for relation in model._meta.related_objects:
        child: Any = relation.related_model
        if getattr(relation, "parent_link", False) and is_reference(child):
            yield _really_deletes(
                model, child, f"Delete the {child.__name__} instead, and silence this."
            )


def _really_deletes(model: type[Model], child: type[Model], hint: str) -> Warning:
    return Warning(
        f"Deleting a {model._meta.label} really deletes its {child._meta.label} rows.",
        hint=hint,
        obj=child,
        id="handleref.W004",
    )


def _check_links(model: type[Model]) -> Iterator[CheckMessage]:
    """Find many-to-many relations whose links are reference rows."""
    for field in model._meta.local_many_to_many:
        through: Any = field.remote_field.through
        if not isinstance(through, str) and is_reference(through):
            yield Warning(
                f"remove(), clear() and set() of {field.name} soft-delete its links, which it"
                " goes on to show.",
                hint=f"Let {through.__name__} be a plain model, or read the relation through"
                f" live links only, and silence this.",
                obj=field,
                id="handleref.W005",
            )


def _check_constraints(model: type[Model]) -> Iterator[CheckMessage]:
    for constraint in model._meta.constraints:
        if isinstance(constraint, LiveUniqueConstraint):
            yield Error(
                f"LiveUniqueConstraint {constraint.name!r} needs a HandleRefModel.",
                hint=f"Make {model.__name__} a HandleRefModel, or use UniqueConstraint.",
                obj=model,
                id="handleref.E009",
            )
