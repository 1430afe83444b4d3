"""Measures on one database, in a process of its own: ``python -m benchmarks.child``.

Reads what to do from its first argument and writes what it found to the file that
the second one names, both as JSON.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import django

if TYPE_CHECKING:
    from benchmarks.measure import Contender
    from benchmarks.workloads import Workload

# What listens where history is kept would change the other figures: it has settings of its own,
# and so have what records events, and rows that are history.
SETTINGS = {
    "benchmarks.settings": ("workloads", "plans", "matrix"),
    "benchmarks.history.settings": ("history",),
    "benchmarks.events.settings": ("events",),
    "benchmarks.inplace.settings": ("inplace",),
}
# What the tables say of a workload.
SHOWN = ("name", "size", "unit", "passes", "base", "bar", "bars")
TASKS = tuple(task for tasks in SETTINGS.values() for task in tasks)


def main(arguments: list[str]) -> None:
    """Create the database, do the tasks, and drop it again."""
    options = json.loads(arguments[0])
    os.environ["DJANGO_SETTINGS_MODULE"] = options["settings"]
    django.setup()
    from django.db import connection

    connection.creation.create_test_db(verbosity=0)
    try:
        found = {
            "server": server(),
            "python": platform.python_version(),
            "django": django.get_version(),
        }
        for task in options["tasks"]:
            # With --only there may be nothing to tell.
            if result := globals()[task](options):
                found[task] = result
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)
    Path(arguments[1]).write_text(json.dumps(found), encoding="utf-8")


def server() -> str:
    """Return the version of the database."""
    from django.db import connection

    connection.ensure_connection()
    version = ".".join(str(part) for part in connection.get_database_version())
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MariaDB"}
    return f"{names[connection.vendor]} {version}"


def workloads(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Measure what rows cost."""
    from benchmarks import workloads as all_workloads
    from benchmarks.contenders import contenders
    from benchmarks.tables import prepare

    able = list(contenders().values())
    prepare([contender.row for contender in able])
    return measured(all_workloads.workloads(options["scale"]), able, options)


def history(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Measure what their history costs."""
    from benchmarks.history.contenders import contenders
    from benchmarks.history.tables import prepare_all
    from benchmarks.history.workloads import workloads as all_workloads

    able = contenders()
    prepare_all(able)
    return measured(all_workloads(options["scale"]), able, options)


def events(options: dict[str, Any]) -> dict[str, Any]:
    """Measure what their events cost, and walk the write paths unless asked for less."""
    from benchmarks.events import workloads as all_workloads
    from benchmarks.events.contenders import contenders, growing
    from benchmarks.events.matrix import matrix as walked
    from benchmarks.events.tables import prepare_all

    able = contenders()
    prepare_all(able)
    scale = options["scale"]
    found = {
        "matrix": {} if options["only"] else walked(),
        "workloads": measured(all_workloads.workloads(scale), able, options),
        "growth": measured(all_workloads.growth(scale), [*growing(able)], options),
    }
    return {name: part for name, part in found.items() if part}


def inplace(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Measure what rows cost that are their own history."""
    from benchmarks.inplace.contenders import contenders
    from benchmarks.inplace.workloads import workloads as all_workloads
    from benchmarks.tables import prepare

    able = [*contenders()]
    prepare([contender.row for contender in able])
    return measured(all_workloads(options["scale"]), able, options)


def measured(
    workloads: Iterable[Workload], able: Sequence[Contender], options: dict[str, Any]
) -> list[dict[str, Any]]:
    """Measure the workloads asked for, telling on stderr how it goes."""
    from benchmarks.measure import measure

    found = []
    for workload in workloads:
        if not any(word in workload.name for word in options["only"] or [""]):
            continue
        start = perf_counter()
        series = measure(workload, able, options["rounds"])
        tell(f"{server()}: {workload.name}, {perf_counter() - start:.0f} s")
        shown = {name: getattr(workload, name) for name in SHOWN}
        found.append({**shown, "series": {name: asdict(one) for name, one in series.items()}})
    return found


def plans(options: dict[str, Any]) -> dict[str, Any]:
    """Return the plan of ``since()`` for whoever has one."""
    from benchmarks.contenders import contenders
    from benchmarks.plans import plan
    from benchmarks.tables import prepare

    size = int(1_000_000 * options["scale"])
    able = [one for one in contenders().values() if one.since and one.name != "twin"]
    prepare([contender.row for contender in able])
    return {contender.title: plan(contender, size) for contender in able}


def matrix(options: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return which write paths each package records."""
    from benchmarks.matrix import matrix as walked

    return walked()


def tell(line: str) -> None:
    """Print a line where it does not mix with the tables."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
