"""A row that is deleted for good leaves a last version, and can be recovered."""

import pytest
import reversion
from django.db import connection, transaction
from django.db.models.signals import pre_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from reversion.models import Version

from handleref.exceptions import PastIsReadOnlyError
from handleref.revisions.diff import FEW
from handleref.revisions.log import Log
from handleref.triggers.session import Courier
from handleref.versions import as_of, history
from tests.revisions.models import (
    Arena,
    Book,
    Bookmark,
    City,
    Gloss,
    Hall,
    LoudPet,
    Owner,
    Pamphlet,
    Parcel,
    Pet,
    Poster,
    ProxyShelf,
    Quiet,
    Shelf,
    Stamp,
    Tag,
    Venue,
)
from tests.revisions.stories import count, kept, newest

pytestmark = pytest.mark.django_db


@pytest.fixture
def city():
    city = City.objects.create(name="Aa", number=1)
    city.tags.add(Tag.objects.create(name="t"))
    return city


@pytest.mark.parametrize(
    "delete",
    [
        lambda city: city.delete(hard=True),
        lambda city: City.objects.filter(pk=city.pk).delete(hard=True),
        lambda city: City(pk=city.pk).delete(hard=True),
        lambda city: City(pk=str(city.pk)).delete(hard=True),
        lambda city: City.objects.only("pk").filter(pk=city.pk).delete(hard=True),
    ],
    ids=["instance", "queryset", "bare instance", "key as text", "deferred"],
)
def test_a_row_leaves_its_last_values(city, delete):
    key, tags = city.pk, [tag.pk for tag in city.tags.all()]
    city.name = "never saved"

    with reversion.create_revision():
        delete(city)

    assert kept("name", "number", "tags") == [("city", str(key), "Aa", 1, tags)]
    assert [v.record.deleted for v in newest()] == [True]
    assert not City.objects.exists()


def test_the_row_can_be_recovered(city):
    key = city.pk
    with reversion.create_revision():
        city.delete(hard=True)

    (version,) = Version.objects.get_deleted(City)
    version.revert()

    recovered = City.objects.get(pk=key)
    assert (recovered.name, [tag.name for tag in recovered.tags.all()]) == ("Aa", ["t"])


def test_what_the_block_wrote_before_is_in_the_last_version(city):
    key = city.pk
    with reversion.create_revision():
        city.save()

    with reversion.create_revision():
        City.objects.update(name="Bb")
        city.delete(hard=True)

    assert kept("name") == [("city", str(key), "Bb")]
    assert [v.record.changed_fields for v in newest()] == [("name",)]


def test_a_row_that_came_and_went_leaves_a_version_too():
    with reversion.create_revision():
        City.objects.create(name="short").delete(hard=True)

    assert [(v.object_repr, v.record.deleted) for v in newest()] == [("short", True)]


def test_a_row_that_is_written_again_is_not_deleted(city):
    key = city.pk

    with reversion.create_revision():
        city.delete(hard=True)
        City.objects.create(pk=key, name="again")

    assert kept("name") == [("city", str(key), "again")]
    assert [v.record.deleted for v in newest()] == [False]


def test_a_row_that_goes_twice_leaves_its_last_values(city):
    key = city.pk

    with reversion.create_revision():
        city.delete(hard=True)
        with transaction.atomic():
            City.objects.create(pk=key, name="again")
        City.objects.filter(pk=key).delete(hard=True)

    assert kept("name") == [("city", str(key), "again")]
    assert [v.record.deleted for v in newest()] == [True]


@pytest.mark.parametrize("which", [Owner.objects.all, Owner.objects.get])
def test_a_plain_parent_takes_rows_along(which):
    owner = Owner.objects.create()
    pets = [Pet.objects.create(owner=owner, name=name) for name in "ab"]
    tag = Tag.objects.create(name="t")
    pets[0].tags.add(tag)

    key = owner.pk

    with reversion.create_revision():
        which().delete()

    assert kept("name", "tags", "owner") == sorted(
        [
            ("pet", str(pets[0].pk), "a", [tag.pk], key),
            ("pet", str(pets[1].pk), "b", [], key),
        ]
    )
    assert [v.record.deleted for v in newest()] == [True, True]


def test_a_proxy_s_row():
    pet = LoudPet.objects.create(name="Rex")
    key = pet.pk

    with reversion.create_revision():
        pet.delete(hard=True)

    assert kept("name") == [("pet", str(key), "Rex")]


@pytest.mark.parametrize("model", [Venue, Hall, Arena])
def test_a_row_of_several_tables(model):
    arena = Arena.objects.create(name="a", seats=5, roof=True)
    key, instance = str(arena.pk), model.objects.get()
    instance.name = "never saved"

    with reversion.create_revision():
        instance.delete(hard=True)

    assert kept("name", "seats", "roof") == [
        ("arena", key, "a", 5, True),
        ("hall", key, "a", 5),
        ("venue", key, "a"),
    ]
    assert {v.record.deleted for v in newest()} == {True}


def test_a_child_row_goes_and_its_base_stays():
    hall = Hall.objects.create(name="h", seats=5)
    key = str(hall.pk)

    with reversion.create_revision():
        hall.delete(hard=True, keep_parents=True)

    assert [(v.content_type.model, v.object_id, v.record.deleted) for v in newest()] == [
        ("hall", key, True)
    ]


def test_a_composite_key():
    parcel = Parcel.objects.create(left=1, right=2, code="A1", name="p")

    with reversion.create_revision():
        parcel.delete(hard=True)

    assert kept("name") == [("parcel", "A1", "p")]
    assert [v.object_repr for v in Version.objects.get_deleted(Parcel)] == [str(newest()[0])]


def test_a_deletion_is_no_duplicate():
    quiet = Quiet.objects.create(name="q", password="p")
    with reversion.create_revision():
        quiet.save()

    with reversion.create_revision():
        quiet.delete(hard=True)

    assert [(v.record.deleted, v.record.changed_fields) for v in newest()] == [(True, ())]


def test_many_rows_are_few_queries():
    owner = Owner.objects.create()
    counts = []

    for number in (FEW + 1, 40):
        for _ in range(number):
            Pet.objects.create(owner=owner).tags.add(Tag.objects.create())
        with CaptureQueriesContext(connection) as captured, reversion.create_revision():
            Pet.objects.all().delete(hard=True)
        counts.append(len(captured))
        assert len(newest()) == number

    # The first block also asks for content types.
    assert counts[1] <= counts[0]


def test_a_deletion_that_is_refused_leaves_nothing(city):
    def refuse(**_):
        raise PermissionError

    pre_delete.connect(refuse, sender=City)
    try:
        with reversion.create_revision():
            with pytest.raises(PermissionError), transaction.atomic():
                city.delete(hard=True)
            Tag.objects.create(name="other")
    finally:
        pre_delete.disconnect(refuse, sender=City)

    assert [v.object_repr for v in newest()] == ["other"]
    assert others() == []


def others():
    """Return the wrappers but for the one that every connection has."""
    return [each for each in connection.execute_wrappers if not isinstance(each, Courier)]


def test_wrappers_of_others_stay_in_place(city):
    def wrapper(execute, *statement):
        return execute(*statement)

    with reversion.create_revision():
        with connection.execute_wrapper(wrapper):
            city.delete(hard=True)
            assert others() == [wrapper]
        assert others() == []


def test_outside_of_a_block_nothing_looks(city):
    city.delete(hard=True)

    assert Log.found() is None
    assert count() == (0, 0)


# What the database takes along by itself ----------------------------------------------------------


@pytest.fixture
def books():
    """A book of a shelf, its sequel, and what hangs on them."""
    shelf = Shelf.objects.create()
    book = Book.objects.create(code="a", shelf=shelf)
    sequel = Book.objects.create(code="b", sequel_of=book)
    book.sequel_of = sequel
    book.save()
    Gloss.objects.create(book=sequel)
    Bookmark.objects.create(book=sequel)
    return book, sequel


@pytest.mark.parametrize("plain", [True, False], ids=["plain parent", "reference"])
def test_what_the_database_takes_along_leaves_its_last_values(books, plain):
    book = books[0]
    gone = [*books, Gloss.objects.get()]
    rows = [(row._meta.model_name, str(row.pk)) for row in (*gone, Bookmark.objects.get())]

    with reversion.create_revision():
        if plain:
            book.shelf.delete()
        else:
            book.delete(hard=True)

    assert sorted(kept()) == sorted(rows)
    deleted = {(v.content_type.model, v.object_id) for v in newest() if v.record.deleted}
    assert deleted == set(rows[:3])
    assert {row.data["book"] for row in history(Bookmark)} == {None}
    assert not Book.objects.exists()
    assert not Gloss.objects.exists()


@pytest.mark.parametrize("shelves", [Shelf, ProxyShelf], ids=["itself", "its proxy"])
def test_proxies_are_no_way_around(shelves):
    shelf = shelves.objects.create()
    book = Book.objects.create(code="a", shelf_id=shelf.pk)
    rows = [
        book,
        *(Pamphlet.objects.create(**to) for to in ({"shelf_id": shelf.pk}, {"book_id": book.pk})),
    ]
    keys = sorted((row._meta.model_name, str(row.pk)) for row in rows)

    with as_of(timezone.now()), pytest.raises(PastIsReadOnlyError), transaction.atomic():
        shelf.delete()
    with reversion.create_revision():
        shelf.delete()

    assert sorted(kept()) == keys
    assert all(v.record.deleted for v in newest())


def test_rows_that_nobody_keeps_are_not_looked_for(books):
    Stamp.objects.create(shelf=books[0].shelf)

    with CaptureQueriesContext(connection) as captured, reversion.create_revision():
        books[0].shelf.delete()

    found = [q["sql"] for q in captured if "revisions_tests_stamp" in q["sql"]]
    # Where Django deletes them, without a signal that anybody hears.
    assert all(sql.startswith("DELETE") for sql in found)


def test_who_loses_a_link_to_a_proxy_has_a_version():
    tag = Tag.objects.create(name="t")
    poster = Poster.objects.create()
    poster.tags.add(tag.pk)

    with reversion.create_revision():
        tag.delete(hard=True)

    assert ("poster", str(poster.pk), []) in kept("tags")


def test_looking_ahead_costs_the_same_for_any_number_of_rows(books):
    counts = []
    for number in (FEW + 1, 40):
        shelf = Shelf.objects.create()
        made = [Book(code=f"{number}-{n}", shelf=shelf) for n in range(number)]
        Gloss.objects.bulk_create([Gloss(book=row) for row in Book.objects.bulk_create(made)])
        with CaptureQueriesContext(connection) as captured, reversion.create_revision():
            shelf.delete()
        counts.append(len(captured))
        assert len(newest()) == 2 * number

    # The first block also asks for content types.
    assert counts[1] <= counts[0]


def test_a_plain_parent_stays_in_the_past(books):
    past = as_of(timezone.now())
    with past, pytest.raises(PastIsReadOnlyError), transaction.atomic():
        books[0].shelf.delete()

    assert Book.objects.count() == 2
