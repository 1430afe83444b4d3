"""Writes what was measured as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from benchmarks.verdicts import Ratio, ratio, verdict

TITLES = {
    "twin": "control: plain again",
    "ours": "**handleref**",
    "handleref2": "django-handleref",
    "softdelete": "django-safedelete",
}
NOTHING = "-"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; only the first column is text."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def times(workloads: Iterable[dict[str, Any]]) -> str:
    """Return the ratios by the clock, with the verdicts."""
    head = ["work", "plain, ms", *TITLES.values(), "bar", "the columns alone"]
    return table(head, [time_row(workload) for workload in workloads])


def time_row(workload: dict[str, Any]) -> list[str]:
    """Return the line of one workload."""
    series = workload["series"]
    cells = [str(against(series, name, "wall") or NOTHING) for name in TITLES]
    columns = against(series, "plain", "wall", base="bare") or NOTHING
    return [title(workload), milliseconds(workload), *cells, judged(workload), str(columns)]


def against(series: dict[str, Any], name: str, clock: str, base: str = "plain") -> Any:
    """Return the ratio of one contender to another, or None where one did not take part."""
    if name not in series or base not in series:
        return None
    if broke := series[name]["broke"]:
        return broke
    return ratio(series[name][clock], series[base][clock])


def title(workload: dict[str, Any]) -> str:
    """Return the name of a workload, with its size."""
    return f"{workload['name']}, {workload['size']:,} {workload['unit']}"


def milliseconds(workload: dict[str, Any], name: str = "plain") -> str:
    """Return what one pass of a contender took, the median over the rounds."""
    seconds = median(one for one in workload["series"][name]["wall"] if one is not None)
    return f"{1000 * seconds / workload['passes']:,.1f}"


def figure(workload: dict[str, Any], name: str, letter: str) -> str:
    """Return what a contender took and left behind, the latter under a letter."""
    series = workload["series"].get(name)
    if series is None:
        return NOTHING
    if series["broke"]:
        return series["broke"]
    parts = [f"{milliseconds(workload, name)} ms", f"{series['queries']:,} q"]
    if series["counted"] is not None:
        parts.append(f"{series['counted']:,} {letter}")
    return ", ".join(parts)


def judged(workload: dict[str, Any]) -> str:
    """Return the bar with its verdict."""
    if workload["bar"] is None:
        return NOTHING
    ours = against(workload["series"], "ours", "wall", workload["base"])
    return judge(ours, against(workload["series"], "twin", "wall"), workload["bar"])


def judge(measured: Ratio | None, control: Ratio | None, bar: float) -> str:
    """Return a bar with the verdict on what was measured."""
    if measured is None or control is None:
        return NOTHING
    return f"≤ {bar:.2f} {verdict(measured, control, bar)}"


def efforts(workloads: Iterable[dict[str, Any]]) -> str:
    """Return the ratios of the client's CPU time, and the queries of one pass."""
    head = ["work", *[f"CPU: {name}" for name in TITLES.values()], "queries: plain"]
    head += [f"queries: {name}" for key, name in TITLES.items() if key != "twin"]
    return table(head, [effort_row(workload) for workload in workloads])


def effort_row(workload: dict[str, Any]) -> list[str]:
    """Return the line of one workload."""
    series = workload["series"]
    cells = [str(against(series, name, "cpu") or NOTHING) for name in TITLES]
    names = ["plain", *[name for name in TITLES if name != "twin"]]
    counts = [f"{series[name]['queries']:,}" if name in series else NOTHING for name in names]
    return [title(workload), *cells, *counts]


def matrices(found: dict[str, dict[str, dict[str, str]]]) -> str:
    """Return the matrix of write paths, once for the databases that agree."""
    alike: dict[str, list[str]] = {}
    for server, rows in found.items():
        alike.setdefault(matrix(rows), []).append(server)
    return "\n\n".join(f"{', '.join(servers)}:\n\n{text}" for text, servers in alike.items())


def matrix(rows: dict[str, dict[str, str]]) -> str:
    """Return the matrix of write paths on one database."""
    packages = next(iter(rows.values()))
    head = ["path, 10 rows each", *packages]
    return table(head, [[path, *counts.values()] for path, counts in rows.items()])


def plans(server: str, found: dict[str, dict[str, Any]]) -> str:
    """Return the plans of one database."""
    lines = [f"{server}:", "", "```text"]
    for package, one in found.items():
        told = "reads every row" if one["sequential"] else "no sequential scan"
        lines += [f"{package}: {told}", *(f"    {line}" for line in one["plan"].splitlines())]
    return "\n".join([*lines, "```"])


def section(run: dict[str, Any]) -> str:
    """Return all tables of a run, database by database."""
    parts = [circumstances(run)]
    for database in run["databases"]:
        if "workloads" in database:
            parts += [f"#### {database['server']}", times(database["workloads"])]
            parts += ["Client CPU and queries:", efforts(database["workloads"])]
    return "\n\n".join(parts)


def circumstances(run: dict[str, Any]) -> str:
    """Return when, where and how busily it was measured."""
    machine, first = run["machine"], run["databases"][0]
    return (
        f"{run['date']}, Django {first['django']}, Python {first['python']},"
        f" {machine['cores']} cores shared with other work"
        f" (load {machine['load_before']:.1f} before, {machine['load_after']:.1f} after)."
        f" {run['rounds']} pairs per figure; who is judged by no bar and three times slower"
        " than the plain one takes part in every fifth round, a hundred times slower in the first."
    )
