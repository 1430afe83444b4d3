"""What the files of this room share: which rows are versions, and what stands in them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from django.conf import settings
from django.utils import timezone

from handleref.references.base import MANY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model, QuerySet

# What tells a row's place among those of its object; only this room writes it.
STAMPS = ("row_id", "row_version", "created_at", "replaced_at")
# That, and what is said of a version.
BOOKKEEPING = frozenset({*STAMPS, "modified_by", "change_comment", "reverted_from"})

TICK = timedelta(microseconds=1)

# By model, what leads to it and which of that is frozen, as long as Django keeps the former: each
# save() asks, and to go through all relations is a good part of one.
_frozen: WeakKeyDictionary[type[Model], tuple[Any, list[Any]]] = WeakKeyDictionary()


def is_point_in_time(model: type[Model]) -> bool:
    """Tell whether the rows of a model are versions, also for the models of a migration."""
    fields = model._meta.concrete_fields
    return any(getattr(field, "names_object", False) for field in fields)


def frozen_relations(model: type[Model]) -> list[Any]:
    """Return the foreign keys to a model that stay on the version they were given."""
    table: Any = model._meta.concrete_model
    relations = table._meta.get_fields(include_hidden=True)
    if (known := _frozen.get(table)) is None or known[0] is not relations:
        fields = [getattr(each, "field", None) for each in relations if _is_way_back(each)]
        known = relations, [field for field in fields if getattr(field, "is_frozen", False)]
        _frozen[table] = known
    return known[1]


def _is_way_back(relation: Any) -> bool:
    return relation.auto_created and not relation.concrete


def all_rows(model: type[Model], using: str | None = None) -> QuerySet[Any]:
    """Return all rows of a model, whose writes make no versions."""
    # Not the model's own manager, whose writes do.
    from django.db.models import QuerySet

    return QuerySet(model, using=using)


def parts_of(pks: list[Any]) -> Iterator[list[Any]]:
    """Yield keys, no more at a time than a query takes."""
    for start in range(0, len(pks), MANY):
        yield pks[start : start + MANY]


def stored(value: datetime) -> datetime:
    """Return an aware moment as the project stores moments."""
    return value if settings.USE_TZ else timezone.make_naive(value)


def end_of_day(value: date | datetime, name: str) -> datetime:
    """Return a moment that a caller gave, aware; for a date the last one of that day.

    :param value: a datetime (naive: in the current time zone), or a date in that zone.
    :param name: what the caller calls it, for the messages.
    :raises ValueError: for anything else, and for what lies outside of the calendar.
    """
    if not isinstance(value, date):
        raise ValueError(  # noqa: TRY004 - what the original raises
            f"{name} takes a datetime or a date, not {type(value).__name__}: {value!r}."
        )
    moment = value if isinstance(value, datetime) else datetime.combine(value, time.max)
    try:
        aware = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
        return stored(aware.astimezone(UTC))
    except OverflowError as error:
        raise ValueError(f"{name} is out of range: {value!r}.") from error
