"""What a block hides, whom it is hidden from, and what it leaves behind."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from handleref.events.models import Suspension
from handleref.triggers.suspension import key_of, suspend, suspended
from tests.events.models import (
    Book,
    BookEvent,
    BookTagsEvent,
    Cased,
    CasedEvent,
    Named,
    NamedEvent,
    RowBook,
    RowBookEvent,
    Tag,
)

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("commits"),
]


class ProxyBook(Book):
    class Meta:
        proxy = True
        app_label = "events_tests"


def records():
    return [*Suspension.objects.order_by("id").values_list("targets", "reason")]


def labels(event_model):
    return [*event_model.objects.order_by("hr_id").values_list("hr_label", flat=True)]


# Names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "key"),
    [
        (Book, "events_tests.book"),
        (ProxyBook, "events_tests.book"),
        (Book.tags.through, "events_tests.book_tags"),
        ("events_tests", "events_tests"),
        ("events_tests.RowBook", "events_tests.rowbook"),
        ("events_tests.rowbook", "events_tests.rowbook"),
        ("events_tests.Book:insert", "events_tests.book:insert"),
        ("events_tests.Book:Was Read", "events_tests.book:Was Read"),
        ("events_tests.Book:a:b", "events_tests.book:a:b"),
        ("*", "*"),
    ],
)
def test_a_target_has_a_key(target, key):
    assert key_of(target) == key


def test_a_model_of_another_app_has_a_key():
    user = get_user_model()

    assert key_of(user) == key_of("auth.User") == "auth.user"


@pytest.mark.parametrize(
    "target",
    [
        "",
        ".",
        ".Book",
        "events_tests.",
        "events_tests:insert",
        "events_tests.Book:",
        "events_tests.:insert",
        ":insert",
        "events_tests.Book|auth.User",
        "|",
    ],
)
def test_what_names_no_tracker_is_refused(target):
    with pytest.raises(ValueError) as refused:
        suspend(Book, target)

    assert str(refused.value) == (
        f'{target!r} names no trackers: give "app", "app.Model" or "app.Model:label".'
    )


# Targets ----------------------------------------------------------------------------------------


def write_everything():
    """Write each of three models in each way."""
    book = Book.objects.create(title="a")
    Book.objects.update(pages=1)
    book.tags.add(Tag.objects.create(name="x"))
    book.delete()
    Named.objects.create(name="a")
    RowBook.objects.create(title="a")


BOOK, TAGS, OTHERS = (["insert", "update", "delete"], ["tags_add", "tags_remove"], ["insert"])


@pytest.mark.parametrize(
    ("targets", "book", "tags", "named", "row_book"),
    [
        ([], [], [], [], []),
        (["*"], [], [], [], []),
        (["events_tests"], [], [], [], []),
        ([Book], [], [], OTHERS, OTHERS),
        ([ProxyBook], [], [], OTHERS, OTHERS),
        ([RowBook, Named], BOOK, TAGS, [], []),
        (["events_tests.BOOK"], [], [], OTHERS, OTHERS),
        (["events_tests.Book:update"], ["insert", "delete"], TAGS, OTHERS, OTHERS),
        (
            ["events_tests.Book:insert", "events_tests.Book:delete"],
            ["update"],
            TAGS,
            OTHERS,
            OTHERS,
        ),
        (["events_tests.Book:tags_add"], BOOK, ["tags_remove"], OTHERS, OTHERS),
        ([Book.tags.through], BOOK, [], OTHERS, OTHERS),
    ],
)
def test_only_what_is_named_is_hidden(targets, book, tags, named, row_book):
    with suspend(*targets, record=False):
        write_everything()

    assert {
        "book": labels(BookEvent),
        "tags": labels(BookTagsEvent),
        "named": labels(NamedEvent),
        "row book": labels(RowBookEvent),
    } == {"book": book, "tags": tags, "named": named, "row book": row_book}


@pytest.mark.parametrize(
    "target",
    [
        "auth",
        "events",
        "events_tests.Boo",
        "events_tests.ook",
        "events_tests.Tag",
        "events_tests.Book:Update",
        "events_tests.Book:upd",
        "events_tests.Book:upd_te",
        "events_tests.Book:%",
        "events_tests.Book:it's \\",
    ],
)
def test_a_name_that_nothing_has_is_refused_before_anything_is_written(target):
    with pytest.raises(ValueError) as error, suspend(target):
        pytest.fail("It was entered.")

    name, colon, label = target.partition(":")
    assert str(error.value) == f"Nothing tracks {name.lower()}{colon}{label}."
    assert Suspension.objects.count() == 0


@pytest.mark.parametrize("label", ["noted", "Noted"])
def test_labels_that_differ_by_their_case_are_two(label):
    Cased.objects.create()

    with suspend(f"events_tests.Cased:{label}", record=False):
        Cased.objects.update(value=1)

    assert labels(CasedEvent) == [{"noted": "Noted", "Noted": "noted"}[label]]


def test_blocks_within_blocks_hide_what_either_names():
    with suspend("events_tests.Book:insert", record=False):
        with suspend(Named, record=False):
            write_everything()
        Named.objects.create(name="b")

    assert (labels(BookEvent), labels(NamedEvent)) == (["update", "delete"], ["insert"])


def test_what_is_written_in_the_block_is_written():
    with suspend(record=False):
        Book.objects.create(title="a", pages=3)

    assert [*Book.objects.values_list("title", "pages")] == [("a", 3)]


# Records ----------------------------------------------------------------------------------------


def test_a_block_leaves_a_record():
    before = timezone.now()

    with suspend(Book, "events_tests.Named:insert", reason="an import of 100%"):
        pass

    record = Suspension.objects.get()
    assert (record.targets, record.reason) == (
        "events_tests.book events_tests.named:insert",
        "an import of 100%",
    )
    assert before <= record.created_at <= timezone.now()
    assert str(record) == "events_tests.book events_tests.named:insert: an import of 100%"


def test_a_block_that_hides_all_says_so():
    with suspend():
        pass

    assert (records(), str(Suspension.objects.get())) == ([("*", "")], "*")


def test_a_block_can_leave_no_record():
    with suspend(Book, reason="nobody wants to know", record=False):
        pass

    assert records() == []


def test_each_block_leaves_a_record():
    block = suspend(Book, reason="again")

    for _ in range(2):
        with block, block:
            pass

    assert records() == [("events_tests.book", "again")] * 4


def test_each_call_leaves_a_record():
    @suspend(Book, reason="a call")
    def write():
        Book.objects.create(title=str(Book.objects.count()))

    write()
    write()

    assert (records(), labels(BookEvent)) == ([("events_tests.book", "a call")] * 2, [])


def test_a_block_of_a_coroutine_leaves_a_record():
    from asgiref.sync import async_to_sync

    async def write():
        async with suspend(Book, reason="a task"):
            await Book.objects.acreate(title="a")

    async_to_sync(write)()

    assert (records(), labels(BookEvent)) == ([("events_tests.book", "a task")], [])


def test_the_record_goes_with_its_transaction():
    with transaction.atomic():
        with suspend(Book, reason="in vain"):
            Book.objects.create(title="a")
        transaction.set_rollback(True)

    assert (records(), Book.objects.count()) == ([], 0)


def test_the_record_goes_with_its_savepoint():
    with transaction.atomic():
        with suspend(Book, reason="kept"):
            Book.objects.create(title="a")
        with transaction.atomic():
            with suspend(Named, reason="in vain"):
                Named.objects.create(name="a")
            transaction.set_rollback(True)
        Named.objects.create(name="b")

    assert records() == [("events_tests.book", "kept")]
    assert [*NamedEvent.objects.values_list("name", flat=True)] == ["b"]


def test_the_record_stays_when_what_is_written_in_the_block_is_rolled_back():
    with suspend(Book, reason="tried"), transaction.atomic():
        Book.objects.create(title="a")
        transaction.set_rollback(True)

    assert (records(), Book.objects.count()) == ([("events_tests.book", "tried")], 0)


def test_a_record_that_cannot_be_kept_begins_no_block():
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError), suspend(Book):
            raise AssertionError("The block begins.")
    Book.objects.create(title="a")

    assert (records(), labels(BookEvent)) == ([], ["insert"])


def test_the_record_is_kept_where_the_writing_is_done():
    with suspend(Book, reason="there", using="other"):
        pass

    there = Suspension.objects.using("other").values_list("targets", "reason")
    assert (records(), [*there]) == ([], [("events_tests.book", "there")])


def test_the_first_model_says_which_database_is_meant(settings):
    settings.DATABASE_ROUTERS = ["tests.triggers.test_suspension.NamedGoesElsewhere"]

    blocks = [suspend(), suspend("events_tests.Named"), suspend(Named, Book), suspend(Book, Named)]

    assert [block.using for block in blocks] == ["default", "default", "other", "default"]


class NamedGoesElsewhere:
    """A router that writes one model to the other database."""

    def db_for_write(self, model, **hints):
        return "other" if model is Named else None


def test_whoever_listens_hears_of_blocks_that_leave_a_record():
    heard = []

    def listen(sender, targets, reason, using, **_):
        heard.append((sender, targets, reason, using))

    suspended.connect(listen)
    try:
        with suspend(Book, reason="listen"), suspend(Named, record=False):
            pass
    finally:
        suspended.disconnect(listen)

    assert heard == [(suspend, ("events_tests.book",), "listen", "default")]


def test_records_are_written_before_the_block_begins():
    """A project may track the records themselves."""
    with connection.execute_wrapper(remember := Remembering()), suspend():
        Book.objects.create(title="a")

    inserted = [sql.split()[2] for sql in remember.statements if sql.startswith("INSERT INTO")]
    assert [name.strip('"`') for name in inserted] == [
        "handleref_events_suspension",
        "events_tests_book",
    ]


class Remembering:
    """An execute wrapper that keeps what it sees, which is nothing of ours."""

    def __init__(self):
        self.statements = []

    def __call__(self, execute, sql, params, many, context):
        self.statements.append(sql)
        return execute(sql, params, many, context)
