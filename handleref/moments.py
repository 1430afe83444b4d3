"""What counts as a moment, wherever one is asked for."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time

from django.utils import timezone

Moment = datetime | date | int | float


def moment(value: Moment, name: str) -> datetime:
    """Return a moment that a caller gave, in UTC.

    :param value: a datetime (naive: in the current time zone), a date (its
        start in the current time zone), or unix seconds as int or float.
    :param name: what the caller calls it, for the messages.
    :raises TypeError: for any other type, bool included.
    :raises ValueError: for nan, infinity and what lies outside of a datetime.
    """
    try:
        return _aware(value, name).astimezone(UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{name} is out of range: {value!r}.") from error


def _aware(value: Moment, name: str) -> datetime:
    if isinstance(value, bool) or not isinstance(value, datetime | date | int | float):
        raise TypeError(
            f"{name} takes a datetime, a date, or unix seconds as int or float,"
            f" not {type(value).__name__}."
        )
    if isinstance(value, int | float):
        return _from_unix(value, name)
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    return timezone.make_aware(value) if timezone.is_naive(value) else value


def _from_unix(seconds: float, name: str) -> datetime:
    if not math.isfinite(seconds):
        raise ValueError(f"{name} is not a finite number: {seconds!r}.")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except ValueError as error:
        raise ValueError(f"{name} is out of range: {seconds!r}.") from error
