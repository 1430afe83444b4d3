from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest import mock

import pytest
from django.contrib.auth import get_user_model

from handleref.versions import History
from handleref.versions.registry import keepers
from tests.versions.models import Page, PageEvent, PageTagsEvent

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
# After every time that a test says it is, and before those of the database's clock.
REAL = NOON + timedelta(days=60)


class Clock:
    """The time at which a recorded block says that it was written."""

    def __init__(self):
        self.now = NOON

    def tick(self, **delta):
        self.now += timedelta(**(delta or {"hours": 1}))
        return self.now


@pytest.fixture
def clock():
    clock = Clock()
    with mock.patch("django.utils.timezone.now", side_effect=lambda: clock.now):
        yield clock


@pytest.fixture
def users(db):
    make = get_user_model().objects.create_user
    return SimpleNamespace(ann=make("ann"), bob=make("bob"))


@pytest.fixture
def record(keeper, clock):
    """Write within one recorded block, an hour after the last."""

    def record(write, *, user=None, comment="", **delta):
        clock.tick(**delta)
        with keeper.recording(user, comment):
            result = write()
        if keeper.name == "events":
            stamp(clock.now)
        return result

    return record


def stamp(moment):
    """Give the events that the database has stamped by its own clock the time of the test's."""
    for model in (PageEvent, PageTagsEvent):
        model.objects.filter(hr_created_at__gt=REAL).update(hr_created_at=moment)


@pytest.fixture
def save(record):
    """Save values of a page as one version."""

    def save(page, *, user=None, comment="", **values):
        for name, value in values.items():
            setattr(page, name, value)
        record(page.save, user=user, comment=comment)
        return page

    return save


@pytest.fixture
def page(save):
    return save(Page(title="one"), comment="first")


@pytest.fixture
def history(keeper):
    """Return the history that the keeper under test has of a page, or of all."""

    def history(page=None):
        key = page and (page.pk or page.key)
        return History(keeper, Page, object_id=key)

    return history


@pytest.fixture(params=["revisions", "ledger", "events"])
def keeper(request, db):
    return keepers(Page)[request.param]
