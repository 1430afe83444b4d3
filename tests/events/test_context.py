"""Who writes, and why: one context for the events of a block."""

import asyncio
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, connection, transaction
from django.utils.text import format_lazy

from handleref.events.context import context, current
from handleref.events.models import Context
from tests.events.models import Book, BookEvent, BookTagsEvent, Shelf, Tag

pytestmark = pytest.mark.django_db


def contexts():
    return [(each.user, each.comment, each.metadata) for each in Context.objects.all()]


@pytest.fixture
def ann(db):
    return get_user_model().objects.create_user("ann")


def test_events_of_a_block_refer_to_its_context(ann):
    with context(user=ann, comment="why"):
        book = Book.objects.create(title="one")
        Book.objects.filter(pk=book.pk).update(pages=5)
    Book.objects.filter(pk=book.pk).update(pages=6)

    only = Context.objects.get()
    assert (only.user, only.comment, only.metadata) == (ann, "why", {})
    assert [event.hr_context for event in BookEvent.objects.order_by("hr_id")] == [only, only, None]


def test_a_block_without_events_leaves_nothing(ann, django_assert_num_queries):
    with django_assert_num_queries(0), context(user=ann):
        pass
    with context(user=ann):
        Shelf.objects.create(name="not tracked")
        Book.objects.count()

    assert contexts() == []


def test_what_only_read_asks_nothing_at_its_end(ann, django_assert_num_queries):
    with django_assert_num_queries(1), context(user=ann):
        Book.objects.count()


def test_a_lazy_comment_is_read_at_the_end():
    said = []
    with context(comment=format_lazy("{}", Later(said))):
        Book.objects.create(title="one")
        said.append("more")

    assert contexts() == [(None, "more", {})]


class Later:
    def __init__(self, said):
        self.said = said

    def __str__(self):
        return " ".join(self.said)


def test_nobody_is_no_user():
    with context(user=AnonymousUser(), comment="by nobody"):
        Book.objects.create(title="one")

    assert contexts() == [(None, "by nobody", {})]


def test_a_block_says_what_its_outer_one_says_where_it_is_not_told(ann):
    with context(user=ann, comment="outer"):
        Book.objects.create(title="outer")
        with context(comment="inner"):
            Book.objects.create(title="inner")
        Book.objects.create(title="outer again")

    told = {e.title: (e.hr_context.user, e.hr_context.comment) for e in BookEvent.objects.all()}
    assert told == {
        "outer": (ann, "outer"),
        "inner": (ann, "inner"),
        "outer again": (ann, "outer"),
    }
    assert Context.objects.count() == 2 and current() is None


def test_a_decorator_opens_a_block_at_each_call():
    @context(comment="each")
    def write(title):
        Book.objects.create(title=title)

    write("one")
    write("two")

    assert contexts() == [(None, "each", {})] * 2


def test_an_event_is_written_for_whose_links_alone_changed():
    book, tag = Book.objects.create(title="one"), Tag.objects.create(name="a")
    written = Book.objects.create(title="two")

    with context(comment="links"):
        book.tags.add(tag)
        written.tags.add(tag)
        written.save()

    only = Context.objects.get()
    told = [
        (e.hr_operation, e.hr_label, e.title)
        for e in BookEvent.objects.filter(hr_context=only).order_by("hr_id")
    ]
    assert told == [("update", "update", "two"), ("manual", "tags", "one")]
    assert {e.hr_context for e in BookTagsEvent.objects.all()} == {only}


@context(comment="failed")
def write_and_fail(statement):
    Book.objects.create(title="one")
    with connection.cursor() as cursor:
        cursor.execute(statement)
    raise RuntimeError


def test_what_is_rolled_back_leaves_no_context():
    with pytest.raises(RuntimeError), transaction.atomic():
        write_and_fail("SELECT 1")

    assert contexts() == [] and BookEvent.objects.count() == 0


def test_what_an_error_leaves_behind_has_its_context():
    with pytest.raises(RuntimeError):
        write_and_fail("SELECT 1")

    assert contexts() == [(None, "failed", {})]


def test_no_error_is_hidden():
    with pytest.raises(DatabaseError) as error, transaction.atomic():
        write_and_fail("UPDATE no_such_table SET x = 1")

    assert "no_such_table" in str(error.value)
    assert contexts() == [] and current() is None


def test_one_database_may_be_meant():
    with context(comment="elsewhere", using="other"):
        Book.objects.create(title="one")

    assert contexts() == []
    assert BookEvent.objects.get().hr_context_id is None


def test_keys_are_stored_as_django_stores_them():
    with context(comment="raw"), connection.cursor() as cursor:
        cursor.execute("INSERT INTO events_tests_leaf (int_field, text_field) VALUES (1, 'x')")
        cursor.execute("SELECT hr_context_id FROM events_tests_leafevent")
        (stored,) = cursor.fetchone()

    found = Context.objects.get()
    assert isinstance(found.pk, UUID) and UUID(str(stored)) == found.pk
    assert type(found).objects.filter(pk=found.pk).exists()


def test_tasks_have_blocks_of_their_own():
    async def task(title):
        async with context(comment=title):
            await asyncio.sleep(0)
            await sync_to_async(Book.objects.create)(title=title)
            await asyncio.sleep(0)

    async def both():
        await asyncio.gather(task("one"), task("two"))

    async_to_sync(both)()

    told = {e.title: e.hr_context.comment for e in BookEvent.objects.all()}
    assert told == {"one": "one", "two": "two"}
