"""Who records changes, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import Model

from handleref.triggers.suspension import suspend

# The transactions of whoever does the same work in pieces.
PIECES = 16
GROWING = ("plain", "twin", "hand_row", "ours_row", "ours_statement", "pghistory_row")


@dataclass(frozen=True)
class Contender:
    """Someone who records changes, or does not.

    :ivar row: the model whose changes are recorded.
    :ivar events: the model of what is recorded.
    :ivar listener: whose receivers listen while it works.
    :ivar suspended: returns the block whose changes are not recorded; None: it has none.
    :ivar works: whether it takes part where something is to be recorded.
    :ivar pieces: into how many transactions it divides the work, where that is asked.
    """

    name: str
    row: Any
    events: type[Model] | None = None
    listener: str | None = None
    suspended: Callable[[], AbstractContextManager[Any]] | None = None
    works: bool = True
    pieces: int = 1
    # Nobody has stamps to save here.
    stamps: tuple[str, ...] = ()

    def recorded(self) -> int:
        """Count what was recorded."""
        return self.events._base_manager.count() if self.events else 0


def contenders() -> list[Contender]:
    """Return whoever is installed, plain Django first; ``twin`` is its control."""
    levels = ["row", "statement"] if connection.vendor == "postgresql" else ["row"]
    return [
        *(
            Contender(name, row_of(name.title()), suspended=nullcontext)
            for name in ("plain", "twin")
        ),
        Contender("idle", row_of("HandIdle"), suspended=nullcontext, works=False),
        *(one for level in levels for one in of_level(level)),
        *listeners(),
    ]


def of_level(level: str) -> Iterator[Contender]:
    """Yield whoever records with triggers of a level: by hand, ours, django-pghistory."""
    yield with_trigger(f"hand_{level}", f"Hand{level}")
    ours = with_trigger(f"ours_{level}", f"Our{level}")
    yield replace(ours, listener="ours", suspended=lambda: suspend(record=False))
    if apps.is_installed("pghistory"):
        yield with_trigger(f"pghistory_{level}", f"Pghistory{level}")


def with_trigger(name: str, model: str) -> Contender:
    """Return a contender with an event model of its own."""
    return Contender(name, row_of(model), apps.get_model("events", f"{model}Event"))


def listeners() -> Iterator[Contender]:
    """Yield whoever listens to Django's signals."""
    rivals = {
        "simple_history": ("SimpleHistoryRow", "events.HistoricalSimpleHistoryRow"),
        "auditlog": ("AuditlogRow", "auditlog.LogEntry"),
        "easyaudit": ("EasyAuditRow", "easyaudit.CRUDEvent"),
    }
    for app, (model, events) in rivals.items():
        if apps.is_installed(app):
            name = app.replace("_", "")
            yield Contender(name, row_of(model), apps.get_model(events), listener=name)


def row_of(name: str) -> Any:
    """Return a model of rows."""
    return apps.get_model("events", name)


def growing(able: list[Contender]) -> Iterator[Contender]:
    """Yield those whose cost may grow with the transaction, each in many and in one."""
    for one in able:
        if one.name in GROWING:
            yield replace(one, name=f"{one.name}/pieces", pieces=PIECES)
            yield replace(one, name=f"{one.name}/one")
