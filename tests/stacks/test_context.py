"""Who writes versions, and why."""

import asyncio
import threading

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, IntegrityError, transaction
from django.utils.functional import lazy

from handleref.stacks.context import recording
from tests.stacks.models import Counter, Note, StackPage

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def ann():
    return get_user_model().objects.create_user("ann")


@pytest.fixture
def bob():
    return get_user_model().objects.create_user("bob")


def said(model=Counter):
    rows = model._base_manager.order_by("stack_created_at", "stack_number", "pk")
    return [*rows.values_list("stack_user__username", "stack_comment")]


def later(texts):
    """Return a text that is known only when it is read."""
    return lazy(lambda: " ".join(texts), str)()


class TestABlock:
    def test_every_way_of_writing_says_it(self, ann):
        with recording(ann, "why"):
            counter = Counter.objects.create(name="a")
            counter.save()
            Counter.objects.bulk_create([Counter(name="b")])
            Counter.objects.update(count=1)
            Counter.objects.bulk_update([counter], ["name"])
            Counter.objects.bulk_create([counter])
            Note.objects.create(text="a")
            Note.objects.update(text="b")

        assert {*said(), *said(Note)} == {("ann", "why")}
        assert (len(said()), len(said(Note))) == (7, 2)

    def test_the_instance_knows_it(self, ann):
        with recording(ann, "why"):
            counter = Counter.objects.create(name="a")
        assert (counter.stack_user, counter.stack_comment) == (ann, "why")

        counter.save()
        assert (counter.stack_user, counter.stack_comment) == (None, "")

    def test_without_one_nothing_is_said(self):
        Counter.objects.create(name="a")

        assert said() == [(None, "")]

    def test_blocks_nest(self, ann, bob):
        with recording(ann, "outer"):
            with recording(bob):
                counter = Counter.objects.create(name="a")
            with recording(comment="inner"):
                counter.save()
            counter.save()
        counter.save()

        assert said() == [("bob", "outer"), ("ann", "inner"), ("ann", "outer"), (None, "")]

    def test_nobody_is_nobody(self, ann):
        with recording(ann), recording(AnonymousUser()):
            Counter.objects.create(name="a")
        with recording(None, ""):
            Counter.objects.create(name="b")

        assert said() == [("ann", ""), (None, "")]

    def test_what_is_no_user_is_refused(self):
        with pytest.raises(TypeError) as error:
            recording("ann")

        assert str(error.value) == "user is a user or None, not 'ann'."

    def test_it_is_a_decorator(self, ann):
        @recording(ann, "why")
        def write():
            Counter.objects.create(name="a")

        write()

        assert said() == [("ann", "why")]

    def test_no_comment_makes_a_write_fail(self):
        with recording(comment="a\0b"):
            Counter.objects.create(name="a")
        with recording(comment=later(["c\0d"])):
            Counter.objects.create(name="a")

        assert said() == [(None, "ab"), (None, "cd")]


class TestLateComments:
    def test_they_are_written_when_the_block_ends(self, ann):
        texts = []
        with recording(ann, later(texts)):
            counter = Counter.objects.create(name="a")
            counter.save()
            Counter.objects.update(count=1)
            Counter.objects.bulk_create([Counter(name="b")])
            Counter.objects.bulk_update([counter], ["name"])
            Note.objects.create(text="a")
            Note.objects.update(text="b")
            assert {*said()} == {("ann", "")}
            texts += ["because", "of this"]

        assert {*said(), *said(Note)} == {("ann", "because of this")}

    def test_those_of_an_inner_block_are_its_own(self):
        outer, inner = ["outer"], ["inner"]
        with recording(comment=later(outer)):
            counter = Counter.objects.create(name="a")
            with recording(comment=later(inner)):
                counter.save()
            with recording():
                counter.save()
            with recording(comment="now"):
                counter.save()

        assert [text for _user, text in said()] == ["outer", "inner", "outer", "now"]

    def test_after_an_error_they_are_written_as_far_as_that_can_be(self):
        @recording(comment=later(["why"]))
        def fail():
            Counter.objects.create(name="a")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()

        assert said() == [(None, "why")]

    def test_what_was_rolled_back_hides_no_error(self):
        StackPage.objects.create(title="a")

        @recording(comment=later(["why"]))
        def fail():
            Counter.objects.create(name="a")
            StackPage.objects.create(title="a")

        with pytest.raises(IntegrityError), transaction.atomic():
            fail()

        assert said() == []

    def test_an_error_of_the_comment_itself_is_told(self):
        def fail():
            raise DatabaseError

        with pytest.raises(DatabaseError), recording(comment=lazy(fail, str)()):
            Counter.objects.create(name="a")

    def test_one_statement_writes_them(self, statements):
        with statements() as found, recording(comment=later(["why"])):
            for _ in range(3):
                Counter.objects.create(name="a")

        assert found == ["INSERT"] * 3 + ["UPDATE"]


class TestThreadsAndTasks:
    def test_another_thread_is_another_context(self, ann):
        seen = []

        def look():
            counter = Counter(name="a")
            from handleref.stacks.context import said as now_said

            seen.append((now_said().user_id, counter.stack_comment))

        with recording(ann, "why"):
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()

        assert seen == [(None, "")]

    def test_tasks_have_their_own(self, ann, bob):
        async def write(user, text):
            async with recording(user, text):
                await asyncio.sleep(0)
                await Counter.objects.acreate(name=text)

        async def main():
            await asyncio.gather(write(ann, "a"), write(bob, "b"))
            async with recording(ann, later(["late"])):
                await Counter.objects.acreate(name="c")
            await Counter.objects.acreate(name="d")

        async_to_sync(main)()

        assert sorted(said(), key=str) == sorted(
            [("ann", "a"), ("bob", "b"), ("ann", "late"), (None, "")], key=str
        )
