"""Handles: their making, splitting and resolving."""

import uuid

import pytest

from handleref.exceptions import UnknownTagError
from handleref.models import resolve, split_ref
from handleref.references.handles import make_handle
from tests.references.models import Cafe, Item, Pair, TextItem, UuidItem

pytestmark = pytest.mark.django_db


def test_an_integer_key():
    item = Item.objects.create(pk=123)

    assert (item.handle, item.ref_tag) == ("item123", "item")
    assert resolve("item123") == resolve("ITEM 123") == resolve("item-123") == item


@pytest.mark.parametrize("key", ["x", "a b:c/d", "5", "é\n"])
def test_a_text_key(key):
    row = TextItem.objects.create(code=key)

    assert row.handle == f"text:{key}"
    assert resolve(row.handle) == row


def test_a_uuid_key():
    row = UuidItem.objects.create(name="a")

    assert row.handle == f"uuiditem:{row.pk}"
    assert resolve(row.handle) == row


def test_a_composite_key():
    row = Pair.objects.create(left=1, right="a,b%")

    assert row.handle == "pair:1,a%2Cb%25"
    assert resolve(row.handle) == row


def test_a_child_table_has_a_tag_of_its_own():
    cafe = Cafe.objects.create(name="c")

    assert (cafe.handle, cafe.place_ptr.handle) == (f"cafe{cafe.pk}", f"place{cafe.pk}")
    assert resolve(cafe.handle) == cafe


def test_a_deleted_row_is_found():
    item = Item.objects.create()
    item.delete()

    assert resolve(item.handle) == item


@pytest.mark.django_db(databases=["default", "other"])
def test_another_database():
    item = Item.objects.using("other").create(pk=77)

    assert resolve("item77", using="other") == item
    with pytest.raises(Item.DoesNotExist):
        resolve("item77")


@pytest.mark.parametrize("row", [Item(), TextItem(code=None), Pair(right="a")])
def test_before_it_is_saved(row):
    with pytest.raises(ValueError) as error:
        row.handle  # noqa: B018

    assert str(error.value) == f"A {row.ref_tag} has no handle before it is saved."


@pytest.mark.parametrize(
    ("handle", "expected"),
    [
        ("org123", ("org", 123)),
        ("Org 123", ("org", 123)),
        ("org - 123", ("org", 123)),
        ("app.org_7", ("app.org_", 7)),
        ("org:abc", ("org", "abc")),
        ("ipv4:12", ("ipv4", "12")),
        ("org:-5", ("org", "-5")),
    ],
)
def test_split_ref(handle, expected):
    assert split_ref(handle) == expected


@pytest.mark.parametrize("handle", ["", "org", "123", "org:", ":5", "org123x", "ö1", "org\u0661"])
def test_what_is_no_handle(handle):
    with pytest.raises(ValueError) as error:
        split_ref(handle)

    assert str(error.value) == (f"Not a handle: {handle!r}. One looks like 'org123' or 'tag:key'.")


def test_what_postgresql_does_not_take():
    with pytest.raises(ValueError) as error:
        resolve("text:\0")

    assert str(error.value) == "A handle has no NUL in it, which PostgreSQL does not take."


@pytest.mark.parametrize("key", [0, 5, -5, uuid.UUID(int=1), "a"])
@pytest.mark.parametrize("tag", ["org", "ipv4"])
def test_making_and_splitting_agree(tag, key):
    assert split_ref(make_handle(tag, key)) in {(tag, key), (tag, str(key))}


def test_an_unknown_tag():
    with pytest.raises(UnknownTagError) as error:
        resolve("nobody5")

    assert str(error.value) == "No model has the tag 'nobody' of 'nobody5'."


@pytest.mark.parametrize(
    ("handle", "message"),
    [
        ("uuiditem:x", "'x' is no key of references_tests.UuidItem."),
        ("pair:1", "'1' is no key of references_tests.Pair."),
        ("item:x", "'x' is no key of references_tests.Item."),
    ],
)
def test_a_key_that_does_not_fit(handle, message):
    with pytest.raises(ValueError) as error:
        resolve(handle)

    assert str(error.value) == message
