"""since(): what it takes, what it refuses, what it finds."""

import datetime
import math

import pytest
from django.db import connection
from django.utils import timezone

from handleref.models import register_cursor
from tests.references.models import Custom, Item

pytestmark = pytest.mark.django_db

NOON = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)


@pytest.fixture
def item():
    """Return an item last written at noon UTC, which is 13:00 in Berlin."""
    item = Item.objects.create(name="a")
    Item.objects.update(created=NOON, updated=NOON, version=3)
    return item


@pytest.mark.parametrize(
    "timestamp",
    [
        NOON - SECOND,
        datetime.datetime(2026, 3, 1, 12, 59, 59),
        datetime.date(2026, 3, 1),
        NOON.timestamp() - 1,
        int(NOON.timestamp()) - 1,
        NOON.timestamp() - 0.000_01,
        0,
        -1,
    ],
)
def test_finds_what_came_strictly_later(item, timestamp):
    assert Item.handleref.since(timestamp).get() == item


@pytest.mark.parametrize(
    "timestamp",
    [
        NOON,
        datetime.datetime(2026, 3, 1, 13, 0),
        datetime.date(2026, 3, 2),
        NOON.timestamp(),
        int(NOON.timestamp()),
    ],
)
def test_leaves_out_what_is_not_later(item, timestamp):
    assert not Item.handleref.since(timestamp=timestamp).exists()


def test_version_and_both_together(item):
    assert Item.handleref.since(version=2).get() == item
    assert not Item.handleref.since(version=3).exists()
    assert Item.handleref.since(NOON - SECOND, version=2).get() == item
    assert not Item.handleref.since(NOON, version=2).exists()
    assert not Item.handleref.since(NOON - SECOND, version=3).exists()


def test_deleted_rows_are_found_only_when_asked_for(item):
    before = timezone.now()
    item.delete()

    assert not Item.handleref.since(before).exists()
    assert Item.handleref.since(before, deleted=True).get() == item


def test_is_on_both_managers_and_chains(item):
    assert Item.objects.filter(name="a").since(0).undeleted().get() == item
    assert Item.handleref.undeleted().since(0).filter(name="a").get() == item
    assert Custom.objects.loud().since(0).count() == 0


@pytest.mark.parametrize("given", [{}, {"timestamp": None}, {"version": None, "deleted": True}])
def test_without_a_cursor_is_a_type_error(given):
    with pytest.raises(TypeError) as error:
        Item.handleref.since(**given)

    assert str(error.value) == "since() takes timestamp or version, and was given none."


def test_an_unknown_cursor_is_a_type_error():
    with pytest.raises(TypeError) as error:
        Item.handleref.since(tokn="x")

    assert str(error.value) == "since() takes timestamp or version, not tokn."


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"timestamp": "2026-03-01"},
            "timestamp takes a datetime, a date, or unix seconds as int or float, not str.",
        ),
        (
            {"timestamp": True},
            "timestamp takes a datetime, a date, or unix seconds as int or float, not bool.",
        ),
        ({"version": True}, "version takes an int, not bool."),
        ({"version": 1.0}, "version takes an int, not float."),
        ({"version": "1"}, "version takes an int, not str."),
    ],
)
def test_another_type_is_a_type_error(given, message):
    with pytest.raises(TypeError) as error:
        Item.handleref.since(**given)

    assert str(error.value) == message


@pytest.mark.parametrize(
    ("timestamp", "message"),
    [
        (math.nan, "timestamp is not a finite number: nan."),
        (math.inf, "timestamp is not a finite number: inf."),
        (-math.inf, "timestamp is not a finite number: -inf."),
        (1e20, "timestamp is out of range: 1e+20."),
        (10**30, f"timestamp is out of range: {10**30}."),
        (-(10**13), "timestamp is out of range: -10000000000000."),
        (
            datetime.datetime.min.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
            (
                "timestamp is out of range: datetime.datetime(1, 1, 1, 0, 0,"
                " tzinfo=datetime.timezone(datetime.timedelta(seconds=7200)))."
            ),
        ),
    ],
)
def test_what_is_no_moment_is_a_value_error(timestamp, message):
    with pytest.raises(ValueError) as error:
        Item.handleref.since(timestamp)

    assert str(error.value) == message


def test_naive_times_are_of_the_current_time_zone(item):
    with timezone.override("Asia/Tokyo"):
        assert Item.handleref.since(datetime.datetime(2026, 3, 1, 20, 59)).exists()
        assert not Item.handleref.since(datetime.datetime(2026, 3, 1, 21, 0)).exists()


def test_without_time_zone_support(settings):
    settings.USE_TZ = False
    Item.objects.create(name="a")

    assert Item.handleref.since(datetime.datetime.now() - SECOND).count() == 1
    assert Item.handleref.since(datetime.datetime.now().timestamp() + 1).count() == 0
    assert Item.handleref.last_change().tzinfo is None


def test_another_cursor_can_be_registered_and_taken_back(item):
    undo = register_cursor("name", lambda rows, value: rows.filter(name__gt=value))
    try:
        assert Item.handleref.since(name="0").get() == item
        assert not Item.handleref.since(0, name="b").exists()
    finally:
        undo()

    with pytest.raises(TypeError):
        Item.handleref.since(name="0")


@pytest.mark.parametrize("name", ["timestamp", "deleted", "not a name"])
def test_a_cursor_needs_a_free_name(name):
    with pytest.raises(ValueError) as error:
        register_cursor(name, lambda rows, value: rows)

    assert str(error.value) == f"Invalid name of a since() cursor: {name!r}."


def test_last_change(item, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert Item.handleref.last_change() == NOON

    item.save()
    assert Item.objects.last_change() == item.updated
    assert Item.objects.none().last_change() is None


def test_since_and_latest_use_the_index():
    for rows in (
        Item.handleref.since(timezone.now()).order_by("-updated")[:100],
        Item.handleref.order_by("-updated")[:1],
    ):
        assert index_of(Item, "updated") in plan(rows)


def index_of(model, column):
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    return next(name for name, c in found.items() if c["index"] and c["columns"] == [column])


def plan(rows):
    """Return the plan; PostgreSQL would read an empty table from end to end."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
    return rows.explain()
