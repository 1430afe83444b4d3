"""Rolling back and purging: what they forget, and what stays."""

import logging
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db.models import ProtectedError
from django.db.models.signals import post_delete
from django.utils import timezone

from handleref.pointintime.recording import recording
from handleref.pointintime.signals import purged, rolled_back
from handleref.versions import Reverter, history
from tests.pointintime.models import Article, Citation, Note, Tag, Tariff, Verdict

pytestmark = pytest.mark.django_db

TICK = timedelta(microseconds=1)


@pytest.fixture
def ann():
    return get_user_model().objects.create_user("ann")


@pytest.fixture(params=[Article, Note], ids=["keys of the database", "keys made before"])
def life(request):
    """Return what makes an object, and versions of it."""
    model = request.param
    name = "header" if model is Article else "text"

    def life(*texts):
        obj = model.objects.create(**{name: texts[0]})
        for text in texts[1:]:
            setattr(obj, name, text)
            obj.save()
        return obj

    return life


def rows(obj):
    """Return the rows of an object, oldest version first: what it was, which, and until when."""
    found = type(obj).records.filter(row_id=obj.row_id).order_by("row_version")
    return [(str(row), row.row_version, row.replaced_at is None) for row in found]


def moments(obj):
    found = type(obj).records.filter(row_id=obj.row_id).order_by("row_version")
    return [*found.values_list("created_at", flat=True)]


class TestRollbackLatest:
    def test_the_last_change_is_forgotten(self, life):
        obj = life("a", "b", "c")
        before = moments(obj)
        key = obj.pk

        assert obj.rollback_latest() == 1

        assert rows(obj) == [("a", 1, False), ("b", 2, True)]
        assert moments(obj) == before[:2]
        assert (obj.pk, str(obj), obj.row_version) == (key, "b", 2)
        assert obj.created_at == before[1]
        assert obj.replaced_at is None

    def test_one_after_the_other_until_there_is_nothing(self, life):
        obj = life("a", "b")

        obj.rollback_latest()
        obj.rollback_latest()

        assert obj.pk is None
        assert not type(obj).records.exists()

    def test_the_next_save_goes_on_from_there(self, life):
        obj = life("a", "b", "c")

        obj.rollback_latest()
        obj.save()

        assert rows(obj) == [("a", 1, False), ("b", 2, False), ("b", 3, True)]

    def test_a_deletion_is_undone(self, life):
        obj = life("a", "b")
        obj.delete()

        obj.rollback_latest()

        assert rows(obj) == [("a", 1, False), ("b", 2, True)]

    def test_so_is_the_end_of_one(self):
        article = Article.objects.create(header="a")
        article.delete()
        deleted = article.replaced_at
        Reverter().restore(history(Article, article.pk).first())
        assert rows(article) == [("a", 1, False), ("a", 2, True)]

        Article.objects.get().rollback_latest()

        article = Article.records.get()
        assert (article.row_version, article.replaced_at) == (1, deleted)

    def test_what_is_said_of_the_version_is_what_was_said_then(self, ann):
        with recording(ann, "first"):
            article = Article.objects.create(header="a")
        article.save()

        article.rollback_latest()

        assert (article.modified_by, article.change_comment) == (ann, "first")


class TestRollbackTo:
    def test_an_object_is_what_it_was_at_a_moment(self, life):
        obj = life("a", "b", "c", "d")
        second, third = moments(obj)[1:3]
        other = life("x", "y")

        assert obj.rollback_to_at(third - TICK) == 1

        assert rows(obj) == [("a", 1, False), ("b", 2, True)]
        assert obj.created_at == second
        assert rows(other) == [("x", 1, False), ("y", 2, True)]

    def test_the_moment_of_a_version_is_in_it(self, life):
        obj = life("a", "b", "c")

        obj.rollback_to_at(moments(obj)[1])

        assert rows(obj) == [("a", 1, False), ("b", 2, True)]

    def test_nothing_is_done_where_nothing_came_after(self, life):
        obj = life("a", "b")

        assert obj.rollback_to_at(timezone.now()) == 0
        assert rows(obj) == [("a", 1, False), ("b", 2, True)]

    def test_before_it_was_there_it_is_purged(self, life):
        obj = life("a", "b")

        assert obj.rollback_to_at(moments(obj)[0] - TICK) == 1
        assert obj.pk is None
        assert not type(obj).records.exists()

    def test_a_date_means_the_end_of_that_day(self, life):
        obj = life("a", "b")

        assert obj.rollback_to_at(timezone.localdate()) == 0
        assert obj.rollback_to_at(timezone.localdate() - timedelta(days=1)) == 1
        assert obj.pk is None

    def test_a_deletion_that_came_after_is_undone(self, life):
        obj = life("a", "b")
        obj.delete()

        assert obj.rollback_to_at(obj.replaced_at) == 0
        assert obj.rollback_to_at(obj.replaced_at - TICK) == 1
        assert rows(obj) == [("a", 1, False), ("b", 2, True)]

    def test_an_object_that_was_deleted_then_is_so_again(self):
        article = Article.objects.create(header="a")
        article.delete()
        deleted = article.replaced_at
        Reverter().restore(history(Article, article.pk).first())
        article = Article.objects.get()
        article.save()

        article.rollback_to_at(deleted)

        article = Article.records.get()
        assert (article.row_version, article.replaced_at) == (1, deleted)


class TestFields:
    def test_some_fields_go_back_alone(self):
        article = Article.objects.create(header="a", body="1")
        article.header, article.body = "b", "2"
        article.save()

        article.rollback_latest(fields=["header"])

        assert (article.header, article.body) == ("a", "2")
        assert rows(article) == [("a", 1, True)]

    def test_some_fields_stay(self):
        article = Article.objects.create(header="a", body="1")
        first = article.created_at
        article.header, article.body = "b", "2"
        article.save()

        article.rollback_to_at(first, exclude=["header"])

        assert (article.header, article.body) == ("b", "1")

    def test_no_field_at_all_forgets_the_versions_alone(self):
        article = Article.objects.create(header="a")
        article.header = "b"
        article.save()

        article.rollback_latest(fields=[])

        assert rows(article) == [("b", 1, True)]

    def test_the_end_of_validity_is_a_field_as_any_other(self):
        article = Article.objects.create(header="a")
        article.end_at = article.start_at + timedelta(days=1)
        article.save()

        article.rollback_latest()

        assert article.end_at is None

    def test_an_unknown_field_is_refused(self):
        article = Article.objects.create(header="a")

        for options in ({"fields": ["title"]}, {"exclude": ["title"]}):
            with pytest.raises(FieldDoesNotExist) as error:
                article.rollback_latest(**options)

            assert str(error.value) == "Article has no column called 'title'."

    def test_what_tells_of_the_version_does_not_go_back_by_itself(self):
        article = Article.objects.create(header="a")
        article.save()

        with pytest.raises(FieldDoesNotExist):
            article.rollback_latest(fields=["row_version"])

        assert Article.records.count() == 2


class TestMany:
    def test_each_object_goes_back_to_its_own_version(self, life):
        a, b, c = life("a1", "a2", "a3"), life("b1"), life("c1", "c2")
        model = type(a)

        assert model.objects.exclude(pk=c.pk).rollback_latest() == 2

        assert rows(a) == [("a1", 1, False), ("a2", 2, True)]
        assert rows(b) == []
        assert rows(c) == [("c1", 1, False), ("c2", 2, True)]

    def test_of_deleted_objects_all_rows_name_them(self, life):
        a, b = life("a1", "a2"), life("b1")
        a.delete()

        count = type(a).records.exclude(row_id=b.pk).rollback_to_at(moments(a)[0])

        assert count == 1
        assert rows(a) == [("a1", 1, True)]

    def test_purging_takes_whole_objects(self, life):
        a, b, c = life("a1", "a2"), life("b1"), life("c1")
        b.delete()
        model = type(a)

        result = model.records.exclude(row_id=c.pk).purge()

        assert result == (3, {model._meta.label: 3})
        assert rows(c) == [("c1", 1, True)]
        assert model.records.count() == 1


class TestPurging:
    def test_the_object_is_gone_with_all_that_it_was(self, life):
        obj = life("a", "b", "c")

        assert obj.purge() == (3, {obj._meta.label: 3})
        assert obj.pk is None
        assert not type(obj).records.exists()

    def test_what_protects_it_stands_in_the_way(self):
        article = Article.objects.create(header="a")
        Citation.objects.create(article=article)
        article.save()

        with pytest.raises(ProtectedError):
            article.purge()

        assert len(rows(article)) == 2

    def test_what_cascades_goes_along(self):
        article = Article.objects.create(header="a")
        Verdict.objects.create(article=article).save()
        article.save()

        assert article.purge() == (
            4,
            {"pointintime_tests.Article": 2, "pointintime_tests.Verdict": 2},
        )

    def test_links_go_along(self):
        tariff = Tariff.objects.create(code="A")
        tariff.tags.add(Tag.objects.create(name="t"))

        assert tariff.purge() == (
            2,
            {"pointintime_tests.Tariff": 1, "pointintime_tests.Tariff_tags": 1},
        )

    def test_whoever_listens_to_deletions_hears_of_each_row(self):
        heard = []

        def listen(instance, **_):
            heard.append(str(instance))

        article = Article.objects.create(header="a")
        article.header = "b"
        article.save()
        post_delete.connect(listen, sender=Article)
        try:
            article.purge()
        finally:
            post_delete.disconnect(listen, sender=Article)

        assert sorted(heard) == ["a", "b"]


class TestFrozenKeys:
    def test_of_versions_that_vanish_they_move_to_the_current_row(self):
        article = Article.objects.create(header="a")
        of_a = Citation.objects.create(article=article)
        article.header = "b"
        article.save()
        of_b = Citation.objects.create(article=article)
        article.header = "c"
        article.save()
        of_c = Citation.objects.create(article=article)
        assert [c.article.header for c in Citation.objects.order_by("pk")] == ["a", "b", "c"]

        article.rollback_latest()

        cited = [c.article.header for c in Citation.objects.order_by("pk")]
        assert cited == ["a", "b", "b"]
        for citation, header in ((of_a, "a"), (of_b, "b"), (of_c, "b")):
            citation.refresh_from_db()
            assert citation.article.header == header
        article.header = "d"
        article.save()
        cited = [c.article.header for c in Citation.objects.order_by("pk")]
        assert cited == ["a", "b", "b"]

    def test_a_key_that_was_put_on_an_old_row_by_hand_moves_as_well(self):
        article = Article.objects.create(header="a")
        article.save()
        citation = Citation.objects.create(
            article=article, article_now=Article.records.get(row_version=1)
        )

        article.rollback_latest()
        citation.refresh_from_db()

        assert citation.article_now == article

    def test_links_of_old_rows_go(self):
        tariff = Tariff.objects.create(code="A")
        tariff.save()
        tag = Tag.objects.create(name="t")
        for row in Tariff.records.all():
            row.tags.add(tag)

        tariff.rollback_latest()

        assert [*tariff.tags.all()] == [tag]
        assert Tariff.tags.through.objects.count() == 1


class TestTelling:
    @pytest.fixture
    def heard(self):
        heard = []

        def listen(signal, **named):
            heard.append(named)

        rolled_back.connect(listen)
        purged.connect(listen)
        yield heard
        rolled_back.disconnect(listen)
        purged.disconnect(listen)

    def test_a_rollback_tells_what_it_forgets(self, heard, ann):
        article = Article.objects.create(header="a")
        article.header = "b"
        article.save()

        article.rollback_latest(user=ann, reason="a mistake")

        (told,) = heard
        forgotten = [(row["header"], row["row_version"]) for row in told.pop("rows")]
        assert forgotten == [("a", 1), ("b", 2)]
        assert told == {
            "sender": Article,
            "using": "default",
            "row_ids": [article.pk],
            "moment": None,
            "user": ann,
            "reason": "a mistake",
        }

    def test_so_does_a_purge(self, heard, ann, caplog):
        article = Article.objects.create(header="a")
        key = article.pk

        with recording(ann), caplog.at_level(logging.INFO, logger="handleref.pointintime"):
            article.purge(reason="asked to")

        (told,) = heard
        assert [row["header"] for row in told.pop("rows")] == ["a"]
        assert told == {
            "sender": Article,
            "using": "default",
            "row_ids": [key],
            "user": ann,
            "reason": "asked to",
        }
        assert caplog.messages == [
            "Purged 1 of pointintime_tests.Article; user: ann, reason: asked to"
        ]

    def test_what_does_nothing_tells_nothing(self, heard):
        article = Article.objects.create(header="a")

        article.rollback_to_at(timezone.now())
        Article.objects.none().purge()

        assert heard == []
