"""Statements that MariaDB runs in one trip."""

import pytest
from django.db import DatabaseError, connection, transaction

from handleref.references.dialects import block, fetch_one
from tests.references.models import Item

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "mysql", reason="blocks are MariaDB's"),
]

TABLE = Item._meta.db_table
RENAME = f"UPDATE {TABLE} SET name = %s WHERE id = %s;"  # noqa: S608 - the suite's own
TELL = "SELECT 1, 2;"
FAIL = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no';"


@pytest.fixture
def item():
    return Item.objects.create(name="old")


def run(statements, item, *, alone):
    return fetch_one(connection, block(statements, alone=alone), ["new", item.pk])


def name(item):
    item.refresh_from_db()
    return item.name


@pytest.mark.parametrize(("statements", "told"), [(RENAME + TELL, (1, 2)), (RENAME, None)])
def test_a_block_is_run_to_its_end(item, statements, told):
    assert run(statements, item, alone=True) == told
    assert name(item) == "new"


@pytest.mark.parametrize("statements", [RENAME + FAIL, RENAME + TELL + FAIL])
def test_one_that_fails_raises_and_undoes_what_it_did(item, statements):
    with pytest.raises(DatabaseError, match="no"):
        run(statements, item, alone=True)

    assert name(item) == "old"
    assert connection.get_autocommit()


def test_in_a_transaction_it_ends_none(item):
    with transaction.atomic():
        run(RENAME + TELL, item, alone=False)
        transaction.set_rollback(True)

    assert name(item) == "old"
