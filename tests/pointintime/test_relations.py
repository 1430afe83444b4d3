"""The fields of relations: in forms, links, plans, migrations and checks."""

import os

import pytest
from django.core.checks import Error, Warning
from django.db import connection, models, transaction
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
from tests.events.projects import Project, Runner, empty, own_databases
from tests.pointintime.library import build, change, moment
from tests.pointintime.relations import (
    Author,
    Book,
    BookLabel,
    BookTopic,
    Comment,
    Label,
    Review,
    Topic,
)

URL = os.environ.get("HANDLEREF_DATABASE_URL") or "sqlite:"


@pytest.fixture
def book(db):
    return Book.objects.create(title="v1", author=Author.objects.create(name="Ann"))


# Forms ------------------------------------------------------------------------------------------


def test_a_form_leaves_a_frozen_key_on_its_version(book):
    Review.objects.create(book=book, text="a")
    change(book, title="v2")
    other = Book.objects.create(title="other", author=book.author)
    Form = modelform_factory(Review, fields=["book", "text"])  # noqa: N806 - a class
    review = Review.objects.get()

    shown = Form(instance=review)["book"].field.choices
    Form({"book": review.book_id, "text": "b"}, instance=review).save()

    assert {str(key): label for key, label in shown if str(key)} == {
        str(book.pk): "v2",
        str(other.pk): "other",
        str(review.book_id): "v1 (version 1)",
    }
    assert (Review.objects.get().text, Review.objects.get().book.title) == ("b", "v1")


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
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")
        return rows.explain()


def indexes(model, *columns):
    """Return the names of the indexes that begin with the columns."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    indexed = {name: each for name, each in found.items() if each["index"] or each["unique"]}
    held = {name: each["columns"] for name, each in indexed.items()}
    names = [name for name, own in held.items() if own[: len(columns)] == [*columns]]
    if connection.vendor == "sqlite" and any(indexed[name]["unique"] for name in names):
        # Those of constraints it calls by names of its own.
        names.append(f"sqlite_autoindex_{model._meta.db_table}")
    return names


def uses(text, names):
    return any(name in text for name in names)


@pytest.mark.django_db(transaction=True)  # MariaDB commits to analyze
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


@pytest.mark.django_db(transaction=True)  # MariaDB commits to analyze
def test_current_rows_are_found_by_an_index_of_their_own():
    build()
    many()

    text = plan(Book.objects.order_by("pk")[:10])

    (index,) = (each for each in Book._meta.indexes if each.fields == ["id"])
    assert index.name in text


@pytest.mark.django_db(transaction=True)  # MariaDB commits to analyze
def test_the_rows_of_a_moment_are_found_among_the_current_and_the_replaced():
    build()
    many()
    for pages in range(5):
        Book.objects.update(pages=pages)
    then = moment()
    Book.objects.update(pages=0)
    analyze(Book)

    text = plan(Book.records.version(then))

    made, replaced = (
        index.name
        for field in ("created_at", "replaced_at")
        for index in Book._meta.indexes
        if index.fields[:1] == [field]
    )
    assert made in text
    assert (replaced in text) == connection.features.supports_partial_indexes


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
    analyze(Author, Book, Comment)


def analyze(*changed):
    """Let the database know what the tables are like by now."""
    word = "ANALYZE TABLE" if connection.vendor == "mysql" else "ANALYZE"
    with connection.cursor() as cursor:
        for model in changed:
            cursor.execute(f"{word} {model._meta.db_table}")
            if cursor.description:
                cursor.fetchall()


def change_later(book, author):
    book.author = author
    return book


# Migrations -------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path_factory, tmp_path):
    runner = Runner()
    with own_databases(URL, tmp_path_factory.mktemp("databases")) as entries:
        empty(URL, entries)
        yield Project(runner, tmp_path, entries)
    runner.close()


IMPORTS = """
from handleref.pointintime.fields import *
from handleref.pointintime.models import PointInTimeModel

class Book(PointInTimeModel):
    title = models.TextField()

class Tag(models.Model):
    name = models.TextField()
"""
LINK = """
class Link(PointInTimeModel):
    page = models.ForeignKey("Page", models.CASCADE)
    tag = models.ForeignKey(Tag, models.CASCADE)
"""


def page(base, key, one):
    return f"""
class Page({base}):
    book = {key}
    other = {one}
    class Meta:
        verbose_name = "page"
"""


def test_fields_come_change_and_go_by_migrations(project):
    """On a model with a Meta of its own, beside a plain one."""
    plain = "models.ForeignKey(Book, models.CASCADE, null=True, related_name='+')"
    frozen = "FrozenForeignKey(Book, models.CASCADE, null=True, related_name='+')"
    one = "CurrentOneToOneField(Book, models.CASCADE, null=True)"
    tags = f"{one}\n    tags = CurrentManyToManyField(Tag, through='Link')"
    bar = page("models.Model", frozen, one).replace("Page", "Bar")
    write = """
book = Book.objects.create(title="v1")
one = Page.objects.create(book=book, other=book)
book.title = "v2"
book.save()
one.save()
{}
[Page.objects.get(pk=one.pk).book.title, Page.objects.get(pk=one.pk).other.title]
"""
    twice = """
from django.db import IntegrityError
try:
    with transaction.atomic():
        Page.objects.create(other=book)
except IntegrityError:
    pass
else:
    raise AssertionError
"""

    project.change(IMPORTS + page("PointInTimeModel", plain, plain))
    assert project.ask(write.format("")) == ["v2", "v2"]

    project.change(IMPORTS + page("PointInTimeModel", frozen, one) + bar)
    assert project.ask(write.format(twice)) == ["v1", "v2"]
    assert project.ask(write.format(twice).replace("Page", "Bar")) == ["v1", "v2"]

    renamed = page("PointInTimeModel", frozen, tags).replace("other", "main")
    project.change(IMPORTS + renamed + LINK + bar)
    assert project.ask(write.format(twice).replace("other", "main")) == ["v1", "v2"]
    linked = """
tag = Tag.objects.create(name="a")
one = Page.objects.first()
one.tags.add(tag)
one.tags.clear()
[one.tags.count(), tag.page_set.count(), Link.records.count()]
"""
    assert project.ask(linked) == [0, 0, 1]

    project.change(IMPORTS + page("PointInTimeModel", plain, plain) + bar)
    project.run("migrate shop zero", "migrate")
    assert project.ask(write.format("")) == ["v2", "v2"]


FIELDS = [
    FrozenForeignKey(Book),
    FrozenForeignKey(Book, models.CASCADE),
    CurrentOneToOneField(Book, models.CASCADE, null=True),
    CurrentManyToManyField(Label, through=BookLabel),
]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: type(field).__name__)
def test_fields_are_rebuilt_from_what_they_deconstruct_to(field):
    _name, path, args, kwargs = field.deconstruct()

    again = type(field)(*args, **kwargs)

    assert path == f"handleref.pointintime.fields.{type(field).__name__}"
    assert again.deconstruct()[1:] == field.deconstruct()[1:]


# Checks -----------------------------------------------------------------------------------------


def found(*models_):
    """Return what is found about models, as if a project had no others."""

    class Config:
        def get_models(self):
            return models_

    return checks.check_relations([Config()])


def test_the_models_of_the_suite_have_no_errors():
    assert [each for each in checks.check_relations() if each.id != "handleref.W026"] == []


@isolate_apps("tests.pointintime")
def test_e025_wants_versions_to_be_frozen_on():
    class Plain(models.Model):
        pass

    class Target(PointInTimeModel):
        code = models.CharField(max_length=9, unique=True)

    class Owner(models.Model):
        plain = FrozenForeignKey(Plain)
        code = FrozenForeignKey(Target, to_field="code")
        good = FrozenForeignKey(Target, related_name="+")

    assert found(Owner) == [
        Error(
            "A FrozenForeignKey to pointintime_tests.Plain, whose rows are no versions.",
            hint="Make Plain a PointInTimeModel, or use a ForeignKey.",
            obj=Owner._meta.get_field("plain"),
            id="handleref.E025",
        ),
        Error(
            "A FrozenForeignKey to the field code, which is no row's key.",
            hint="Leave to_field out.",
            obj=Owner._meta.get_field("code"),
            id="handleref.E025",
        ),
    ]


@isolate_apps("tests.pointintime")
def test_e026_e027_and_w026_want_links_to_be_versions():
    class Tag(models.Model):
        pass

    class Other(PointInTimeModel):
        pass

    class Page(PointInTimeModel):
        ours = CurrentManyToManyField(Tag, related_name="+")
        stock = models.ManyToManyField(Tag, through="Link", related_name="+")
        plain = models.ManyToManyField(Tag, related_name="+")
        good = models.ManyToManyField(Other, through="Good", related_name="+")

    class Link(PointInTimeModel):
        page = models.ForeignKey(Page, models.CASCADE)
        tag = models.ForeignKey(Tag, models.CASCADE)

    class Good(PointInTimeModel):
        page = models.ForeignKey(Page, models.CASCADE)
        other = models.ForeignKey(Other, models.CASCADE)

    assert found(Page, Link, Good) == [
        Error(
            "The links of a CurrentManyToManyField, pointintime_tests.Page_ours, are no versions.",
            hint="Give it through=, a PointInTimeModel with a ForeignKey to either side.",
            obj=Page._meta.get_field("ours"),
            id="handleref.E026",
        ),
        Error(
            "A ManyToManyField by pointintime_tests.Link shows links that are gone.",
            hint="Make it a CurrentManyToManyField; the tables stay as they are.",
            obj=Page._meta.get_field("stock"),
            id="handleref.E027",
        ),
        Warning(
            "The links of plain are no versions: the past shows those of the present.",
            hint="Make it a CurrentManyToManyField with through=, a PointInTimeModel with a"
            " ForeignKey to either side, or silence this.",
            obj=Page._meta.get_field("plain"),
            id="handleref.W026",
        ),
    ]
