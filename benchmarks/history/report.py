"""Writes what history costs as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.report import (
    NOTHING,
    against,
    circumstances,
    figure,
    judged,
    table,
    title,
)

TITLES = {
    "plain": "django-reversion",
    "ours": "**handleref**",
    "simplehistory": "django-simple-history",
    "handleref2": "django-handleref",
}


def section(run: dict[str, Any]) -> str:
    """Return all tables of a run, database by database."""
    parts = [circumstances(run)]
    for database in run["databases"]:
        if "history" in database:
            parts += [f"#### {database['server']}", ratios(database["history"])]
            parts += ["Milliseconds, queries, and versions written:", figures(database["history"])]
    return "\n\n".join(parts)


def ratios(workloads: Iterable[dict[str, Any]]) -> str:
    """Return the ratios by the clock, each to the base of its line, with the verdicts."""
    head = ["work", "ratio to", "control: reversion again", *TITLES.values(), "bar"]
    head.append("CPU: **handleref**")
    return table(head, [ratio_row(workload) for workload in workloads])


def ratio_row(workload: dict[str, Any]) -> list[str]:
    """Return the line of one workload."""
    series, base = workload["series"], workload["base"]
    cells = [
        "1" if name == base and base in series else against(series, name, "wall", base)
        for name in TITLES
    ]
    to = TITLES[base] if base in series else None
    control, cpu = against(series, "twin", "wall"), against(series, "ours", "cpu", base)
    shown = [to, control, *cells, judged(workload), cpu]
    return [title(workload), *(str(cell or NOTHING) for cell in shown)]


def figures(workloads: Iterable[dict[str, Any]]) -> str:
    """Return what each took and left behind."""
    rows = [[title(one), *(figure(one, name, "v") for name in TITLES)] for one in workloads]
    return table(["work", *TITLES.values()], rows)
