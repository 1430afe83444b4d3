"""A page of latest rows is read off an index: told by the rows that are read for it."""

import uuid

import pytest
from django.db import connection
from django.db.models import F

from tests.stacks.models import Counter, Note

# To learn what a table is like, MariaDB ends the transaction.
pytestmark = pytest.mark.django_db(transaction=True)

# Enough that a database that can choose does not read the table from end to end.
STACKS, VERSIONS, PAGE = 1_500, 8, 100


def analyze(model):
    with connection.cursor() as cursor:
        words = "ANALYZE TABLE" if connection.vendor == "mysql" else "ANALYZE"
        cursor.execute(f"{words} {model._meta.db_table}")


def test_latest_versions_by_key(rows_read):
    groups = [uuid.uuid4() for _ in range(STACKS)]
    versions = [
        Counter(name=f"{place % 10}", count=version, stack_group_uuid=group)
        for version in range(VERSIONS)
        for place, group in enumerate(groups)
    ]
    Counter.objects.bulk_create(versions)
    analyze(Counter)
    page = Counter.objects.latest_from_stack_group().order_by("pk")
    beyond = page.values_list("pk", flat=True)[STACKS // 2]
    counter = page[STACKS // 3]
    stack = counter.same_group_items()

    assert len(page[:PAGE]) == PAGE
    assert rows_read(page[:PAGE]) <= PAGE
    assert rows_read(page.reverse()[:PAGE]) <= PAGE
    # The next page, and one of every tenth row.
    assert rows_read(page.filter(pk__gt=beyond)[:PAGE]) <= PAGE
    assert rows_read(page.filter(name="3")[: PAGE // 10]) <= PAGE
    assert [row.count for row in page.filter(name="3")[:2]] == [VERSIONS - 1] * 2
    # What is asked of one stack.
    assert rows_read(stack) <= VERSIONS
    assert rows_read(stack.filter(stack_latest=True)) <= 1
    assert rows_read(stack.filter(stack_number__lt=VERSIONS)[:1]) <= 1
    # And what is not read off an index is found out.
    with pytest.raises(AssertionError):
        assert rows_read(page.order_by("name")[:PAGE]) <= PAGE


def test_keys_made_in_python_change_nothing(rows_read):
    Note.objects.bulk_create([Note(text="a") for _ in range(1_000)])
    # With few versions MariaDB may as well walk along the keys, which come in no order.
    for _ in range(2 * VERSIONS - 1):
        Note.objects.latest_from_stack_group().update(count=F("count") + 1)
    analyze(Note)

    assert rows_read(Note.objects.latest_from_stack_group().order_by("pk")[:20]) <= 20
