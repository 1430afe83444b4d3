"""Measures on one database, in a process of its own: ``python -m benchmarks.child``.

Reads what to do from its first argument and writes what it found to the file that
the second one names, both as JSON.
"""

import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import django

TASKS = ("workloads", "plans", "matrix")


def main(arguments: list[str]) -> None:
    """Create the database, do the tasks, and drop it again."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    django.setup()
    from django.db import connection

    options = json.loads(arguments[0])
    connection.creation.create_test_db(verbosity=0)
    try:
        found = {
            "server": server(),
            "python": platform.python_version(),
            "django": django.get_version(),
        }
        for task in options["tasks"]:
            found[task] = globals()[task](options)
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
    """Measure the workloads asked for, telling on stderr how it goes."""
    from benchmarks import workloads as all_workloads
    from benchmarks.contenders import contenders
    from benchmarks.measure import measure
    from benchmarks.tables import prepare

    able = list(contenders().values())
    prepare([contender.row for contender in able])
    found = []
    for workload in all_workloads.workloads(options["scale"]):
        if not any(word in workload.name for word in options["only"] or [""]):
            continue
        start = perf_counter()
        series = measure(workload, able, options["rounds"])
        tell(f"{server()}: {workload.name}, {perf_counter() - start:.0f} s")
        found.append(
            {
                "name": workload.name,
                "size": workload.size,
                "passes": workload.passes,
                "bar": workload.bar,
                "series": {name: asdict(one) for name, one in series.items()},
            }
        )
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
