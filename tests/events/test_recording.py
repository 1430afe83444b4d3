from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from handleref.events.models import Context
from handleref.events.recording import create_event
from handleref.triggers.session import begin, end
from tests.events.models import (
    Bistro,
    BistroEvent,
    Book,
    BookEvent,
    BookTagsEvent,
    Keyed,
    KeyedEvent,
    Leaf,
    Ledger,
    LedgerEvent,
    Left,
    Named,
    NamedEvent,
    Odd,
    OddEvent,
    Pair,
    PairEvent,
    Place,
    RestaurantEvent,
    Right,
    RightEvent,
    RowBook,
    RowBookEvent,
    Shelf,
    Tag,
    Twice,
)

pytestmark = pytest.mark.django_db


def told(events, *names):
    """Return operation, label and some values of each event, oldest first."""
    return [*events.order_by("hr_id").values_list("hr_operation", "hr_label", *names)]


def test_an_event_says_what_when_and_of_what():
    before = timezone.now()
    book = Book.objects.create(title="one")

    [event] = book.events.all()

    assert (event.hr_operation, event.hr_label) == ("insert", "insert")
    assert (event.hr_obj_id, event.hr_obj, event.hr_context) == (book.pk, book, None)
    # SQLite's clock has milliseconds.
    assert before - timedelta(milliseconds=1) <= event.hr_created_at <= timezone.now()
    assert (event.hr_txid is not None) is (connection.vendor == "postgresql")
    assert str(event) == f"book event {event.hr_id}"


def test_an_event_has_every_value_in_its_own_type():
    editor = get_user_model().objects.create(username="ann")
    shelf, first = Shelf.objects.create(name="s"), Book.objects.create(title="first")
    book = Book.objects.create(
        title="Twelve % \\ 'x'",
        pages=12,
        price=Decimal("7.50"),
        extra={"a": [1, None, "ü"]},
        cover="covers/x.png",
        shelf=shelf,
        sequel_to=first,
        editor=editor,
    )
    book.refresh_from_db()

    event = book.events.get()

    names = [field.attname for field in Book._meta.concrete_fields]
    assert {n: getattr(event, n) for n in names} == {n: getattr(book, n) for n in names}
    assert (event.loud, event.cover.name) == ("TWELVE % \\ 'X'", "covers/x.png")


def test_an_update_is_recorded_as_the_row_is_afterwards():
    book = Book.objects.create(title="one")

    Book.objects.filter(pk=book.pk).update(pages=4)

    assert told(book.events, "pages") == [("insert", "insert", 0), ("update", "update", 4)]


def test_an_update_that_changes_nothing_is_no_event():
    book = RowBook.objects.create(title="one")

    book.save()
    RowBook.objects.update(title="one")

    assert told(book.events) == [("insert", "insert")]


@pytest.mark.parametrize("title", ["ONE", "one ", "oné"])
def test_a_text_that_a_collation_calls_equal_has_changed(title):
    book = RowBook.objects.create(title="one")

    RowBook.objects.filter(pk=book.pk).update(title=title)

    assert told(book.events, "title")[1:] == [("update", "update", title)]


def test_a_deletion_is_recorded_as_the_row_was():
    book = Book.objects.create(title="one", pages=3)
    key = book.pk

    book.delete()

    assert told(BookEvent.objects.filter(hr_obj_id=key), "pages")[1:] == [("delete", "delete", 3)]


def test_a_statement_that_touches_no_row_writes_nothing():
    Book.objects.filter(pk=0).update(pages=1)
    Book.objects.filter(pk=0).delete()

    assert BookEvent.objects.count() == 0


def test_many_rows_of_one_statement_are_as_many_events():
    Book.objects.bulk_create([Book(title=str(n)) for n in range(50)])

    Book.objects.update(pages=9)

    assert BookEvent.objects.filter(hr_operation="insert").count() == 50
    assert BookEvent.objects.filter(hr_operation="update", pages=9).count() == 50


@pytest.mark.parametrize("model", [Book, RowBook])
def test_a_changed_key_is_recorded_at_either_level(model):
    rows = model.objects.bulk_create([model(title=str(n), pages=n) for n in range(3)])
    keys = [row.pk for row in model.objects.order_by("title")]
    events = model._meta.get_field("events").related_model.objects

    model.objects.filter(pk=keys[0]).update(id=keys[0] + 1000)

    [event] = events.filter(hr_operation="update")
    assert (event.hr_obj_id, event.id, event.title) == (keys[0] + 1000, keys[0] + 1000, "0")
    assert len(rows) == 3


def test_keys_that_change_places_in_one_statement_keep_their_rows_apart():
    a, b = (Book.objects.create(title=title, pages=pages) for title, pages in [("a", 1), ("b", 2)])
    if not connection.features.supports_deferrable_unique_constraints:
        pytest.skip("The statement breaks a unique key on its way.")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "ALTER TABLE events_tests_book DROP CONSTRAINT events_tests_book_pkey CASCADE"
        )
        cursor.execute("UPDATE events_tests_book SET id = %s - id", [a.pk + b.pk])

    updates = BookEvent.objects.filter(hr_operation="update")
    assert {(e.hr_obj_id, e.title) for e in updates} == {(b.pk, "a"), (a.pk, "b")}


def test_additions_and_removals_are_in_the_owners_timeline():
    book, other = Book.objects.create(title="one"), Book.objects.create(title="other")
    red, blue = (Tag.objects.create(name=name) for name in ("red", "blue"))
    other.tags.add(red)

    book.tags.add(red, blue)
    book.tags.remove(red)

    events = told(book.tags_events, "tag")
    assert sorted(events[:2]) == sorted(
        [("insert", "tags_add", red.pk), ("insert", "tags_add", blue.pk)]
    )
    assert events[2:] == [("delete", "tags_remove", red.pk)]
    assert BookTagsEvent.objects.count() == 4


def test_a_snapshot_has_one_label_for_both():
    leaf = Leaf.objects.create(int_field=1, text_field="hello")

    leaf.int_field = 2
    leaf.save()

    assert told(leaf.events, "int_field") == [("insert", "snapshot", 1), ("update", "snapshot", 2)]


def test_a_tracked_base_is_tracked_in_every_child():
    left, right = Left.objects.create(), Right.objects.create(other="x")

    Left.objects.update(note="l")
    Right.objects.update(note="r")

    assert told(left.events, "note") == [("update", "noted", "l")]
    assert told(right.events, "note", "other") == [("update", "noted", "r", "x")]
    assert RightEvent.objects.count() == 1


def test_a_child_has_one_timeline_with_its_parents():
    bistro = Bistro.objects.create(name="x", seats=3, music="jazz")
    Place.objects.create(name="no bistro")

    Place.objects.filter(pk=bistro.pk).update(name="y")
    Place.objects.update(name="z")
    Bistro.objects.filter(pk=bistro.pk).update(music="soul")
    bistro.delete()

    assert told(BistroEvent.objects, "name", "seats", "music") == [
        ("insert", "insert", "x", 3, "jazz"),
        ("update", "update", "y", 3, "jazz"),
        ("update", "update", "z", 3, "jazz"),
        ("update", "update", "z", 3, "soul"),
        ("delete", "delete", "z", 3, "soul"),
    ]
    assert [name for _, _, name in told(RestaurantEvent.objects, "name")] == ["x", "y", "z", "z"]


@pytest.mark.parametrize("model", [Keyed, Named])
def test_a_key_of_any_type_names_the_object(model):
    key = {Keyed: "0b7e8f0c-4d5a-4c59-9a2e-4f6f0d7f3a11", Named: "näme"}[model]
    obj = model.objects.create(pk=key)

    obj.value = 5
    obj.save()

    events = {Keyed: KeyedEvent, Named: NamedEvent}[model].objects
    assert told(obj.events, "value") == [("insert", "insert", 0), ("update", "update", 5)]
    assert [str(event.hr_obj_id) for event in events.all()] == [key, key]


def test_a_composite_key_is_kept_in_columns():
    Pair.objects.create(left=1, right=2)

    Pair.objects.filter(left=1).update(right=3)

    assert told(PairEvent.objects, "left", "right") == [
        ("insert", "insert", 1, 2),
        ("update", "update", 1, 3),
    ]


def test_names_that_must_be_quoted_are():
    odd = Odd.objects.create(order=1, select="x")

    odd.order = 2
    odd.save()
    odd.delete()

    assert told(OddEvent.objects, "order", "select") == [
        ("insert", "insert", 1, "x"),
        ("update", "update", 2, "x"),
        ("delete", "delete", 2, "x"),
    ]


def test_two_event_models_record_each_their_own():
    twice = Twice.objects.create(title="one", price=1)

    Twice.objects.update(price=2)
    Twice.objects.update(title="two")

    assert told(twice.events, "title") == [("insert", "insert", "one"), ("update", "update", "two")]
    assert told(twice.price_events, "price") == [("update", "price", 2)]


def test_nobody_changes_or_deletes_what_is_append_only():
    entry = Ledger.objects.create(amount=3)

    for operation, write in [
        ("update", lambda: entry.events.update(amount=4)),
        ("delete", lambda: entry.events.all().delete()),
    ]:
        with pytest.raises(IntegrityError) as error, transaction.atomic():
            write()
        assert f"events_tests.LedgerEvent is append-only: {operation} refused." in str(error.value)

    assert told(entry.events, "amount") == [("insert", "insert", 3)]


def test_nor_empties_its_table():
    if connection.vendor != "postgresql":
        pytest.skip("Only there are triggers for TRUNCATE.")
    Ledger.objects.create(amount=3)

    with (
        pytest.raises(IntegrityError) as error,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"TRUNCATE {LedgerEvent._meta.db_table}")

    assert str(error.value).startswith("events_tests.LedgerEvent is append-only: truncate refused.")


def test_an_event_by_hand_says_what_the_database_has():
    book = Book.objects.create(title="one")
    created = datetime(2020, 1, 1, tzinfo=UTC)
    Book.objects.filter(pk=book.pk).update(created=created, changed=created)
    book.title = "not saved"

    event = create_event(book, label="checked")

    assert (event.hr_operation, event.hr_label, event.hr_obj) == ("manual", "checked", book)
    assert (event.title, event.created, event.changed) == ("one", created, created)


def test_an_event_by_hand_of_a_child_or_a_composite_key():
    bistro = Bistro.objects.create(name="x", seats=3, music="jazz")
    pair = Pair.objects.create(left=1, right=2, value=3)

    event, other = create_event(bistro, label="update"), create_event(pair, label="insert")

    assert (event.name, event.seats, event.music) == ("x", 3, "jazz")
    assert (other.left, other.right, other.value) == (1, 2, 3)


def test_a_label_that_nothing_has_is_refused():
    with pytest.raises(ValueError) as error:
        create_event(Book(title="x"), label="chekced")
    assert str(error.value) == (
        "events_tests.Book has no events called 'chekced'; it has checked, delete, insert, update."
    )

    with pytest.raises(ValueError) as error:
        create_event(Tag(name="x"), label="x")
    assert str(error.value) == (
        "events_tests.Tag has no events called 'x'; it has none: it is not tracked."
    )


def test_an_event_of_what_is_not_there_is_refused():
    with pytest.raises(ValueError) as error:
        create_event(Book(pk=12345), label="checked")

    assert str(error.value) == ("events_tests.Book 12345 has no row, so no event can be written.")


def test_events_refer_to_the_context_that_the_session_was_told():
    context = Context.objects.create(created_at=timezone.now(), comment="because")
    begin("default", context=str(Context._meta.pk.get_db_prep_value(context.pk, connection)))
    try:
        book = Book.objects.create(title="one")
        Book.objects.update(pages=2)
    finally:
        end()
    Book.objects.update(pages=3)

    events = book.events.order_by("hr_id")

    assert [event.hr_context for event in events] == [context, context, None]
    assert str(events[0].hr_context) == "because"


def test_a_writer_whose_search_path_leads_nowhere_is_recorded():
    if connection.vendor != "postgresql":
        pytest.skip("Search paths are PostgreSQL's.")

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path = ''")
        cursor.execute("INSERT INTO public.events_tests_rowbook (title, pages) VALUES ('a', 7)")
        cursor.execute("UPDATE public.events_tests_rowbook SET pages = 8")
        cursor.execute("INSERT INTO public.events_tests_keyed VALUES (gen_random_uuid(), 7)")
        cursor.execute("UPDATE public.events_tests_keyed SET value = 8")
        cursor.execute("SET LOCAL search_path = public")

    expected = [("insert", "insert", 7), ("update", "update", 8)]
    assert told(RowBookEvent.objects, "pages") == expected
    assert told(KeyedEvent.objects, "value") == expected


def test_the_time_of_an_event_is_found_by_itself():
    event = Leaf.objects.create(int_field=1, text_field="x").events.get()

    found = type(event).objects.filter(hr_created_at=event.hr_created_at)

    assert [*found] == [event]
