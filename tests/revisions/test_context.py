"""The block of ours: user and comment, decorator, and the async form."""

import asyncio
import threading
import time
from contextlib import suppress

import pytest
import reversion
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.db import connection
from reversion.models import Revision

from handleref.revisions.context import create_revision
from handleref.revisions.log import Log
from tests.revisions.models import City
from tests.revisions.stories import count, newest, revision_of

pytestmark = pytest.mark.django_db


class UndoneError(Exception):
    pass


def names():
    """Return by comment what each revision has."""
    return {
        revision.comment: sorted(version.object_repr for version in revision_of(revision))
        for revision in Revision.objects.all()
    }


# Sync --------------------------------------------------------------------------------------------


def test_user_and_comment():
    user = User.objects.create(username="u")

    with create_revision(user=user, comment="why"):
        City.objects.create(name="Aa")

    revision = Revision.objects.get()
    assert (revision.user, revision.comment) == (user, "why")


def test_an_inner_block_leaves_user_and_comment_unless_it_has_its_own():
    user = User.objects.create(username="u")

    with create_revision(user=user, comment="outer"):
        with create_revision():
            City.objects.create()
        assert (reversion.get_user(), reversion.get_comment()) == (user, "outer")
        with create_revision(comment="inner"):
            City.objects.create()

    revision = Revision.objects.get()
    assert (revision.user, revision.comment) == (user, "inner")


@create_revision(comment="decorated")
def write(name):
    """Write a city."""
    return City.objects.create(name=name)


def test_a_decorated_function_has_a_block_for_each_call():
    one, two = write("one"), write(name="two")

    assert (one.name, two.name, write.__doc__) == ("one", "two", "Write a city.")
    assert [sorted(v.object_repr for v in revision_of(r)) for r in Revision.objects.all()] == [
        ["two"],
        ["one"],
    ]


def test_one_object_opens_many_blocks_one_in_the_other():
    block = create_revision()

    with block:
        City.objects.create(name="outer")
        with block:
            City.objects.create(name="inner")
    with block:
        City.objects.create(name="next")

    assert Revision.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_threads_may_share_the_object():
    block, barrier, wrong = create_revision(atomic=False), threading.Barrier(3), []

    def run(number):
        with block:
            barrier.wait()
            reversion.set_comment(str(number))
            time.sleep(0.01 * number)
            if reversion.get_comment() != str(number):
                wrong.append(number)
            barrier.wait()
        if reversion.is_active():
            wrong.append(number)
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert block._open == {}


def test_positional_arguments_are_reversion_s():
    manually, atomic = True, False

    with create_revision(manually, "default", atomic):
        City.objects.create()

    assert count() == (0, 0)


@pytest.mark.django_db(databases=["default", "other"])
def test_another_database():
    with create_revision(using="other"):
        City.objects.create(name="Aa")

    assert count() == (0, 0)
    assert Revision.objects.using("other").count() == 1


def test_an_error_goes_through():
    with suppress(UndoneError), create_revision():
        City.objects.create()
        raise UndoneError

    assert count() == (0, 0)
    assert not reversion.is_active()


# Async -------------------------------------------------------------------------------------------


def run(main):
    """Run a coroutine function as Django runs an async view."""
    return async_to_sync(main)()


def test_an_async_block():
    user = User.objects.create(username="u")

    async def main():
        async with create_revision(user=user, comment="async"):
            city = await City.objects.acreate(name="Aa")
            await City.objects.filter(pk=city.pk).aupdate(number=1)
            await city.adelete()
            assert reversion.is_active()
        assert not reversion.is_active()

    run(main)

    revision = Revision.objects.get()
    assert (revision.user, revision.comment, names()) == (user, "async", {"async": ["Aa"]})
    assert [v.record.deleted for v in newest()] == [True]


def test_a_decorated_coroutine_function():
    @create_revision(comment="decorated")
    async def write():
        return await City.objects.acreate(name="Aa")

    assert run(write).name == "Aa"
    assert names() == {"decorated": ["Aa"]}


def test_an_error_in_an_async_block_goes_through():
    async def main():
        async with create_revision():
            await City.objects.acreate()
            raise UndoneError

    with pytest.raises(UndoneError):
        run(main)
    assert count() == (0, 0)
    assert not City.objects.exists()


def test_nested_async_blocks_are_one_revision():
    async def main():
        async with create_revision(comment="outer"):
            await City.objects.acreate(name="before")
            async with create_revision():
                await City.objects.acreate(name="inner")
            await City.objects.acreate(name="after")

    run(main)

    assert names() == {"outer": ["after", "before", "inner"]}


def test_tasks_that_open_their_own_blocks_keep_to_themselves():
    async def write(number):
        async with create_revision(comment=str(number)):
            await City.objects.acreate(name=f"{number} a")
            await asyncio.sleep(0.01 * (3 - number))
            await City.objects.acreate(name=f"{number} b")

    async def main():
        await asyncio.gather(*map(write, range(4)))

    run(main)

    assert names() == {str(n): [f"{n} a", f"{n} b"] for n in range(4)}


def test_a_task_s_error_undoes_its_own_block_only():
    async def write(number):
        async with create_revision(comment=str(number)):
            await City.objects.acreate(name=str(number))
            await asyncio.sleep(0.01)
            if number == 1:
                raise UndoneError

    async def main():
        return await asyncio.gather(*map(write, range(3)), return_exceptions=True)

    assert [type(found) for found in run(main)] == [type(None), UndoneError, type(None)]

    assert names() == {"0": ["0"], "2": ["2"]}
    assert sorted(City.objects.values_list("name", flat=True)) == ["0", "2"]


def test_tasks_born_inside_an_open_block_share_it():
    async def write(number):
        await City.objects.acreate(name=f"child {number}")

    async def nested(number):
        async with create_revision():
            await City.objects.acreate(name=f"nested {number}")

    async def main():
        async with create_revision(comment="shared"):
            await asyncio.gather(write(1), write(2))
            await asyncio.create_task(nested(3))

    run(main)

    assert names() == {"shared": ["child 1", "child 2", "nested 3"]}


def test_tasks_share_a_plain_block_of_reversion_s_too():
    async def write(number):
        await City.objects.acreate(name=f"child {number}")

    async def main():
        await asyncio.gather(write(1), write(2))

    with reversion.create_revision():
        reversion.set_comment("shared")
        run(main)

    assert names() == {"shared": ["child 1", "child 2"]}


def test_tasks_may_share_the_object():
    block = create_revision()

    async def write(number):
        async with block:
            reversion.set_comment(str(number))
            await asyncio.sleep(0.001)
            await City.objects.acreate(name=str(number))

    async def main():
        await asyncio.gather(*map(write, range(3)))

    run(main)

    assert names() == {str(n): [str(n)] for n in range(3)}
    assert block._open == {}


def test_every_loop_may_queue():
    async def write(number):
        async with create_revision(comment=str(number)):
            await asyncio.sleep(0.001)
            await City.objects.acreate(name=str(number))

    def main(first):
        async def both():
            await asyncio.gather(write(first), write(first + 1))

        return both

    run(main(1))
    run(main(3))

    assert names() == {str(n): [str(n)] for n in range(1, 5)}


def test_a_task_that_is_cancelled_while_it_opens_leaves_no_block_open():
    blocks = len(connection.savepoint_ids)

    async def write():
        async with create_revision(comment="never"):
            await City.objects.acreate(name="never")

    async def main():
        busy = asyncio.create_task(sync_to_async(time.sleep)(0.05))
        await asyncio.sleep(0.01)
        task = asyncio.create_task(write())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await busy
        async with create_revision(comment="next"):
            await City.objects.acreate(name="next")

    run(main)

    assert len(connection.savepoint_ids) == blocks
    assert names() == {"next": ["next"]}


def test_a_task_that_is_cancelled_inside_rolls_back_and_lets_the_next_in():
    async def write(name, seconds):
        async with create_revision(comment=name):
            await City.objects.acreate(name=name)
            await asyncio.sleep(seconds)

    async def main():
        slow = asyncio.create_task(write("slow", 60))
        await asyncio.sleep(0.05)
        quick = asyncio.create_task(write("quick", 0))
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        await quick

    run(main)

    assert names() == {"quick": ["quick"]}
    assert [city.name for city in City.objects.all()] == ["quick"]


def test_the_log_is_begun_with_the_block():
    with create_revision():
        assert len(Log.found().scopes) == 1


def test_an_inner_block_that_fails_says_nothing_of_the_outer_one():
    user = User.objects.create(username="u")

    with create_revision(comment="outer"):
        with suppress(UndoneError), create_revision(user=user, comment="inner"):
            raise UndoneError
        City.objects.create()

    revision = Revision.objects.get()
    assert (revision.user, revision.comment) == (None, "outer")


def test_a_block_that_fails_leaves_nothing_on_the_connection():
    before = [*connection.run_on_commit], [*connection.execute_wrappers]

    with suppress(UndoneError), create_revision(atomic=False):
        City.objects.create()
        raise UndoneError

    assert ([*connection.run_on_commit], [*connection.execute_wrappers]) == before
