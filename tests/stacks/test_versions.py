"""Rows of stacks as versions: what the contract, which is tried on one model, does not tell."""

import sys

import pytest

from handleref.stacks.versions import StackKeeper
from handleref.versions import Diff, InstanceState, Reverter, State, as_of, history
from tests.stacks.models import Link, StackPage

pytestmark = pytest.mark.django_db

keeper = StackKeeper()


@pytest.fixture
def page(db):
    """The second version of a page."""
    page = StackPage.objects.create(title="one")
    page.title = "two"
    page.save()
    return page


def told(target, *args):
    return [(version.id, version.data["title"]) for version in history(target, *args)]


def test_every_version_has_the_history_of_its_stack(page):
    first = page.previous_instance()

    assert told(first) == told(page) == [(page.pk, "two"), (first.pk, "one")]


def test_an_old_version_that_is_taken_back_becomes_the_latest_one(page):
    first = page.previous_instance()

    reversal = Reverter().rollback(first, first.pk)

    latest = page.latest_instance()
    assert (reversal.instance, first, latest.title) == (latest, latest, "one")
    assert (first.stack_number, first.stack_latest) == (3, True)


def test_a_stack_of_which_nothing_is_left_begins_anew(page):
    version, group = history(page).first(), page.stack_group_uuid
    page.same_group_items().force_delete()

    reversal = Reverter().restore(version)

    [back] = history(StackPage, group)
    assert (reversal.instance, back.id, back.data["title"]) == (page, page.pk, "two")
    assert (back.row.stack_number, back.row.stack_latest, back.reverted_from) == (1, True, None)


def test_a_key_that_follows_is_called_as_the_latest_version(page):
    link = Link.objects.create(name="link", page=page.previous_instance())

    diff = Diff(State(Link, {"page": None}), InstanceState(link))
    Diff.label([diff])

    assert diff["page"].new == page.stack_group_uuid
    assert str(diff["page"].new_label) == "two"


def test_looking_at_the_past_does_not_narrow_the_history(page):
    with as_of(history(page).last().date):
        known = told(page)

    assert [title for _id, title in known] == ["two", "one"]


def test_versions_of_one_moment_are_read_once_each_part_by_part(monkeypatch):
    # The package's name for it is that of the function.
    monkeypatch.setattr(sys.modules["handleref.versions.history"], "CHUNK", 10)
    names = [f"page {number:02}" for number in range(25)]
    StackPage.objects.bulk_create([StackPage(title=name) for name in names])
    StackPage.objects.update(kind="n")

    found = [(v.data["kind"], v.data["title"]) for v in history(StackPage)]

    assert sorted(found) == sorted((kind, name) for kind in "an" for name in names)


def test_only_what_is_latest_is_an_object(page):
    first = page.previous_instance()

    assert [*keeper.objects(StackPage)] == [page]
    assert keeper.find(StackPage, first.stack_group_uuid) == page
    assert keeper.find(StackPage, first.stack_group_uuid, lock=True) == page
    page.force_delete()
    assert keeper.find(StackPage, first.stack_group_uuid, lock=True) == first
    first.force_delete()
    assert keeper.find(StackPage, first.stack_group_uuid, lock=True) is None
