"""What the files of this room share: which models are stacks, and what stands in their rows."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4
from weakref import WeakSet

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

# The names of stacks that nobody else can know of: each was made for an instance, and no row
# was written of it. They go with whoever holds them, and so copies share what is known.
_unwritten: WeakSet[UUID] = WeakSet()


def new_stack() -> UUID:
    """Return the name of a new stack, whose first version need not look for others."""
    group = uuid4()
    _unwritten.add(group)
    return group


def is_new(group: Any) -> bool:
    """Tell whether no row can be of the stack yet."""
    return group in _unwritten


def known(group: Any) -> None:
    """Let a stack be looked for from now on: a row of it is written, or somebody has its name."""
    # What is no UUID yet may be the text of one; what is none either names no stack.
    with suppress(ValueError):
        _unwritten.discard(group if isinstance(group, UUID) else UUID(str(group)))


@cache
def names_by_chance(model: type[Model]) -> bool:
    """Tell whether no two instances of a model get the same name of a stack by default."""
    field: Any = model._meta.get_field("stack_group_uuid")
    return field.default is uuid4


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
