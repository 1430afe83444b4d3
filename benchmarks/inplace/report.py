"""Writes what rows that are history cost as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.report import NOTHING, against, circumstances, figure, judge, table, title

TITLES = {
    "plain": "plain Django",
    "period": "the same filter by hand",
    "our_stack": "**handleref**, stacks",
    "our_record": "**handleref**, point in time",
    "stackstore": "django-stackstore-model",
    "pita": "django-pita",
}
CONTROLS = {"plain": "twin", "period": "twin_period"}


def section(run: dict[str, Any]) -> str:
    """Return all tables of a run, database by database."""
    parts = [circumstances(run)]
    for database in run["databases"]:
        if workloads := database.get("inplace"):
            parts += [f"#### {database['server']}", figures(workloads)]
            parts += ["The bars:", bars(workloads)]
    return "\n\n".join(parts)


def figures(workloads: Sequence[dict[str, Any]]) -> str:
    """Return what each took, in how many queries, and how many rows there were then."""
    rows = [[title(one), *(figure(one, name, "rows") for name in TITLES)] for one in workloads]
    return table(["work", *TITLES.values()], rows)


def bars(workloads: Sequence[dict[str, Any]]) -> str:
    """Return who may cost what at most, with the verdicts and the noise."""
    rows = [row for workload in workloads for row in bar_rows(workload)]
    return table(["work", "who", "beside whom", "control", "ratio", "bar"], rows)


def bar_rows(workload: dict[str, Any]) -> Iterator[list[str]]:
    """Yield a line for each bar of a workload."""
    series = workload["series"]
    for name, base, bar in workload["bars"]:
        if found := against(series, name, "wall", base):
            control = noise(series, base)
            verdict = judge(found, control, bar)
            yield [
                title(workload),
                TITLES[name],
                TITLES[base],
                str(control or NOTHING),
                str(found),
                verdict,
            ]


def noise(series: dict[str, Any], base: str) -> Any:
    """Return what somebody plain scatters against itself in the same rounds."""
    for plain in (base, *CONTROLS):
        if found := against(series, CONTROLS.get(plain, ""), "wall", plain):
            return found
    return None
