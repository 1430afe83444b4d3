"""Rows are read many at a time, with their links."""

from datetime import UTC, datetime, time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from handleref.revisions.snapshots import EXACT, parts, snapshots
from tests.revisions.models import City, Parcel, Tag

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), '"2024-01-02T03:04:05.678901Z"'),
        (datetime(2024, 1, 2, 3, 4, 5, 678901), '"2024-01-02T03:04:05.678901"'),
        (time(3, 4, 5, 678901), '"03:04:05.678901"'),
        ("ü", '"ü"'),
    ],
)
def test_moments_are_written_to_the_microsecond(value, expected):
    assert EXACT.encode(value) == expected


def test_keys_are_cut_into_parts_that_a_query_can_list():
    assert [len(part) for part in parts(City, range(25_000))] == [10_000, 10_000, 5_000]
    assert [len(part) for part in parts(Parcel, range(7_000))] == [5_000, 2_000]
    assert [*parts(City, [])] == []


def test_rows_and_links_are_read_at_once_and_deleted_ones_too():
    tags = [Tag.objects.create(name=name) for name in "ab"]
    cities = [City.objects.create(name=str(number)) for number in range(5)]
    for city in cities:
        city.tags.add(*reversed(tags))
    tags[0].delete()
    cities[0].delete()

    with CaptureQueriesContext(connection) as captured:
        found = [*snapshots((City, "default"), [city.pk for city in cities])]

    assert len(captured) == 3
    assert {found.label: found.values["tags"] for found in found} == {
        city.name: [tag.pk for tag in tags] for city in cities
    }
    assert [snapshot.label for snapshot in found if snapshot.is_soft_deleted] == ["0"]


def test_rows_that_are_not_there_are_left_out():
    assert [*snapshots((City, "default"), [0, 1])] == []
