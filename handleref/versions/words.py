"""What changed within a text, word by word."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Part = tuple[Literal["equal", "delete", "insert"], str]

TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
# difflib's time grows with the product of the two lengths, at worst with more than that.
MOST = 1_000_000


def word_diff(old: str, new: str) -> list[Part]:
    """Return the parts of two texts: in both, only in the old, only in the new.

    Long texts are compared by lines, and very long ones as wholes.

    :returns: pairs of ``"equal"``, ``"delete"`` or ``"insert"`` and the text. Joined
        without the inserted parts they give the old text, without the deleted
        ones the new.
    """
    for cut in (TOKEN.findall, _lines, lambda text: [text] if text else []):
        before, after = cut(old), cut(new)
        if len(before) * len(after) <= MOST:
            break
    return list(_parts(before, after))


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _parts(before: Sequence[str], after: Sequence[str]) -> Iterator[Part]:
    # With its heuristic for what is frequent, without which a text of one word repeated,
    # of two thousand letters, takes a minute.
    matcher = SequenceMatcher(a=before, b=after)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            yield "equal", "".join(before[start:end])
            continue
        if start < end:
            yield "delete", "".join(before[start:end])
        if new_start < new_end:
            yield "insert", "".join(after[new_start:new_end])
