"""What every test of the suite is in need of."""

# ruff: noqa: S608 - the names of tables are the suite's own

from contextlib import ExitStack
from unittest import mock

import pytest
from django.apps import apps
from django.db import connections, transaction
from django.test import TransactionTestCase

from handleref.triggers.suspension import suspend


@pytest.fixture(autouse=True, scope="session")
def _flush_passes_triggers():
    """Let Django empty the tables after a test that commits.

    Events that are append-only refuse it, and where it is done by DELETE it is recorded.
    """
    flush = TransactionTestCase._fixture_teardown

    def teardown(self):
        with unwatched():
            if QUICKLY:
                QUICKLY.clear()
                empty_all(self._databases_names(include_mirrors=False))
            else:
                flush(self)

    with mock.patch.object(TransactionTestCase, "_fixture_teardown", teardown):
        yield


@pytest.fixture
def commits(transactional_db):
    """Let a test of events commit, and empty their tables alone afterwards.

    Django would empty all of the suite's, and migrate again: a second or two a test.
    """
    QUICKLY.append(True)


@pytest.fixture
def by_hand(transactional_db):
    """Let nothing be committed but by ``transaction.commit()``."""
    transaction.set_autocommit(False)
    yield
    transaction.rollback()
    transaction.set_autocommit(True)


# Says that the test that ends now left nothing but rows of events' tests.
QUICKLY = []


def unwatched():
    """Return a block in which nothing is recorded nor refused, on any database."""
    stack = ExitStack()
    for alias in connections:
        stack.enter_context(suspend("*", "append_only", using=alias, record=False))
    return stack


def empty_all(aliases):
    for alias in aliases:
        empty(alias)


def empty(alias):
    """Delete all rows of the tables of the events' tests, and of events."""
    connection = connections[alias]
    models = apps.get_models(include_auto_created=True)
    labels = {"events_tests", "handleref_events"}
    tables = [m._meta.db_table for m in models if m._meta.app_label in labels and m._meta.managed]
    there = {*connection.introspection.table_names()}
    with (
        connection.constraint_checks_disabled(),
        transaction.atomic(alias),
        connection.cursor() as cursor,
    ):
        for table in there.intersection(tables):
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")
