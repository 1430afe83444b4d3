"""Writes what events cost as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from benchmarks.report import (
    NOTHING,
    against,
    circumstances,
    figure,
    judge,
    matrices,
    milliseconds,
    table,
    title,
)

TITLES = {
    "twin": "control: plain again",
    "idle": "by hand, doing nothing",
    "hand_row": "by hand, rows",
    "ours_row": "**handleref**, rows",
    "pghistory_row": "django-pghistory, rows",
    "hand_statement": "by hand, statements",
    "ours_statement": "**handleref**, statements",
    "pghistory_statement": "django-pghistory, statements",
    "simplehistory": "django-simple-history",
    "auditlog": "django-auditlog",
    "easyaudit": "django-easy-audit",
}
ALL = {"plain": "plain Django", **TITLES}


def section(run: dict[str, Any]) -> str:
    """Return all tables of a run, database by database."""
    parts = [circumstances(run)]
    for database in run["databases"]:
        found = database.get("events", {})
        if workloads := found.get("workloads"):
            parts += [f"#### {database['server']}", ratios(workloads)]
            parts += ["The bars:", bars(workloads)]
            parts += ["Milliseconds, queries, and changes recorded:", figures(workloads)]
        if grown := found.get("growth"):
            parts += ["Microseconds per row of `QuerySet.update`:", growth(grown[0])]
    return "\n\n".join(parts)


def paths(run: dict[str, Any]) -> str | None:
    """Return the matrices of write paths, or None where none was walked."""
    walked = {
        each["server"]: each["events"]["matrix"]
        for each in run["databases"]
        if "matrix" in each.get("events", {})
    }
    return matrices(walked) if walked else None


def present(workloads: Sequence[dict[str, Any]], titles: dict[str, str]) -> dict[str, str]:
    """Return the titles of those that took part."""
    there = {name for workload in workloads for name in workload["series"]}
    return {name: words for name, words in titles.items() if name in there}


def ratios(workloads: Sequence[dict[str, Any]]) -> str:
    """Return the ratios to plain Django by the clock."""
    titles = present(workloads, TITLES)
    rows = [
        [title(one), milliseconds(one)]
        + [str(against(one["series"], name, "wall") or NOTHING) for name in titles]
        for one in workloads
    ]
    return table(["work", "plain, ms", *titles.values()], rows)


def bars(workloads: Iterable[dict[str, Any]]) -> str:
    """Return who may cost what at most, with the verdicts."""
    rows = [row for workload in workloads for row in bar_rows(workload)]
    return table(["work", "who", "beside whom", "ratio", "bar"], rows)


def bar_rows(workload: dict[str, Any]) -> Iterator[list[str]]:
    """Yield a line for each bar of a workload."""
    series = workload["series"]
    control = against(series, "twin", "wall")
    for name, base, bar in workload["bars"]:
        if found := against(series, name, "wall", base):
            verdict = judge(found, control, bar)
            yield [title(workload), ALL[name], ALL[base], str(found), verdict]


def figures(workloads: Sequence[dict[str, Any]]) -> str:
    """Return what each took, and how many changes it recorded."""
    titles = present(workloads, ALL)
    rows = [[title(one), *(figure(one, name, "r") for name in titles)] for one in workloads]
    return table(["work", *titles.values()], rows)


def growth(workload: dict[str, Any]) -> str:
    """Return what a row costs in one transaction, beside what it costs in several."""
    bar = {name.partition("/")[0]: bar for name, _, bar in workload["bars"]}
    names = present([{"series": {key.partition("/")[0] for key in workload["series"]}}], ALL)
    rows = [growth_row(workload, name, bar.get(name)) for name in names]
    one = f"one transaction of {workload['size']:,}"
    return table(["who", "16 transactions", one, "ratio", "bar"], rows)


def growth_row(workload: dict[str, Any], name: str, bar: float | None) -> list[str]:
    """Return the line of one contender."""
    series = workload["series"]
    found = against(series, f"{name}/one", "wall", f"{name}/pieces")
    control = against(series, "twin/one", "wall", "plain/one")
    costs = [microseconds(workload, f"{name}/{how}") for how in ("pieces", "one")]
    verdict = judge(found, control, bar) if bar else NOTHING
    return [ALL[name], *costs, str(found), verdict]


def microseconds(workload: dict[str, Any], name: str) -> str:
    """Return what a row took."""
    took = float(milliseconds(workload, name).replace(",", ""))
    return f"{1000 * took / workload['size']:,.1f}"
