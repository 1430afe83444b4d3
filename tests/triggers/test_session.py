"""What the connection is told before a write, and when it is told nothing."""

# ruff: noqa: S608 - the names of tables are the suite's own

import threading
from contextlib import nullcontext

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from handleref.references.dialects import block
from handleref.triggers import session
from handleref.triggers.dialects import dialect_of
from handleref.triggers.session import Courier, first_word
from handleref.triggers.suspension import suspend
from tests.events.models import Named, NamedEvent, RowBook, RowBookEvent

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("commits"),
]

FEATURES = dialect_of(connection).features
TABLE = RowBook._meta.db_table


def titles():
    """Return the titles of what was recorded, in its order."""
    return [*RowBookEvent.objects.order_by("hr_id").values_list("title", flat=True)]


def quiet():
    """Return a block that hides what is written to books."""
    return suspend(RowBook, record=False)


def add(title, using="default"):
    return RowBook.objects.using(using).create(title=title)


def raw(sql, params=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def insertion(title):
    return f"INSERT INTO {TABLE} (title, pages) VALUES ('{title}', 0)"


def courier(using="default"):
    connections[using].ensure_connection()
    return next(w for w in connections[using].execute_wrappers if isinstance(w, Courier))


@pytest.fixture
def delivered(monkeypatch):
    """Return what the connection is told in the test: texts by key, None for taken back."""
    found = []
    deliver = Courier._deliver

    def noted(self, values):
        found.append(dict(values))
        deliver(self, values)

    monkeypatch.setattr(Courier, "_deliver", noted)
    return found


HIDDEN = {"suspended": "|events_tests.rowbook|"}


# How often ------------------------------------------------------------------------------------


def test_a_connection_has_one_courier():
    connection.close()

    connection.ensure_connection()
    session.attach_to_all()

    kinds = [type(wrapper) for wrapper in connection.execute_wrappers]
    assert kinds == [Courier]


def test_nothing_is_executed_when_nothing_is_told(delivered):
    with CaptureQueriesContext(connection) as queries:
        RowBook.objects.filter(pk=1).update(pages=3)
        with transaction.atomic():
            RowBook.objects.filter(pk=1).update(pages=3)

    statements = [query["sql"].split()[0] for query in queries]
    assert (statements.count("UPDATE"), len(statements), delivered) == (2, len(statements), [])


def test_a_transaction_that_reads_is_told_once_for_it_may_call_what_writes(delivered):
    with quiet(), transaction.atomic():
        [*RowBook.objects.all()]
        RowBook.objects.count()

    assert delivered == ([] if FEATURES.memory == "statement" else [HIDDEN])


def test_a_function_that_writes_is_hidden_and_seen_as_a_statement_is():
    if connection.vendor != "postgresql":
        pytest.skip("Elsewhere no SELECT writes, or the tests' user makes no functions.")
    function = (
        "CREATE FUNCTION pg_temp.add(text) RETURNS void LANGUAGE sql AS"
        " 'INSERT INTO events_tests_rowbook (title, pages) VALUES ($1, 0)'"
    )

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(function)
        with quiet():
            cursor.execute("SELECT pg_temp.add('hidden')")
        cursor.execute("SELECT pg_temp.add('seen')")

    assert titles() == ["seen"]


def test_a_transaction_is_told_once(delivered):
    with quiet(), transaction.atomic():
        for number in range(3):
            add(str(number))

    told = {
        "statement": [HIDDEN, {"suspended": None}] * 3,
        "transaction": [HIDDEN],
        "session": [HIDDEN],
    }
    assert ([*delivered], titles()) == (told[FEATURES.memory], [])


def test_each_transaction_is_told_where_the_last_is_forgotten(delivered):
    with quiet():
        for number in range(3):
            add(str(number))

    told = {
        "statement": [HIDDEN, {"suspended": None}] * 3,
        "transaction": [HIDDEN] * 3,
        "session": [HIDDEN],
    }
    assert ([*delivered], titles()) == (told[FEATURES.memory], [])


def test_a_change_is_told_before_the_next_write(delivered):
    with transaction.atomic():
        with quiet():
            add("hidden")
        before = [*delivered]
        add("seen")
        add("seen, too")

    after = delivered[len(before) :]
    assert after == ([] if FEATURES.memory == "statement" else [{"suspended": None}])
    assert titles() == ["seen", "seen, too"]


# Transactions -----------------------------------------------------------------------------------


def test_what_was_told_in_a_savepoint_that_is_rolled_back_is_told_again():
    with transaction.atomic(), quiet():
        with transaction.atomic():
            add("gone")
            transaction.set_rollback(True)
        add("hidden")

    assert titles() == []


def test_what_was_taken_back_in_a_savepoint_that_is_rolled_back_is_taken_back_again():
    with transaction.atomic():
        with quiet():
            add("hidden")
        with transaction.atomic():
            add("gone")
            transaction.set_rollback(True)
        add("seen")

    assert titles() == ["seen"]


def test_a_block_that_ends_in_a_savepoint_stays_ended_when_that_is_rolled_back():
    with transaction.atomic():
        block = quiet()
        block.__enter__()
        add("hidden")
        with transaction.atomic():
            block.__exit__(None, None, None)
            add("gone")
            transaction.set_rollback(True)
        add("seen")

    assert titles() == ["seen"]


def test_savepoints_rolled_back_by_hand_are_noticed():
    with transaction.atomic():
        with quiet():
            add("hidden")
        raw("SAVEPOINT by_hand")
        add("gone")
        raw("/* back */ rollback to savepoint by_hand")
        add("seen")
        with quiet():
            raw("SAVEPOINT by_hand")
            add("gone")
            raw("ROLLBACK TO SAVEPOINT by_hand")
            add("hidden as well")

    assert titles() == ["seen"]


def test_a_transaction_that_is_rolled_back_leaves_nothing_told():
    with quiet(), transaction.atomic():
        add("gone")
        transaction.set_rollback(True)
    add("seen")
    with quiet():
        add("hidden")

    assert titles() == ["seen"]


def test_autocommit_is_switched_off_by_hand():
    transaction.set_autocommit(False)
    try:
        with quiet():
            add("hidden")
            transaction.commit()
            add("hidden, too")
            transaction.rollback()
            add("hidden at last")
        add("seen")
        transaction.commit()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)

    assert titles() == ["seen"]
    assert RowBook.objects.count() == 3


def test_a_new_connection_is_told_again():
    with quiet():
        add("hidden")
        connection.close()
        add("hidden, too")
    connection.close()
    add("seen")

    assert titles() == ["seen"]


def test_hooks_on_commit_run_in_the_block_they_run_in():
    with quiet(), transaction.atomic():
        add("hidden")
        transaction.on_commit(lambda: add("hidden by the hook"))
    with transaction.atomic():
        with quiet():
            add("hidden, too")
            transaction.on_commit(lambda: add("seen by the hook"))
        add("seen")

    assert titles() == ["seen", "seen by the hook"]


def test_an_aborted_transaction_ends_the_block_quietly():
    add("taken")
    with pytest.raises(IntegrityError), transaction.atomic(), quiet():
        add("taken")
    add("seen")

    assert (session.told("default"), titles()) == ({}, ["taken", "seen"])


def test_the_block_ends_within_an_aborted_transaction():
    add("taken")
    with transaction.atomic():
        with quiet():
            add("hidden")
            with pytest.raises(IntegrityError):
                raw(insertion("taken"))
        transaction.set_rollback(True)
    add("seen")

    assert (session.told("default"), titles()) == ({}, ["taken", "seen"])


def test_a_failing_statement_leaves_the_block_as_it_was():
    add("taken")
    with quiet():
        with pytest.raises(IntegrityError):
            add("taken")
        add("hidden")
        with pytest.raises(DatabaseError):
            raw("UPDATE no_such_table SET a = 1")
        add("hidden, too")
    add("seen")

    assert titles() == ["taken", "seen"]


def test_a_failing_statement_in_a_savepoint_leaves_the_block_as_it_was():
    add("taken")
    with transaction.atomic():
        with quiet():
            with pytest.raises(IntegrityError), transaction.atomic():
                add("taken")
            add("hidden")
        with pytest.raises(IntegrityError), transaction.atomic():
            add("taken")
        add("seen")

    assert titles() == ["taken", "seen"]


# Statements of every shape ----------------------------------------------------------------------


def test_percent_signs_without_parameters_stay():
    with quiet():
        raw(insertion("100% %s hidden"))
    raw(insertion("100% %s"))

    assert titles() == ["100% %s"]


def test_many_at_once():
    sql = f"INSERT INTO {TABLE} (title, pages) VALUES (%s, %s)"
    with connection.cursor() as cursor:
        with quiet():
            cursor.executemany(sql, [("a", 1), ("b", 2)])
        cursor.executemany(sql, [("c", 3), ("d", 4)])

    assert titles() == ["c", "d"]


@pytest.mark.parametrize("autocommit", [True, False])
def test_returned_rows_arrive(autocommit):
    if not connection.features.can_return_columns_from_insert:
        pytest.skip("the database returns no rows")
    sql = f"INSERT INTO {TABLE} (title, pages) VALUES (%s, 1), (%s, 2), (%s, 3) RETURNING title"
    block = CaptureQueriesContext(connection) if autocommit else transaction.atomic()

    with quiet(), block, connection.cursor() as cursor:
        cursor.execute(sql, ["a", "b", "c"])
        rows = [cursor.fetchone(), *cursor.fetchmany(1), *cursor.fetchall()]
        nothing = (cursor.fetchone(), cursor.fetchmany(2), [*cursor.fetchall()])

    assert rows == [("a",), ("b",), ("c",)]
    assert nothing == (None, [], []) or FEATURES.memory != "statement"
    assert (RowBook.objects.count(), titles()) == (3, [])


def test_returned_rows_can_be_walked():
    if not connection.features.can_return_columns_from_insert:
        pytest.skip("the database returns no rows")
    with quiet(), connection.cursor() as cursor:
        cursor.execute(f"{insertion('a')} RETURNING title, pages")
        rows = [*cursor]
        columns = [column[0] for column in cursor.description]

    assert (rows, columns, RowBook.objects.count(), titles()) == (
        [("a", 0)],
        ["title", "pages"],
        1,
        [],
    )


def test_objects_get_their_keys_in_autocommit():
    with quiet():
        books = RowBook.objects.bulk_create([RowBook(title="a"), RowBook(title="b")])
        book = add("c")

    saved = dict(RowBook.objects.values_list("title", "pk"))
    assert saved == {"a": books[0].pk, "b": books[1].pk, "c": book.pk}


def test_a_write_passes_while_rows_are_read():
    for number in range(5):
        add(str(number))
    with transaction.atomic(), quiet():
        for book in RowBook.objects.order_by("pk").iterator(chunk_size=2):
            RowBook.objects.filter(pk=book.pk).update(pages=7)
    for book in RowBook.objects.order_by("pk").iterator(chunk_size=2):
        with quiet():
            RowBook.objects.filter(pk=book.pk).update(pages=8)

    assert (RowBook.objects.filter(pages=8).count(), titles()) == (5, ["0", "1", "2", "3", "4"])


SHAPES = {
    "a comment before": "-- why\n /* and\nhow */\n{0}",
    "a comment right after": "INSERT/* now */INTO {table} (title, pages) VALUES ('x', 0)",
    "capitals and blanks": "\n\t\f {0}",
    "bytes": b"INSERT INTO events_tests_rowbook (title, pages) VALUES ('x', 0)",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_write_is_known_by_its_first_word(shape):
    sql = SHAPES[shape]
    if isinstance(sql, bytes) and not connection.features.has_native_uuid_field:
        pytest.skip("the driver takes no bytes")
    if isinstance(sql, str):
        sql = sql.format(insertion("x"), table=TABLE)
    with quiet():
        raw(sql)

    assert (RowBook.objects.count(), titles()) == (1, [])


@pytest.mark.skipif(connection.vendor != "mysql", reason="blocks are MariaDB's")
@pytest.mark.parametrize("alone", [True, False])
def test_a_block_of_statements_is_a_write(alone):
    sql = block(f"{insertion('x')};", alone=alone)

    with nullcontext() if alone else transaction.atomic(), quiet():
        raw(sql)
    raw(block(f"{insertion('y')};", alone=True))

    assert (RowBook.objects.count(), titles()) == (2, ["y"])


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("INSERT INTO a", "insert"),
        ("update a", "update"),
        ('UPDATE"a" SET b = 1', "update"),
        ("DELETE\nFROM a", "delete"),
        ("DELETE/**/FROM a", "delete"),
        ("((SELECT 1))", "select"),
        ("WITH a AS (SELECT 1) INSERT", "with"),
        ("-- a\n--b\n/* c */ -- d\nMERGE INTO", "merge"),
        ("# MariaDB's\nUPDATE a", "update"),
        ("\x0b\x0c\u00a0 UPDATE a", "update"),
        (b"  insert into a", "insert"),
        ("COMMIT;", "commit"),
        ("; UPDATE a", "update"),
        ("ROLLBACK;", "rollback"),
        ("--nothing", ""),
        ("", ""),
        ("/* never closed", ""),
    ],
)
def test_the_first_word_of_a_statement(sql, word):
    assert first_word(sql) == word


def test_a_common_table_expression_writes():
    Named.objects.create(name="x", value=3)
    source = "WITH source AS (SELECT name, value FROM events_tests_named)"
    target = f"INSERT INTO {TABLE} (title, pages)"
    rows = "SELECT name, value FROM source"
    # MariaDB has it between the two.
    if connection.features.supports_over_clause and connection.vendor == "mysql":
        sql = f"{target} {source} {rows}"
    else:
        sql = f"{source} {target} {rows}"

    with quiet():
        raw(sql)

    assert (RowBook.objects.count(), titles()) == (1, [])


def test_composed_statements_of_psycopg():
    psycopg_sql = pytest.importorskip("psycopg.sql")
    if not connection.features.has_native_uuid_field or not FEATURES.statement_level:
        pytest.skip("the driver is not psycopg")
    composed = psycopg_sql.SQL("INSERT INTO {} (title, pages) VALUES (%s, 0)").format(
        psycopg_sql.Identifier(TABLE)
    )

    with quiet():
        raw(composed, ["a"])
        raw(psycopg_sql.SQL(insertion("b")))
    raw(composed, ["c"])

    assert (RowBook.objects.count(), titles()) == (3, ["c"])


# Blocks -----------------------------------------------------------------------------------------


def test_blocks_nest():
    with suspend(Named, record=False):
        with suspend(RowBook, record=False):
            add("hidden")
            Named.objects.create(name="hidden")
        add("seen")
        Named.objects.create(name="hidden, too")
    Named.objects.create(name="seen")

    names = [*NamedEvent.objects.values_list("name", flat=True)]
    assert (titles(), names, session.told("default")) == (["seen"], ["seen"], {})


def test_a_block_within_itself():
    block = quiet()
    with block:
        with block:
            add("hidden")
        add("hidden, too")
    add("seen")

    assert titles() == ["seen"]


def test_an_error_ends_the_block():
    @quiet()
    def fail():
        raise ZeroDivisionError(add("hidden"))

    with pytest.raises(ZeroDivisionError):
        fail()
    add("seen")

    assert titles() == ["seen"]


def test_a_function_runs_in_the_block_each_time():
    @quiet()
    def write(title):
        return add(title).title

    written = [write("hidden"), write("hidden, too")]
    add("seen")

    assert (written, titles()) == (["hidden", "hidden, too"], ["seen"])


def test_a_function_that_calls_itself():
    @quiet()
    def write(depth):
        if depth:
            write(depth - 1)
        add(str(depth))

    write(3)
    add("seen")

    assert (RowBook.objects.count(), titles()) == (5, ["seen"])


def test_a_function_that_two_threads_call():
    both_are_in = threading.Barrier(2)

    @quiet()
    def write(title):
        both_are_in.wait()
        add(title)

    def run(title):
        write(f"hidden {title}")
        add(f"seen {title}")
        connections.close_all()

    threads = [threading.Thread(target=run, args=(title,)) for title in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(titles()) == ["seen a", "seen b"]


def test_a_coroutine_function_runs_in_the_block():
    from asgiref.sync import async_to_sync

    @quiet()
    async def write(title):
        await RowBook.objects.acreate(title=title)

    async def main():
        await write("hidden")
        await write("hidden, too")
        await RowBook.objects.acreate(title="seen")
        async with quiet():
            await RowBook.objects.acreate(title="hidden at last")

    async_to_sync(main)()

    assert (RowBook.objects.count(), titles()) == (4, ["seen"])


# Two databases ----------------------------------------------------------------------------------


def test_a_block_is_for_one_database():
    with suspend(RowBook, using="other", record=False):
        add("seen here")
        add("hidden there", using="other")
    add("seen there", using="other")

    there = RowBookEvent.objects.using("other").order_by("hr_id")
    assert titles() == ["seen here"]
    assert [*there.values_list("title", flat=True)] == ["seen there"]


def test_blocks_for_two_databases_nest():
    with (
        suspend(RowBook, using="other", record=False),
        transaction.atomic("other"),
        suspend(RowBook, record=False),
    ):
        add("hidden here")
        add("hidden there", using="other")
    add("seen here")
    add("seen there", using="other")

    there = RowBookEvent.objects.using("other").order_by("hr_id")
    assert titles() == ["seen here"]
    assert [*there.values_list("title", flat=True)] == ["seen there"]


def test_what_is_told_leaves_nothing_behind():
    """SQLite keeps it in a table, which must be empty for whoever else writes."""
    if FEATURES.memory != "statement":
        pytest.skip("the database has sessions")
    with quiet():
        add("hidden")
        with pytest.raises(IntegrityError):
            add("hidden")
        with transaction.atomic():
            add("hidden, too")

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM handleref_session")
        assert cursor.fetchone() == (0,)
