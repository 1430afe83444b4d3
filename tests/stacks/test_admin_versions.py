"""The admin of versions, over rows that are versions."""

from decimal import Decimal

import pytest
from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.urls import path, reverse

from handleref.admin import VersionAdmin
from handleref.stacks.context import recording
from handleref.versions import history
from tests.stacks.models import StackPage
from tests.versions.browser import changes, confirm, text_of
from tests.versions.models import Tag

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

site = AdminSite(name="stacks")
site.register(StackPage, VersionAdmin)
urlpatterns = [path("stacks/", site.urls)]


def url(page, *args, **query):
    name = f"admin:stacks_tests_stackpage_{page}"
    return reverse(name, args=args, query=query or None, current_app="stacks")


@pytest.fixture
def users(db):
    make = get_user_model().objects.create_user
    return [make("ann"), make("bob")]


@pytest.fixture
def page(users):
    """The second version of a page, by another user than the first."""
    ann, bob = users
    with recording(ann, "first"):
        page = StackPage.objects.create(title="one", price=Decimal("1.5"))
    with recording(bob, "second"):
        page.title, page.body = "two", "b"
        page.save()
    return page


@pytest.fixture
def form():
    """What the form of the page sends."""
    return {"title": "two", "body": "b", "kind": "a", "price": "1.5", "extra": "{}"}


def ids(page):
    return [version.id for version in history(page)]


def test_the_history_is_that_of_the_stack_whichever_version_is_asked(admin_client, page):
    newest, oldest = ids(page)

    response = admin_client.get(url("history", newest))
    from_oldest = admin_client.get(url("history", oldest))

    rows = response.context["rows"]
    assert newest == page.pk
    assert [(row.user, row.comment) for row in rows] == [("bob", "second"), ("ann", "first")]
    assert [[(line.label, line.parts) for line in row.lines] for row in rows] == [
        [
            ("Title", [("delete", "one"), ("insert", "two")]),
            ("Body", [("equal", "-"), ("insert", "b")]),
        ],
        [],
    ]
    assert [row.url for row in rows] == [url("version", newest, key) for key in (newest, oldest)]
    assert rows[0].lines[0].take == oldest
    assert [row.version.id for row in from_oldest.context["rows"]] == [newest, oldest]


def test_one_version_and_two(admin_client, page):
    newest, oldest = ids(page)

    one = admin_client.get(url("version", newest, oldest))
    two = admin_client.get(url("compare", newest, **{"from": newest, "to": oldest}))

    values = {line.label: line.parts for line in one.context["lines"]}
    assert (values["Title"], values["Price"]) == ([("equal", "one")], [("equal", "1.5000")])
    assert [label for label, _parts in changes(two)] == ["Title", "Body"]
    assert [row.version.id for row in two.context["rows"]] == [oldest, newest]


def test_what_tells_of_a_write_alone_cannot_be_taken_back(admin_client, page):
    response = admin_client.get(url("version", page.pk, ids(page)[1]))

    taken = {line.name for line in response.context["lines"] if line.take}
    assert taken == {"title", "body", "kind", "price", "printed", "extra", "section", "tags"}


def test_a_relation_is_shown_and_taken_back(admin_client, page):
    tag = Tag.objects.create(name="t")
    page.save()
    page.tags.set([tag])
    linked = page.pk
    page.save()
    page.tags.clear()

    shown = admin_client.get(url("history", page.pk)).context["rows"]
    confirm(
        admin_client,
        url("revert", page.pk, **{"take-tags": linked}),
        **{"take-tags": linked},
    )

    assert [(line.label, line.parts) for row in shown[:2] for line in row.lines] == [
        ("Tags", [("delete", "t")]),
        ("Tags", [("insert", "t")]),
    ]
    assert [*page.latest_instance().tags.all()] == [tag]


def test_taking_back_is_a_new_version_at_the_address_of_which_the_history_goes_on(
    admin_client, admin_user, page
):
    _newest, oldest = ids(page)

    first = confirm(
        admin_client, url("revert", page.pk, **{"take-title": oldest}), **{"take-title": oldest}
    )
    reverted = page.latest_instance()
    second = confirm(admin_client, url("rollback", reverted.pk, oldest), comment="all of it")

    latest = page.latest_instance()
    assert first.url == url("history", reverted.pk)
    assert second.url == url("history", latest.pk)
    assert (reverted.title, reverted.body) == ("one", "b")
    assert (latest.title, latest.body, latest.stack_number) == ("one", "", 4)
    newest, middle, *others = history(page)
    assert [version.id for version in others] == [page.pk, oldest]
    assert (newest.user, newest.comment) == (admin_user, "all of it")
    assert middle.comment.startswith(f"Took back title from version {oldest} (")
    assert (newest.reverted_from, middle.reverted_from) == (oldest, oldest)
    row = admin_client.get(second.url).context["rows"][0]
    assert row.source_url == url("version", latest.pk, oldest)
    assert [entry.object_id for entry in LogEntry.objects.order_by("pk")] == [
        str(reverted.pk),
        str(latest.pk),
    ]


def test_from_an_old_version_it_is_the_latest_one_that_is_taken_back(admin_client, page):
    newest, oldest = ids(page)
    address = url("rollback", oldest, oldest)

    preview = admin_client.get(address)
    response = confirm(admin_client, address)

    latest = page.latest_instance()
    assert changes(preview)[0] == ("Title", [("delete", "two"), ("insert", "one")])
    assert response.url == url("history", latest.pk)
    assert (latest.title, ids(page)) == ("one", [latest.pk, newest, oldest])
    assert StackPage.objects.get(pk=oldest).stack_number == 1


def test_what_was_saved_meanwhile_is_a_conflict(admin_client, page):
    address = url("rollback", page.pk, ids(page)[1])
    seen = admin_client.get(address).context["expected_state"]
    page.title = "three"
    page.save()

    response = admin_client.post(address, {"expected_state": seen})

    latest = page.latest_instance()
    assert (response.status_code, latest.title, latest.stack_number) == (409, "three", 3)


def test_what_the_admin_writes_is_by_its_user_and_says_what(admin_client, admin_user, page, form):
    tag = Tag.objects.create(name="t")
    form |= {"title": "three", "tags": [tag.pk], "initial-extra": "{}"}
    admin_client.post(url("change", page.pk), form)
    admin_client.post(url("add"), {**form, "title": "new"})

    added = StackPage.objects.get(title="new")
    known = [(v.user, v.comment, v.data["title"], v.data["tags"]) for v in history(page)[:1]]
    assert known == [(admin_user, "Changed Title and Tags.", "three", (tag.pk,))]
    assert [(v.user, v.comment) for v in history(added)] == [(admin_user, "Added.")]


def test_nothing_is_ever_among_the_deleted(admin_client, page):
    gone = StackPage.objects.create(title="gone")
    gone.force_delete()

    response = admin_client.get(url("deleted"))

    assert "Nothing is deleted." in text_of(response)
    for key in (page.pk, 10**30, "nonsense"):
        assert admin_client.get(url("recover", key)).status_code == 404


@pytest.mark.parametrize("key", ["nonsense", 10**30, "00000000-0000-0000-0000-000000000000"])
def test_what_is_no_version_is_not_found(admin_client, page, key):
    for address in (
        url("version", page.pk, key),
        url("rollback", page.pk, key),
        url("history", key),
    ):
        assert admin_client.get(address).status_code == 404


def test_a_version_of_another_stack_is_not_found(admin_client, page):
    other = StackPage.objects.create(title="other")

    assert admin_client.get(url("version", page.pk, other.pk)).status_code == 404
    assert admin_client.get(url("rollback", page.pk, other.pk)).status_code == 404
