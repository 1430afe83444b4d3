"""A one-to-one field that is unique among current rows only."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.forms import modelform_factory

from handleref.pointintime.constraints import CurrentUniqueConstraint
from handleref.versions import as_of
from tests.pointintime.library import change, moment, queries
from tests.pointintime.relations import Author, Barcode, Book, Cover, Desk, Town

pytestmark = pytest.mark.django_db


@pytest.fixture
def book():
    return Book.objects.create(title="v1", author=Author.objects.create(name="Ann"))


def refused(write):
    with pytest.raises(IntegrityError), transaction.atomic():
        write()
    return True


def test_it_declares_the_constraint_that_holds_it():
    (cover,) = (c for c in Cover._meta.constraints if getattr(c, "fields", ()) == ("book",))
    (barcode,) = Barcode._meta.constraints

    assert (type(cover), type(barcode).__name__) == (CurrentUniqueConstraint, "UniqueConstraint")
    assert (cover.fields, barcode.fields) == (("book",), ("book",))
    assert not Cover._meta.get_field("book").unique


def test_the_database_lets_no_two_current_rows_have_one_value(book):
    Cover.objects.create(book=book, colour="red")
    Barcode.objects.create(book=book, code="1")

    assert refused(lambda: Cover.objects.create(book=book, colour="blue"))
    assert refused(lambda: Cover.objects.bulk_create([Cover(book=book, colour="blue")]))
    assert refused(lambda: Barcode.objects.create(book=book, code="2"))


def test_replaced_rows_keep_their_value(book):
    cover = Cover.objects.create(book=book, colour="red")

    change(cover, colour="blue")
    Cover.objects.all().delete()
    Cover.objects.create(book=book, colour="green")

    rows = Cover.records.order_by("created_at", "replaced_at")
    assert [(row.colour, row.book_id) for row in rows] == [
        ("red", book.pk),
        ("blue", book.pk),
        ("green", book.pk),
    ]


def test_it_may_be_null_more_than_once():
    Desk.objects.create()
    Desk.objects.create()

    assert Desk.objects.filter(town=None).count() == 2


def test_the_accessor_gives_the_current_row(book):
    cover = Cover.objects.create(book=book, colour="red")
    change(cover, colour="blue")
    barcode = Barcode.objects.create(book=book, code="1")

    read = Book.objects.get()
    with queries(2):
        seen = (read.cover.colour, read.barcode)

    assert seen == ("blue", barcode)
    assert read.cover.book is read


def test_without_one_the_accessor_says_so(book):
    Cover.objects.create(book=book, colour="red")
    Cover.objects.all().delete()

    with pytest.raises(Cover.DoesNotExist, match=r"^Book has no cover\.$"):
        _ = Book.objects.get().cover
    with pytest.raises(Barcode.DoesNotExist, match=r"^Book has no barcode\.$"):
        _ = book.barcode
    assert not hasattr(Book.objects.get(), "cover")


def test_a_plain_object_has_one_too():
    town = Town.objects.create(name="Ulm")
    desk = Desk.objects.create(town=town)
    then = moment()
    change(desk, town=None)

    with as_of(then):
        past = Town.objects.get().desk
    present = hasattr(Town.objects.get(), "desk")

    assert (past.pk, past.row_version, present) == (desk.pk, 1, False)


def test_in_the_past_it_gives_the_row_of_the_moment(book):
    before = moment()
    cover = Cover.objects.create(book=book, colour="red")
    then = moment()
    change(cover, colour="blue")

    with as_of(then):
        seen = Book.objects.get().cover.colour
        fetched = Book.objects.prefetch_related("cover").get().cover.colour
        found = Book.objects.filter(cover__colour="red").count()
    with as_of(before):
        none = hasattr(Book.objects.get(), "cover")

    assert (seen, fetched, found, none) == ("red", "red", 1, False)


def test_setting_it_from_the_other_side(book):
    cover = Cover(colour="red")

    book.cover = cover
    cover.save()

    assert Cover.objects.get().book == book


def test_it_can_be_handed_on(book):
    other = Book.objects.create(title="other", author=book.author)
    cover = Cover.objects.create(book=book, colour="red")

    change(cover, book=other)
    Cover.objects.create(book=book, colour="blue")

    assert (Book.objects.get(title="v1").cover.colour, other.cover.colour) == ("blue", "red")


def test_a_form_says_what_is_wrong(book):
    cover = Cover.objects.create(book=book, colour="red")
    change(cover, colour="blue")
    Form = modelform_factory(Cover, fields=["book", "colour"])  # noqa: N806 - a class

    new = Form({"book": book.pk, "colour": "green"})
    same = Form({"book": book.pk, "colour": "green"}, instance=Cover.objects.get())

    assert (new.errors, same.errors) == ({"book": ["Cover with this Book already exists."]}, {})


def test_full_clean_looks_at_current_rows_only(book):
    Cover.objects.create(book=book, colour="red")
    with pytest.raises(ValidationError) as error:
        Cover(book=book, colour="blue").full_clean()

    Cover.objects.all().delete()
    Cover(book=book, colour="blue").full_clean()

    assert error.value.message_dict == {"book": ["Cover with this Book already exists."]}


def test_full_clean_of_a_plain_model(book):
    Barcode.objects.create(book=book, code="1")

    with pytest.raises(ValidationError) as error:
        Barcode(book=book, code="2").full_clean()

    assert "Barcode with this Book already exists." in error.value.messages
