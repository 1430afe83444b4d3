"""The kinds of cursor that ``since()`` takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet

Cursor = Callable[[QuerySet[Any], Any], QuerySet[Any]]

_cursors: dict[str, Cursor] = {}


def register_cursor(name: str, cursor: Cursor) -> Callable[[], None]:
    """Let ``since()`` take another keyword and return the undoing.

    :param name: the keyword, an identifier not yet taken.
    :param cursor: called with the queryset and the value (never None); returns
        the queryset of what came after, or raises TypeError or ValueError.
    :raises ValueError: when the name is no identifier, or taken.
    """
    if not name.isidentifier() or name == "deleted" or name in _cursors:
        raise ValueError(f"Invalid name of a since() cursor: {name!r}.")
    _cursors[name] = cursor
    return lambda: _cursors.pop(name, None) and None


def apply_cursors(rows: QuerySet[Any], given: dict[str, Any]) -> QuerySet[Any]:
    """Narrow the rows to what came after every cursor given (None: not given)."""
    given = {name: value for name, value in given.items() if value is not None}
    unknown = sorted(given.keys() - _cursors.keys())
    if unknown or not given:
        asked = f" not {', '.join(unknown)}" if unknown else " and was given none"
        raise TypeError(f"since() takes {' or '.join(_cursors)},{asked}.")
    for name, value in given.items():
        rows = _cursors[name](rows, value)
    return rows
