from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest import mock

import pytest
from django.contrib.auth import get_user_model

from handleref.versions import History
from handleref.versions.registry import keeper_of
from tests.pointintime.models import PointPage
from tests.stacks.models import StackPage
from tests.versions.models import Page, PageEvent, PageTagsEvent

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
# After every time that a test says it is, and before those of the database's clock.
REAL = NOON + timedelta(days=60)


@dataclass(frozen=True)
class Subject:
    """A keeper, and the model that it keeps versions of in the contract.

    :ivar key: the field that names an object.
    :ivar number: the field that counts the writes.
    :ivar written: the field that has the time of the last write.
    :ivar current: the lookups on the row that is an object as it is now.
    :ivar relate: sets the tags of a page in a way that becomes a version.
    :ivar destroy: deletes a page, so that no manager finds it any more.
    """

    name: str
    model: type = Page
    key: str = "id"
    number: str = "version"
    written: str = "updated"
    current: Sequence = ()
    relate: Callable = lambda page, tags: page.tags.set(tags)
    destroy: Callable = lambda page: page.delete(hard=True)

    def __str__(self):
        return self.name

    @property
    def keeper(self):
        return keeper_of(self.model, self.name)

    @property
    def sections(self):
        return self.model._meta.get_field("section").related_model

    def key_of(self, page):
        return getattr(page, self.key)

    def now(self, page):
        """Return the object as it is now."""
        return self.model.objects.get(*self.current, (self.key, self.key_of(page)))

    def label(self, page):
        """Return what errors call the object."""
        return f"{self.model._meta.label} {self.key_of(page)}"


def relate_anew(page, tags):
    """Save a page, and give the new row the tags."""
    page.save()
    page.tags.set(tags)


PAGES = [Subject(name) for name in ("revisions", "ledger", "events")]
STACKS = Subject(
    "stacks",
    StackPage,
    key="stack_group_uuid",
    number="stack_number",
    written="stack_created_at",
    current=[("stack_latest", True)],
    relate=relate_anew,
)
POINTS = Subject(
    "pointintime",
    PointPage,
    key="row_id",
    number="row_version",
    written="created_at",
    destroy=PointPage.delete,
)


class Clock:
    """The time at which a recorded block says that it was written."""

    def __init__(self):
        self.now = NOON

    def tick(self, **delta):
        self.now += timedelta(**(delta or {"hours": 1}))
        return self.now


@pytest.fixture
def clock():
    """Let Django's ``timezone.now()`` say what the test does, by whatever name it is called."""
    clock = Clock()

    class Kind(type):
        def __instancecheck__(cls, value):
            return isinstance(value, datetime)

    class Stopped(datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz=None):
            return clock.now.astimezone(tz)

    with mock.patch("django.utils.timezone.datetime", Stopped):
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
def relate(subject, record):
    """Set the tags of a page as one version."""

    def relate(page, tags):
        record(lambda: subject.relate(page, tags))

    return relate


@pytest.fixture
def page(save, model):
    return save(model(title="one"), comment="first")


@pytest.fixture
def history(subject):
    """Return the history that the keeper under test has of a page, or of all."""

    def history(page=None):
        key = page and (subject.key_of(page) or page.key)
        return History(subject.keeper, subject.model, object_id=key)

    return history


@pytest.fixture(params=PAGES, ids=str)
def subject(request, db):
    return request.param


@pytest.fixture
def keeper(subject):
    return subject.keeper


@pytest.fixture
def model(subject):
    return subject.model
