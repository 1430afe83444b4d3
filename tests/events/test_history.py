"""The timeline of an object: its own events, and those of what it was linked to."""

import pytest
from django.db import connection

from handleref.events.history import kept_in, link_models, timeline
from tests.events import models
from tests.events.models import Bistro, Book, Pair, Place, Restaurant, Shelf, Tag, Twice

pytestmark = pytest.mark.django_db


def labels(*args, **kwargs):
    return [event.hr_label for event in timeline(*args, **kwargs)]


def test_events_of_an_object_and_of_its_links_come_in_order():
    book, tag = Book.objects.create(title="one"), Tag.objects.create(name="a")
    Book.objects.create(title="other").tags.add(tag)
    book.tags.add(tag)
    Book.objects.filter(pk=book.pk).update(pages=5)
    book.tags.clear()
    set_apart(book)

    found = list(timeline(book))

    assert [type(event) for event in found] == [
        models.BookEvent,
        models.BookTagsEvent,
        models.BookEvent,
        models.BookTagsEvent,
    ]
    assert [event.hr_label for event in found] == ["insert", "tags_add", "update", "tags_remove"]


def set_apart(book):
    """Date an object's events a minute after one another: SQLite's clock counts milliseconds."""
    own, links = (
        list(m.objects.filter(hr_obj=book).order_by("hr_id"))
        for m in (models.BookEvent, models.BookTagsEvent)
    )
    start = own[0].hr_created_at
    for minute, event in enumerate([own[0], links[0], own[1], links[1]]):
        event.hr_created_at = start.replace(year=start.year + 1, minute=minute)
        event.save()


def test_a_clock_that_is_set_back_does_not_change_the_order_within_a_table():
    book = Book.objects.create(title="one")
    Book.objects.filter(pk=book.pk).update(pages=5)
    first, last = models.BookEvent.objects.order_by("hr_id")
    last.hr_created_at = first.hr_created_at.replace(year=2000)
    last.save()

    assert labels(book) == ["insert", "update"]


def test_events_of_one_moment_come_in_the_order_of_their_tables():
    book, tag = Book.objects.create(title="one"), Tag.objects.create(name="a")
    book.tags.add(tag)
    moment = models.BookEvent.objects.get().hr_created_at
    models.BookTagsEvent.objects.update(hr_created_at=moment)

    assert labels(book) == ["insert", "tags_add"]


def test_what_is_gone_has_a_timeline():
    book = Book.objects.create(title="one")
    key = book.pk
    book.delete()

    assert labels(Book, key) == ["insert", "delete"]
    with pytest.raises(ValueError) as error:
        timeline(book)
    assert str(error.value) == (
        "This Book has no key, so no events: it was never saved, or is deleted."
        " Ask timeline(Book, key)."
    )


def test_several_event_models_make_one_timeline():
    twice = Twice.objects.create(title="one")
    twice.price = 5
    twice.save()

    assert labels(twice) == ["insert", "price"]


def test_composite_keys():
    pair = Pair.objects.create(left=1, right=2)
    Pair.objects.create(left=1, right=3)

    assert [(e.left, e.right) for e in timeline(pair)] == [(1, 2)]
    assert labels(Pair, (1, 3)) == ["insert"]


def test_a_child_has_a_timeline_of_its_own():
    bistro = Bistro.objects.create(name="b")

    assert {type(event) for event in timeline(bistro)} == {models.BistroEvent}
    assert {type(e) for e in timeline(Restaurant, bistro.pk)} == {models.RestaurantEvent}
    assert {type(e) for e in timeline(Place, bistro.pk)} == {models.PlaceEvent}


def test_a_model_without_events_has_none():
    with pytest.raises(ValueError) as error:
        timeline(Shelf, 1)

    assert str(error.value) == (
        "events_tests.Shelf has no events that tell of which object they are."
    )


def test_it_is_read_part_by_part(django_assert_num_queries):
    book = Book.objects.create(title="one")

    with django_assert_num_queries(0):
        events = timeline(book)
    with django_assert_num_queries(2):
        assert len(list(events)) == 1


def test_the_event_model_with_most_fields_has_the_versions():
    assert kept_in(Twice) is models.TwiceEvent
    assert kept_in(Pair) is models.PairEvent
    assert kept_in(Shelf) is None
    assert kept_in(Book.tags.through) is None


def test_links_are_known_by_their_field():
    tags = Book._meta.get_field("tags")

    assert link_models(Book) == {tags: models.BookTagsEvent}
    assert link_models(Place) == {}


@pytest.mark.parametrize("model", [models.BookEvent, models.BookTagsEvent, models.PairEvent])
def test_indexes_find_an_object_and_a_block(model):
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)

    columns = [each["columns"] for each in found.values() if each["index"]]
    key = ["left", "right"] if model is models.PairEvent else ["hr_obj_id"]
    assert [*key, "hr_id"] in columns
    assert ["hr_context_id", *key] in columns
