"""Threads that really meet: the database counts, whoever saves."""

import threading

import pytest
from django.db import connection

from handleref.exceptions import RowDeletedError
from tests.references.models import Item
from tests.threads import THREADS, together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("times", [200 if connection.vendor != "sqlite" else 25])
def test_eight_savers_of_one_row_lose_no_count(times):
    item = Item.objects.create()

    def save(number):
        for _ in range(times):
            Item.objects.get(pk=item.pk).save()

    together(save)

    item.refresh_from_db()
    assert item.version == 1 + THREADS * times


def test_savers_updaters_and_upserters_count_alike():
    item = Item.objects.create()
    target = ["id"] if connection.features.supports_update_conflicts_with_target else None

    def write(number):
        for _ in range(10):
            if number % 3 == 0:
                Item.objects.get(pk=item.pk).save(update_fields=["name"])
            elif number % 3 == 1:
                Item.objects.filter(pk=item.pk).update(number=number)
            else:
                Item.objects.bulk_create(
                    [Item(pk=item.pk)],
                    update_conflicts=True,
                    update_fields=["name"],
                    unique_fields=target,
                )

    together(write)

    item.refresh_from_db()
    assert item.version == 1 + THREADS * 10


def test_one_of_many_deletes_wins():
    item = Item.objects.create()
    counts = []

    together(lambda number: counts.append(Item.objects.get(pk=item.pk).delete()[0]))

    item.refresh_from_db()
    assert (sorted(counts), item.version) == ([0] * (THREADS - 1) + [1], 2)


def test_no_saver_brings_a_deleted_row_back():
    item = Item.objects.create()
    read = threading.Barrier(2)
    refused = []

    def race(number):
        mine = Item.objects.get(pk=item.pk)
        read.wait()
        try:
            mine.delete() if number else mine.save()
        except RowDeletedError as error:
            refused.append(error)

    together(race, threads=2)

    item.refresh_from_db()
    assert item.status == "deleted"
    assert item.version == (2 if refused else 3)
