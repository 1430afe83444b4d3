"""Fills and empties the tables, in one statement each, so that set-up is quick."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from django.db.models import Model

START = datetime(2026, 1, 1, tzinfo=UTC)
# A prime spreads the moments over the table; a million times it still fits in 32 bits.
STRIDE = 2003

# What a column of the row with the number ``i`` holds; columns not named here are NULL.
VALUES = {
    "name": "'Airport'",
    "code": "'HR-00000'",
    "city": "'Somewhere'",
    "number": "i",
    "price": "9.99",
    "opened": "{start}",
    "created": "{start}",
    "updated": "{moment}",
    "status": "'ok'",
    "version": "1",
    "deleted_by_cascade": "{false}",
}

# The moment ``START`` plus a number of seconds, where the seconds are an SQL expression.
MOMENTS = {
    "sqlite": "datetime('{start}', ({seconds}) || ' seconds')",
    "postgresql": "TIMESTAMPTZ '{start}+00' + ({seconds}) * INTERVAL '1 second'",
    "mysql": "TIMESTAMP '{start}' + INTERVAL ({seconds}) SECOND",
}


def fill(model: type[Model], size: int) -> None:
    """Empty the table and give it ``size`` rows, written in a random order of moments."""
    empty(model)
    columns = [field.column for field in model._meta.concrete_fields if not field.primary_key]
    values = [expression(column, size) for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({', '.join(columns)})"  # noqa: S608
            " WITH RECURSIVE numbers (i) AS"
            f" (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {size})"
            f" SELECT {', '.join(values)} FROM numbers"
        )
    settle(model)


def expression(column: str, size: int) -> str:
    """Return the SQL of a column's value."""
    moment = MOMENTS[connection.vendor].format
    start = START.strftime("%Y-%m-%d %H:%M:%S")
    return VALUES.get(column, "NULL").format(
        start=moment(start=start, seconds="0"),
        moment=moment(start=start, seconds=f"1 + (i * {STRIDE}) % {size}"),
        false="false" if connection.vendor == "postgresql" else "0",
    )


def latest(size: int, count: int) -> datetime:
    """Return the moment after which ``count`` of the rows were updated."""
    return START + timedelta(seconds=size - count)


def empty(*models: type[Model]) -> None:
    """Take every row out of the tables, and their traces with them.

    Those that refer to others come first.
    """
    tables = [model._meta.db_table for model in models]
    statements = {
        "sqlite": [f"DELETE FROM {table}" for table in tables],  # noqa: S608
        "postgresql": [f"TRUNCATE TABLE {', '.join(tables)}"],
        "mysql": [f"TRUNCATE TABLE {table}" for table in tables],
    }[connection.vendor]
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def settle(model: type[Model]) -> None:
    """Do now what the database would otherwise do while the clock runs."""
    table = model._meta.db_table
    statements = {
        "sqlite": ["PRAGMA wal_checkpoint(TRUNCATE)"],
        "postgresql": [f"VACUUM (ANALYZE) {table}"],
        "mysql": [f"ANALYZE TABLE {table}"],
    }
    with connection.cursor() as cursor:
        for statement in statements[connection.vendor]:
            cursor.execute(statement)
            if connection.vendor != "postgresql":
                cursor.fetchall()


def prepare(models: list[type[Model]]) -> None:
    """Set the database up for the benchmarks.

    PostgreSQL must not vacuum on its own while the clock runs (:func:`settle` does it
    between the rounds), MariaDB must be let count to a million.
    """
    statements = {
        "postgresql": [
            f"ALTER TABLE {model._meta.db_table} SET (autovacuum_enabled = false)"
            for model in models
        ],
        "mysql": ["SET max_recursive_iterations = 10000000"],
    }
    with connection.cursor() as cursor:
        for statement in statements.get(connection.vendor, ()):
            cursor.execute(statement)
