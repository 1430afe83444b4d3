"""Many rows at once: versions of all of them, in a number of statements that stays small."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import IntegrityError, connection, transaction
from django.db.models import Case, Count, F, OuterRef, Subquery, Value, When
from django.db.models.functions import Coalesce, Concat
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from handleref.exceptions import PastIsReadOnlyError, RowChangedError, RowReplacedError
from handleref.pointintime.recording import recording
from handleref.versions.as_of import as_of
from tests.pointintime.models import Article, Citation, Counter, Note, PointPage, Section, Verdict
from tests.pointintime.relations import Author, Book, Town

pytestmark = pytest.mark.django_db

LOCKS = 0 if connection.features.has_select_for_update else 1
# More than a query may list on any database.
MANY = 10_500
TRANSACTION = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


class Statements(CaptureQueriesContext):
    """Counts statements, those of transactions aside."""

    def __init__(self):
        super().__init__(connection)

    def __len__(self):
        queries = [query["sql"] for query in self.captured_queries]
        return len([sql for sql in queries if not sql.startswith(TRANSACTION)])


@pytest.fixture
def ann():
    return get_user_model().objects.create_user("ann")


@pytest.fixture(params=[Article, Note], ids=["keys of the database", "keys made before"])
def model(request):
    return request.param


def text(model):
    return "header" if model is Article else "text"


def make(model, *texts):
    return model.objects.bulk_create([model(**{text(model): each}) for each in texts])


def history(model, *names):
    """Return the rows, by object and version."""
    rows = model.records.order_by("row_id", "row_version")
    return sorted(rows.values_list(text(model), "row_version", *names))


class TestCreating:
    def test_each_is_the_first_version_of_an_object(self, model, ann):
        with recording(ann, "to begin with"):
            objs = make(model, "a", "b")

        rows = model.records.order_by(text(model))
        assert [row.row_id for row in rows] == [row.pk for row in rows] == [o.pk for o in objs]
        assert {row.created_at for row in rows} == {objs[0].created_at}
        assert {row.start_at for row in rows} == {objs[0].created_at}
        assert {(row.row_version, row.modified_by) for row in rows} == {(1, ann)}
        assert {row.change_comment for row in rows} == {"to begin with"}
        assert [obj.row_id for obj in objs] == [obj.pk for obj in objs]

    def test_they_are_saved_as_any_other(self, model):
        (obj,) = make(model, "a")

        obj.save()

        assert history(model) == [("a", 1), ("a", 2)]

    def test_given_keys_and_others_may_be_mixed(self):
        objs = Article.objects.bulk_create([Article(pk=4711, header="a"), Article(header="b")])

        assert [obj.row_id for obj in objs] == [4711, objs[1].pk]
        assert [*Article.objects.order_by("header").values_list("row_id", flat=True)] == [
            4711,
            objs[1].pk,
        ]

    def test_conflicts_are_passed_over_where_keys_are_known(self):
        (note,) = make(Note, "a")

        Note.objects.bulk_create(
            [Note(pk=note.pk, text="b"), Note(text="c")], ignore_conflicts=True
        )

        assert history(Note) == [("a", 1), ("c", 1)]
        assert not Note.records.exclude(row_id=F("pk")).exists()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"ignore_conflicts": True},
                (
                    "bulk_create(ignore_conflicts=True) does not tell the keys of the new rows of"
                    " pointintime_tests.Article. Look up which are there, and leave those out."
                ),
            ),
            (
                {"update_conflicts": True, "update_fields": ["header"], "unique_fields": ["id"]},
                (
                    "bulk_create(update_conflicts=True) would overwrite pointintime_tests.Article"
                    " rows and keep no versions. Look up which are there, and bulk_update() those."
                ),
            ),
        ],
        ids=["ignored", "updated"],
    )
    def test_other_conflicts_are_refused(self, options, message):
        with pytest.raises(ValueError) as error:
            Article.objects.bulk_create([Article(header="a")], **options)

        assert str(error.value) == message
        assert not Article.records.exists()


class TestUpdating:
    def test_each_row_gets_its_next_version(self, model, ann):
        a, b, c = make(model, "a", "b", "c")
        c.save()

        with recording(ann, "all"):
            count = model.objects.exclude(pk=a.pk).update(**{text(model): "x"})

        assert count == 2
        assert history(model, "modified_by", "change_comment") == [
            ("a", 1, None, ""),
            ("b", 1, None, ""),
            ("c", 1, None, ""),
            ("c", 2, None, ""),
            ("x", 2, ann.pk, "all"),
            ("x", 3, ann.pk, "all"),
        ]
        assert {*model.objects.values_list("pk", flat=True)} == {a.pk, b.pk, c.pk}

    def test_they_are_written_at_one_moment_later_than_any_before(self, model, monkeypatch):
        moment = timezone.now() - timedelta(days=1)
        objs = make(model, "a", "b")
        objs[1].save()
        monkeypatch.setattr("handleref.pointintime.locking.now", lambda: moment)

        model.objects.update(**{text(model): "x"})

        written = objs[1].created_at + timedelta(microseconds=1)
        assert {*model.objects.values_list("created_at", flat=True)} == {written}
        replaced = model.records.exclude(replaced_at=None)
        assert {*replaced.values_list("replaced_at", flat=True)} == {objs[1].created_at, written}

    def test_old_values_may_be_reckoned_with(self):
        make(Article, "a", "b")

        Article.objects.update(header=Concat("header", Value("!")))

        assert history(Article) == [("a", 1), ("a!", 2), ("b", 1), ("b!", 2)]

    def test_the_conditions_are_those_of_the_rows_as_they_were(self):
        make(Article, "a", "b")

        Article.objects.filter(header="a", row_version=1).update(header="b", body="from a")

        assert history(Article, "body") == [
            ("a", 1, ""),
            ("b", 1, ""),
            ("b", 2, "from a"),
        ]

    def test_annotations_and_relations_may_choose_the_rows(self):
        town = Town.objects.create(name="Here")
        ann, bob = [Author.objects.create(name=name, town=town) for name in ("ann", "bob")]
        for author in (ann, ann, bob):
            Book.objects.create(author=author, title="of " + author.name)

        Author.objects.annotate(n=Count("book")).filter(n__gt=1).update(name="productive")
        Book.objects.filter(author__town__name="Here", author__name="bob").update(title="x")
        Book.objects.annotate(more=F("pages") + 5).update(pages=F("more"))

        assert {*Author.objects.values_list("name", "row_version")} == {
            ("productive", 2),
            ("bob", 1),
        }
        assert sorted(Book.objects.values_list("title", "pages", "row_version")) == [
            ("of ann", 5, 2),
            ("of ann", 5, 2),
            ("x", 5, 3),
        ]

    def test_related_managers_make_versions_too(self):
        section = Section.objects.create(name="s")
        pages = [PointPage.objects.create(title=title) for title in "ab"]

        section.pointpage_set.add(*pages)
        section.pointpage_set.filter(title="a").update(body="in the section")
        section.pointpage_set.clear()

        assert sorted(PointPage.records.values_list("title", "row_version", "section")) == [
            ("a", 1, None),
            ("a", 2, section.pk),
            ("a", 3, section.pk),
            ("a", 4, None),
            ("b", 1, None),
            ("b", 2, section.pk),
            ("b", 3, None),
        ]

    @pytest.mark.parametrize("by_key", [False, True], ids=["user", "key"])
    def test_a_user_may_be_named_among_the_values(self, ann, by_key):
        make(Article, "a")

        user = {"modified_by_id": ann.pk} if by_key else {"modified_by": ann}
        Article.objects.update(header="b", **user, change_comment="why")

        assert history(Article, "modified_by", "change_comment") == [
            ("a", 1, None, ""),
            ("b", 2, ann.pk, "why"),
        ]

    def test_nothing_to_write_is_no_version(self):
        make(Article, "a")

        assert Article.objects.update() == 0
        assert Article.objects.filter(header="b").update(header="c") == 0
        assert history(Article) == [("a", 1)]

    def test_replaced_rows_are_refused(self):
        (article,) = make(Article, "a")
        article.save()
        old = Article.records.get(row_version=1)

        for write, done in (
            (lambda: Article.records.update(header="b"), "updated"),
            (lambda: Article.records.all().delete(), "deleted"),
            (lambda: Article.records.bulk_update([old], ["header"]), "updated"),
        ):
            with pytest.raises(RowReplacedError) as error:
                write()

            assert str(error.value) == (
                f"pointintime_tests.Article {old.pk} is a replaced row of {article.pk}, and what"
                f" was is only read: nothing is {done}. Leave such rows out with current()."
            )
        assert Article.records.current().update(header="b") == 1
        assert history(Article) == [("a", 1), ("a", 2), ("b", 3)]

    @pytest.mark.parametrize("name", ["row_id", "row_version", "created_at", "replaced_at", "id"])
    def test_what_tells_of_the_version_is_not_set_by_hand(self, name):
        (article,) = make(Article, "a")

        for write in (
            lambda: Article.objects.update(**{name: None}),
            lambda: Article.objects.bulk_update([article], [name]),
        ):
            with pytest.raises(ValueError) as error:
                write()

            assert str(error.value) == (
                f"{name} of pointintime_tests.Article cannot be updated: each write of a version"
                " sets it."
            )

    def test_what_django_refuses_is_refused_in_its_words(self):
        rows = Article.objects.all()

        for write, words in (
            (lambda: rows[:1].update(header="x"), "Cannot update a query once a slice"),
            (rows[:1].delete, "Cannot use 'limit' or 'offset' with delete()."),
            (lambda: rows.distinct("header").delete(), "Cannot call delete() after .distinct("),
            (rows.values("header").delete, "Cannot call delete() after .values()"),
        ):
            with pytest.raises(TypeError) as error:
                write()

            assert str(error.value).startswith(words)

    def test_what_there_is_not_leaves_the_transaction_usable(self):
        (article,) = make(Article, "a")

        for write in (
            lambda: Article.objects.update(nope=1),
            lambda: Article.objects.bulk_update([article], ["nope"]),
        ):
            with transaction.atomic():
                with pytest.raises(FieldDoesNotExist):
                    write()
                assert Article.records.count() == 1

    def test_the_past_is_only_read(self):
        make(Article, "a")

        with as_of(timezone.now()):
            for write in (
                lambda: Article.objects.update(header="b"),
                lambda: Article.objects.all().delete(),
                lambda: Article.objects.bulk_create([Article(header="b")]),
                lambda: Article.objects.all().rollback_latest(),
                lambda: Article.records.all().purge(),
            ):
                with pytest.raises(PastIsReadOnlyError):
                    write()

        assert history(Article) == [("a", 1)]


class TestBulkUpdate:
    def test_each_object_gets_its_next_version(self, model, ann):
        objs = make(model, "a", "b", "c")
        for obj in objs:
            setattr(obj, text(model), getattr(obj, text(model)) * 2)

        with recording(ann):
            count = model.objects.bulk_update(objs[:2], [text(model)])

        assert count == 2
        assert history(model, "modified_by") == [
            ("a", 1, None),
            ("aa", 2, ann.pk),
            ("b", 1, None),
            ("bb", 2, ann.pk),
            ("c", 1, None),
        ]
        assert [obj.row_version for obj in objs] == [2, 2, 1]
        assert objs[0].created_at == model.objects.get(pk=objs[0].pk).created_at
        assert objs[0].modified_by == ann

    def test_expressions_are_worked_out(self):
        counters = Counter.objects.bulk_create([Counter(number=n) for n in (1, 2)])
        for counter in counters:
            counter.number = F("number") + 10

        Counter.objects.bulk_update(counters, ["number"])

        assert sorted(Counter.objects.values_list("number", flat=True)) == [11, 12]

    def test_who_is_gone_is_left_out(self):
        a, b = make(Article, "a", "b")
        Article.objects.get(pk=b.pk).delete()

        assert Article.objects.bulk_update([a, b], ["header"]) == 1
        assert history(Article) == [("a", 1), ("a", 2), ("b", 1)]

    def test_who_is_stale_is_refused_where_a_model_asks_for_it(self):
        (counter,) = Counter.objects.bulk_create([Counter()])
        Counter.objects.get().save()

        with pytest.raises(RowChangedError) as error:
            Counter.objects.bulk_update([counter], ["number"])

        assert str(error.value) == (
            f"pointintime_tests.Counter {counter.pk} has version 2, and not 1: somebody else has"
            " saved it. Nothing is updated; read the row anew."
        )

    def test_what_django_refuses_is_refused_in_its_words(self):
        for objs, fields, words in (
            ([], [], "Field names must be given to bulk_update()."),
            ([Article()], ["header"], "All bulk_update() objects must have a primary key set."),
        ):
            with pytest.raises(ValueError) as error:
                Article.objects.bulk_update(objs, fields)

            assert str(error.value) == words


class TestDeleting:
    def test_the_rows_hold_no_more_and_stay(self, model):
        objs = make(model, "a", "b", "c")
        objs[0].save()

        result = model.objects.exclude(pk=objs[2].pk).delete()

        assert result == (2, {model._meta.label: 2})
        assert [*model.objects.values_list(text(model), flat=True)] == ["c"]
        assert history(model) == [("a", 1), ("a", 2), ("b", 1), ("c", 1)]
        assert model.objects.filter(**{text(model): "a"}).delete() == (0, {})


class TestParents:
    """What happens to versions when Django really deletes what they lead to."""

    def test_keys_are_taken_back_in_all_rows(self):
        book = Book.objects.create(title="one", author=Author.objects.create(name="ann"))
        sequel = Book.objects.create(title="two", author=book.author, sequel_to=book)
        sequel.save()

        book.purge()

        rows = Book.records.order_by("row_version")
        assert [*rows.values_list("title", "row_version", "sequel_to")] == [
            ("two", 1, None),
            ("two", 2, None),
        ]

    def test_rows_go_along_that_cascade(self):
        author = Author.objects.create(name="ann")
        Book.objects.create(title="one", author=author).save()

        author.purge()

        assert not Book.records.exists()


class TestFrozenKeys:
    def test_they_stay_on_the_version(self, django_assert_num_queries):
        articles = make(Article, "a", "b", "c")
        for article in articles:
            Citation.objects.create(article=article, article_now=article)
            Verdict.objects.create(article=article).save()

        Article.objects.filter(header__in=["a", "b"]).update(header="x")

        cited = Citation.objects.order_by("pk")
        assert [citation.article.header for citation in cited] == ["a", "b", "c"]
        assert [citation.article_now.header for citation in cited] == ["x", "x", "c"]
        assert [citation.article.row_id for citation in cited] == [a.pk for a in articles]
        judged = Verdict.records.order_by("row_id", "row_version")
        assert [v.article.header for v in judged] == ["a", "a", "b", "b", "c", "c"]
        # It is no version of the verdict that its article was replaced.
        assert [v.row_version for v in judged] == [1, 2] * 3

    def test_they_may_choose_the_rows_and_give_the_values(self):
        a, b = make(Article, "a", "b")
        Verdict.objects.create(article=a, text="fine")

        judged = Article.objects.filter(verdict__text="fine")
        assert judged.update(body="judged") == 1
        Verdict.objects.create(article=b, text="so")
        texts = Verdict.records.filter(article=OuterRef("pk")).values("text")
        told = Article.objects.annotate(told=Coalesce(Subquery(texts[:1]), Value("not")))
        assert told.update(header=F("told")) == 2

        a.refresh_from_db()
        b.refresh_from_db()
        assert (a.header, a.body, a.row_version) == ("not", "judged", 3)
        assert (b.header, b.body, b.row_version) == ("so", "", 2)
        judged = Verdict.objects.values_list("article__header", "article__row_version")
        assert sorted(judged) == [("a", 1), ("b", 1)]

    def test_one_statement_moves_all_of_a_key(self):
        articles = make(Article, *"abcdefghij")
        Citation.objects.bulk_create([Citation(article=article) for article in articles * 3])

        with Statements() as statements:
            Article.objects.update(header="x")

        # Lock, stamp, copy, write; and the keys of Citation and of Verdict.
        assert len(statements) == 4 + LOCKS + 2
        assert {*Citation.objects.values_list("article__header", flat=True)} == {*"abcdefghij"}


class TestStatements:
    """As many for 20 objects as for one, and a few more for more than a query can list."""

    WRITES = {
        "update": (lambda rows: rows.update(header="x"), 4),
        "delete": (lambda rows: rows.delete(), 2),
        "rollback_latest": (lambda rows: rows.rollback_latest(), 6),
        "rollback_to_at": (lambda rows: rows.rollback_to_at(Article.first), 7),
        "purge": (lambda rows: rows.purge(), 3),
    }

    @pytest.mark.parametrize(
        ("name", "number"),
        [
            *((name, number) for name in WRITES for number in (1, 20)),
            ("update", MANY),
            ("rollback_latest", MANY),
        ],
    )
    def test_of_writes(self, name, number, monkeypatch):
        make(Article, *["a"] * number)
        monkeypatch.setattr(
            Article, "first", Article.objects.latest("created_at").created_at, raising=False
        )
        Article.objects.update(header="b")
        Article.objects.update(header="c")
        write, expected = self.WRITES[name]

        with Statements() as statements:
            write(Article.objects.all())

        # Each foreign key to an article is looked at on the way.
        keys = 3 if name in {"rollback_latest", "rollback_to_at", "purge"} else 0
        frozen = 2 if name == "update" else 0
        parts = 2 if number == MANY else 1
        assert len(statements) <= LOCKS + 1 + (expected + keys + frozen) * parts * 2
        if parts == 1:
            assert len(statements) == LOCKS + expected + keys + frozen

    @pytest.mark.parametrize("number", [1, 20])
    def test_of_creation(self, number):
        with Statements() as statements:
            make(Article, *["a"] * number)

        assert len(statements) == 2

    def test_of_bulk_update(self):
        articles = make(Article, *["a"] * 20)

        with Statements() as statements:
            Article.objects.bulk_update(articles, ["header"])

        # Lock, stamp, copy, two frozen keys, write, and who wrote it.
        assert len(statements) == LOCKS + 7


def test_what_fails_leaves_nothing():
    make(Note, "a", "b")

    with pytest.raises(IntegrityError), transaction.atomic():
        Note.objects.update(text=Case(When(text="a", then=Value("x")), default=None))

    assert history(Note) == [("a", 1), ("b", 1)]
