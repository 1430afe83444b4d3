"""The two simple cursors of ``since()``: a moment and a version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone

from handleref.moments import moment
from handleref.references.registry import register_cursor

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from handleref.moments import Moment


def since_timestamp(rows: QuerySet[Any], timestamp: Moment) -> QuerySet[Any]:
    """Narrow to rows written strictly later than the moment.

    ``updated`` alone decides: it is never before ``created``, and has an index.
    """
    after = moment(timestamp, "timestamp")
    return rows.filter(updated__gt=after if settings.USE_TZ else timezone.make_naive(after))


def since_version(rows: QuerySet[Any], version: int) -> QuerySet[Any]:
    """Narrow to rows of a later version than the one given."""
    if isinstance(version, bool) or not isinstance(version, int):
        raise TypeError(f"version takes an int, not {type(version).__name__}.")
    return rows.filter(version__gt=version)


register_cursor("timestamp", since_timestamp)
register_cursor("version", since_version)
