"""A small library at two moments, between which everything changed."""

from contextlib import contextmanager
from types import SimpleNamespace

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from tests.pointintime.relations import (
    Author,
    Book,
    BookLabel,
    BookTopic,
    Comment,
    Cover,
    Label,
    Stock,
    Topic,
    Town,
)


def moment():
    """Return the time, once it has gone on: what is written next is later."""
    this = now()
    while now() <= this:
        pass
    return this


def build():
    """Return the objects, and the moments before them, early and late."""
    the = SimpleNamespace(before=moment())
    the.town = Town.objects.create(name="Ulm")
    the.ann = Author.objects.create(name="Ann", town=the.town)
    the.bob = Author.objects.create(name="Bob")
    the.one = Book.objects.create(title="One", pages=10, author=the.ann)
    the.two = Book.objects.create(title="Two", pages=20, author=the.bob, sequel_to=the.one)
    the.comment = Comment.objects.create(book=the.one, text="good")
    the.topic = Topic.objects.create(name="war")
    the.label = Label.objects.create(name="old")
    the.about = BookTopic.objects.create(book=the.one, topic=the.topic)
    the.marked = BookLabel.objects.create(book=the.one, label=the.label)
    the.cover = Cover.objects.create(book=the.one, colour="red")
    the.stock = Stock.objects.create(book=the.one, shelf="A")
    the.early = moment()
    change(the.ann, name="Anna", town=None)
    change(the.one, title="Uno", author=the.bob)
    change(the.comment, text="bad")
    change(the.topic, name="peace")
    BookLabel.objects.all().delete()
    change(the.cover, colour="blue")
    Book.objects.filter(title="Two").delete()
    the.late = moment()
    return the


def change(obj, **values):
    for name, value in values.items():
        setattr(obj, name, value)
    obj.save()


@contextmanager
def queries(count):
    """Count what is asked meanwhile."""
    with CaptureQueriesContext(connection) as asked:
        yield asked
    assert len(asked) == count, "\n".join(query["sql"] for query in asked)
