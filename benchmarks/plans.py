"""Shows how the database finds the 100 latest of a million changes."""

from __future__ import annotations

import re

from django.db import connection

from benchmarks.contenders import Contender
from benchmarks.tables import fill, latest

# A walk through the whole table, or through a whole index.
SEQUENTIAL = {
    "sqlite": r"\bSCAN\b",
    "postgresql": r"\bSeq Scan\b",
    "mysql": r"^\d+ \S+ \S+ (ALL|index)\b",
}


def plan(contender: Contender, size: int) -> dict[str, str | bool]:
    """Return the plan of the contender's ``since()``, and whether it reads every row."""
    if contender.row.objects.count() != size:
        fill(contender.row, size)
    text = contender.since(latest(size, 100)).explain()
    return {
        "plan": text,
        "sequential": bool(re.search(SEQUENTIAL[connection.vendor], text, re.MULTILINE)),
    }
