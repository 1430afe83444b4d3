"""The rows of objects as periods: when each was known, and when it is said to be true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handleref.pointintime.base import all_rows, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django.db.models import Model


@dataclass(frozen=True)
class Period:
    """A time from a moment on until before another.

    :ivar start: the first moment.
    :ivar end: the first one that is not in it any more, or None for never.
    """

    start: datetime
    end: datetime | None = None

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment and (self.end is None or moment < self.end)

    def overlaps(self, other: Period) -> bool:
        """Tell whether the two have a moment in common."""
        return (other.end is None or self.start < other.end) and (
            self.end is None or other.start < self.end
        )

    def __str__(self) -> str:
        return f"[{self.start.isoformat()}, {self.end.isoformat() if self.end else '…'})"


@dataclass(frozen=True)
class Span:
    """A row, as a rectangle of two times.

    :ivar known: when the row was, or is, what is known: from ``created_at`` to ``replaced_at``.
    :ivar valid: when it says that it is true: from ``start_at`` to ``end_at``.
    :ivar row: the row.
    """

    known: Period
    valid: Period
    row: Any


def span(row: Any) -> Span:
    """Return the two times of a row."""
    known = Period(row.created_at, row.replaced_at)
    return Span(known, Period(row.start_at, row.end_at), row)


def timelines(model: type[Model], using: str, row_ids: Iterable[Any]) -> dict[Any, list[Span]]:
    """Return the rows of objects by ``row_id``, oldest version first.

    :returns: the objects in the order given; those without rows are left out.
    """
    row_ids = [*dict.fromkeys(row_ids)]
    found: dict[Any, list[Span]] = {row_id: [] for row_id in row_ids}
    for part in parts_of(row_ids):
        for row in all_rows(model, using).filter(row_id__in=part).order_by("row_version"):
            found[row.row_id].append(span(row))
    return {row_id: spans for row_id, spans in found.items() if spans}
