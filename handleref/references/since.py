"""The two simple cursors of ``since()``: a moment and a version."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone

from handleref.references.registry import register_cursor

if TYPE_CHECKING:
    from django.db.models import QuerySet

Moment = datetime | date | int | float


def moment(value: Moment) -> datetime:
    """Return the moment that ``since(timestamp=…)`` was given, in UTC.

    :param value: a datetime (naive: in the current time zone), a date (its
        start in the current time zone), or unix seconds as int or float.
    :raises TypeError: for any other type, bool included.
    :raises ValueError: for nan, infinity and what lies outside of a datetime.
    """
    try:
        return _aware(value).astimezone(UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"timestamp is out of range: {value!r}.") from error


def _aware(value: Moment) -> datetime:
    if isinstance(value, bool) or not isinstance(value, datetime | date | int | float):
        raise TypeError(
            "timestamp takes a datetime, a date, or unix seconds as int or float,"
            f" not {type(value).__name__}."
        )
    if isinstance(value, int | float):
        return _from_unix(value)
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    return timezone.make_aware(value) if timezone.is_naive(value) else value


def _from_unix(seconds: float) -> datetime:
    if not math.isfinite(seconds):
        raise ValueError(f"timestamp is not a finite number: {seconds!r}.")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except ValueError as error:
        raise ValueError(f"timestamp is out of range: {seconds!r}.") from error


def since_timestamp(rows: QuerySet[Any], timestamp: Moment) -> QuerySet[Any]:
    """Narrow to rows written strictly later than the moment.

    ``updated`` alone decides: it is never before ``created``, and has an index.
    """
    after = moment(timestamp)
    return rows.filter(updated__gt=after if settings.USE_TZ else timezone.make_naive(after))


def since_version(rows: QuerySet[Any], version: int) -> QuerySet[Any]:
    """Narrow to rows of a later version than the one given."""
    if isinstance(version, bool) or not isinstance(version, int):
        raise TypeError(f"version takes an int, not {type(version).__name__}.")
    return rows.filter(version__gt=version)


register_cursor("timestamp", since_timestamp)
register_cursor("version", since_version)
