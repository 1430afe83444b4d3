"""Versions that go for good, and what becomes of their stacks."""

from unittest import mock

import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError, models
from django.db.models import ProtectedError
from django.db.models.signals import pre_delete

from handleref.exceptions import LatestTakenError, PastIsReadOnlyError
from handleref.stacks.deletion import WithTheStack
from handleref.versions import as_of
from tests.stacks.models import (
    Author,
    Bookmark,
    Chapter,
    Comment,
    Counter,
    Link,
    Pin,
    StackPage,
)
from tests.versions.conftest import NOON
from tests.versions.models import Tag

pytestmark = pytest.mark.django_db(databases="__all__")


def stack(model, name, versions=3):
    field = "title" if model is StackPage else "name"
    obj = model(**{field: name})
    for _ in range(versions):
        obj.save()
    return obj


def places(model):
    rows = model._base_manager.order_by("stack_group_uuid", "stack_number")
    return sorted(rows.values_list("stack_number", "stack_latest"), key=str)


class TestOneVersion:
    def test_the_one_before_the_latest_is_the_latest_then(self, chain):
        counter = stack(Counter, "a")

        result = counter.force_delete()

        assert result == (1, {"stacks_tests.Counter": 1})
        assert places(Counter) == [(1, None), (2, True)]
        assert counter.pk is None

    def test_the_next_save_goes_on_from_there(self):
        counter = stack(Counter, "a")
        counter.force_delete()
        latest = Counter.objects.get_latest_from_stack_group()

        latest.save()

        assert places(Counter) == [(1, None), (2, None), (3, True)]

    def test_an_old_one_leaves_a_gap(self):
        counter = stack(Counter, "a")

        counter.previous_instance().force_delete()

        assert places(Counter) == [(1, None), (3, True)]
        assert counter.previous_instance() == counter.earliest_instance()

    def test_the_last_one_leaves_nothing(self):
        counter = stack(Counter, "a", versions=1)
        counter.force_delete()

        assert places(Counter) == []

    def test_an_instance_that_was_deleted_still_knows_its_stack(self):
        counter = stack(Counter, "a")
        counter.force_delete()

        assert counter.previous_instance().stack_number == 2
        assert counter.latest_instance().stack_number == 2

    def test_saved_again_it_is_the_next_version(self):
        counter = stack(Counter, "a")
        counter.force_delete()
        counter.save()

        assert places(Counter) == [(1, None), (2, None), (3, True)]

    def test_it_is_done_in_the_database_that_is_named(self):
        counter = stack(Counter, "a", versions=1)
        counter.save(using="other")
        counter.save()

        assert counter.force_delete(using="other") == (1, {"stacks_tests.Counter": 1})
        assert Counter.objects.using("other").get().stack_latest is True
        assert Counter.objects.count() == 1

    def test_async(self):
        counter = stack(Counter, "a")

        assert async_to_sync(counter.aforce_delete)() == (1, {"stacks_tests.Counter": 1})
        assert places(Counter) == [(1, None), (2, True)]

    def test_what_has_no_key_cannot_be(self):
        with pytest.raises(ValueError):
            Counter(name="a").force_delete()


class TestManyVersions:
    def test_each_stack_has_its_last_one_as_the_latest(self):
        first, second, _third = (stack(Counter, name) for name in "abc")
        doomed = [first.pk, first.previous_instance().pk, second.pk]

        result = Counter.objects.filter(pk__in=doomed).force_delete()

        assert result == (3, {"stacks_tests.Counter": 3})
        left = {c.name: c.stack_number for c in Counter.objects.latest_from_stack_group()}
        assert left == {"a": 1, "b": 2, "c": 3}
        assert Counter.objects.filter(stack_latest=True).count() == 3

    def test_all_versions_are_the_stack(self):
        for name in "ab":
            stack(Counter, name)

        assert Counter.objects.filter(name="a").force_delete()[0] == 3
        assert places(Counter) == [(1, None), (2, None), (3, True)]

    def test_its_statements_do_not_grow_with_the_rows(self, statements):
        made = Counter.objects.bulk_create([Counter(name="a") for _ in range(1_000)])
        Counter.objects.bulk_create(made)
        doomed = Counter.objects.filter(stack_number=2)

        with statements() as few:
            assert doomed.filter(pk=made[0].pk).force_delete()[0] == 1
        with statements() as many:
            assert doomed.force_delete()[0] == 999

        assert Counter.objects.filter(stack_latest=True, stack_number=1).count() == 1_000
        assert few == many and len(many) <= 12

    def test_async(self):
        stack(Counter, "a")

        assert async_to_sync(Counter.objects.all().aforce_delete)()[0] == 3

    def test_what_django_refuses_is_refused(self):
        stack(Counter, "a")

        with pytest.raises(TypeError):
            Counter.objects.all()[:1].force_delete()
        with pytest.raises(PastIsReadOnlyError), as_of(NOON):
            Counter.objects.all().force_delete()
        assert Counter.objects.count() == 3

    def test_links_of_many_to_many_fields_go_along(self):
        page = StackPage.objects.create(title="a")
        page.tags.add(Tag.objects.create(name="t"))
        page.save()

        page.force_delete()

        assert StackPage.tags.through.objects.count() == 1


class TestValuesThatAreTaken:
    @pytest.fixture
    def renamed(self):
        page = StackPage.objects.create(title="one")
        page.title = "two"
        page.save()
        return page

    def test_what_another_stack_has_is_told_before_anything_is_deleted(self, renamed):
        other = StackPage.objects.create(title="one")
        receiver = mock.Mock(spec=["__call__"])
        pre_delete.connect(receiver, sender=StackPage)

        for delete in (renamed.force_delete, StackPage.objects.filter(title="two").force_delete):
            with pytest.raises(LatestTakenError) as error:
                delete()

            assert str(error.value) == (
                f"Version 1 of the stacks_tests.StackPage {renamed.stack_group_uuid} cannot be the"
                f" latest again: {other.stack_group_uuid} has the same title (stack_page_title)."
                " Nothing is deleted; save the one or the other with another value first."
            )
            assert error.value.constraint == "stack_page_title"
            assert error.value.stack == renamed.stack_group_uuid
            assert error.value.other == other.stack_group_uuid
        pre_delete.disconnect(receiver, sender=StackPage)
        assert not receiver.called
        assert places(StackPage) == [(1, None), (1, True), (2, True)]

    def test_and_can_be_changed(self, renamed):
        other = StackPage.objects.create(title="one")
        with pytest.raises(IntegrityError):
            renamed.force_delete()
        other.title = "three"
        other.save()

        renamed.force_delete()

        assert StackPage.objects.get_latest_from_stack_group(title="one").stack_number == 1

    def test_who_is_deleted_as_well_takes_nothing(self, renamed):
        StackPage.objects.create(title="one")

        doomed = StackPage.objects.latest_from_stack_group()
        assert doomed.force_delete()[0] == 2

        assert StackPage.objects.get().title == "one"

    def test_nor_does_a_stack_that_goes_as_a_whole(self, renamed):
        StackPage.objects.create(title="one")

        assert StackPage.objects.filter(title__in=["one", "two"]).force_delete()[0] == 3

    def test_two_that_would_have_the_same_are_refused(self, renamed):
        other = StackPage.objects.create(title="one")
        other.title = "three"
        other.save()

        with pytest.raises(LatestTakenError) as error:
            StackPage.objects.latest_from_stack_group().force_delete()

        stacks = {renamed.stack_group_uuid, other.stack_group_uuid}
        assert {error.value.stack, error.value.other} == stacks
        assert places(StackPage) == [(1, None), (1, None), (2, True), (2, True)]

    def test_what_only_the_database_knows_is_told_too(self, renamed):
        StackPage.objects.create(title="one")

        seen = mock.patch("handleref.stacks.deletion.refuse_taken")
        with seen, pytest.raises(LatestTakenError) as error:
            renamed.force_delete()

        said = "A version of stacks_tests.StackPage cannot be the latest again, since the database"
        assert str(error.value).startswith(said) and error.value.constraint is None
        assert StackPage.objects.count() == 3


class TestWhatRefersToAStack:
    @pytest.fixture
    def page(self):
        return stack(StackPage, "a")

    def test_a_plain_key_goes_with_its_version(self, page):
        Comment.objects.create(page=page)
        kept = Comment.objects.create(page=page.previous_instance())

        assert page.force_delete()[1]["stacks_tests.Comment"] == 1
        assert Comment.objects.get() == kept

    def test_one_that_follows_stays_as_long_as_a_version_does(self, page):
        link = Link.objects.create(name="l", page=page)

        page.force_delete()
        assert Link.objects.get() == link and link.page.stack_number == 3
        assert Link.objects.get().page.stack_number == 2

        StackPage.objects.filter(stack_number=1).force_delete()
        assert Link.objects.get() == link

        assert StackPage.objects.all().force_delete()[1]["stacks_tests.Link"] == 1
        assert not Link.objects.exists()

    def test_stacks_are_told_apart(self, page):
        other = stack(StackPage, "b")
        Link.objects.create(name="a", page=page)
        kept = Link.objects.create(name="b", page=other)

        StackPage.objects.filter(title="a").force_delete()
        StackPage.objects.filter(pk=other.pk).force_delete()

        assert Link.objects.get() == kept

    def test_one_that_protects_protects_the_last_version(self, page):
        Pin.objects.create(page=page)

        page.force_delete()
        with pytest.raises(ProtectedError):
            StackPage.objects.all().force_delete()

        assert places(StackPage) == [(1, None), (2, True)]

    def test_one_that_is_emptied_is_emptied_with_the_last_version(self, page):
        bookmark = Bookmark.objects.create(page=page)

        page.force_delete()
        bookmark.refresh_from_db()
        assert bookmark.page_id == page.stack_group_uuid

        StackPage.objects.all().force_delete()
        bookmark.refresh_from_db()
        assert bookmark.page is None

    def test_an_on_delete_is_what_was_given(self):
        cascade = WithTheStack.of(models.CASCADE)

        assert cascade == models.CASCADE and hash(cascade) == hash(models.CASCADE)
        assert WithTheStack.of(cascade) is cascade
        assert WithTheStack.original(cascade) is models.CASCADE
        assert WithTheStack.of(models.DO_NOTHING) is models.DO_NOTHING
        assert WithTheStack.of(models.SET_NULL).lazy_sub_objs
        assert WithTheStack.of(models.PROTECT) != cascade


class TestWhatAStackRefersTo:
    @pytest.fixture
    def authors(self):
        return [Author.objects.create(name=name) for name in "ab"]

    def test_a_version_that_goes_with_its_parent_leaves_a_latest_one(self, authors):
        chapter = Chapter.objects.create(name="c", author=authors[0])
        chapter.author = authors[1]
        chapter.save()
        chapter.save()

        authors[1].delete()

        assert places(Chapter) == [(1, True)]

    def test_old_ones_that_go_change_nothing(self, authors):
        chapter = Chapter.objects.create(name="c", author=authors[0])
        chapter.author = authors[1]
        chapter.save()

        authors[0].delete()

        assert places(Chapter) == [(2, True)]
        chapter.save()
        assert places(Chapter) == [(2, None), (3, True)]

    def test_many_at_once(self, authors):
        for _ in range(3):
            chapter = Chapter.objects.create(name="c")
            chapter.author = authors[0]
            chapter.save()

        Author.objects.all().delete()

        assert places(Chapter) == [(1, True)] * 3

    def test_children_follow_a_stack_that_goes_with_its_parent(self, authors):
        parent = Chapter.objects.create(name="p", author=authors[0])
        child = Chapter.objects.create(name="c", parent=parent)

        authors[0].delete()

        child.refresh_from_db()
        assert child.parent_id is None
