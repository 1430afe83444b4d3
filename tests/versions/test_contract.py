"""The contract of a keeper: it is one when all of this holds for it.

To try another keeper, let it keep versions of ``tests.versions.models.Page``, and add its
name to ``PAGES`` in conftest.py; or a model like that, and describe both there.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.paginator import Paginator
from django.utils.text import capfirst

from handleref.exceptions import (
    KeeperError,
    ParentDeletedError,
    PastIsReadOnlyError,
    RevertConflictError,
    RevertError,
    RevertInvalidError,
)
from handleref.versions import MISSING, Diff, Reverter, Version, as_of, load_previous
from handleref.versions import history as public_history
from tests.threads import THREADS, together
from tests.versions.conftest import NOON, PAGES, POINTS, STACKS
from tests.versions.models import Page, Section, Tag

pytestmark = pytest.mark.django_db

MICROSECOND = timedelta(microseconds=1)


def titles(history):
    return [version.data["title"] for version in history]


def over(subjects):
    return pytest.mark.parametrize("subject", subjects, ids=str, indirect=True)


@pytest.fixture
def reverter(keeper, users):
    return Reverter(user=users.bob, keeper=keeper.name)


@over([*PAGES, STACKS, POINTS])
class TestContract:
    """What every keeper does."""

    # A version

    def test_a_version_says_what_when_who_and_why(self, subject, save, users, history, clock):
        page = save(subject.model(title="one"), user=users.ann, comment="first")

        version = history(page).first()

        assert (version.model, version.object_id) == (subject.model, subject.key_of(page))
        assert (version.date, version.user) == (clock.now, users.ann)
        assert (version.comment, version.is_deleted) == ("first", False)
        assert version.reverted_from is None
        assert version.instance == page

    def test_data_has_the_types_of_the_model(self, subject, save, history):
        section = subject.sections.objects.create(name="s")
        printed = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
        page = subject.model(title="one", price=Decimal("1.1000"), printed=printed, section=section)
        page.extra = {"a": [1, None, "ü"]}
        save(page)

        data = history(page).first().data

        assert data["price"] == Decimal("1.1") and isinstance(data["price"], Decimal)
        assert data["printed"] == printed and data["printed"].utcoffset() is not None
        assert data["section"] == section.pk
        assert data["extra"] == {"a": [1, None, "ü"]}
        assert (data["id"], data["title"], data["kind"]) == (page.pk, "one", "a")

    def test_neighbours_follow_one_another_and_end_in_none(self, page, save, history):
        save(page, title="two")
        save(page, title="three")

        newest, middle, oldest = history(page)

        assert (oldest.previous, newest.next) == (None, None)
        assert (middle.previous, middle.next) == (oldest, newest)
        assert (oldest.next, newest.previous) == (middle, middle)

    def test_the_first_version_changed_nothing(self, page, history):
        first = history(page).first()

        assert first.changed_fields() == []
        assert first.changed_fields(None) == []
        assert first.changes()["title"].new == "one"
        assert first.changes()["title"].old is MISSING

    def test_changes_leave_out_the_stamps(self, page, save, history):
        save(page, title="two", price=Decimal("2.5"))

        newest, oldest = history(page)

        assert newest.changed_fields() == ["title", "price"]
        assert newest.changed_fields(oldest) == ["title", "price"]
        assert oldest.changed_fields(newest) == ["title", "price"]
        changes = newest.changes(oldest)
        assert (changes["title"].old, changes["title"].new) == ("one", "two")
        assert (changes["price"].old, changes["price"].new) == (None, Decimal("2.5"))

    def test_stamps_are_compared_when_asked_for(self, subject, page, save, history):
        save(page, title="two")
        newest, oldest = history(page)

        diff = Diff(oldest, newest, stamps=True)

        assert (diff[subject.number].old, diff[subject.number].new) == (1, 2)

    def test_summary_takes_the_same_queries_for_any_number(
        self, page, save, history, django_assert_num_queries
    ):
        for number in range(8):
            save(page, title=f"title {number}", body="x" * (number // 4))

        few, many = history(page)[:2], history(page)[:8]
        with django_assert_num_queries(3):
            Version.changes_summary(few)
        with django_assert_num_queries(3):
            summary = Version.changes_summary(many)

        assert [*summary] == ["body", "title"]
        assert len(summary["title"]) == 8 and len(summary["body"]) == 1
        newest = history(page).first()
        assert summary["title"][newest.id].old == "title 6"
        assert summary["title"][newest.id].new == "title 7"

    def test_a_page_of_versions_knows_its_previous_ones(
        self, page, save, history, django_assert_num_queries
    ):
        for number in range(5):
            save(page, title=f"title {number}")
        versions = list(history(page)[:4])

        with django_assert_num_queries(2):
            load_previous(versions)
            known = [version.previous for version in versions]

        assert known == list(history(page)[1:5])

    # A history

    def test_a_history_is_lazy(self, page, history, clock, users, django_assert_num_queries):
        with django_assert_num_queries(0):
            lazy = history(page).between(clock.now, None).by(users.ann).changing("title")
            lazy.search("x")[:10]
            history().at(clock.now).search("y")
            history().deleted()

    def test_it_is_counted_sliced_and_indexed(self, page, save, history):
        save(page, title="two")
        save(page, title="three")
        whole = history(page)

        assert (len(whole), whole.count(), bool(whole), whole.exists()) == (3, 3, True, True)
        assert titles(whole) == ["three", "two", "one"]
        assert titles(whole[1:]) == ["two", "one"]
        assert whole[0].data["title"] == "three" and whole[0] == whole.first()
        assert whole.last() == whole[2]
        with pytest.raises(IndexError):
            whole[3]

    def test_it_goes_into_pages(self, page, save, history):
        for number in range(5):
            save(page, title=f"title {number}")

        second = Paginator(history(page), 4).get_page(2)

        assert titles(second) == ["title 0", "one"]
        assert (second.paginator.count, second.has_next()) == (6, False)

    def test_a_slice_goes_on_being_a_history(self, page, save, history):
        save(page, title="two")
        save(page, title="three")
        part = history(page)[:3]

        assert titles(part) == ["three", "two", "one"]
        assert titles(part[1:]) == ["two", "one"]
        assert part.first().data["title"] == "three"

    def test_iterating_takes_one_query(self, page, save, history, django_assert_num_queries):
        for number in range(4):
            save(page, title=f"title {number}")

        with django_assert_num_queries(1):
            known = [(v.date, v.user, v.comment, v.data["title"]) for v in history(page)]

        assert len(known) == 5

    def test_a_version_is_got_by_its_id(self, model, page, save, history):
        other = save(model(title="other"))
        version, foreign = history(page).first(), history(other).first()

        assert history(page).get(version.id) == version
        assert history(page).get(str(version.id)) == version
        assert history(page).get(foreign.id) is None
        assert history(page).get("nonsense") is None
        assert history(page).get(10**30) is None

    def test_a_model_has_the_versions_of_all_its_objects(self, model, page, save, history):
        save(model(title="other"))
        save(page, title="two")

        assert titles(history()) == ["two", "other", "one"]

    def test_an_empty_history_is_empty(self, history):
        nobody = history()

        assert (nobody.first(), nobody.last(), list(nobody), bool(nobody)) == (
            None,
            None,
            [],
            False,
        )
        assert nobody.at(NOON).count() == 0 and nobody.deleted().count() == 0

    def test_the_history_of_a_key_is_that_of_the_object(self, subject, page, save, keeper):
        save(page, title="two")

        by_key = public_history(subject.model, subject.key_of(page), keeper=keeper.name)

        assert titles(by_key) == ["two", "one"]
        assert [*by_key] == [*public_history(page, keeper=keeper.name)]

    def test_at_gives_the_state_as_of_then(self, page, save, history, clock):
        born = clock.now
        save(page, title="two")
        changed = clock.now

        seen = history(page)

        assert seen.at(born - MICROSECOND) is None
        assert seen.at(born).data["title"] == "one"
        assert seen.at(changed - MICROSECOND).data["title"] == "one"
        assert seen.at(changed).data["title"] == "two"
        assert seen.at(date(2030, 1, 1)).data["title"] == "two"

    def test_at_never_gives_two_states_for_one_moment(
        self, model, page, save, record, history, clock
    ):
        record(lambda: save_as(page, "two"), seconds=0)
        record(lambda: save_as(page, "three"), seconds=0)
        save(model(title="other"))

        assert titles(history(page).between(NOON, clock.now)) == ["three", "two", "one"]
        assert history(page).at(clock.now).data["title"] == "three"
        assert titles(history().at(clock.now)) == ["other", "three"]

    def test_at_gives_one_version_of_each_object(self, model, page, save, history, clock):
        other = save(model(title="other"))
        before = clock.now
        save(page, title="two")
        save(other, title="same")

        assert titles(history().at(before)) == ["other", "one"]
        assert titles(history().at(clock.now)) == ["same", "two"]
        assert history().at(clock.now).count() == 2

    def test_between_starts_with_the_first_moment_and_ends_before_the_last(
        self, page, save, history, clock
    ):
        first = clock.now
        save(page, title="two")
        second = clock.now
        save(page, title="three")

        seen = history(page)

        assert titles(seen.between(first, second)) == ["one"]
        assert titles(seen.between(second)) == ["three", "two"]
        assert titles(seen.between(None, second)) == ["one"]
        assert titles(seen.between()) == ["three", "two", "one"]

    def test_by_tells_who(self, page, save, users, history):
        save(page, title="two", user=users.ann)
        save(page, title="three", user=users.bob)

        seen = history(page)

        assert titles(seen.by(users.ann)) == ["two"]
        assert titles(seen.by(users.bob.pk)) == ["three"]
        assert titles(seen.by(None)) == ["one"]
        assert set(seen.users()) == {users.ann, users.bob}

    def test_changing_tells_which_versions_changed_a_field(self, page, save, history):
        save(page, body="b")
        save(page, title="two")

        assert titles(history(page).changing("title")) == ["two"]
        assert titles(history(page).changing("body")) == ["one"]
        assert titles(history().changing("titl")) == []
        assert titles(history().changing("%")) == []

    def test_nothing_is_a_value_that_changes(self, subject, page, save, history):
        section = subject.sections.objects.create(name="s")
        save(page, section=section, body="b")
        save(page, section=None, body="B")

        assert [v.data["section"] for v in history(page).changing("section")] == [None, section.pk]
        assert [v.data["body"] for v in history(page).changing("body")] == ["B", "b"]
        assert history(page).changing("price").count() == 0

    def test_search_finds_objects_by_their_name_then(self, page, save, history):
        save(page, title="Two & two")

        assert titles(history().search("TWO &")) == ["Two & two"]
        assert titles(history().search("%")) == []

    def test_what_is_there_is_not_among_the_deleted(self, page, save, history):
        save(page, title="two")

        assert history().deleted().count() == 0

    def test_values_of_json_are_told_apart_by_their_type(self, page, save, history):
        save(page, extra={"a": 1})
        save(page, extra={"a": True})

        newest = history(page).first()

        assert newest.changed_fields() == ["extra"]
        assert newest.changes()["extra"].new == {"a": True}

    # Going back

    def test_fields_are_taken_back_from_versions_of_their_own(
        self, subject, page, save, history, reverter, users
    ):
        save(page, title="two", body="b")
        save(page, title="three", body="c")
        newest, middle, oldest = history(page)

        reversal = reverter.revert_fields(page, {"title": oldest, "body": middle.id})

        assert (page.title, page.body, getattr(page, subject.number)) == ("one", "b", 4)
        assert subject.now(page).title == "one"
        assert [(c.name, c.old, c.new) for c in reversal.values()] == [
            ("title", "three", "one"),
            ("body", "c", "b"),
        ]
        version = history(page).first()
        assert version != newest
        assert (version.reverted_from, version.user) == (middle.id, users.bob)
        assert version.comment == (
            f"Took back title from version {oldest.id} (Jan. 1, 2026, 2 p.m.)."
            f" Took back body from version {middle.id} (Jan. 1, 2026, 3 p.m.)."
        )
        assert version.data["seen"] > middle.data["seen"] if "seen" in middle.data else True

    def test_a_rollback_takes_back_everything_but_stamps(
        self, subject, page, save, history, reverter
    ):
        target = history(page).first()
        save(page, title="two", price=Decimal(3), extra={"x": 1})
        written = getattr(page, subject.written)

        reverter.rollback(page, target)

        assert (page.title, page.price, page.extra) == ("one", None, {})
        assert getattr(page, subject.written) >= written
        assert history(page).first().reverted_from == target.id
        assert not Diff(target, history(page).first())

    def test_what_is_taken_back_is_one_new_version(self, subject, page, save, history, reverter):
        save(page, title="two")
        known = [*history(page)]

        reversal = reverter.rollback(page, known[-1])

        assert [*history(page)][1:] == known
        assert history(page).first().data["title"] == "one"
        assert (reversal.instance, subject.now(page)) == (page, page)
        assert getattr(page, subject.number) == 3

    def test_a_comment_of_ones_own_is_kept(self, page, save, history, keeper):
        save(page, title="two")

        Reverter(comment="because", keeper=keeper.name).rollback(page, history(page).last())

        assert history(page).first().comment == "because"

    def test_a_dry_run_says_what_it_would_do(self, subject, page, save, history, reverter):
        save(page, title="two")
        before = [version.id for version in history(page)]

        reversal = reverter.rollback(page, history(page).last(), dry_run=True)

        assert [(c.name, c.old, c.new) for c in reversal.values()] == [("title", "two", "one")]
        assert [version.id for version in history(page)] == before
        assert subject.now(page).title == "two"

    def test_where_nothing_differs_nothing_is_written(self, page, history, reverter):
        reversal = reverter.rollback(page, history(page).first())

        assert not reversal
        assert history(page).count() == 1

    def test_a_reversal_that_failed_leaves_no_trace_in_the_block_around_it(
        self, model, page, save, history, reverter, record
    ):
        save(page, title="two")
        save(model(title="one"))
        refused, oldest = [], history(page).last()

        def write():
            try:
                reverter.rollback(page, oldest)
            except RevertInvalidError as error:
                refused.append(error)
            save_as(page, "three")

        record(write, comment="outer")

        version = history(page).first()
        assert (len(refused), version.data["title"]) == (1, "three")
        assert (version.comment, version.user, version.reverted_from) == ("outer", None, None)

    def test_what_is_not_deleted_is_not_recovered(self, subject, page, history, reverter):
        with pytest.raises(RevertError) as error:
            reverter.restore(history(page).first())

        assert str(error.value) == (
            f"{subject.label(page)} is not deleted, so it cannot be recovered."
        )

    def test_a_version_of_another_object_is_refused(self, subject, page, save, history, reverter):
        foreign = history(save(subject.model(title="other"))).first()

        for version in (foreign, foreign.id, "nonsense"):
            with pytest.raises(RevertError) as error:
                reverter.rollback(page, version)
            assert str(error.value) == f"{version!r} is no version of {subject.label(page)}."

    def test_a_newer_version_than_the_one_seen_is_a_conflict(
        self, subject, page, save, history, reverter
    ):
        seen = history(page).first()
        save(page, title="two")

        with pytest.raises(RevertConflictError) as error:
            reverter.rollback(page, seen, expected_version=seen.id)

        assert str(error.value) == (
            f"{subject.label(page)} has changed since the version that you saw."
            " Changed: title. Look at it again, and decide anew."
        )
        assert error.value.diff["title"].new == "two"
        assert subject.now(page).title == "two"

    def test_a_change_that_nobody_recorded_is_a_conflict_too(
        self, model, page, save, history, reverter
    ):
        save(page, title="two")
        seen = history(page).first()
        model.objects.filter(pk=page.pk).update(body="behind our back")

        with pytest.raises(RevertConflictError) as error:
            reverter.rollback(page, history(page).last(), expected_version=seen)

        assert [*error.value.diff] == ["body"]

    def test_the_version_seen_is_no_conflict(self, page, save, history, reverter):
        save(page, title="two")
        newest, oldest = history(page)

        reverter.rollback(page, oldest, expected_version=newest)

        assert page.title == "one"

    def test_a_value_that_breaks_a_rule_is_refused(self, model, page, save, history, reverter):
        save(page, title="two")
        save(model(title="one"))

        for dry_run in (True, False):
            with pytest.raises(RevertInvalidError) as error:
                reverter.rollback(page, history(page).last(), dry_run=dry_run)
            name = capfirst(model._meta.verbose_name)
            assert error.value.message_dict == {
                "title": [f"{name} with this Title already exists."]
            }

    def test_what_was_unfit_before_is_no_reason(self, subject, page, save, history, reverter):
        save(page, title="two")
        subject.model.objects.filter(pk=page.pk).update(kind="?")
        page = subject.now(page)

        reverter.revert_fields(page, {"title": history(page).last()})

        assert (page.title, page.kind) == ("one", "?")

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("a number", "This field cannot be taken back: every write sets it."),
            ("seen", "This field cannot be taken back: every write sets it."),
            ("id", "This field cannot be taken back: every write sets it."),
            ("nonsense", "This field exists no more."),
        ],
    )
    def test_fields_that_cannot_be_taken_back(self, subject, page, history, reverter, name, reason):
        name = subject.number if name == "a number" else name

        with pytest.raises(RevertInvalidError) as error:
            reverter.revert_fields(page, {name: history(page).first()})

        assert error.value.message_dict == {name: [reason]}

    # The rest

    def test_nothing_is_saved_while_the_past_is_looked_at(self, model, page):
        with as_of(NOON), pytest.raises(PastIsReadOnlyError) as error:
            page.save()

        assert str(error.value) == (
            f"{model._meta.label} {page.pk} cannot be written inside"
            " as_of(2026-01-01T12:00:00+00:00): the past is only read. Leave the block first."
        )


@over([*PAGES, STACKS, POINTS])
@pytest.mark.django_db(transaction=True)
def test_reversals_at_once_are_versions_one_after_another(subject, page, save, history):
    names = [f"title {number}" for number in range(THREADS)]
    for name in [*names, "last"]:
        save(page, title=name)
    versions = [*history(page)[1 : THREADS + 1]]

    def roll_back(number):
        Reverter(keeper=subject.name).rollback(subject.now(page), versions[number])

    together(roll_back)

    newest = history(page)[:THREADS]
    assert sorted(titles(newest)) == names
    assert [version.changed_fields() for version in newest] == [["title"]] * THREADS
    numbers = [version.data[subject.number] for version in history(page)]
    assert numbers == [*range(2 * THREADS + 2, 0, -1)]
    assert subject.now(page).title == newest[0].data["title"]


@over([*PAGES, STACKS])
class TestRelations:
    """What keepers do whose versions have relations to many."""

    def test_data_has_the_keys(self, page, relate, history):
        tags = [Tag.objects.create(name=name) for name in "ab"]
        relate(page, tags)

        data = history(page).first().data

        assert data["tags"] == tuple(tag.pk for tag in tags)

    def test_a_relation_changes_by_what_was_added_and_removed(self, page, relate, history):
        a, b, c = (Tag.objects.create(name=name) for name in "abc")
        relate(page, [a, b])
        relate(page, [b, c])

        version = history(page).first()

        assert version.changed_fields() == ["tags"]
        change = version.changes()["tags"]
        assert (change.added, change.removed) == ([c.pk], [a.pk])

    def test_a_rollback_takes_them_back_with_the_rest(self, page, save, relate, history, reverter):
        tag = Tag.objects.create(name="a")
        relate(page, [tag])
        target = history(page).first()
        save(page, title="two", price=Decimal(3), extra={"x": 1})
        relate(page, [])

        reverter.rollback(page, target)

        assert (page.title, page.price, page.extra) == ("one", None, {})
        assert list(page.tags.all()) == [tag]
        assert history(page).first().reverted_from == target.id
        assert not Diff(target, history(page).first())

    def test_one_relation_is_taken_back_alone(self, page, save, relate, history, reverter):
        a, b = (Tag.objects.create(name=name) for name in "ab")
        relate(page, [a])
        target = history(page).first()
        relate(page, [b])
        save(page, title="two")

        reversal = reverter.revert_fields(page, {"tags": target})

        assert [(c.name, c.added, c.removed) for c in reversal.values()] == [
            ("tags", [a.pk], [b.pk])
        ]
        assert (page.title, list(page.tags.all())) == ("two", [a])


@over([*PAGES, POINTS])
class TestDeletions:
    """What keepers do that know of objects that are gone."""

    def test_at_knows_when_it_was_not_there(
        self, subject, page, save, record, history, reverter, clock
    ):
        save(page, title="two")
        seen = history(page)
        record(lambda: subject.destroy(page))
        gone = clock.now
        record(lambda: reverter.restore(history().deleted()[0]))

        assert seen.at(gone - MICROSECOND).data["title"] == "two"
        assert seen.at(gone) is None
        assert seen.at(clock.now - MICROSECOND) is None
        assert seen.at(clock.now).data["title"] == "two"

    def test_at_leaves_out_what_was_not_there(self, subject, page, save, record, history, clock):
        gone = save(subject.model(title="gone"))
        before = clock.now
        record(lambda: subject.destroy(gone))
        save(page, title="two")

        assert titles(history().at(before)) == ["gone", "one"]
        assert titles(history().at(clock.now)) == ["two"]
        assert history().at(clock.now).count() == 1

    def test_deleted_lists_the_last_version_of_each(
        self, subject, page, save, record, history, reverter
    ):
        gone, back = (save(subject.model(title=title)) for title in ("gone", "back"))
        save(gone, body="last words")
        later = save(subject.model(title="later"))
        for each in (gone, back, later):
            record(lambda each=each: subject.destroy(each))
        record(lambda: reverter.restore(history().deleted().search("back")[0]))

        deleted = history().deleted()

        assert titles(deleted) == ["later", "gone"]
        assert [version.data["body"] for version in deleted] == ["", "last words"]
        assert [version.instance for version in deleted] == [None, None]
        assert (deleted.count(), titles(deleted.search("lat"))) == (2, ["later"])

    def test_a_deletion_that_nobody_recorded_is_known_all_the_same(
        self, subject, page, save, history
    ):
        gone = save(subject.model(title="gone"))

        subject.destroy(gone)

        assert titles(history().deleted()) == ["gone"]

    def test_what_is_gone_is_recovered_with_its_key_as_one_new_version(
        self, subject, page, save, record, history, reverter, users
    ):
        key = page.pk
        save(page, price=Decimal("7.25"))
        record(lambda: subject.destroy(page))
        last = history().deleted()[0]
        known = [*last.history]

        reversal = reverter.restore(last)

        back = subject.model.objects.get(pk=key)
        assert (reversal.instance, back.title, back.price) == (back, "one", Decimal("7.25"))
        version, *others = history(back)
        assert others == known
        assert (version.is_deleted, version.user) == (False, users.bob)
        assert version.reverted_from == last.id
        assert version.comment.startswith(f"Recovered from version {last.id} (Jan. 1, 2026, ")
        assert getattr(back, subject.number) == last.data[subject.number] + 1
        assert history().deleted().count() == 0

    def test_it_is_recovered_as_it_was_in_an_older_version(
        self, subject, page, save, record, history, reverter
    ):
        key, oldest = page.pk, history(page).first()
        save(page, title="two")
        record(lambda: subject.destroy(page))

        planned = reverter.restore(oldest, dry_run=True)
        before = history().deleted().count()
        reverter.restore(oldest)

        assert (planned["title"].new, before) == ("one", 1)
        assert subject.model.objects.get(pk=key).title == "one"

    def test_it_is_not_recovered_where_another_has_its_place(
        self, subject, page, save, record, history, reverter
    ):
        record(lambda: subject.destroy(page))
        save(subject.model(title="one"))

        for dry_run in (True, False):
            with pytest.raises(RevertInvalidError) as error:
                reverter.restore(history().deleted()[0], dry_run=dry_run)
            name = capfirst(subject.model._meta.verbose_name)
            assert error.value.message_dict == {
                "title": [f"{name} with this Title already exists."]
            }
        assert history().deleted().count() == 1

    def test_what_is_gone_is_not_rolled_back(self, subject, page, record, history, reverter):
        version, same = history(page).first(), subject.now(page)
        record(lambda: subject.destroy(page))

        with pytest.raises(RevertError) as error:
            reverter.rollback(same, version)

        assert str(error.value) == (
            f"{subject.label(same)} exists no more: restore(version) brings it back."
        )


@over(PAGES)
class TestReferences:
    """What keepers do with rows that are deleted softly, and whose versions outlive them."""

    def test_deletions_and_restorations_are_versions(self, page, record, history):
        record(page.delete)
        record(page.restore)

        states = [(v.is_deleted, v.data["status"], v.changed_fields()) for v in history(page)]

        assert states == [
            (False, "ok", ["status"]),
            (True, "deleted", ["status"]),
            (False, "ok", []),
        ]

    def test_a_hard_deletion_leaves_a_last_version(self, page, record, history):
        page.key = page.pk
        record(lambda: page.delete(hard=True))

        last, first = history(page)

        assert (last.is_deleted, last.data["title"]) == (True, "one")
        assert (last.changed_fields(), last.instance) == ([], None)
        assert last.previous == first

    def test_history_of_what_is_gone(self, page, record, keeper):
        key = page.pk
        record(lambda: page.delete(hard=True))

        assert len(public_history(Page, key, keeper=keeper.name)) == 2
        with pytest.raises(ValueError) as error:
            public_history(page, keeper=keeper.name)
        assert str(error.value) == (
            "This Page has no key, so no history: it was never saved, or is deleted."
            " Ask history(Page, key)."
        )

    def test_at_knows_what_was_deleted_softly(self, page, save, record, history, clock):
        born = clock.now
        save(page, title="two")
        changed = clock.now
        record(page.delete)
        deleted = clock.now
        record(page.restore)

        seen = history(page)

        assert seen.at(born - MICROSECOND) is None
        assert seen.at(born).data["title"] == "one"
        assert seen.at(changed - MICROSECOND).data["title"] == "one"
        assert seen.at(changed).data["title"] == "two"
        assert seen.at(deleted) is None
        assert seen.at(clock.now).data["title"] == "two"
        assert seen.at(date(2030, 1, 1)).data["title"] == "two"

    def test_at_gives_one_version_of_each_object_that_existed(
        self, page, save, record, history, clock
    ):
        gone, hidden = save(Page(title="gone")), save(Page(title="hidden"))
        before = clock.now
        record(lambda: gone.delete(hard=True))
        record(hidden.delete)
        save(page, title="two")

        assert titles(history().at(before)) == ["hidden", "gone", "one"]
        assert titles(history().at(clock.now)) == ["two"]
        assert history().at(clock.now).count() == 1

    def test_deleted_lists_what_exists_no_more(self, page, save, record, history):
        gone, hidden, back = (save(Page(title=title)) for title in ("gone", "hidden", "back"))
        save(gone, body="last words")
        record(lambda: gone.delete(hard=True))
        record(hidden.delete)
        record(back.delete)
        record(back.restore)

        deleted = history().deleted()

        assert titles(deleted) == ["hidden", "gone"]
        assert [version.data["body"] for version in deleted] == ["", "last words"]
        assert (deleted.count(), titles(deleted.search("hid"))) == (2, ["hidden"])

    def test_deletions_that_nobody_recorded_are_known_all_the_same(self, page, save, history):
        gone = save(Page(title="gone"))

        page.delete()
        gone.delete(hard=True)

        assert titles(history().deleted()) == ["gone", "one"]

    def test_a_rollback_after_changes_of_relations_alone(
        self, page, save, record, history, reverter
    ):
        tag = Tag.objects.create(name="a")
        record(lambda: page.tags.add(tag))
        target = history(page).first()
        save(page, title="two", price=Decimal(3), extra={"x": 1})
        record(page.tags.clear)
        updated = page.updated

        reverter.rollback(page, target)

        assert (page.title, page.price, page.extra) == ("one", None, {})
        assert list(page.tags.all()) == [tag]
        assert page.updated >= updated
        assert history(page).first().reverted_from == target.id
        assert not Diff(target, history(page).first())

    def test_a_dry_run_says_that_it_would_restore(self, page, save, record, history, reverter):
        save(page, title="two")
        record(page.delete)
        before = [version.id for version in history(page)]

        reversal = reverter.rollback(page, history(page).last(), dry_run=True)

        assert [(c.name, c.old, c.new) for c in reversal.values()] == [
            ("status", "deleted", "ok"),
            ("title", "two", "one"),
        ]
        assert [version.id for version in history(page)] == before
        assert Page.objects.get(pk=page.pk).status == "deleted"

    def test_a_rollback_to_a_live_version_is_an_undelete(self, page, record, history, reverter):
        record(page.delete)

        reverter.rollback(page, history(page).last())

        assert (page.status, page.deletion) == ("ok", None)
        assert history(page).first().is_deleted is False

    def test_a_rollback_to_a_deleted_version_is_a_delete(
        self, page, save, record, history, reverter
    ):
        record(page.delete)
        target = history(page).first()
        record(page.restore)
        save(page, title="two")

        reverter.rollback(page, target)

        assert (page.status, page.title) == ("deleted", "one")
        assert page.deletion is not None
        assert history(page).first().is_deleted is True

    def test_taking_back_the_status_obeys_the_same_rules(self, page, record, history, reverter):
        record(page.delete)

        reverter.revert_fields(page, {"status": history(page).last()})

        assert (page.status, page.deletion) == ("ok", None)

    def test_a_soft_deleted_object_is_recovered(self, page, save, record, history, reverter):
        save(page, title="two")
        record(page.delete)

        reversal = reverter.restore(history().deleted()[0])

        page.refresh_from_db()
        assert (page.status, page.title) == ("ok", "two")
        assert reversal.instance == page
        assert history().deleted().count() == 0

    def test_an_object_that_is_gone_is_recovered_with_its_key(
        self, page, save, record, history, reverter, users
    ):
        tag, key, created = Tag.objects.create(name="a"), page.pk, page.created
        save(page, price=Decimal("7.25"))
        record(lambda: page.tags.add(tag))
        record(lambda: page.delete(hard=True))
        last = history().deleted()[0]

        reversal = reverter.restore(last)

        back = Page.objects.get(pk=key)
        assert (reversal.instance, back.title, back.price) == (back, "one", Decimal("7.25"))
        assert (list(back.tags.all()), back.created) == ([tag], created)
        assert back.version == reversal.instance.version == last.data["version"] + 1
        version = history(back).first()
        assert (version.is_deleted, version.user) == (False, users.bob)
        assert version.reverted_from == last.id
        assert len(history(back)) == 5

    def test_what_was_deleted_softly_and_then_for_good_comes_back_live(
        self, page, record, history, reverter
    ):
        key = page.pk
        record(page.delete)
        record(lambda: page.delete(hard=True))

        reverter.restore(history().deleted()[0])

        assert Page.objects.get(pk=key).status == "ok"

    def test_a_deleted_parent_is_in_the_way(self, save, record, history, reverter):
        section = Section.objects.create(name="s")
        page = save(Page(title="one", section=section))
        record(section.delete)
        version = history(page).last()

        for refused in (
            lambda: reverter.rollback(page, version),
            lambda: reverter.rollback(page, version, dry_run=True),
            lambda: reverter.restore(version),
        ):
            with pytest.raises(ParentDeletedError) as error:
                refused()
            assert str(error.value) == (
                f"versions_tests.Page {page.pk} cannot be restored while its parent"
                f" versions_tests.Section {section.pk} is deleted. Restore the parent first."
            )

    def test_nor_does_what_is_gone_come_back_under_one(self, save, record, history, reverter):
        section = Section.objects.create(name="s")
        page = save(Page(title="one", section=section))
        record(lambda: page.delete(hard=True))
        section.delete()

        for dry_run in (True, False):
            with pytest.raises(ParentDeletedError):
                reverter.restore(history().deleted()[0], dry_run=dry_run)

        assert Page.objects.count() == 0

    def test_a_relation_to_what_is_gone_is_refused(self, save, record, history, reverter):
        tag, section = Tag.objects.create(name="a"), Section.objects.create(name="s")
        page = save(Page(title="one", section=section))
        record(lambda: page.tags.add(tag))
        save(page, section=None)
        record(page.tags.clear)
        lost = (section.pk, tag.pk)
        section.delete(hard=True)
        tag.delete()

        with pytest.raises(RevertInvalidError) as error:
            reverter.rollback(page, history(page)[2])

        assert error.value.message_dict == {
            "section": [f"What it pointed at exists no more: {lost[0]}."],
            "tags": [f"What it pointed at exists no more: {lost[1]}."],
        }


def test_a_model_without_keepers_has_no_history():
    with pytest.raises(KeeperError):
        public_history(Tag)


def save_as(page, title):
    page.title = title
    page.save()
