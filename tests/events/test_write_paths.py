"""Every way of the ORM, around it and past it on which a row is written is recorded."""

# ruff: noqa: S608 - the names of tables are the suite's own

import os
import shutil
import subprocess
from contextlib import closing

import pytest
from django.db import connection, transaction

from handleref.triggers.base import Copy, Trigger
from handleref.triggers.dialects import dialect_of
from handleref.triggers.installation import run
from tests.events.models import (
    Owner,
    Part,
    PartEvent,
    Piece,
    PieceTagsEvent,
    RowPart,
    RowPartEvent,
    Tag,
)
from tests.references.write_paths import COUNT, PATHS, Kit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

DIALECT = dialect_of(connection)
FEATURES = DIALECT.features
EVENTS = {Part: PartEvent, RowPart: RowPartEvent}
OPERATIONS = {"created": "insert", "changed": "update", "deleted": "delete"}
# What changes nothing is no change.
UNRECORDED = {"save no change", "rolled back save"}
both_levels = pytest.mark.parametrize("model", [Part, RowPart])


def kit(model):
    return Kit(model, loose=(model, "lender"), bound=(model, "owner"), swept=(model, "owner"))


def events(model):
    """Return what was recorded, in its order."""
    found = EVENTS[model].objects.order_by("hr_id")
    return [*found.values_list("hr_operation", "name", "number")]


def forget(model):
    """Delete what was recorded until now."""
    EVENTS[model].objects.all().delete()


def ten(model):
    """Write ten rows that are not counted."""
    rows = model.objects.bulk_create([model(name=f"row {n}", number=n) for n in range(COUNT)])
    forget(model)
    return rows


@both_levels
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_path_is_recorded(path, model):
    rows = path.rows(kit(model))
    forget(model)

    path.write(rows)

    operations = [operation for operation, *_ in events(model)]
    expected = [] if path.name in UNRECORDED else [OPERATIONS[path.kind]] * COUNT
    assert operations == expected


@both_levels
def test_an_upsert_that_inserts_and_updates_is_recorded_as_both(model):
    rows = ten(model)[:5]
    named = connection.features.supports_update_conflicts_with_target

    model.objects.bulk_create(
        [model(pk=row.pk, name="again", number=row.number + 1) for row in rows]
        + [model(name="new", number=n) for n in range(5)],
        update_conflicts=True,
        update_fields=["number"],
        unique_fields=["pk"] if named else None,
    )

    assert sorted(events(model)) == [
        *(("insert", "new", n) for n in range(5)),
        *(("update", f"row {n}", n + 1) for n in range(5)),
    ]


@both_levels
def test_many_executions_of_a_statement_are_recorded(model):
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} (name, number) VALUES (%s, %s)",
            [("x", number) for number in range(COUNT)],
        )
        cursor.executemany(
            f"UPDATE {table} SET number = number + 100 WHERE number = %s",
            [(number,) for number in range(COUNT)],
        )
        cursor.executemany(
            f"DELETE FROM {table} WHERE number = %s", [(n + 100,) for n in range(COUNT)]
        )

    assert events(model) == [
        *(("insert", "x", number) for number in range(COUNT)),
        *(("update", "x", number + 100) for number in range(COUNT)),
        *(("delete", "x", number + 100) for number in range(COUNT)),
    ]


@both_levels
def test_rows_copied_by_one_statement_are_recorded(model):
    ten(model)
    table = model._meta.db_table

    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (name, number) SELECT name, number + 10 FROM {table} ORDER BY id"
        )

    assert events(model) == [("insert", f"row {n}", n + 10) for n in range(COUNT)]


@both_levels
def test_a_statement_that_touches_no_row_writes_nothing(model):
    ten(model)

    model.objects.filter(number=-1).update(number=0)
    model.objects.filter(number=-1).delete()
    model.objects.bulk_create([])

    assert events(model) == []


@both_levels
def test_replaced_rows_are_recorded_as_the_database_sees_them(model):
    rows = ten(model)
    if connection.features.supports_ignore_conflicts and FEATURES.statement_level:
        pytest.skip("the database has no REPLACE")

    with connection.cursor() as cursor:
        cursor.executemany(
            f"REPLACE INTO {model._meta.db_table} (id, name, number) VALUES (%s, 'new', %s)",
            [(row.pk, row.number) for row in rows],
        )

    gone = [[("delete", f"row {n}", n)] if FEATURES.replace else [] for n in range(COUNT)]
    assert events(model) == [
        event for n in range(COUNT) for event in [*gone[n], ("insert", "new", n)]
    ]


@both_levels
def test_copied_in_rows_are_recorded(model):
    if not FEATURES.statement_level:
        pytest.skip("the database has no COPY")

    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {model._meta.db_table} (name, number) FROM STDIN") as copy,
    ):
        for number in range(COUNT):
            copy.write_row(("x", number))

    assert events(model) == [("insert", "x", number) for number in range(COUNT)]


@both_levels
def test_merged_rows_are_recorded(model):
    rows = ten(model)[:5]
    if not FEATURES.statement_level:
        pytest.skip("the database has no MERGE")
    table = model._meta.db_table

    with connection.cursor() as cursor:
        cursor.execute(
            f"MERGE INTO {table} t USING (SELECT g FROM generate_series(0, 9) g) s"
            " ON t.number = s.g AND t.id < %s"
            " WHEN MATCHED AND s.g < 3 THEN UPDATE SET number = 100 + s.g"
            " WHEN MATCHED THEN DELETE"
            " WHEN NOT MATCHED THEN INSERT (name, number) VALUES ('new', s.g)",
            [rows[-1].pk + 1],
        )

    assert sorted(events(model)) == [
        *(("delete", f"row {n}", n) for n in [3, 4]),
        *(("insert", "new", n) for n in range(5, 10)),
        *(("update", f"row {n}", 100 + n) for n in range(3)),
    ]


@both_levels
def test_several_writes_in_one_statement_are_recorded(model):
    ten(model)
    if not FEATURES.statement_level:
        pytest.skip("the database writes in one place at a time")
    table = model._meta.db_table

    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH a AS (UPDATE {table} SET number = number + 100 WHERE number < 3),"
            f" b AS (UPDATE {table} SET number = -number, id = -id WHERE number BETWEEN 3 AND 5),"
            f" c AS (DELETE FROM {table} WHERE number > 7)"
            f" INSERT INTO {table} (name, number) VALUES ('new', 1), ('new', 2)"
        )

    assert sorted(events(model)) == [
        ("delete", "row 8", 8),
        ("delete", "row 9", 9),
        ("insert", "new", 1),
        ("insert", "new", 2),
        *(("update", f"row {n}", 100 + n) for n in range(3)),
        *(("update", f"row {n}", -n) for n in range(3, 6)),
    ]


# Cascades ---------------------------------------------------------------------------------------


@pytest.fixture
def cascading():
    """Make two tables whose foreign key cascades in the database, with a trigger on each of them.

    Return the names of the two, and of the table of events.
    """
    event_columns = (
        "hr_created_at VARCHAR(40), hr_operation VARCHAR(6), hr_label VARCHAR(50), hr_txid BIGINT"
    )
    trigger = Trigger(
        name="hr_cascading_test",
        table="events_tests_cascaded",
        operation="delete",
        body=Copy(
            "events_tests_cascaded_event", "old", "delete", (("row_id", "id"),), context=False
        ),
        keys=("*",),
    )
    tables = ["events_tests_cascaded_event", "events_tests_cascaded", "events_tests_cascading"]
    drops = [f"DROP TABLE IF EXISTS {table}" for table in tables]
    parent = "FOREIGN KEY (parent) REFERENCES events_tests_cascading (id) ON DELETE CASCADE"
    columns = {
        "cascading": "id INTEGER PRIMARY KEY",
        "cascaded": f"id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, {parent}",
        "cascaded_event": f"{event_columns}, row_id INTEGER",
    }
    creations = [f"CREATE TABLE events_tests_{each} ({columns[each]})" for each in columns]
    run(DIALECT, [*drops, *creations, *DIALECT.create(trigger)])
    yield tables[2], tables[1], tables[0]
    run(DIALECT, [*DIALECT.drop(trigger.name, trigger.table), *drops])


def count(table):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return cursor.fetchone()[0]


def test_cascades_in_the_database_are_recorded_where_they_run_triggers(cascading):
    parent, child, event = cascading
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {parent} (id) VALUES (1)")
        for number in range(COUNT):
            cursor.execute(f"INSERT INTO {child} (id, parent) VALUES ({number}, 1)")

        cursor.execute(f"DELETE FROM {parent}")

    assert (count(child), count(event)) == (0, COUNT if FEATURES.cascades else 0)


def test_rows_deleted_without_a_cascade_are_recorded(cascading):
    parent, child, event = cascading
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {parent} (id) VALUES (1)")
        for number in range(COUNT):
            cursor.execute(f"INSERT INTO {child} (id, parent) VALUES ({number}, 1)")

        cursor.execute(f"DELETE FROM {child}")

    assert (count(child), count(event)) == (0, COUNT)


def test_cascades_of_django_reach_many_to_many_rows():
    tags = Tag.objects.bulk_create([Tag(name=str(number)) for number in range(COUNT)])
    tags = [*Tag.objects.filter(pk__in=[tag.pk for tag in tags])]
    owner = Owner.objects.create()
    piece = Piece.objects.create(code="a", owner=owner)
    piece.tags.set(tags)

    owner.delete()

    events = PieceTagsEvent.objects.order_by("hr_id").values_list("hr_label", "hr_obj_id")
    assert [*events] == [("tags_add", piece.pk)] * COUNT + [("tags_remove", piece.pk)] * COUNT


# Other clients ----------------------------------------------------------------------------------


def statements(model):
    table = model._meta.db_table
    rows = ", ".join(f"('x', {number})" for number in range(COUNT))
    return [
        f"INSERT INTO {table} (name, number) VALUES {rows}",
        f"UPDATE {table} SET number = number + 100",
        f"DELETE FROM {table}",
    ]


WRITTEN = [
    *(("insert", "x", number) for number in range(COUNT)),
    *(("update", "x", number + 100) for number in range(COUNT)),
    *(("delete", "x", number + 100) for number in range(COUNT)),
]


@both_levels
def test_the_driver_alone_is_recorded(model):
    driver = connection.Database

    with closing(driver.connect(**connection.get_connection_params())) as other:
        with closing(other.cursor()) as cursor:
            for sql in statements(model):
                cursor.execute(sql)
        other.commit()

    assert events(model) == WRITTEN


@both_levels
def test_what_another_client_rolls_back_is_not_recorded(model):
    driver = connection.Database

    with closing(driver.connect(**connection.get_connection_params())) as other:
        with closing(other.cursor()) as cursor:
            for sql in statements(model):
                cursor.execute(sql)
        other.rollback()

    assert events(model) == []


@both_levels
def test_the_shell_of_the_database_is_recorded(model):
    client = connection.client
    arguments, given = client.settings_to_cmd_args_env(connection.settings_dict, [])
    if not shutil.which(arguments[0]):
        pytest.skip(f"{arguments[0]} is not installed")

    done = subprocess.run(
        arguments,
        env={**os.environ, **(given or {})},
        input="".join(f"{sql};\n" for sql in statements(model)),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr, events(model)) == (0, "", WRITTEN)


@both_levels
def test_another_client_sees_no_suspension_of_ours(model):
    from handleref.triggers.suspension import suspend

    driver = connection.Database
    with suspend(record=False):
        model.objects.create(name="hidden")
        with closing(driver.connect(**connection.get_connection_params())) as other:
            with closing(other.cursor()) as cursor:
                cursor.execute(statements(model)[0])
            other.commit()

    assert events(model) == WRITTEN[:COUNT]


@both_levels
def test_an_open_block_of_ours_is_no_block_of_others(model):
    """SQLite notes what is suspended in a table, which others must never see."""
    from handleref.triggers.suspension import suspend

    if not connection.features.has_select_for_update:
        pytest.skip("one transaction writes at a time")
    driver = connection.Database
    with suspend(record=False), transaction.atomic():
        model.objects.create(name="hidden")
        with closing(driver.connect(**connection.get_connection_params())) as other:
            with closing(other.cursor()) as cursor:
                cursor.execute(statements(model)[0])
            other.commit()

    assert events(model) == WRITTEN[:COUNT]
