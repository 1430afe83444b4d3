"""One instance is saved, deleted, and knows it."""

import asyncio
import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.signals import post_save, pre_save
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from handleref.exceptions import (
    PastIsReadOnlyError,
    RowChangedError,
    RowPurgedError,
    RowReplacedError,
)
from handleref.pointintime.dialects import replaces_at_once
from handleref.pointintime.recording import recording, said
from handleref.versions.as_of import as_of
from tests.pointintime.models import Article, Citation, Counter, Note, Numbered, Tariff, Verdict

pytestmark = pytest.mark.django_db

# What locks a row may take a statement of its own; or all is done in one.
LOCKS = 0 if connection.features.has_select_for_update else 1
SAVES = 1 if replaces_at_once(connection) else 3 + LOCKS


@pytest.fixture
def ann():
    return get_user_model().objects.create_user("ann")


@pytest.fixture
def bob():
    return get_user_model().objects.create_user("bob")


def rows(obj, *names):
    """Return the rows of an object, oldest version first."""
    found = type(obj).records.filter(row_id=obj.row_id).order_by("row_version")
    return [*found.values_list(*names)]


def headers(article):
    return [header for (header,) in rows(article, "header")]


@pytest.fixture
def writes(django_assert_num_queries):
    """Return a block that counts statements, those of transactions aside."""

    class Writes(CaptureQueriesContext):
        def __enter__(self):
            super().__enter__()
            return self

        @property
        def statements(self):
            words = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
            sql = [query["sql"] for query in self.captured_queries]
            return [
                each
                for each in sql
                if each.startswith("BEGIN NOT ATOMIC") or not each.startswith(words)
            ]

    return Writes(connection)


class TestCreating:
    def test_the_first_version_is_that_of_a_new_object(self, ann):
        before = timezone.now()

        article = Article(header="one")
        article.save(ann)

        assert article.created_at >= before
        assert (article.row_id, article.row_version) == (article.pk, 1)
        assert (article.start_at, article.end_at) == (article.created_at, None)
        assert (article.replaced_at, article.modified_by) == (None, ann)
        assert rows(article, "pk", "row_version", "created_at", "start_at", "modified_by") == [
            (article.pk, 1, article.created_at, article.created_at, ann.pk)
        ]

    def test_it_does_not_begin_before_it_is_saved(self):
        assert Article(header="one").start_at is None

    def test_it_may_begin_and_end_at_any_time(self):
        start, end = timezone.now() - timedelta(days=5), timezone.now() + timedelta(days=5)

        article = Article.objects.create(header="one", start_at=start, end_at=end)

        assert (article.start_at, article.end_at) == (start, end)

    def test_a_key_that_the_database_makes_takes_a_second_statement(self, writes):
        with writes:
            Article.objects.create(header="one")

        assert len(writes.statements) == 2

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Note.objects.create(text="one"),
            lambda: Article.objects.create(pk=4711, header="one"),
            lambda: Numbered.objects.create(number=7, name="one"),
        ],
        ids=["uuid", "given", "given instead of made"],
    )
    def test_a_key_that_is_known_takes_none(self, make, writes):
        with writes:
            obj = make()

        assert len(writes.statements) == 1
        assert rows(obj, "pk", "row_id", "row_version") == [(obj.pk, obj.pk, 1)]

    def test_a_copy_is_an_object_of_its_own(self):
        article = Article.objects.create(header="one")
        article.save()

        article.pk = None
        article._state.adding = True
        article.save()

        assert (article.row_id, article.row_version) == (article.pk, 1)
        assert Article.objects.count() == 2

    def test_get_or_create_and_update_or_create_make_versions(self):
        article, created = Article.objects.get_or_create(header="one")
        again, made = Article.objects.update_or_create(header="one", defaults={"body": "b"})

        assert (created, made) == (True, False)
        assert again == article
        assert rows(article, "body", "row_version") == [("", 1), ("b", 2)]


class TestReplacing:
    def test_the_current_row_keeps_its_key_and_the_old_one_gets_another(self):
        article = Article.objects.create(header="one")
        key, made = article.pk, article.created_at

        article.header = "two"
        article.save()

        old, new = Article.records.order_by("row_version")
        assert (new.pk, new.header, new.row_version, new.replaced_at) == (key, "two", 2, None)
        assert (old.row_id, old.header, old.row_version) == (key, "one", 1)
        assert (old.created_at, old.replaced_at) == (made, new.created_at)
        assert old.pk != key
        assert (article.row_version, article.created_at) == (2, new.created_at)
        assert old.start_at == new.start_at == made

    @pytest.mark.parametrize("model", [Article, Note, Numbered])
    def test_each_save_continues_the_chain(self, model):
        obj = model.objects.create()

        for _ in range(3):
            obj.save()

        versions = rows(obj, "row_version", "created_at", "replaced_at")
        assert [number for number, _made, _replaced in versions] == [1, 2, 3, 4]
        ends = [replaced for _number, _made, replaced in versions]
        assert ends == [*(made for _number, made, _replaced in versions[1:]), None]

    def test_it_takes_three_statements_at_most_beside_a_lock(self, writes):
        note = Note.objects.create(text="one")

        with writes:
            note.save()

        assert len(writes.statements) == SAVES

    def test_a_key_that_stays_on_versions_takes_one_more_each(self, writes):
        article = Article.objects.create(header="one")
        for _ in range(3):
            Citation.objects.create(article=article)
            Verdict.objects.create(article=article)

        with writes:
            article.save()

        # Of Citation and of Verdict.
        assert len(writes.statements) == SAVES + 2

    @pytest.mark.django_db(transaction=True)
    def test_what_is_refused_without_a_transaction_is_not_there_in_part(self):
        note = Note.objects.create(text="one")
        note.end_at = note.start_at

        with pytest.raises(IntegrityError):
            note.save()

        assert connection.get_autocommit()
        assert rows(note, "row_version", "replaced_at") == [(1, None)]
        note.end_at = None
        note.save()
        assert [number for (number,) in rows(note, "row_version")] == [1, 2]

    @pytest.mark.django_db(transaction=True)
    def test_nothing_goes_on_after_a_refusal_where_nothing_commits_by_itself(self, by_hand):
        note = Note.objects.create(text="one")
        transaction.commit()
        note.end_at = note.start_at

        with pytest.raises(IntegrityError):
            note.save()

        with pytest.raises(TransactionManagementError):
            Note.objects.count()
        transaction.rollback()
        assert rows(note, "row_version", "replaced_at") == [(1, None)]

    def test_the_clock_may_stand_still(self, monkeypatch):
        moment = timezone.now()
        monkeypatch.setattr("handleref.pointintime.saving.now", lambda: moment)
        note = Note.objects.create(text="one")

        note.save()
        note.save()

        tick = timedelta(microseconds=1)
        assert rows(note, "created_at", "replaced_at") == [
            (moment, moment + tick),
            (moment + tick, moment + 2 * tick),
            (moment + 2 * tick, None),
        ]

    def test_an_unchanged_save_is_a_version_as_well(self):
        article = Article.objects.create(header="one")

        article.save()

        assert headers(article) == ["one", "one"]

    def test_update_fields_leave_the_rest_as_the_row_has_it(self, ann):
        article = Article.objects.create(header="one", body="a")
        Article.objects.get().save(ann)
        Article.objects.filter(pk=article.pk).update(body="b")

        article.header = "two"
        article.save(update_fields=["header"])

        assert rows(article, "header", "body", "modified_by") == [
            ("one", "a", None),
            ("one", "a", ann.pk),
            ("one", "b", None),
            ("two", "b", None),
        ]

    def test_no_update_fields_are_no_save(self):
        article = Article.objects.create(header="one")

        article.save(update_fields=[])

        assert headers(article) == ["one"]

    def test_expressions_are_worked_out_by_the_database(self):
        counter = Counter.objects.create(number=1)

        counter.number = F("number") + 1
        counter.save()
        counter.refresh_from_db()

        assert counter.number == 2
        assert rows(counter, "number") == [(1,), (2,)]

    def test_deferred_fields_stay(self):
        Article.objects.create(header="one", body="a")

        article = Article.objects.defer("body", "created_at", "row_version").get()
        article.header = "two"
        article.save()

        assert rows(article, "header", "body", "row_version") == [("one", "a", 1), ("two", "a", 2)]
        assert article.row_version == 2

    def test_a_model_without_a_field_is_saved_by_its_key(self):
        Note.objects.create(text="one")

        note = Note.objects.only("pk").get()
        note.save()

        assert rows(note, "text", "row_version") == [("one", 1), ("one", 2)]

    def test_an_instance_made_by_hand_replaces_the_row_of_its_key(self):
        article = Article.objects.create(header="one")

        Article(pk=article.pk, header="two").save()

        assert headers(article) == ["one", "two"]

    def test_forced_inserts_of_a_key_that_is_there_are_refused(self):
        note = Note.objects.create(text="one")

        with pytest.raises(IntegrityError), transaction.atomic():
            Note(pk=note.pk, text="two").save(force_insert=True)

        assert rows(note, "text") == [("one",)]

    def test_forced_updates_of_a_key_that_is_not_there_are_refused(self):
        with pytest.raises(DatabaseError), transaction.atomic():
            Article(pk=4711).save(force_update=True)

        assert not Article.records.exists()

    def test_what_fails_leaves_the_instance_as_it_was(self):
        article = Article.objects.create(header="one")

        article.header = None
        with pytest.raises(IntegrityError), transaction.atomic():
            article.save()
        article.header = "two"
        article.save()

        assert rows(article, "header", "row_version") == [("one", 1), ("two", 2)]

    def test_it_may_be_saved_by_a_receiver_of_its_own_save(self):
        def again(instance, created, **_):
            if created:
                instance.body = "from a receiver"
                instance.save()

        article = Article(header="one")
        post_save.connect(again, sender=Article)
        try:
            article.save()
        finally:
            post_save.disconnect(again, sender=Article)

        assert rows(article, "body", "row_version") == [("", 1), ("from a receiver", 2)]

    def test_signals_are_sent_as_django_sends_them(self):
        heard = []

        def listen(signal, **named):
            heard.append((named.get("created"), named["instance"].row_version, named["raw"]))

        pre_save.connect(listen, sender=Article)
        post_save.connect(listen, sender=Article)
        try:
            article = Article.objects.create(header="one")
            article.save()
        finally:
            pre_save.disconnect(listen, sender=Article)
            post_save.disconnect(listen, sender=Article)

        assert heard == [
            (None, 1, False),
            (True, 1, False),
            (None, 1, False),
            (False, 2, False),
        ]
        assert article.row_id == article.pk


class TestUsers:
    def test_the_user_of_a_save_is_that_of_the_version(self, ann, bob):
        article = Article(header="one")
        article.save(ann)
        article.save(user=bob)

        assert rows(article, "modified_by") == [(ann.pk,), (bob.pk,)]
        assert article.modified_by == bob

    def test_nobody_is_named_for_what_he_did_not_write(self, ann):
        article = Article(header="one")
        article.save(ann)

        article.save()
        Article.objects.get().save()

        assert rows(article, "modified_by") == [(ann.pk,), (None,), (None,)]
        assert article.modified_by is None

    def test_who_is_set_by_hand_is_meant(self, ann, bob):
        article = Article.objects.create(header="one", modified_by=ann)

        article.modified_by = bob
        article.save()
        article.modified_by = bob
        article.save()
        article.save()

        assert rows(article, "modified_by") == [(ann.pk,), (bob.pk,), (bob.pk,), (None,)]

    def test_what_is_read_anew_was_not_set_by_hand(self, ann):
        article = Article.objects.create(header="one", modified_by=ann)

        article.refresh_from_db()
        article.save()

        assert rows(article, "modified_by") == [(ann.pk,), (None,)]

    def test_a_block_names_user_and_reason(self, ann, bob):
        with recording(ann, "to begin with"):
            article = Article.objects.create(header="one")
            with recording(comment="once more"):
                article.save()
            article.save(bob)
        article.save()

        assert rows(article, "modified_by", "change_comment") == [
            (ann.pk, "to begin with"),
            (ann.pk, "once more"),
            (bob.pk, "to begin with"),
            (None, ""),
        ]

    def test_an_anonymous_user_is_nobody(self):
        article = Article(header="one")
        article.save(AnonymousUser())

        assert article.modified_by is None

    def test_what_is_no_user_is_refused(self):
        with pytest.raises(TypeError) as error:
            Article(header="one").save(True)  # noqa: FBT003

        assert str(error.value) == (
            "user is True, which is no auth.User. What Django's save() takes is given by name:"
            " save(force_insert=True)."
        )

    def test_a_user_who_goes_leaves_his_versions(self, ann):
        article = Article(header="one")
        article.save(ann)
        article.save()

        ann.delete()

        assert rows(article, "modified_by", "row_version") == [(None, 1), (None, 2)]


class TestRefusals:
    def test_a_replaced_row_is_only_read(self):
        article = Article.objects.create(header="one")
        article.save()
        old = Article.records.get(row_version=1)

        for write in (old.save, old.delete, old.rollback_latest, old.purge, old.correct):
            with pytest.raises(RowReplacedError) as error:
                write()

            assert str(error.value) == (
                f"pointintime_tests.Article {old.pk} is a replaced row, and what was is only read."
                f" Nothing is saved; the current row is pointintime_tests.Article {article.pk}."
            )
        assert headers(article) == ["one", "one"]

    def test_a_deleted_object_is_not_saved(self):
        article = Article.objects.create(header="one")
        stale = Article.objects.get()
        article.delete()

        for instance in (article, stale):
            with pytest.raises(RowReplacedError) as error:
                instance.save()

            assert str(error.value) == (
                f"pointintime_tests.Article {article.pk} was deleted, or is shown as it once was."
                " Nothing is saved; read it anew, or revert it to a version."
            )

    def test_a_purged_object_is_not_saved(self):
        article = Article.objects.create(header="one")
        key = article.pk
        Article.objects.get().purge()

        with pytest.raises(RowPurgedError) as error:
            article.save()

        assert str(error.value) == (
            f"pointintime_tests.Article {key} is not there any more: it was purged, or what made it"
            " was rolled back. Nothing is saved; with save(force_insert=True) it begins anew."
        )
        article.save(force_insert=True)
        assert rows(article, "pk", "row_version") == [(key, 1)]

    @pytest.mark.django_db(databases=["default", "other"])
    def test_in_another_database_it_begins_there(self):
        article = Article.objects.create(header="one")
        article.save()

        article.save(using="other")
        article.header = "there"
        article.save()

        assert (article._state.db, article.row_version) == ("other", 2)
        found = Article.records.using("other").order_by("row_version")
        assert [(r.header, r.row_version, r.row_id) for r in found] == [
            ("one", 1, article.pk),
            ("there", 2, article.pk),
        ]
        assert Article.objects.get().row_version == 2

    @pytest.mark.parametrize("key", [4_711_000, None], ids=["with a key", "without"])
    def test_what_a_fixture_leaves_out_is_that_of_a_new_object(self, key):
        row = {"model": "pointintime_tests.article", "pk": key, "fields": {"header": "by hand"}}
        for loaded in serializers.deserialize("python", [row]):
            loaded.save()

        article = Article.objects.get()
        assert (article.row_id, article.row_version) == (article.pk, 1)
        article.header = "two"
        article.save()
        assert rows(article, "header", "row_version") == [("by hand", 1), ("two", 2)]

    def test_a_refusal_leaves_the_transaction_usable(self):
        article = Article.objects.create(header="one")
        Article.objects.get().delete()

        with transaction.atomic():
            with pytest.raises(RowReplacedError):
                article.save()
            Article.objects.create(header="two")

        assert Article.objects.get().header == "two"

    def test_the_past_is_only_read(self):
        article = Article.objects.create(header="one")

        with as_of(timezone.now()), pytest.raises(PastIsReadOnlyError):
            article.save()

        assert headers(article) == ["one"]


class TestOptimism:
    def test_a_stale_instance_overwrites_unless_it_is_asked_not_to(self):
        article, stale = Article.objects.create(header="one"), Article.objects.get()
        article.save()

        stale.save()

        with pytest.raises(RowChangedError) as error:
            article.save(expected_version=2)

        assert str(error.value) == (
            f"pointintime_tests.Article {article.pk} has version 3, and not 2: somebody else has"
            " saved it. Nothing is saved; refresh_from_db() reads the row as it is."
        )
        assert (error.value.expected, error.value.found) == (2, 3)
        assert error.value.instance is article
        assert len(headers(article)) == 3

    def test_a_model_may_ask_for_it_always(self):
        counter, stale = Counter.objects.create(), Counter.objects.get()

        counter.save()
        counter.save()
        with pytest.raises(RowChangedError):
            stale.save()
        with pytest.raises(RowChangedError):
            stale.delete()
        stale.refresh_from_db()
        stale.save()

        assert len(rows(counter, "pk")) == 4


class TestDeleting:
    def test_it_marks_the_row_and_no_more(self, writes):
        article = Article.objects.create(header="one")
        article.save()

        with writes:
            result = article.delete()

        assert result == (1, {"pointintime_tests.Article": 1})
        assert article.replaced_at > article.created_at
        assert rows(article, "header", "replaced_at") == [
            ("one", article.created_at),
            ("one", article.replaced_at),
        ]
        assert not Article.objects.exists()
        assert len(writes.statements) == 2 + LOCKS

    def test_a_second_time_there_is_nothing_to_delete(self):
        article = Article.objects.create(header="one")

        article.delete()
        before = article.replaced_at

        assert article.delete() == (0, {})
        assert article.replaced_at == before

    def test_nothing_stands_in_the_way_and_nothing_goes_along(self):
        article = Article.objects.create(header="one")
        citation = Citation.objects.create(article=article, article_now=article)

        article.delete()
        citation.refresh_from_db()

        assert (citation.article, citation.article_now) == (article, article)

    def test_what_was_not_saved_cannot_be_deleted(self):
        with pytest.raises(ValueError) as error:
            Article(header="one").delete()

        assert str(error.value) == "Article object has no id: it was not saved, or was purged."


class TestUnversioned:
    def test_the_row_itself_is_saved_and_deleted_as_django_does(self):
        article = Article.objects.create(header="one")
        article.save()

        article.header = "overwritten"
        article._save()
        Article.records.get(row_version=1)._delete()

        assert rows(article, "header", "row_version") == [("overwritten", 2)]

    def test_fixtures_are_loaded_as_they_are(self):
        article = Article.objects.create(header="one")
        article.save()
        # Of JSON Django's own encoder cuts times short.
        text = serializers.serialize("xml", Article.records.order_by("pk"))
        Article.records.all().purge()

        for loaded in serializers.deserialize("xml", text):
            loaded.save()

        assert serializers.serialize("xml", Article.records.order_by("pk")) == text


class TestReading:
    def test_what_is_active_at_a_moment(self):
        now = timezone.now()
        day = timedelta(days=1)
        past = Article.objects.create(header="past", start_at=now - 2 * day, end_at=now - day)
        present = Article.objects.create(header="present", start_at=now - day)
        future = Article.objects.create(header="future", start_at=now + day)

        assert {*Article.objects.active()} == {present}
        assert {*Article.objects.active(now - day)} == {present}
        assert {*Article.objects.active(now - 2 * day)} == {past}
        assert {*Article.objects.active(active_at=now + day)} == {present, future}

    def test_which_version_held_at_a_moment(self):
        article = Article.objects.create(header="one")
        first = article.created_at
        article.header = "two"
        article.save()
        second = article.created_at
        article.delete()

        def held(moment):
            return [row.header for row in Article.records.version(version_at=moment)]

        tick = timedelta(microseconds=1)
        assert held(first - tick) == []
        assert held(first) == held(second - tick) == ["one"]
        assert held(second) == held(article.replaced_at - tick) == ["two"]
        assert held(article.replaced_at) == []

    def test_a_date_means_the_end_of_that_day_here(self):
        day = date(2024, 3, 10)
        late = datetime(2024, 3, 10, 22, 59, tzinfo=UTC)
        Article.objects.create(header="late", start_at=late)
        Article.objects.create(header="next", start_at=late + timedelta(minutes=1))

        # 22:59 in UTC is a minute to midnight in Berlin.
        assert [a.header for a in Article.objects.active(day)] == ["late"]
        with timezone.override("UTC"):
            assert Article.objects.active(day).count() == 2

    def test_a_naive_datetime_is_one_of_here(self):
        start = datetime(2024, 3, 10, 11, tzinfo=UTC)
        Article.objects.create(header="noon", start_at=start)

        assert Article.objects.active(datetime(2024, 3, 10, 12)).count() == 1
        assert Article.objects.active(datetime(2024, 3, 10, 11, 59)).count() == 0

    @pytest.mark.parametrize("value", ["2024-03-10", 5, None])
    def test_what_is_no_moment_is_refused(self, value):
        with pytest.raises(ValueError) as error:
            Article.records.version(value)

        kind = type(value).__name__
        assert str(error.value) == f"version_at takes a datetime or a date, not {kind}: {value!r}."

    def test_what_lies_outside_of_the_calendar_is_refused(self):
        with pytest.raises(ValueError) as error, timezone.override("America/New_York"):
            Article.objects.active(date.max)

        assert str(error.value) == "active_at is out of range: datetime.date(9999, 12, 31)."


class TestValidation:
    def test_an_end_is_later_than_the_start(self):
        now = timezone.now()

        with pytest.raises(ValidationError) as error:
            Article(header="one", start_at=now, end_at=now).full_clean()

        assert error.value.message_dict == {"__all__": ["The end must be later than the start."]}

    def test_two_of_a_code_are_not_valid_at_one_moment(self):
        Tariff.objects.create(code="A")

        with pytest.raises(ValidationError) as error:
            Tariff(code="A").full_clean()

        assert error.value.message_dict == {"code": ["Tariff with this Code already exists."]}
        Tariff(code="B").full_clean()
        Tariff.objects.get().full_clean()


class TestAsync:
    def test_there_is_a_twin_of_each(self, ann):
        article = Article(header="one")

        async def live():
            await article.asave(ann)
            await article.asave(user=ann)
            await article.arollback_latest()
            await article.acorrect(header="two")
            await article.arollback_to_at(timezone.now())
            deleted = await article.adelete()
            return deleted, await article.apurge()

        assert async_to_sync(live)() == (
            (1, {"pointintime_tests.Article": 1}),
            (2, {"pointintime_tests.Article": 2}),
        )

    def test_a_block_is_that_of_its_task(self, ann, bob):
        async def say(user):
            async with recording(user):
                await asyncio.sleep(0)
                return Article(header="x")

        async def together():
            return await asyncio.gather(say(ann), say(bob))

        assert len(async_to_sync(together)()) == 2

    def test_a_block_is_that_of_its_thread(self, ann):
        users = []

        def look():
            users.append(said().user)

        with recording(ann):
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
            look()

        assert users == [None, ann]
