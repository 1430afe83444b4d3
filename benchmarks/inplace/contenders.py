"""Who keeps history in the same table, and how one asks each for the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Q, QuerySet


@dataclass(frozen=True)
class Contender:
    """Someone who keeps history in rows, or nobody.

    :ivar row: the model.
    :ivar kind: what its rows are like: ``"plain"``, ``"stack"`` or ``"period"``.
    :ivar latest: returns the newest row of each object; None: it has no such question.
    :ivar at: returns the rows as of a moment; None: it has no such question.
    :ivar every: returns all rows, old ones included.
    """

    name: str
    row: Any
    kind: str = "plain"
    latest: Callable[[Any], QuerySet[Any]] | None = None
    at: Callable[[Any, datetime], QuerySet[Any]] | None = None
    every: Callable[[Any], QuerySet[Any]] = lambda row: row._base_manager.all()
    # Nobody has stamps to save here.
    stamps: tuple[str, ...] = ()

    def recorded(self) -> int:
        """Count the rows that there are, old ones included."""
        return self.every(self.row).count()


def contenders() -> Iterator[Contender]:
    """Yield whoever is installed, plain Django first; ``twin`` is its control."""
    stack = {"kind": "stack", "latest": lambda row: row.objects.latest_from_stack_group()}
    period = {
        "kind": "period",
        "at": lambda row, moment: row.records.version(moment),
        "every": lambda row: row.records.all(),
    }
    by_hand = {
        "kind": "period",
        "latest": lambda row: row.objects.filter(replaced_at=None),
        "at": lambda row, moment: row.objects.filter(then(moment)),
    }
    yield Contender("plain", row_of("Plain"))
    yield Contender("twin", row_of("Twin"))
    yield Contender("period", row_of("Period"), **by_hand)
    yield Contender("twin_period", row_of("TwinPeriod"), **by_hand)
    yield Contender("our_stack", row_of("OurStack"), **stack)
    yield Contender("our_record", row_of("OurRecord"), **period)
    if apps.is_installed("stackstore"):
        yield Contender("stackstore", row_of("StackstoreRow"), **stack)
    if apps.is_installed("pita"):
        yield Contender("pita", row_of("PitaRow"), **period)


def then(moment: datetime) -> Q:
    """Return the condition on rows as of a moment, as one writes it by hand."""
    replaced_later = Q(replaced_at__gt=moment) | Q(replaced_at=None)
    return Q(created_at__lte=moment) & replaced_later


def row_of(name: str) -> Any:
    """Return a model of rows."""
    return apps.get_model("inplace", name)
