"""What the files of this room share: which models are stacks, and what stands in their rows."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from django.db.models import QuerySet

from handleref.references.revert import stamp_fields as written_by_every_save

if TYPE_CHECKING:
    from django.db.models import Field, Model

# What tells a version's place in its stack; only this room writes it.
PLACE: Final = (
    "stack_group_uuid",
    "stack_number",
    "stack_latest",
    "stack_created_at",
    "stack_reverted_from",
)
# That, and what is said of a version.
BOOKKEEPING: Final = frozenset({*PLACE, "stack_user", "stack_comment"})


@cache
def is_stack(model: type[Model]) -> bool:
    """Tell whether the rows of a model are versions, also for the models of a migration."""
    return any(getattr(field, "marks_latest", False) for field in model._meta.concrete_fields)


def all_rows(model: type[Model], using: str | None) -> QuerySet[Any]:
    """Return all rows of a model, whose writes make no versions."""
    concrete: Any = model._meta.concrete_model
    return QuerySet(concrete, using=using)


@cache
def stamp_fields(model: type[Model]) -> frozenset[str]:
    """Return the names of the fields that tell of a write rather than of the object."""
    return BOOKKEEPING | {model._meta.pk.name} | written_by_every_save(model)


@cache
def own_fields(model: type[Model]) -> tuple[Field[Any, Any], ...]:
    """Return the fields of the object itself, those that every write sets left out."""
    stamps = stamp_fields(model)
    return tuple(
        field
        for field in model._meta.local_concrete_fields
        if field.name not in stamps and not getattr(field, "generated", False)
    )
