"""Puts what was measured into the documentation, between its markers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.events import report as events_report
from benchmarks.history import report as history_report
from benchmarks.inplace import report as inplace_report

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"

# What the page calls the tables of each task, and who writes them.
SECTIONS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "workloads": ("measured", report.section),
    "history": ("history", history_report.section),
    "events": ("events", events_report.section),
    "inplace": ("rows in place", inplace_report.section),
}


def write(run: dict[str, Any], page: Path = PAGE) -> None:
    """Replace the tables, the matrix and the plans that the run has."""
    text = page.read_text(encoding="utf-8")
    for name, part in parts(run).items():
        text = put(text, name, part)
    page.write_text(text, encoding="utf-8")


def parts(run: dict[str, Any]) -> dict[str, str]:
    """Return the Markdown of each marked part of the page."""
    databases = run["databases"]
    version = ".".join(databases[0]["django"].split(".")[:2])
    found = {
        f"{words} on Django {version}": section(run)
        for task, (words, section) in SECTIONS.items()
        if any(task in database for database in databases)
    }
    if paths := events_report.paths(run):
        found["matrix of events"] = paths
    walked = {each["server"]: each["matrix"] for each in databases if "matrix" in each}
    if walked:
        found["matrix"] = report.matrices(walked)
    for each in databases:
        if "plans" in each:
            found[f"plans of {each['server'].split()[0]}"] = report.plans(
                each["server"], each["plans"]
            )
    return found


def put(text: str, name: str, part: str) -> str:
    """Return the text with the part between its markers; ValueError without them."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        message = f"{PAGE.name} has no place for it: {begin} … {end}"
        raise ValueError(message)
    return pattern.sub(lambda _: f"{begin}\n\n{part}\n\n{end}", text)
