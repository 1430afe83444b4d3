"""A receiver that says when it listens costs nothing while it does not."""

import gc

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from handleref.models import rows_written
from handleref.references.signals import WhenSignal
from tests.references.models import Item, UuidItem


class Ear:
    """A receiver that listens while it is told to."""

    def __init__(self, *, listens):
        self.listens = listens
        self.heard = []

    def when(self):
        return self.listens

    def __call__(self, **event):
        self.heard.append(event.get("operation"))


@pytest.fixture
def signal():
    return WhenSignal()


def test_a_receiver_with_a_condition_listens_while_it_holds(signal):
    ear = Ear(listens=False)
    signal.connect(ear, sender=Item, when=ear.when)

    assert not signal.has_listeners(Item)
    assert signal.send(Item) == []

    ear.listens = True
    assert signal.has_listeners(Item)
    assert not signal.has_listeners(UuidItem)
    assert signal.send(Item, operation="update") == [(ear, None)]
    assert signal.send(UuidItem) == []
    assert ear.heard == ["update"]


def test_a_receiver_without_a_condition_listens_always(signal):
    always, never = Ear(listens=True), Ear(listens=False)
    signal.connect(always, sender=Item)
    signal.connect(never, sender=Item, when=never.when)

    assert signal.has_listeners(Item)
    assert signal.send(Item) == [(always, None)]


def test_connecting_twice_hears_once(signal):
    ear = Ear(listens=True)
    when = ear.when
    signal.connect(ear, sender=Item, when=when)
    signal.connect(ear, sender=Item, when=when)

    assert signal.send(Item) == [(ear, None)]


def test_disconnecting_finds_the_receiver_whenever_it_listens(signal):
    ear, other = Ear(listens=True), Ear(listens=True)
    signal.connect(ear, sender=Item, when=ear.when)
    signal.connect(other, sender=Item)

    assert signal.disconnect(ear, sender=Item) is True
    assert signal.disconnect(ear, sender=Item) is False
    assert signal.disconnect(other, sender=Item) is True
    assert not signal.has_listeners(Item)


def test_a_receiver_is_held_weakly_as_django_holds_it(signal):
    ear = Ear(listens=True)
    signal.connect(ear, when=lambda: True)

    del ear
    gc.collect()

    assert not signal.has_listeners(Item)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "write",
    [
        lambda: Item.objects.update(number=1),
        lambda: Item.objects.bulk_create([Item()]),
        lambda: Item.objects.all().delete(),
    ],
    ids=["update", "bulk_create", "soft_delete"],
)
def test_keys_are_read_only_for_who_listens_now(write):
    ear = Ear(listens=False)
    Item.objects.create()
    rows_written.connect(ear, sender=Item, when=ear.when)

    try:
        with CaptureQueriesContext(connection) as captured:
            write()
    finally:
        rows_written.disconnect(ear, sender=Item)

    own = [q["sql"] for q in captured if q["sql"].startswith(("SELECT", "INSERT", "UPDATE"))]
    assert (len(own), ear.heard) == (1, [])


@pytest.mark.django_db
def test_soft_delete_and_restore_tell_who_listens_now():
    ear = Ear(listens=True)
    Item.objects.create()
    rows_written.connect(ear, sender=Item, when=ear.when)

    try:
        Item.objects.all().delete()
        Item.objects.all().restore()
    finally:
        rows_written.disconnect(ear, sender=Item)

    assert ear.heard == ["soft_delete", "restore"]
