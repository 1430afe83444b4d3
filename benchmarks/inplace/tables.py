"""Fills the tables with objects of several versions, in one statement each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.management.color import no_style
from django.db import connection

from benchmarks.inplace.contenders import Contender
from benchmarks.tables import MOMENTS, START, VALUES, empty, settle

HEX = {
    "sqlite": "printf('%032x', {0})",
    "postgresql": "LPAD(TO_HEX({0}), 32, '0')::uuid",
    "mysql": "LPAD(HEX({0}), 32, '0')",
}

# The object of the row with the number i, and how often the objects were gone through before it.
OBJECT = "((i - 1) % {objects} + 1)"
TURN = "((i - 1 - (i - 1) % {objects}) / {objects})"

# Rows of a stack come one version after another; of those with periods, the newest version of
# each object comes first, because it keeps the object's key.
VERSION = {
    "plain": "1",
    "stack": f"({TURN} + 1)",
    "period": f"CASE WHEN i <= {{objects}} THEN {{versions}} ELSE {TURN} END",
}
NEWEST = "({version}) = {versions}"


def fill_with_versions(contender: Contender, objects: int, versions: int = 1) -> None:
    """Empty the table and give it objects, each with as many versions, an hour apart."""
    if contender.every(contender.row).count() == objects * versions > objects:
        return
    empty(contender.row)
    columns = [field.column for field in contender.row._meta.concrete_fields]
    values = values_of(contender.kind, objects, versions)
    chosen = [column for column in columns if column in values]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {contender.row._meta.db_table} ({', '.join(chosen)})"  # noqa: S608
            " WITH RECURSIVE numbers (i) AS"
            f" (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {objects * versions})"
            f" SELECT {', '.join(values[column] for column in chosen)} FROM numbers"
        )
        for sql in connection.ops.sequence_reset_sql(no_style(), [contender.row]):
            cursor.execute(sql)
    settle(contender.row)


def values_of(kind: str, objects: int, versions: int) -> dict[str, str]:
    """Return the SQL of each column's value."""
    numbers = {"objects": objects, "versions": versions}
    of, version = OBJECT.format(**numbers), VERSION[kind].format(**numbers)
    newest = NEWEST.format(version=version, versions=versions)
    true, empty_text = "true" if connection.vendor == "postgresql" else "1", "''"
    plain = {name: VALUES[name] for name in ("name", "code", "city", "number")}
    return plain | {
        "id": "i",
        "stack_group_uuid": HEX[connection.vendor].format(of),
        "stack_number": version,
        "stack_latest": f"CASE WHEN {newest} THEN {true} END",
        "stack_created_at": moment(version),
        "stack_comment": empty_text,
        "row_id": of,
        "row_version": version,
        "created_at": moment(version),
        "replaced_at": f"CASE WHEN NOT ({newest}) THEN {moment(f'({version}) + 1')} END",
        "start_at": moment("1"),
        "change_comment": empty_text,
    }


def moment(version: str) -> str:
    """Return the SQL of the moment at which a version was written."""
    start = START.strftime("%Y-%m-%d %H:%M:%S")
    return MOMENTS[connection.vendor].format(start=start, seconds=f"3600 * ({version})")


def as_of(version: int) -> datetime:
    """Return a moment at which a version was the newest of each object."""
    return START + timedelta(hours=version, minutes=30)


def instances(contender: Contender, size: int) -> list[Any]:
    """Return the instances of a table that was just filled with one version of each."""
    fill_with_versions(contender, size)
    return [*contender.row.objects.order_by("pk")]
