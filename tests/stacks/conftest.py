"""What the tests of stacks ask of every database."""

from contextlib import contextmanager

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from handleref.stacks.dialects import follows_at_once


@pytest.fixture
def statements():
    """Return a block that collects the first words of the statements in it."""

    @contextmanager
    def collect():
        found = []
        with CaptureQueriesContext(connection) as captured:
            yield found
        found += [query["sql"].split()[0] for query in captured]

    return collect


@pytest.fixture
def one_save():
    """Return the first words of the statements that save the latest version."""
    return ["WITH"] if follows_at_once(connection) else ["UPDATE", "INSERT"]


@pytest.fixture
def chain():
    """Return the versions of an instance's stack, from the first on, as (number, latest, value)."""

    def chain(obj, name):
        rows = type(obj)._base_manager.filter(stack_group_uuid=obj.stack_group_uuid)
        return [*rows.order_by("stack_number").values_list("stack_number", "stack_latest", name)]

    return chain


@pytest.fixture
def rows_read():
    """Return what counts the rows that a query makes its database look at."""
    return {"sqlite": steps, "postgresql": actual, "mysql": handled}[connection.vendor]


def steps(rows):
    """Tell by the plan that an index gives rows and order: SQLite tells no numbers."""
    sql, params = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        plan = " / ".join(row[-1] for row in cursor.fetchall())
    looked_up = plan.startswith("SEARCH") and "=?" in plan
    assert looked_up and "TEMP B-TREE" not in plan, plan
    return 0


def actual(rows):
    """Count what PostgreSQL says that each step read, or threw away."""
    with connection.cursor() as cursor:
        sql, params = rows.query.sql_with_params()
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
        plan = cursor.fetchone()[0]
    return max(counted(plan))


def counted(plan):
    if isinstance(plan, dict):
        read = plan.get("Actual Rows", 0) * plan.get("Actual Loops", 1)
        yield read + plan.get("Rows Removed by Filter", 0)
        plan = [*plan.values()]
    if isinstance(plan, list):
        for part in plan:
            yield from counted(part)


def handled(rows):
    """Count the rows that MariaDB's handlers were asked for."""
    with connection.cursor() as cursor:
        cursor.execute("FLUSH STATUS")
        len(rows.all())
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
        found = dict(cursor.fetchall())
    return sum(int(found[f"Handler_read_{step}"]) for step in ("next", "prev", "rnd", "rnd_next"))
