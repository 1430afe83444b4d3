"""A trigger as a value, its SQL per database, its place in migrations."""

from handleref.triggers.base import Copy, Join, Refuse, Trigger
from handleref.triggers.expressions import (
    Changes,
    Compared,
    Crosses,
    Either,
    Every,
    Not,
    Overlaps,
    Raw,
    Strays,
)
from handleref.triggers.fields import Column
from handleref.triggers.indexes import TriggerIndex

__all__ = [
    "Changes",
    "Column",
    "Compared",
    "Copy",
    "Crosses",
    "Either",
    "Every",
    "Join",
    "Not",
    "Overlaps",
    "Raw",
    "Refuse",
    "Strays",
    "Trigger",
    "TriggerIndex",
]
