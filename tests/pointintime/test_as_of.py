"""Inside of as_of() querysets show a moment: their own rows, and all that they reach."""

import pickle
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import models, transaction
from django.db.models import Avg, Count, Exists, F, Max, OuterRef, Q, Subquery

from handleref.exceptions import PastIsReadOnlyError
from handleref.versions import as_of
from tests.pointintime.library import build, change, moment, queries
from tests.pointintime.models import Article, Tag, Tariff, Verdict
from tests.pointintime.relations import (
    Book,
    BookTopic,
    Comment,
    Leaf,
    Mark,
    Stock,
    Topic,
    Town,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def the():
    return build()


def titles(rows):
    return sorted(rows.values_list("title", flat=True))


def test_a_block_shows_the_rows_of_its_moment_under_the_keys_of_their_objects(the):
    with as_of(the.early):
        rows = [*Book.objects.order_by("pk")]

    assert [(row.pk, row.row_id, row.row_version, row.title) for row in rows] == [
        (the.one.pk, the.one.pk, 1, "One"),
        (the.two.pk, the.two.pk, 1, "Two"),
    ]


def test_a_row_holds_from_its_creation_until_it_is_replaced(the):
    first = Book.records.get(row_id=the.one.pk, row_version=1)
    tick = timedelta(microseconds=1)
    moments = (first.created_at - tick, first.created_at, first.replaced_at - tick)

    seen = []
    for each in (*moments, first.replaced_at):
        with as_of(each):
            seen.append([*Book.objects.filter(pk=the.one.pk).values_list("title", flat=True)])

    assert seen == [[], ["One"], ["One"], ["Uno"]]


def test_the_present_is_what_a_moment_after_all_changes_shows(the):
    present = [*Book.objects.values_list("pk", "title")]
    with as_of(the.late):
        late = [*Book.objects.values_list("pk", "title")]
    with as_of(the.before):
        before = [*Book.objects.values_list("pk", "title")]

    assert (present, late, before) == ([(the.one.pk, "Uno")], [(the.one.pk, "Uno")], [])


def test_a_queryset_keeps_the_moment_at_which_it_was_made(the):
    present = Book.objects.all()
    with as_of(the.early):
        past = Book.objects.filter(comment__text="good")
        inside = titles(present)

    assert inside == ["Uno"]
    assert titles(past) == ["One"]
    assert titles(past.exclude(author__name="Anna")) == ["One"]
    assert titles(pickle.loads(pickle.dumps(past))) == ["One"]


def test_blocks_nest(the):
    with as_of(the.early):
        with as_of(the.late):
            inner = titles(Book.objects)
        outer = titles(Book.objects)

    assert (inner, outer) == (["Uno"], ["One", "Two"])


def test_querysets_of_two_moments_are_not_combined(the):
    with as_of(the.early):
        past = Book.objects.all()

    with pytest.raises(TypeError) as error:
        past | Book.objects.all()

    assert str(error.value) == (
        f"Cannot combine querysets that look at two moments: {the.early} and the present."
    )


# Relations --------------------------------------------------------------------------------------


def test_relations_of_an_object_show_the_moment(the):
    with as_of(the.early):
        book = Book.objects.get(title="One")
        seen = {
            "author": book.author.name,
            "town": book.author.town.name,
            "comments": [comment.text for comment in book.comment_set.all()],
            "sequels": titles(book.sequels),
            "topics": [topic.name for topic in book.topics.all()],
            "labels": [label.name for label in book.labels.all()],
            "cover": book.cover.colour,
            "of author": titles(book.author.book_set),
            "of topic": titles(the.topic.book_set),
            "of label": titles(the.label.book_set),
            "of town": [author.name for author in the.town.author_set.all()],
        }

    assert seen == {
        "author": "Ann",
        "town": "Ulm",
        "comments": ["good"],
        "sequels": ["Two"],
        "topics": ["war"],
        "labels": ["old"],
        "cover": "red",
        "of author": ["One"],
        "of topic": ["One"],
        "of label": ["One"],
        "of town": ["Ann"],
    }


def test_relations_show_the_present_outside(the):
    book = Book.objects.get()

    seen = {
        "author": book.author.name,
        "comments": [comment.text for comment in book.comment_set.all()],
        "sequels": titles(book.sequels),
        "topics": [topic.name for topic in book.topics.all()],
        "labels": [label.name for label in book.labels.all()],
        "cover": book.cover.colour,
        "of author": titles(the.ann.book_set),
        "of topic": titles(the.topic.book_set),
        "of label": titles(the.label.book_set),
        "of town": [author.name for author in the.town.author_set.all()],
    }

    assert seen == {
        "author": "Bob",
        "comments": ["bad"],
        "sequels": [],
        "topics": ["peace"],
        "labels": [],
        "cover": "blue",
        "of author": [],
        "of topic": ["Uno"],
        "of label": [],
        "of town": [],
    }


def test_what_is_asked_of_an_object_outside_of_the_block_is_the_present(the):
    with as_of(the.early):
        book = Book.objects.get(title="One")

    assert [comment.text for comment in book.comment_set.all()] == ["bad"]
    assert book.author.name == "Anna"


def test_a_plain_object_leads_to_the_moment(the):
    with as_of(the.early):
        stock = Stock.objects.get()
        seen = stock.book.title

    assert (seen, Stock.objects.get().book.title) == ("One", "Uno")


def test_a_key_to_what_was_not_there_leads_nowhere_and_hides_no_row(the):
    change(the.one, sequel_to=Book.objects.create(title="Zero", author=the.bob))
    Comment.objects.filter(pk=the.comment.pk).update(book=the.one.sequel_to)
    late = Comment.objects.get().created_at
    Book.objects.filter(title="Zero").delete()

    with as_of(Book.records.get(title="Zero").replaced_at):
        plain = Comment.objects.get()
        joined = Comment.objects.select_related("book").get()
        fetched = Comment.objects.prefetch_related("book").get()
        errors = []
        for comment in (plain, joined, fetched):
            with pytest.raises(Book.DoesNotExist) as error:
                _ = comment.book
            errors.append(str(error.value))
        named = Comment.objects.exclude(book__title="One").count()

    assert late < Book.records.get(title="Zero").replaced_at
    assert errors == ["Book matching query does not exist.", *["Comment has no book."] * 2]
    assert named == 1


def test_select_related_asks_one_query(the):
    with as_of(the.early), queries(1):
        rows = Book.objects.select_related("author__town", "sequel_to").order_by("title")
        seen = [
            (row.title, row.author.name, row.author.town and row.author.town.name, row.sequel_to)
            for row in rows
        ]

    assert seen == [("One", "Ann", "Ulm", None), ("Two", "Bob", None, the.one)]


def test_prefetch_related_asks_one_query_for_each_relation(the):
    relations = ["author", "comment_set", "topics", "labels", "cover", "author__book_set"]
    with as_of(the.early), queries(1 + len(relations)):
        rows = Book.objects.prefetch_related(*relations).order_by("title")
        seen = [
            (
                row.title,
                row.author.name,
                [str(each) for each in row.comment_set.all()],
                [str(each) for each in row.topics.all()],
                [str(each) for each in row.labels.all()],
                [str(each) for each in row.author.book_set.all()],
            )
            for row in rows
        ]
        cover = rows[0].cover.colour

    assert seen == [
        ("One", "Ann", ["good"], ["war"], ["old"], ["One"]),
        ("Two", "Bob", [], [], [], ["Two"]),
    ]
    assert cover == "red"


def test_generic_relations_show_the_moment():
    leaf = Leaf.objects.create(text="v1")
    mark = Mark.objects.create(target=leaf, text="a")
    then = moment()
    change(leaf, text="v2")
    change(mark, text="b")

    with as_of(then):
        past = (
            [each.text for each in Leaf.objects.get().marks.all()],
            Mark.objects.get().target.text,
            Mark.objects.prefetch_related("target").get().target.text,
            Leaf.objects.filter(marks__text="a").count(),
            Leaf.objects.filter(marks__text="b").count(),
        )
    present = (
        [each.text for each in leaf.marks.all()],
        Mark.objects.get().target.text,
        Leaf.objects.filter(marks__text="a").count(),
        Leaf.objects.exclude(marks__text="a").count(),
    )

    assert past == (["a"], "v1", "v1", 1, 0)
    assert present == (["b"], "v2", 0, 1)


# Queries ----------------------------------------------------------------------------------------

FILTERS = {
    "own": Q(title="One"),
    "key": Q(title__startswith="O", pk__gt=0),
    "forward": Q(author__name="Ann"),
    "forward twice": Q(author__town__name="Ulm"),
    "reverse": Q(comment__text="good"),
    "reverse one": Q(cover__colour="red"),
    "reverse of itself": Q(sequels__title="Two"),
    "links": Q(topics__name="war"),
    "links to plain": Q(labels__name="old"),
    "plain": Q(stock__shelf="A"),
    "there and back": Q(author__book__comment__text="good"),
    "either": Q(comment__text="good") | Q(author__name="nobody"),
    "null": Q(sequel_to__isnull=True),
}


@pytest.mark.parametrize("condition", FILTERS.values(), ids=FILTERS)
def test_filters_see_the_moment(the, condition):
    with as_of(the.early):
        found, others = (
            titles(Book.objects.filter(condition)),
            titles(Book.objects.exclude(condition)),
        )

    assert (found, others) == (["One"], ["Two"])


NOT_THEN = {
    "own": Q(title="Uno"),
    "forward": Q(author__name="Anna"),
    "reverse": Q(comment__text="bad"),
    "reverse one": Q(cover__colour="blue"),
    "links": Q(topics__name="peace"),
}


@pytest.mark.parametrize("condition", NOT_THEN.values(), ids=NOT_THEN)
def test_filters_do_not_see_what_came_later(the, condition):
    with as_of(the.early):
        found, others = (
            titles(Book.objects.filter(condition)),
            titles(Book.objects.exclude(condition)),
        )

    assert (found, others) == ([], ["One", "Two"])


REPLACED = {
    "reverse": Q(comment__text="good"),
    "reverse one": Q(cover__colour="red"),
    "reverse of itself": Q(sequels__title="Two"),
    "links": Q(topics__name="war"),
    "links to plain": Q(labels__name="old"),
    "there and back": Q(author__book__title="One"),
}


@pytest.mark.parametrize("condition", REPLACED.values(), ids=REPLACED)
def test_outside_filters_do_not_see_replaced_rows(the, condition):
    assert titles(Book.objects.filter(condition)) == []
    assert titles(Book.objects.exclude(condition)) == ["Uno"]


def test_order_and_pages(the):
    with as_of(the.early):
        ordered = [row.title for row in Book.objects.order_by("-author__name", "comment__text")]
        page = [row.title for row in Book.objects.order_by("author__name")[1:2]]
        last = Book.objects.latest("created_at").title

    assert (ordered, page, last) == (["Two", "One"], ["Two"], "Two")


def test_aggregates(the):
    with as_of(the.early):
        counted = Book.objects.annotate(n=Count("comment"), said=Max("comment__text"))
        grouped = Book.objects.values("author__name").annotate(total=Avg("pages"))
        seen = {
            "rows": [(row.title, row.n, row.said) for row in counted.order_by("title")],
            "with others": [
                (row.author.name, row.n) for row in counted.select_related("author").order_by("pk")
            ],
            "grouped": [*grouped.order_by("author__name").values_list("author__name", "total")],
            "having": titles(counted.filter(n__gt=0)),
            "all": Book.objects.aggregate(Count("comment"), Max("pages"), Max("author__name")),
            "of a plain model": Town.moments.annotate(n=Count("author")).get().n,
        }

    assert seen == {
        "rows": [("One", 1, "good"), ("Two", 0, None)],
        "with others": [("Ann", 1), ("Bob", 0)],
        "grouped": [("Ann", 10.0), ("Bob", 20.0)],
        "having": ["One"],
        "all": {"comment__count": 1, "pages__max": 20, "author__name__max": "Bob"},
        "of a plain model": 1,
    }


def test_subqueries(the):
    with as_of(the.early):
        comments = Comment.objects.filter(book=OuterRef("pk"))
        seen = {
            "exists": titles(Book.objects.filter(Exists(comments.filter(text="good")))),
            "not": titles(Book.objects.filter(~Exists(comments))),
            "annotated": [
                *Book.objects.order_by("pk")
                .annotate(said=Subquery(comments.values("text")[:1]))
                .values_list("title", "said")
            ],
            "in": titles(Book.objects.filter(pk__in=Comment.objects.values("book"))),
            "of plain": [
                *Stock.objects.filter(book__in=Book.objects.filter(title="One")).values_list(
                    "shelf", flat=True
                )
            ],
        }

    assert seen == {
        "exists": ["One"],
        "not": ["Two"],
        "annotated": [("One", "good"), ("Two", None)],
        "in": ["One"],
        "of plain": ["A"],
    }


def test_a_subquery_keeps_a_moment_of_its_own(the):
    with as_of(the.early):
        past = Book.objects.filter(pk=OuterRef("pk"))

    renamed = Book.objects.annotate(once=Subquery(past.values("title")[:1]))

    assert [*renamed.exclude(once=F("title")).values_list("title", "once")] == [("Uno", "One")]


def test_other_ways_to_ask(the):
    with as_of(the.early):
        books = Book.objects.order_by("pk")
        seen = {
            "union": sorted(
                books.order_by().values_list("title").union(Comment.objects.values_list("text"))
            ),
            "count": books.count(),
            "exists": books.filter(title="One").exists(),
            "contains": books.contains(the.one),
            "iterator": [row.title for row in books.iterator(chunk_size=1)],
            "in bulk": {key: row.title for key, row in books.in_bulk().items()},
            "values": [*books.values("title", "author__name")],
            "distinct": books.values("author__town").distinct().count(),
            "only": [row.title for row in books.only("title")],
            "combined": titles(books.filter(title="One") | books.filter(author__name="Bob")),
        }

    assert seen == {
        "union": [("One",), ("Two",), ("good",)],
        "count": 2,
        "exists": True,
        "contains": True,
        "iterator": ["One", "Two"],
        "in bulk": {the.one.pk: "One", the.two.pk: "Two"},
        "values": [
            {"title": "One", "author__name": "Ann"},
            {"title": "Two", "author__name": "Bob"},
        ],
        "distinct": 2,
        "only": ["One", "Two"],
        "combined": ["One", "Two"],
    }


def test_records_are_all_rows_in_the_past_too_and_reach_the_moment(the):
    with as_of(the.early):
        rows = {row.pk: row.title for row in Book.records.all()}
        by_author = titles(Book.records.filter(author__name="Ann"))

    assert rows == {row.pk: row.title for row in Book.records.all()}
    assert (len(rows), by_author) == (3, ["One"])


def test_current_and_active_are_those_of_the_moment(the):
    the.one.end_at = the.late
    the.one.save()

    with as_of(the.early):
        current, active = titles(Book.objects.current()), titles(Book.objects.active())
    with as_of(the.one.created_at):
        ended = titles(Book.objects.active())

    assert (current, active, ended) == (["One", "Two"], ["One", "Two"], [])


def test_a_field_left_out_is_read_from_the_same_version_later(the):
    with as_of(the.early):
        book = Book.objects.defer("title", "created_at").get(pk=the.one.pk)
        other = Book.objects.only("pages").get(pk=the.one.pk)
        author = (
            Book.objects.select_related("author").only("title", "author__town").get(title="One")
        ).author

    with queries(3):
        seen = (book.title, other.title, author.name)

    assert seen == ("One", "One", "Ann")


def test_async(the):
    async def look():
        async with as_of(the.early):
            book = await Book.objects.select_related("author").aget(title="One")
            comments = [comment.text async for comment in book.comment_set.all()]
            later = Book.objects.filter(author__name="Ann")
        return book.author.name, comments, await later.acount()

    assert async_to_sync(look)() == ("Ann", ["good"], 1)


# Plain models -----------------------------------------------------------------------------------


def test_a_plain_manager_sees_all_rows_across_a_reverse_relation(the):
    assert Town.objects.filter(author__name="Ann").count() == 1
    with as_of(the.early):
        assert Town.objects.filter(author__name="Ann").count() == 1
    with as_of(the.before):
        assert Town.objects.filter(author__name="Ann").count() == 1


def test_a_moment_manager_sees_those_of_the_moment(the):
    def found():
        return Town.moments.filter(author__name="Ann").count()

    with as_of(the.early):
        early = found()
    with as_of(the.before):
        before = found()

    assert (early, before, found()) == (1, 0, 0)


# Writing ----------------------------------------------------------------------------------------

WRITES = {
    "save": lambda book: book.save(),
    "save by": lambda book: book.save(update_fields=["title"]),
    "create": lambda _book: Book.objects.create(title="New", author_id=1),
    "delete": lambda book: book.delete(),
    "update": lambda _book: Book.objects.update(pages=1),
    "delete all": lambda _book: Book.objects.all().delete(),
    "bulk_create": lambda _book: Book.objects.bulk_create([Book(title="New", author_id=1)]),
    "bulk_update": lambda book: Book.objects.bulk_update([book], ["pages"]),
    "related update": lambda book: book.comment_set.update(text="x"),
    "add": lambda book: book.topics.add(Topic.objects.get()),
    "clear": lambda book: book.topics.clear(),
    "update_or_create": lambda _book: Book.objects.update_or_create({"pages": 1}, title="One"),
    "rows": lambda _book: Book.records.update(pages=1),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_the_past_is_only_read(the, write):
    before = [*Book.records.order_by("pk").values()], [*BookTopic.records.values()]

    with (
        as_of(the.early),
        pytest.raises(PastIsReadOnlyError, match="the past is only read"),
        transaction.atomic(),
    ):
        write(Book.objects.get(title="One"))

    assert ([*Book.records.order_by("pk").values()], [*BookTopic.records.values()]) == before


def test_links_of_a_table_without_versions_are_only_read_too():
    tariff, tag = Tariff.objects.create(code="A", price=1), Tag.objects.create(name="t")

    for write in (
        lambda: tariff.tags.add(tag),
        lambda: tag.tariff_set.add(tariff),
        lambda: tariff.tags.set([tag]),
    ):
        with as_of(moment()), pytest.raises(PastIsReadOnlyError), transaction.atomic():
            write()

    assert not tariff.tags.exists()
    tariff.tags.add(tag)
    with as_of(moment()), pytest.raises(PastIsReadOnlyError), transaction.atomic():
        tariff.tags.clear()
    assert tariff.tags.exists()


def test_frozen_keys_are_found_by_what_is_shown_of_the_moment():
    article = Article.objects.create(header="one")
    first = Verdict.objects.create(article=article)
    early = moment()
    article.save()
    second = Verdict.objects.create(article=article)

    def found():
        return [*Verdict.objects.filter(article__in=Article.objects.all())]

    with as_of(early):
        assert found() == [first]
    with as_of(moment()):
        assert found() == [second]
    assert found() == [second]


LATER = {
    "update": lambda rows: rows.update(pages=1),
    "delete": lambda rows: rows.delete(),
    "bulk_update": lambda rows: rows.bulk_update([*rows], ["pages"]),
    "bulk_create": lambda rows: rows.bulk_create([Book(title="New", author_id=1)]),
}


@pytest.mark.parametrize("write", LATER.values(), ids=LATER)
def test_a_queryset_of_the_past_does_not_write_in_the_present(the, write):
    with as_of(the.early):
        rows = Book.objects.all()

    with pytest.raises(PastIsReadOnlyError) as error:
        write(rows)

    assert str(error.value) == (
        f"pointintime_tests.Book as of {the.early.isoformat()} cannot be written: the past is"
        " only read. Make the queryset outside of as_of()."
    )


# Settings ---------------------------------------------------------------------------------------


def test_without_time_zones_moments_are_naive(settings):
    settings.USE_TZ = False
    with as_of(datetime(2026, 1, 1, 13, tzinfo=UTC)):
        rows = Book.objects.filter(comment__text="a")

    assert rows.query.moment == datetime(2026, 1, 1, 14)
    assert "2026-01-01 14:00:00" in str(rows.query)


@pytest.mark.skipif(not hasattr(models, "FETCH_PEERS"), reason="Django 6.1 has it")
def test_peers_are_fetched_as_of_the_moment(the):
    with as_of(the.early), queries(3):
        rows = Book.objects.fetch_mode(models.FETCH_PEERS).defer("pages").order_by("pk")
        seen = [(row.author.name, row.pages) for row in rows]

    assert seen == [("Ann", 10), ("Bob", 20)]
