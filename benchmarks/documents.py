"""Puts what was measured into the documentation, between its markers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.events import report as events_report
from benchmarks.history import report as history_report

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


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
    found = {}
    if any("workloads" in database for database in databases):
        found[f"measured on Django {version}"] = report.section(run)
    if any("history" in database for database in databases):
        found[f"history on Django {version}"] = history_report.section(run)
    if any("events" in database for database in databases):
        found[f"events on Django {version}"] = events_report.section(run)
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
