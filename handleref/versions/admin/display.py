"""How values and changes are shown on a page."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import display_for_value
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _

from handleref.versions.diff import MISSING
from handleref.versions.state import Misfit
from handleref.versions.words import word_diff

if TYPE_CHECKING:
    from collections.abc import Iterable

    from handleref.versions.diff import Change, Diff
    from handleref.versions.words import Part

# How much of a long value, and of what stands around a change in it, a list shows.
LIMIT = 120
AROUND = 30
ELLIPSIS = "…"
# Texts of which a smaller part is shared are shown as wholes.
ALIKE = 0.3


@dataclass
class Line:
    """What a page shows of one field.

    :ivar kind: ``"text"`` (a text with changes within), ``"many"`` (what a relation
        gained and lost), ``"value"`` (an old value and a new one) or ``"state"``
        (a value alone).
    :ivar parts: pairs of ``"equal"``, ``"delete"`` or ``"insert"`` and a text.
    :ivar take: the id of the version whose value can be taken back here, or None.
    :ivar extra: what one page needs beside.
    """

    name: str
    label: str
    note: str
    kind: str
    parts: list[Part]
    take: Any = None
    extra: dict[str, Any] = field(default_factory=dict)


def lines(diff: Diff, *, empty: str, limit: int | None = None) -> list[Line]:
    """Return a line for each change, without a side that is nothing at all.

    :param empty: stands for an empty value.
    :param limit: how many characters of a value are shown, by default all.
    """
    return [_line(diff, change, empty, limit) for change in diff.values()]


def _line(diff: Diff, change: Change, empty: str, limit: int | None) -> Line:
    if diff.a is None or diff.b is None:
        return _bare(change, change.new_label if diff.a is None else change.old_label, empty, limit)
    kind, parts = "value", _both(change, empty, limit)
    if change.is_many:
        kind, parts = "many", [*_each("delete", change.removed_labels, empty, limit)]
        parts += _each("insert", change.added_labels, empty, limit)
    elif change.is_text and change.old and change.new:
        kind, parts = "text", words(change.old, change.new, limit)
    return Line(change.name, str(capfirst(change.verbose_name)), change.note, kind, parts)


def _bare(change: Change, value: Any, empty: str, limit: int | None) -> Line:
    known = change.field and not isinstance(value, Misfit)
    if change.is_many and isinstance(value, list):
        value = ", ".join(map(str, value))
    label, part = str(capfirst(change.verbose_name)), shown(value, empty, limit)
    note = "" if known else change.note
    return Line(change.name, label, note, "state", [("equal", part)])


def _both(change: Change, empty: str, limit: int | None) -> list[Part]:
    old, new = (shown(value, empty, limit) for value in (change.old_label, change.new_label))
    # That nothing was there, or is, is no value to be struck through or underlined.
    return [
        ("equal" if old == empty else "delete", old),
        ("equal" if new == empty else "insert", new),
    ]


def _each(kind: Any, values: Iterable[Any], empty: str, limit: int | None) -> list[Part]:
    return [(kind, shown(value, empty, limit)) for value in values]


def shown(value: Any, empty: str, limit: int | None = None) -> str:
    """Return a value for people, in their language and time zone."""
    if value is MISSING:
        value = None
    if isinstance(value, bool):
        value = _("Yes") if value else _("No")
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, default=str)
    text = str(display_for_value(value, empty))
    return text if limit is None else Truncator(text[: 2 * limit]).chars(limit)


def words(old: str, new: str, limit: int | None = None) -> list[Part]:
    """Return what changed within a text; with a limit what stands around is cut short.

    What both begin and end with is not compared, for comparing takes its time.
    """
    start = _whole_words(_common(old, new))
    rest, other = old[len(start) :], new[len(start) :]
    end = _whole_words(_common(rest[::-1], other[::-1]))[::-1]
    rest, other = rest[: len(rest) - len(end)], other[: len(other) - len(end)]
    if limit is not None:
        start = start if len(start) <= AROUND else ELLIPSIS + _from_word(start[-AROUND:])
        end = end if len(end) <= AROUND else _from_word(end[:AROUND][::-1])[::-1] + ELLIPSIS
    parts: list[Part] = [("equal", start), *_cut_short(rest, other, limit), ("equal", end)]
    return [part for part in parts if part[1]]


def _cut_short(old: str, new: str, limit: int | None) -> list[Part]:
    """Compare two texts up to the limit; what differs only where they are cut is no change."""
    if limit is None or max(len(old), len(new)) <= limit:
        return _compared(old, new)
    parts = _compared(old[:limit], new[:limit])
    if all(kind != "equal" for kind, _text in parts):
        return [("delete", _cut(old, limit)), ("insert", _cut(new, limit))]
    while parts[-1][0] != "equal":
        parts.pop()
    return [*parts, ("equal", ELLIPSIS)]


def _compared(old: str, new: str) -> list[Part]:
    """Return what two texts share, or both as wholes when that is too little to read."""
    parts = word_diff(old, new)
    shared = sum(len(text.replace(" ", "")) for kind, text in parts if kind == "equal")
    if shared < ALIKE * min(len(old), len(new)):
        return [("delete", old), ("insert", new)]
    return parts


def _common(text: str, other: str) -> str:
    """Return what two texts begin with."""
    place, step = 0, min(len(text), len(other))
    # Halving the step compares long texts a few dozen times, not letter by letter.
    while step:
        if text[place : place + step] == other[place : place + step]:
            place += step
        else:
            step //= 2
        step = min(step, len(text) - place, len(other) - place)
    return text[:place]


def _whole_words(text: str) -> str:
    """Return a text without a last word that may go on."""
    while text and text[-1].isalnum():
        text = text[:-1]
    return text


def _from_word(text: str) -> str:
    """Return the end of a text without a first word of which a part is missing."""
    return text[text.find(" ") + 1 :]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + ELLIPSIS
