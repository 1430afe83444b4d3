"""Events as versions: what the contract, which is tried on one model, does not tell."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model

from handleref.events.context import context
from handleref.events.versions import EventKeeper
from handleref.exceptions import KeeperError
from handleref.triggers.suspension import suspend
from handleref.versions import Reverter, history, load_previous
from tests.events.models import (
    Bistro,
    Book,
    BookEvent,
    BookTagsEvent,
    Keyed,
    Named,
    Pair,
    Shelf,
    Tag,
    Twice,
)

pytestmark = pytest.mark.django_db

keeper = EventKeeper()


@pytest.fixture
def tags():
    return [Tag.objects.create(name=name) for name in "abc"]


@pytest.fixture
def book():
    return Book.objects.create(title="one")


def seen(target, *args):
    return [(v.data["title"], v.comment) for v in history(target, *args, keeper="events")]


def tags_of(book):
    return [version.data["tags"] for version in history(book)]


def test_outside_of_blocks_each_event_is_a_version(book):
    Book.objects.filter(pk=book.pk).update(title="two")
    book.refresh_from_db()
    book.title = "three"
    book.save()

    assert seen(book) == [("three", ""), ("two", ""), ("one", "")]


def test_in_a_block_the_last_event_of_an_object_is_one(book):
    with keeper.recording(comment="block"):
        other = Book.objects.create(title="other")
        for title in ("two", "three"):
            Book.objects.filter(pk=book.pk).update(title=title)
    Book.objects.filter(pk=book.pk).update(title="four")

    assert seen(book) == [("four", ""), ("three", "block"), ("one", "")]
    assert seen(other) == [("other", "block")]
    assert [v.previous and v.previous.data["title"] for v in history(book)] == [
        "three",
        "one",
        None,
    ]


def test_a_superseded_event_is_no_version(book):
    with keeper.recording():
        Book.objects.filter(pk=book.pk).update(title="two")
        Book.objects.filter(pk=book.pk).update(title="three")
    superseded = BookEvent.objects.get(title="two")

    assert history(book).get(superseded.pk) is None
    assert len(history(book)) == history(book).count() == 2


def test_changing_compares_versions_and_not_events(book):
    with keeper.recording(comment="to and fro"):
        Book.objects.filter(pk=book.pk).update(pages=1, price=1)
        Book.objects.filter(pk=book.pk).update(pages=0)
    Book.objects.filter(pk=book.pk).update(title="ONE")

    changing = {name: history(book).changing(name) for name in ("title", "price", "pages")}
    assert {name: [v.data["title"] for v in found] for name, found in changing.items()} == {
        "title": ["ONE"],
        "price": ["one"],
        "pages": [],
    }
    assert list(history(Book).changing("title")) == list(changing["title"])
    # A stamp, and no field at all.
    assert list(history(book).changing("changed")) == list(history(book).changing("x")) == []


def test_null_is_a_value_like_any_other(book):
    for price in (None, 1, None, None):
        Book.objects.filter(pk=book.pk).update(price=price, pages=(price or 0) + 1)

    assert [v.data["price"] for v in history(book).changing("price")] == [None, 1]


def test_links_belong_to_the_version_of_their_block(book, tags):
    with keeper.recording(comment="first"):
        book.tags.set(tags[:2])
    with keeper.recording(comment="second"):
        Book.objects.filter(pk=book.pk).update(title="two")
        book.tags.remove(tags[0])
    apart(book)

    a, b, _ = (tag.pk for tag in tags)
    assert tags_of(book) == [(b,), (a, b), ()]
    assert seen(book) == [("two", "second"), ("one", "first"), ("one", "")]
    assert [v.comment for v in history(book).changing("tags")] == ["second", "first"]


def test_links_changed_outside_of_blocks_belong_to_the_next_version(book, tags):
    book.tags.add(tags[0])
    Book.objects.filter(pk=book.pk).update(title="two")
    Book.objects.filter(pk=book.pk).update(title="three")
    apart(book, after=1)

    assert tags_of(book) == [(tags[0].pk,), (tags[0].pk,), ()]
    assert [v.data["title"] for v in history(book).changing("tags")] == ["two"]


def test_a_version_after_a_block_changes_links_too(tags):
    with keeper.recording():
        book = Book.objects.create(title="one")
    book.tags.add(tags[0])
    Book.objects.filter(pk=book.pk).update(title="two")
    apart(book, after=1)

    assert [v.data["title"] for v in history(book).changing("tags")] == ["two"]


def apart(book, after=None):
    """Date events so that those of links come after some of the object's."""
    links = BookTagsEvent.objects.filter(hr_obj=book).order_by("hr_id")
    for place, event in enumerate(BookEvent.objects.filter(hr_obj=book).order_by("hr_id")):
        event.hr_created_at += timedelta(hours=place)
        event.save()
        if after is None:
            links.filter(hr_context=event.hr_context).update(hr_created_at=event.hr_created_at)
    if after is not None:
        first = BookEvent.objects.filter(hr_obj=book).earliest("hr_id")
        moment = first.hr_created_at + timedelta(hours=after - 0.5)
        links.update(hr_created_at=moment)


def test_links_from_before_the_tracking_are_not_lost(tags):
    a, b, c = tags
    with suspend(record=False):
        book = Book.objects.create(title="old")
        book.tags.set([a, b])
    Book.objects.filter(pk=book.pk).update(title="known")
    with keeper.recording():
        book.tags.remove(a)
        book.tags.add(c)
    apart(book)

    assert tags_of(book) == [(b.pk, c.pk), (a.pk, b.pk)]


def test_links_are_read_when_asked_for_and_once_for_all(book, tags, django_assert_num_queries):
    for tag in tags:
        with keeper.recording():
            book.tags.add(tag)

    with django_assert_num_queries(1):
        versions = [version for version in history(book) if version.data["title"] == "one"]
    with django_assert_num_queries(1):
        assert [len(version.data["tags"]) for version in versions] == [3, 2, 1, 0]
    with django_assert_num_queries(2):
        load_previous(versions)


def test_objects_without_links_cost_no_query(book, django_assert_num_queries):
    version = history(book).first()

    with django_assert_num_queries(0):
        assert version.data["tags"] == ()


@pytest.mark.parametrize("recorded", [True, False])
def test_a_deletion_knows_the_links_that_went_with_it(book, tags, recorded):
    with keeper.recording():
        book.tags.set(tags[:2])
    key = book.pk
    if recorded:
        with keeper.recording():
            book.delete()
    else:
        book.delete()

    last = history(Book, key).first()
    assert last.is_deleted
    assert last.data["tags"] == (tags[0].pk, tags[1].pk)
    Reverter().restore(last)
    assert list(Book.objects.get(pk=key).tags.order_by("pk")) == tags[:2]


def test_what_is_reverted_in_one_block_is_told_apart(book):
    other = Book.objects.create(title="other")
    Book.objects.filter(pk=book.pk).update(pages=5)
    Book.objects.filter(pk=other.pk).update(pages=6)
    sources = [history(each).last() for each in (book, other)]

    with keeper.recording(comment="both"):
        for each, source in zip((book, other), sources, strict=True):
            Book.objects.filter(pk=each.pk).update(pages=0)
            keeper.mark_reverted(each, source)

    assert [history(each).first().reverted_from for each in (book, other)] == [
        source.id for source in sources
    ]
    with pytest.raises(KeeperError) as error:
        keeper.mark_reverted(book, sources[0])
    assert str(error.value) == f"events_tests.Book {book.pk} is not being recorded."


def test_who_wrote_is_known_of_a_context(book):
    ann = get_user_model().objects.create_user("ann")
    with context(user=ann, comment="by context"):
        Book.objects.filter(pk=book.pk).update(pages=5)

    version = history(book).by(ann).first()
    assert (version.user, version.comment) == (ann, "by context")
    assert set(history(book).users()) == {ann}


def test_composite_keys():
    pair = Pair.objects.create(left=1, right=22)
    Pair.objects.create(left=12, right=2)
    Pair.objects.filter(left=1).update(value=5)

    newest, first = history(pair)
    assert (newest.object_id, newest.data["value"], newest.previous) == ((1, 22), 5, first)
    assert newest.instance == pair
    assert [v.object_id for v in history(Pair, (12, 2))] == [(12, 2)]
    assert [v.object_id for v in history(Pair).changing("value")] == [(1, 22)]
    load_previous(list(history(Pair)))

    Reverter().rollback(pair, first)
    assert Pair.objects.get(left=1).value == 0
    Pair.objects.filter(left=1).delete()
    assert [v.object_id for v in history(Pair).deleted()] == [(1, 22)]
    Reverter().restore(history(Pair).deleted()[0])
    assert Pair.objects.get(left=1).value == 0


def test_keys_of_any_type():
    keyed, named = Keyed.objects.create(value=1), Named.objects.create(name="n")

    for obj in (keyed, named):
        obj.value = 2
        obj.save()
        newest, first = history(obj)
        assert newest.object_id == newest.data[obj._meta.pk.name] == obj.pk
        assert newest.changes()["value"].new == 2
        assert Reverter().rollback(obj, first).instance.value == first.data["value"]


def test_children_have_one_version_of_all_tables():
    bistro = Bistro.objects.create(name="b", seats=2)
    with keeper.recording():
        bistro.seats, bistro.name = 3, "c"
        bistro.save()

    newest, first = history(bistro)
    assert newest.changed_fields() == ["name", "seats"]
    assert (newest.data["place_ptr"], newest.data["id"]) == (bistro.pk, bistro.pk)
    Reverter().rollback(bistro, first)
    assert (bistro.name, bistro.seats) == ("b", 2)


def test_fields_that_are_not_copied_are_not_in_a_version():
    twice = Twice.objects.create(title="one", price=5)
    Twice.objects.filter(pk=twice.pk).update(title="two", price=6)

    version = history(twice).last()
    assert dict(version.data) == {"id": twice.pk, "title": "one"}
    Reverter().rollback(twice, version)
    assert (twice.title, twice.price) == ("one", 6)


def test_files_and_foreign_keys_are_as_in_every_version(book):
    shelf = Shelf.objects.create(name="s")
    Book.objects.filter(pk=book.pk).update(cover="covers/a.png", shelf=shelf)

    data = history(book).first().data
    assert (data["cover"], data["shelf"], data["loud"]) == ("covers/a.png", shelf.pk, "ONE")
    assert data["extra"] == {}


def test_models_without_events_are_not_kept():
    assert keeper.keeps(Book) and keeper.keeps(Pair)
    assert not keeper.keeps(Shelf)
    with pytest.raises(KeeperError) as error:
        keeper.rows(Shelf)
    assert str(error.value) == "events_tests.Shelf has no events that are versions."
