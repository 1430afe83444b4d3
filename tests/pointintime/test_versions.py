"""Point-in-time rows as versions: what the contract, which is tried on one model, does not tell."""

import sys

import pytest
from django.contrib.auth import get_user_model
from django.utils.functional import lazy

from handleref.exceptions import RevertError
from handleref.pointintime.base import all_rows
from handleref.pointintime.recording import recording
from handleref.pointintime.versions import PointInTimeKeeper
from handleref.versions import InstanceState, Reverter, as_of, history
from tests.pointintime.models import Note, PointPage
from tests.pointintime.relations import Author, Book, Quote, Review
from tests.threads import THREADS, together

pytestmark = pytest.mark.django_db

keeper = PointInTimeKeeper()


@pytest.fixture
def page(db):
    """A page of two versions."""
    page = PointPage.objects.create(title="one")
    page.title = "two"
    page.save()
    return page


def told(target, *args):
    return [(version.id, version.data["title"]) for version in history(target, *args)]


def comments(page):
    return [version.comment for version in history(page)]


# Whose versions, and which


def test_a_replaced_row_has_the_history_of_its_object(page):
    replaced = PointPage.records.get(row_id=page.pk, row_version=1)

    assert told(replaced) == told(page) == [(f"{page.pk}.2", "two"), (f"{page.pk}.1", "one")]


def test_a_replaced_row_that_is_taken_back_becomes_the_object(page):
    replaced = PointPage.records.get(row_id=page.pk, row_version=1)

    reversal = Reverter().rollback(replaced, f"{page.pk}.1")

    assert (reversal.instance, replaced.pk, replaced.row_version) == (page, page.pk, 3)
    assert (replaced.title, replaced.replaced_at) == ("one", None)


def test_an_object_that_was_never_saved_has_none():
    with pytest.raises(ValueError) as error:
        history(PointPage(title="one"))

    assert str(error.value) == (
        "This PointPage has no key, so no history: it was never saved, or is deleted."
        " Ask history(PointPage, key)."
    )


def test_the_key_may_be_of_any_type():
    note = Note.objects.create(text="one")
    note.text = "two"
    note.save()
    newest, oldest = history(note)

    assert (newest.id, oldest.id) == (f"{note.pk}.2", f"{note.pk}.1")
    assert (newest.object_id, newest.data["id"]) == (note.pk, note.pk)
    assert history(Note).get(oldest.id) == oldest
    assert history(Note).get("nonsense.1") is None
    note.delete()
    Reverter().restore(oldest)
    assert Note.objects.get(pk=note.pk).text == "one"


def test_looking_at_the_past_does_not_narrow_the_history(page):
    first = history(page).last()

    with as_of(first.date):
        known = told(page)
        gone = history(PointPage).deleted().count()

    assert (known, gone) == ([(f"{page.pk}.2", "two"), (f"{page.pk}.1", "one")], 0)


def test_what_is_rolled_back_is_forgotten_and_its_number_given_again(page):
    page.rollback_latest()
    page.title = "three"
    page.save()

    assert told(page) == [(f"{page.pk}.2", "three"), (f"{page.pk}.1", "one")]


def test_many_objects_at_once_have_versions_too(page):
    other = PointPage.objects.create(title="other")
    with recording(comment="all"):
        PointPage.objects.update(kind="n")

    newest = history(PointPage)[:2]
    assert {(v.object_id, v.comment, *v.changed_fields()) for v in newest} == {
        (page.pk, "all", "kind"),
        (other.pk, "all", "kind"),
    }


def test_versions_of_one_moment_are_read_once_each_part_by_part(monkeypatch):
    # The package's name for it is that of the function.
    monkeypatch.setattr(sys.modules["handleref.versions.history"], "CHUNK", 10)
    names = [f"page {number:02}" for number in range(25)]
    PointPage.objects.bulk_create([PointPage(title=name) for name in names])
    PointPage.objects.update(kind="n")

    found = [(v.data["kind"], v.data["title"]) for v in history(PointPage)]

    assert sorted(found) == sorted((kind, name) for kind in "an" for name in names)


# What is deleted


def test_only_the_row_of_a_deleted_object_says_so(page):
    page.delete()
    replaced, newest = PointPage.records.filter(row_id=page.pk).order_by("row_version")

    states = [keeper.is_deleted(InstanceState(row)) for row in (replaced, newest)]

    assert states == [False, True]
    assert [version.is_deleted for version in history(PointPage, page.pk)] == [False, False]


def test_it_comes_back_in_its_place_and_what_was_there_moves(page):
    key = page.pk
    page.delete()
    ended = PointPage.records.get(pk=key).replaced_at

    Reverter(comment="back").restore(history(PointPage, key).last())

    rows = PointPage.records.filter(row_id=key).order_by("row_version")
    assert [(row.row_version, row.title, row.pk == key) for row in rows] == [
        (1, "one", False),
        (2, "two", False),
        (3, "one", True),
    ]
    _first, second, third = rows
    assert (second.replaced_at, third.replaced_at) == (ended, None)
    assert third.created_at > ended
    assert (third.change_comment, third.reverted_from) == ("back", 1)
    assert second.start_at == third.start_at


def test_it_is_deleted_and_comes_back_any_number_of_times(page):
    key = page.pk
    for _time in range(3):
        PointPage.objects.get(pk=key).delete()
        Reverter().restore(history(PointPage, key).first())

    periods = PointPage.records.filter(row_id=key).order_by("row_version")
    numbers = [row.row_version for row in periods]
    assert numbers == [1, 2, 3, 4, 5]
    ends = [row.replaced_at for row in periods]
    assert all(end <= row.created_at for end, row in zip(ends, periods[1:], strict=False))
    assert ends[-1] is None


def test_frozen_keys_stay_on_the_version_that_was_deleted(page):
    book = Book.objects.create(title="old", author=Author.objects.create(name="a"))
    first = history(book).first()
    book.title = "last"
    book.save()
    review, quote = Review.objects.create(book=book), Quote.objects.create(book=book)
    book.delete()

    Reverter().restore(first)

    assert [
        Review.objects.get(pk=review.pk).book.title,
        Quote.objects.get(pk=quote.pk).book.title,
    ] == [
        "last",
        "last",
    ]
    assert Book.objects.get(pk=book.row_id).title == "old"


def test_what_was_purged_begins_anew_with_its_key(page):
    version, key = history(page).first(), page.pk
    page.purge()

    Reverter().restore(version)

    back = PointPage.objects.get(pk=key)
    assert told(back) == [(f"{key}.1", "two")]
    assert (back.row_id, history(back).first().reverted_from) == (key, None)


def test_a_key_that_a_row_of_another_object_has_by_now_is_not_taken_from_it(page):
    gone = PointPage.objects.create(title="gone")
    version, key = history(gone).first(), gone.pk
    gone.purge()
    all_rows(PointPage, None).filter(row_id=page.pk, row_version=1).update(id=key)

    with pytest.raises(RevertError) as error:
        Reverter().restore(version)

    assert str(error.value) == (
        f"pointintime_tests.PointPage {key} cannot be recovered: a row of {page.pk} has its key."
    )
    assert [title for _id, title in told(page)] == ["two", "one"]


@pytest.mark.django_db(transaction=True)
def test_of_those_who_bring_it_back_at_once_one_does():
    page = PointPage.objects.create(title="one")
    version, refused = history(page).first(), []
    page.delete()

    def restore(number):
        try:
            Reverter(comment=f"by {number}").restore(version)
        except RevertError as error:
            refused.append(str(error))

    together(restore)

    label = f"pointintime_tests.PointPage {page.pk}"
    assert refused == [f"{label} is not deleted, so it cannot be recovered."] * (THREADS - 1)
    assert [version.id for version in history(page)] == [f"{page.pk}.2", f"{page.pk}.1"]


# What is said of versions


def test_a_lazy_comment_is_read_when_the_block_ends(page):
    said = []
    comment = lazy(lambda: " ".join(said), str)()

    with keeper.recording(comment=comment):
        page.title = "three"
        page.save()
        page.title = "four"
        page.save()
        said.append("Because.")

    assert comments(page) == ["Because.", "Because.", "", ""]


def test_an_inner_block_says_it_itself(page):
    comment = lazy(lambda: "outer", str)()

    with keeper.recording(comment=comment):
        page.save()
        with keeper.recording(comment="inner"):
            page.save()
        with recording(get_user_model().objects.create_user("ann")):
            page.save()

    assert comments(page) == ["outer", "inner", "outer", "", ""]
    assert history(page).first().user.username == "ann"


def test_a_block_that_fails_says_no_more(page):
    said = []

    def fail():
        with keeper.recording(comment=lazy(lambda: " ".join(said), str)()):
            page.save()
            said.append("Tried.")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert comments(page) == ["", "", ""]
