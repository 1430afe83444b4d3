"""Lets only one contender listen to what is written: some listen to everybody's rows."""

from __future__ import annotations

from functools import cache
from typing import Any
from weakref import ReferenceType

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import signals
from reversion.signals import post_revision_commit, pre_revision_commit

from handleref.triggers.dialects import dialect_of
from handleref.triggers.session import Courier

# Whose receivers a module's are; those of Django and of reversion are everybody's.
OWNERS = {
    "handleref": "ours",
    "simple_history": "simplehistory",
    "django_handleref": "handleref2",
    "auditlog": "auditlog",
    "easyaudit": "easyaudit",
}
SIGNALS = (
    signals.pre_save,
    signals.post_save,
    signals.pre_delete,
    signals.post_delete,
    signals.m2m_changed,
    pre_revision_commit,
    post_revision_commit,
)


def listen_alone(name: str | None) -> None:
    """Let the contender of that name listen, and none of the others."""
    carry_alone(name)
    for signal, entries in connected():
        signal.receivers = [entry for entry in entries if owner(entry) in (None, name)]
        signal.sender_receivers_cache.clear()


def carry_alone(name: str | None) -> None:
    """Have what triggers are told looked after while we work, and not for the others."""
    wrappers = connection.execute_wrappers
    wrappers[:] = [one for one in wrappers if not isinstance(one, Courier)]
    if name == "ours":
        wrappers.insert(0, courier())


@cache
def courier() -> Courier:
    """Return who tells the triggers, always the same: it knows what they have been told."""
    return Courier(connections[DEFAULT_DB_ALIAS], dialect_of(connection))


@cache
def connected() -> list[tuple[Any, list[Any]]]:
    """Return the signals, each with what was connected when someone first asked."""
    return [(signal, [*signal.receivers]) for signal in SIGNALS]


def owner(entry: Any) -> str | None:
    """Return the name of the contender whose receiver it is, or None."""
    receiver = entry[1]() if isinstance(entry[1], ReferenceType) else entry[1]
    return OWNERS.get(getattr(receiver, "__module__", "").split(".")[0])
