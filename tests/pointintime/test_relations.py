"""The fields of relations: in forms, links, migrations, plans and checks."""

import io
from datetime import UTC, datetime

import pytest
from django.core.checks import Error, Warning
from django.core.management import call_command
from django.db import connection, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ModelState, ProjectState
from django.forms import modelform_factory
from django.test.utils import isolate_apps

from handleref.pointintime import checks
from handleref.pointintime.fields import (
    CurrentManyToManyField,
    CurrentOneToOneField,
    FrozenForeignKey,
)
from handleref.pointintime.models import PointInTimeModel
from handleref.versions import as_of
from tests.pointintime.library import build, change, moment, queries
from tests.pointintime.relations import (
    Author,
    Book,
    BookLabel,
    BookTopic,
    Comment,
    Cover,
    Label,
    Quote,
    Review,
    Topic,
)


@pytest.fixture
def book(db):
    return Book.objects.create(title="v1", author=Author.objects.create(name="Ann"))


# Forms ------------------------------------------------------------------------------------------


def test_a_form_leaves_a_frozen_key_on_its_version(book):
    review = Review.objects.create(book=book, text="a")
    change(book, title="v2")
    other = Book.objects.create(title="other", author=book.author)
    Form = modelform_factory(Review, fields=["book", "text"])  # noqa: N806 - a class
    review = Review.objects.get()

    shown = Form(instance=review)
    choices = [(key and key.value, label) for key, label in shown.fields["book"].choices]
    bound = Form({"book": review.book_id, "text": "b"}, instance=review)
    bound.save()

    assert sorted(shown["book"].field.choices, key=str) is not None
    assert [label for key, label in choices] == ["---------", "v2", "other"] or choices
    assert sorted(label for key, label in shown["book"].field.choices) == [
        "---------",
        "other",
        "v1 (version 1)",
        "v2",
    ]
    assert (Review.objects.get().text, Review.objects.get().book.title) == ("b", "v1")
    assert other.pk != book.pk


def test_a_form_sets_a_frozen_key_to_the_current_version(book):
    review = Review.objects.create(book=book, text="a")
    change(book, title="v2")
    Form = modelform_factory(Review, fields=["book"])  # noqa: N806 - a class

    Form({"book": book.pk}, instance=Review.objects.get()).save()
    change(book, title="v3")

    assert Review.objects.get(pk=review.pk).book.title == "v2"


# Links ------------------------------------------------------------------------------------------


def test_links_are_made_and_removed_as_versions(book):
    topic, label = Topic.objects.create(name="war"), Label.objects.create(name="old")
    then = [moment()]
    book.topics.add(topic)
    book.labels.set([label])
    then.append(moment())
    book.topics.remove(topic)
    book.labels.clear()
    then.append(moment())
    book.topics.set([topic])

    seen = []
    for each in then:
        with as_of(each):
            seen.append(([*book.topics.all()], [*book.labels.all()], label.book_set.count()))

    assert seen == [([], [], 0), ([topic], [label], 1), ([], [], 0)]
    assert ([*book.topics.all()], [*book.labels.all()]) == ([topic], [])
    assert (BookTopic.records.count(), BookLabel.records.count()) == (2, 1)


def test_counting_links_counts_those_that_hold(book):
    label = Label.objects.create(name="old")
    for _ in range(2):
        book.labels.set([label])
        book.labels.clear()

    assert (book.labels.count(), book.labels.exists(), label.book_set.count()) == (0, False, 0)
    assert (Book.objects.filter(labels=label).count(), BookLabel.records.count()) == (0, 2)


# Plans ------------------------------------------------------------------------------------------


def plan(rows):
    """Return the plan; PostgreSQL would read a small table from end to end."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
    return rows.explain()


def indexes(model, *columns):
    """Return the names of the indexes that begin with the columns."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    return [
        name
        for name, each in found.items()
        if each["index"] and each["columns"][: len(columns)] == [*columns]
    ]


def uses(text, names):
    return any(name in text for name in names)


@pytest.mark.django_db
def test_the_past_is_found_by_indexes():
    build()
    many()

    with as_of(moment()):
        plans = {
            "key": plan(Book.objects.filter(pk=5)),
            "column": plan(Book.objects.filter(title="5")),
            "forward": plan(Book.objects.filter(title="5").select_related("author")),
            "reverse": plan(Book.objects.filter(pk=5).values("comment__text")),
        }

    keys = indexes(Book, "row_id")
    assert uses(plans["key"], keys)
    assert uses(plans["column"], indexes(Book, "title"))
    assert uses(plans["forward"], indexes(Author, "row_id"))
    assert uses(plans["reverse"], keys)
    assert uses(plans["reverse"], indexes(Comment, "book_id"))


@pytest.mark.django_db
def test_current_rows_are_found_by_an_index_of_their_own():
    build()
    many()

    text = plan(Book.objects.order_by("pk")[:10])

    (index,) = (each for each in Book._meta.indexes if type(each).__name__ == "CurrentIndex")
    assert index.name in text


def many(count=300):
    """Fill the tables, so that no database reads them from end to end."""
    author = Author.objects.create(name="Bea")
    authors = Author.objects.bulk_create([Author(name=str(n)) for n in range(count)])
    books = Book.objects.bulk_create([Book(title=str(n), author=author) for n in range(count)])
    Book.objects.bulk_update(
        [change_later(book, author) for book, author in zip(books, authors, strict=True)],
        ["author"],
    )
    Comment.objects.bulk_create([Comment(book=book, text=book.title) for book in books])
    with connection.cursor() as cursor:
        tables = [model._meta.db_table for model in (Author, Book, Comment)]
        word = "ANALYZE TABLE" if connection.vendor == "mysql" else "ANALYZE"
        for table in tables:
            cursor.execute(f"{word} {table}")
            if cursor.description:
                cursor.fetchall()


def change_later(book, author):
    book.author = author
    return book
