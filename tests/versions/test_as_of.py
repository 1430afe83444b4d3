import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from handleref.exceptions import PastIsReadOnlyError
from handleref.versions import as_of, current_moment
from tests.versions.conftest import NOON
from tests.versions.models import Page, Tag

LATER = NOON + timedelta(days=1)


def test_the_present_is_no_moment():
    assert current_moment() is None


def test_blocks_nest_and_the_innermost_counts():
    with as_of(NOON) as outer:
        assert (current_moment(), outer.moment) == (NOON, NOON)
        with as_of(LATER):
            assert current_moment() == LATER
        assert current_moment() == NOON
    assert current_moment() is None


def test_an_error_ends_a_block():
    with pytest.raises(ZeroDivisionError), as_of(NOON):
        _ = 1 / 0

    assert current_moment() is None


def test_one_object_may_be_entered_again_and_again():
    block = as_of(NOON)

    with block, block:
        pass

    assert current_moment() is None


def test_it_decorates_functions():
    @as_of(NOON)
    def look():
        return current_moment()

    assert (look(), look(), look.__name__, current_moment()) == (NOON, NOON, "look", None)


def test_it_is_async_too():
    @as_of(LATER)
    async def look():
        await asyncio.sleep(0)
        return current_moment()

    async def both():
        async with as_of(NOON):
            seen = await asyncio.gather(look(), child())
            return [*seen, current_moment()]

    async def child():
        return current_moment()

    assert asyncio.run(both()) == [LATER, NOON, NOON]


def test_tasks_have_blocks_of_their_own():
    async def look(moment):
        async with as_of(moment):
            await asyncio.sleep(0.01)
            return current_moment()

    async def both():
        return await asyncio.gather(look(NOON), look(LATER))

    assert asyncio.run(both()) == [NOON, LATER]


def test_dates_and_seconds_are_moments_too():
    with as_of(date(2026, 1, 1)):
        # The tests' time zone is Europe/Berlin.
        assert current_moment() == datetime(2025, 12, 31, 23, tzinfo=UTC)
    with as_of(0):
        assert current_moment() == datetime(1970, 1, 1, tzinfo=UTC)


def test_what_is_no_moment_is_refused_at_once():
    with pytest.raises(TypeError) as error:
        as_of("yesterday")

    assert str(error.value) == (
        "as_of() takes a datetime, a date, or unix seconds as int or float, not str."
    )


@pytest.mark.django_db
def test_only_models_with_keepers_are_read_only():
    with as_of(NOON):
        Tag.objects.create(name="a")
        with pytest.raises(PastIsReadOnlyError):
            Page.objects.create(title="a")

    assert (Tag.objects.count(), Page.objects.count()) == (1, 0)
