"""Checks of what Django would accept silently about rows that are versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning

from handleref.pointintime.as_of import MomentQuerySet
from handleref.pointintime.base import is_point_in_time
from handleref.pointintime.fields import CurrentManyToManyField, FrozenForeignKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model


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
