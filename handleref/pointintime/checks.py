"""Checks of what Django would accept silently about rows that are versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.db.models import (
    CASCADE,
    AutoField,
    CompositePrimaryKey,
    ForeignKey,
    Q,
    UniqueConstraint,
)

from handleref.pointintime.as_of import MomentQuerySet
from handleref.pointintime.base import BOOKKEEPING, is_point_in_time
from handleref.pointintime.fields import CurrentManyToManyField, FrozenForeignKey
from handleref.pointintime.managers import RowsManager
from handleref.pointintime.models import PointInTimeModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import Model

# Where the constraints are that every model of versions has, and which are meant.
OWN = "hr_"
# The fields that only this room writes; who a version is from may be kept in another way.
WRITTEN = BOOKKEEPING - {"modified_by"}
VALIDITY = ("start_at", "end_at")


def check_point_in_time(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Check every point-in-time model of the project, and the keys that lead to them."""
    found: list[CheckMessage] = []
    for config in apps.get_app_configs() if app_configs is None else app_configs:
        for model in config.get_models():
            if is_point_in_time(model):
                found += _check_managers(model)
            if is_point_in_time(model) and not model._meta.proxy:
                found += _check_table(model)
                found += _check_key(model)
                found += _check_columns(model)
                found += _check_fields(model)
                found += _check_uniqueness(model)
                found += _check_parents(model)
            found += _check_targets(model)
    return found


def _check_table(model: type[Model]) -> Iterator[CheckMessage]:
    """Find what shares its rows with another table, of which it would keep no versions."""
    for parent in model._meta.parents:
        yield Error(
            f"{model.__name__} has a part of its rows in the table of {parent._meta.label}.",
            hint=f"Make {parent.__name__} abstract, or refer to it by a foreign key.",
            obj=model,
            id="handleref.E024",
        )


def _check_key(model: type[Model]) -> Iterator[CheckMessage]:
    key: Any = model._meta.pk
    made = isinstance(key, AutoField) or key.has_default() or key.has_db_default()
    if isinstance(key, CompositePrimaryKey) or not made:
        yield Error(
            f"Nobody makes keys for the replaced rows of {model.__name__}: its primary key"
            f" {key.name} is given by hand.",
            hint="Give the field a default that makes new keys, or let Django make the key.",
            obj=model,
            id="handleref.E024",
        )


def _check_columns(model: type[Model]) -> Iterator[CheckMessage]:
    """Find fields of the model's own in the place of those that versions are made of."""
    for field in model._meta.local_fields:
        if field.name in WRITTEN and not _is_alike(field, "editable", "default"):
            yield Error(
                f"The field is {model.__name__}'s own, where versions keep one of that name: it"
                " would be written with each version.",
                hint="Remove it from the model, and the inherited one takes over the column with"
                " its values; or rename it, if they are to stay.",
                obj=field,
                id="handleref.E028",
            )
        elif field.name in VALIDITY and not _is_alike(field):
            yield Error(
                f"The field is {model.__name__}'s own, and none for a moment that is given.",
                hint="Remove it from the model, or make it a DateTimeField without auto_now and"
                " auto_now_add; end_at with null=True.",
                obj=field,
                id="handleref.E028",
            )


def _is_alike(field: Any, *names: str) -> bool:
    """Tell whether a field does as the one of that name that is inherited."""
    inherited: Any = PointInTimeModel._meta.get_field(field.name)
    asked = ("null", "auto_now", "auto_now_add", *names)
    return isinstance(field, type(inherited)) and all(
        getattr(field, name, None) == getattr(inherited, name, None) for name in asked
    )


def _check_managers(model: type[Model]) -> Iterator[CheckMessage]:
    if not isinstance(model._base_manager, RowsManager):
        yield Error(
            f"The base manager {model._meta.base_manager_name!r} is none for rows that are"
            " versions: related writes would keep none.",
            hint="Remove base_manager_name from its Meta.",
            obj=model,
            id="handleref.E024",
        )
    for manager in model._meta.managers:
        if not isinstance(manager, RowsManager):
            yield Warning(
                f"The manager {manager.name} shows replaced rows among the others, and what it"
                " writes keeps no versions.",
                hint=f"Write {manager.name} = PointInTimeManager.from_queryset(…)(), with a"
                " PointInTimeQuerySet.",
                obj=model,
                id="handleref.W023",
            )


def _check_fields(model: type[Model]) -> Iterator[CheckMessage]:
    for field in model._meta.local_fields:
        if field.primary_key or not field.unique:
            continue
        if field.is_relation:
            yield Error(
                f"A {type(field).__name__} that is unique is so among all rows: those that are"
                " replaced have the same.",
                hint="Make it a CurrentOneToOneField.",
                obj=field,
                id="handleref.E021",
            )
        else:
            yield Error(
                "The field is unique among all rows: those that are replaced have the same.",
                hint="Leave unique out, and add to Meta.constraints:"
                f' CurrentUniqueConstraint(fields=["{field.name}"], name="…").',
                obj=field,
                id="handleref.E020",
            )


def _check_uniqueness(model: type[Model]) -> Iterator[CheckMessage]:
    for names in model._meta.unique_together:
        yield _unique(model, "unique_together", names)
    for constraint in model._meta.constraints:
        strange = isinstance(constraint, UniqueConstraint) and not constraint.name.startswith(OWN)
        # The condition of a CurrentUniqueConstraint names it too.
        if strange and "replaced_at" not in _names(constraint.condition):  # type: ignore[attr-defined]
            yield _unique(model, f"The constraint {constraint.name!r}", constraint.fields)  # type: ignore[attr-defined]


def _unique(model: type[Model], what: str, names: Iterable[str]) -> CheckMessage:
    return Error(
        f"{what} is for all rows: those that are replaced have the same.",
        hint=f'Write in Meta.constraints: CurrentUniqueConstraint(fields={[*names]}, name="…").',
        obj=model,
        id="handleref.E022",
    )


def _names(condition: Any) -> Iterator[str]:
    """Yield the names of the fields in a condition."""
    children: list[Any] = condition.children if isinstance(condition, Q) else []
    for child in children:
        yield from _names(child) if isinstance(child, Q) else (child[0].partition("__")[0],)


def _check_parents(model: type[Model]) -> Iterator[CheckMessage]:
    """Find parents that take the past of their children along."""
    for field in model._meta.local_fields:
        if isinstance(field, ForeignKey) and field.remote_field.on_delete is CASCADE:
            parent: Any = field.remote_field.model
            if not isinstance(parent, str) and not is_point_in_time(parent):
                yield Warning(
                    f"Deleting a {parent._meta.label} really deletes its {model._meta.label}"
                    " rows, with all that they ever were.",
                    hint="Write on_delete=PROTECT, or silence this.",
                    obj=field,
                    id="handleref.W022",
                )


def _check_targets(model: type[Model]) -> Iterator[CheckMessage]:
    """Find keys that lead to something other than a row's own key."""
    fields: list[Any] = model._meta.local_fields
    for field in fields:
        target: Any = field.remote_field.model if isinstance(field, ForeignKey) else None
        if isinstance(target, str) or target is None or not is_point_in_time(target):
            continue
        if not field.target_field.primary_key:
            yield Error(
                f"The key leads to {target._meta.label}.{field.target_field.name}, which replaced"
                " rows have as well.",
                hint="Leave to_field out: the current row keeps its primary key.",
                obj=field,
                id="handleref.E023",
            )


def check_relations(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Check what leads to point-in-time models, and from them, in every model of the project."""
    found: list[CheckMessage] = []
    for config in apps.get_app_configs() if app_configs is None else app_configs:
        for model in config.get_models():
            for field in model._meta.local_fields:
                if isinstance(field, FrozenForeignKey):
                    found += _check_frozen(field)
            for field in model._meta.local_many_to_many:
                found += _check_links(model, field)
    return found


def _check_frozen(field: Any) -> Iterator[CheckMessage]:
    model = field.remote_field.model
    if isinstance(model, str):
        # Django says that it is not there.
        return
    if not is_point_in_time(model):
        yield Error(
            f"A FrozenForeignKey to {model._meta.label}, whose rows are no versions.",
            hint=f"Make {model.__name__} a PointInTimeModel, or use a ForeignKey.",
            obj=field,
            id="handleref.E025",
        )
    elif not field.target_field.primary_key:
        yield Error(
            f"A FrozenForeignKey to the field {field.target_field.name}, which is no row's key.",
            hint="Leave to_field out.",
            obj=field,
            id="handleref.E025",
        )


def _check_links(model: type[Model], field: Any) -> Iterator[CheckMessage]:
    through, ours = field.remote_field.through, isinstance(field, CurrentManyToManyField)
    if isinstance(through, str) or isinstance(field.remote_field.model, str):
        return
    versioned = is_point_in_time(through)
    if ours and not versioned:
        yield Error(
            f"The links of a CurrentManyToManyField, {through._meta.label}, are no versions.",
            hint="Give it through=, a PointInTimeModel with a ForeignKey to either side.",
            obj=field,
            id="handleref.E026",
        )
    elif versioned and not ours and not all(map(_looks, (model, field.remote_field.model))):
        yield Error(
            f"A ManyToManyField by {through._meta.label} shows links that are gone.",
            hint="Make it a CurrentManyToManyField; the tables stay as they are.",
            obj=field,
            id="handleref.E027",
        )
    elif is_point_in_time(model) and not versioned:
        yield Warning(
            f"The links of {field.name} are no versions: the past shows those of the present.",
            hint="Make it a CurrentManyToManyField with through=, a PointInTimeModel with a"
            " ForeignKey to either side, or silence this.",
            obj=field,
            id="handleref.W026",
        )


def _looks(model: type[Model]) -> bool:
    """Tell whether querysets of a model tell current rows from others when they join them."""
    return isinstance(model._default_manager.all(), MomentQuerySet)
