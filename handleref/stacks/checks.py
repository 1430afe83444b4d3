"""Checks of what Django would accept silently about stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.db.models import AutoField, CompositePrimaryKey, UniqueConstraint

from handleref.references.base import is_reference
from handleref.stacks.base import PLACE, is_stack
from handleref.stacks.constraints import LatestUniqueConstraint
from handleref.stacks.fields import LatestForeignKey
from handleref.stacks.managers import StackManager
from handleref.versions.state import many_to_many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Field, Model


def check_stacks(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Check every stack of the project, and what refers to stacks."""
    found: list[CheckMessage] = []
    for config in apps.get_app_configs() if app_configs is None else app_configs:
        for model in config.get_models():
            found += _check(model)
    return found


def _check(model: type[Model]) -> Iterator[CheckMessage]:
    if not is_stack(model):
        yield from _check_strangers(model)
    elif not model._meta.proxy:
        yield from _check_bases(model)
        yield from _check_key(model)
        yield from _check_uniqueness(model)
        yield from _check_links(model)
    if is_stack(model):
        yield from _check_managers(model)
    for field in model._meta.local_fields:
        if isinstance(field, LatestForeignKey):
            yield from _check_target(field)


def _check_bases(model: type[Model]) -> Iterator[CheckMessage]:
    """Find what cannot share its rows with a stack: other tables, and stamps that count writes."""
    for parent in model._meta.parents:
        yield Error(
            f"A stack and {parent._meta.label} share their rows by multi-table inheritance.",
            hint="Give both an abstract base: a version is one row of one table.",
            obj=model,
            id="handleref.E016",
        )
    if is_reference(model):
        yield Error(
            "A stack is a HandleRefModel, whose writes count and stamp one row.",
            hint="Choose one of the two bases: versions have a number and a time already.",
            obj=model,
            id="handleref.E016",
        )


def _check_key(model: type[Model]) -> Iterator[CheckMessage]:
    key: Any = model._meta.pk
    composite = isinstance(key, CompositePrimaryKey)
    made = isinstance(key, AutoField) or key.has_default() or key.has_db_default()
    if composite or key.remote_field or not made:
        yield Error(
            f"The primary key {key.name} is not made anew for each version.",
            hint="Let it be an automatic one, or give it a default such as uuid.uuid4; keep"
            " what it said in a field of its own, with a LatestUniqueConstraint.",
            obj=model,
            id="handleref.E018",
        )


def _check_uniqueness(model: type[Model]) -> Iterator[CheckMessage]:
    fields: list[Field[Any, Any]] = [f for f in model._meta.local_fields if not f.primary_key]
    for field in fields:
        if field.unique:
            one_to_one = bool(field.one_to_one)
            yield Error(
                f"The field {field.name} is unique, so that there can be no second version.",
                hint=("Make it a ForeignKey, and write" if one_to_one else "Write")
                + f' LatestUniqueConstraint(fields=["{field.name}"], name=…) in its Meta.',
                obj=model,
                id="handleref.E017",
            )
    for names, name in _unique_together(model):
        yield Warning(
            f"{name} keeps {', '.join(names)} unique among all versions, old ones too.",
            hint=f"Write LatestUniqueConstraint(fields={[*names]!r}, name=…), or silence this.",
            obj=model,
            id="handleref.W019",
        )


def _unique_together(model: type[Model]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what is unique without regard to versions, with what to call it."""
    for names in model._meta.unique_together:
        if not {*PLACE} & {*names}:
            yield tuple(names), "unique_together"
    for constraint in model._meta.constraints:
        if isinstance(constraint, UniqueConstraint) and not {*PLACE} & {*constraint.fields}:
            yield tuple(constraint.fields), f"The constraint {constraint.name!r}"


def _check_links(model: type[Model]) -> Iterator[CheckMessage]:
    carried = many_to_many(model)
    for field in model._meta.local_many_to_many:
        through: Any = field.remote_field.through
        key = through._meta.get_field(field.m2m_field_name())
        if field not in carried and not isinstance(key, LatestForeignKey):
            yield Warning(
                f"The rows of {through._meta.label} are not carried to new versions.",
                hint=f"Let {field.name} have no through model, let the key of"
                f" {through.__name__} be a LatestForeignKey, or silence this.",
                obj=field,
                id="handleref.W021",
            )


def _check_managers(model: type[Model]) -> Iterator[CheckMessage]:
    for manager in model._meta.managers:
        if not isinstance(manager, StackManager):
            yield Warning(
                f"The manager {manager.name} is not a StackManager: what it updates is"
                " overwritten, what it creates in bulk joins no stack, and it really deletes.",
                hint=f"Write {manager.name} = StackManager.from_queryset(…)(), with a"
                " StackStoreQuerySet.",
                obj=model,
                id="handleref.W020",
            )


def _check_target(field: LatestForeignKey) -> Iterator[CheckMessage]:
    model: Any = field.remote_field.model
    if not isinstance(model, str) and not is_stack(model):
        yield Error(
            f"A LatestForeignKey to {model._meta.label}, which is no stack.",
            hint=f"Make {model.__name__} an AbstractStackModel, or use a ForeignKey.",
            obj=field,
            id="handleref.E019",
        )


def _check_strangers(model: type[Model]) -> Iterator[CheckMessage]:
    for constraint in model._meta.constraints:
        if isinstance(constraint, LatestUniqueConstraint):
            yield Error(
                f"LatestUniqueConstraint {constraint.name!r} needs a stack.",
                hint=f"Make {model.__name__} an AbstractStackModel, or use UniqueConstraint.",
                obj=model,
                id="handleref.E019",
            )
