import pytest
from django.db import connection

from handleref.events.lifecycle.backfill import backfill
from handleref.events.recording import create_event
from handleref.triggers.suspension import suspend
from tests.events.models import *
from tests.events.models import (
    BookEvent,
    BookTagsEvent,
    RestaurantEvent,
    PairEvent,
    ConditionalEvent,
    BistroEvent,
)

pytestmark = pytest.mark.django_db


def told(m):
    return [(e.hr_operation, e.hr_label) for e in m.objects.order_by("hr_id")]


def test_it():
    b = Book.objects.create(title="a")
    b.pages = 3
    b.save()
    Book.objects.filter(pk=b.pk).update(pages=4)
    t = Tag.objects.create(name="x")
    b.tags.add(t)
    b.tags.clear()
    create_event(b, label="checked")
    with suspend(Book, reason="x"):
        b.save()
    Book.objects.filter(pk=b.pk).update(pages=4)
    b.delete()
    assert [
        (e.hr_operation, e.hr_label, e.hr_obj_id, e.title, e.pages)
        for e in BookEvent.objects.order_by("hr_id")
    ] == [
        ("insert", "insert", 1, "a", 0),
        ("update", "update", 1, "a", 3),
        ("update", "update", 1, "a", 4),
        ("manual", "checked", 1, "a", 4),
        ("delete", "delete", 1, "a", 3),
    ]
    assert told(BookTagsEvent) == [("insert", "tags_add"), ("delete", "tags_remove")]


def test_more(django_capture_on_commit_callbacks):
    b = Bistro.objects.create(name="x", seats=3, music="y")
    Place.objects.filter(pk=b.pk).update(name="z")
    Place.objects.create(name="other")
    b.refresh_from_db()
    b.seats = 5
    b.name = "w"
    b.save()
    b.delete()
    assert [
        (e.hr_operation, e.name, e.seats, e.music) for e in BistroEvent.objects.order_by("hr_id")
    ] == [
        ("insert", "x", 3, "y"),
        ("update", "z", 3, "y"),
        ("update", "w", 3, "y"),
        ("update", "w", 5, "y"),
        ("delete", "w", 5, "y"),
    ]
    assert RestaurantEvent.objects.count() == 5
    Pair.objects.create(left=1, right=2)
    Pair.objects.filter(left=1).update(right=3)
    assert told(PairEvent) == [("insert", "insert"), ("update", "update")]
    c = Conditional.objects.create(a=1, b="y")
    c.a = 2
    c.b = "OLD.%s 100% 'q' \\ NEW."
    c.save()
    print(told(ConditionalEvent))
    assert ConditionalEvent.objects.filter(hr_label="literal").count() == 1
    o = Odd.objects.create(order=1, select="x")
    o.order = 2
    o.save()
    with suspend(Pair):
        Pair.objects.bulk_create([Pair(left=i, right=i) for i in range(10, 30)])
        for i in range(20):
            Named.objects.create(name=f"n{i}")
    assert PairEvent.objects.count() == 2
    assert backfill(PairEvent, batch_size=7) == 20
    assert backfill(PairEvent, batch_size=7) == 0
    assert backfill(BookTagsEvent) == 0
    l = Ledger.objects.create(amount=3)
    from django.db import IntegrityError, transaction

    for x in (lambda: l.events.all().delete(), lambda: l.events.update(amount=4)):
        with pytest.raises(IntegrityError) as e, transaction.atomic():
            x()
        print(e.value)
    assert 0
