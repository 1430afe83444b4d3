"""Measure, print tables and keep the figures: ``python -m benchmarks`` (see ``--help``)."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import documents
from benchmarks.child import SETTINGS, TASKS, tell
from tests.databases import DATABASES, Database, MissingDatabaseError, Server

# What is timed, and on which databases.
TIMED = {
    "workloads": ("sqlite", "postgresql"),
    "history": ("sqlite", "postgresql"),
    "events": ("sqlite", "postgresql", "mariadb"),
    "inplace": ("sqlite", "postgresql", "mariadb"),
}


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks and return the exit status."""
    options = parse(arguments)
    run = measured(options)
    print(text(run))
    if options.json:
        options.json.write_text(json.dumps(run, indent=1), encoding="utf-8")
    if options.write_docs:
        documents.write(run)
    return 0 if run["databases"] else 1


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    known = ",".join(database.name for database in DATABASES)
    parser.add_argument("--rounds", type=int, default=15, help="pairs per figure (default: 15)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of rows")
    parser.add_argument("--only", type=words, default=[], help="words in the names of workloads")
    parser.add_argument("--databases", type=words, default=known.split(","), help=f"of {known}")
    parser.add_argument("--matrix", action="store_true", help="the write paths only, no times")
    parser.add_argument("--plans", action="store_true", help="the plans of since() only, no times")
    parser.add_argument("--history", action="store_true", help="what history costs only")
    parser.add_argument("--events", action="store_true", help="what events cost only")
    parser.add_argument("--inplace", action="store_true", help="what rows that are history cost")
    parser.add_argument("--quick", action="store_true", help="few rows, two rounds: does it work?")
    parser.add_argument("--json", type=Path, help="write every single figure to this file")
    parser.add_argument("--write-docs", action="store_true", help="renew docs/benchmarks.md")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.scale = 2, 0.001
    return options


def words(text: str) -> list[str]:
    """Return what stands between the commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was found on every database, and under which circumstances."""
    before = os.getloadavg()[0]
    found = []
    for database in DATABASES:
        if database.name in options.databases and (tasks := tasks_for(database, options)):
            found += on(database, options, tasks)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "rounds": options.rounds,
        "machine": {
            "cores": os.cpu_count(),
            "load_before": before,
            "load_after": os.getloadavg()[0],
        },
        "databases": found,
    }


def tasks_for(database: Database, options: argparse.Namespace) -> list[str]:
    """Return what is asked for on a database; MariaDB is timed for what has bars there."""
    switches = ("plans", "matrix", "history", "events", "inplace")
    chosen = [task for task in switches if getattr(options, task)] or TASKS
    if options.only:
        chosen = [task for task in chosen if task in TIMED]
    return [task for task in chosen if database.name in TIMED.get(task, (database.name,))]


def on(database: Database, options: argparse.Namespace, tasks: list[str]) -> list[dict[str, Any]]:
    """Return what child processes found on the database, or nothing when there is none."""
    wanted = {"rounds": options.rounds, "scale": options.scale, "only": options.only}
    found: dict[str, Any] = {}
    try:
        with database.start() as server:
            for settings, known in SETTINGS.items():
                if mine := [task for task in known if task in tasks]:
                    found |= child(server, {**wanted, "settings": settings, "tasks": mine})
            return [found]
    except MissingDatabaseError as reason:
        tell(f"{database.title}: left out, {reason}.")
        return []


def child(server: Server, wanted: dict[str, Any]) -> dict[str, Any]:
    """Run a child process on the server and return what it found."""
    address = {"HANDLEREF_DATABASE_URL": server.url, "HANDLEREF_DATABASE_NAME": server.test_name}
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [sys.executable, "-m", "benchmarks.child", json.dumps(wanted), file.name]
        subprocess.run(command, env=os.environ | address, check=True)
        return json.loads(Path(file.name).read_text(encoding="utf-8"))


def text(run: dict[str, Any]) -> str:
    """Return everything as Markdown, in the order of the page."""
    return (
        "\n\n".join(documents.parts(run).values()) if run["databases"] else "Nothing was measured."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
