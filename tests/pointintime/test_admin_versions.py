"""The admin of versions, over rows that are versions."""

from decimal import Decimal

import pytest
from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.urls import path, reverse

from handleref.admin import VersionAdmin
from handleref.pointintime.recording import recording
from handleref.versions import history
from tests.pointintime.models import PointPage, Section
from tests.versions.browser import changes, confirm, text_of, told

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

site = AdminSite(name="points")
site.register([PointPage, Section], VersionAdmin)
urlpatterns = [path("points/", site.urls)]


def url(page, *args, **query):
    name = f"admin:pointintime_tests_pointpage_{page}"
    return reverse(name, args=args, query=query or None, current_app="points")


@pytest.fixture
def users(db):
    make = get_user_model().objects.create_user
    return [make("ann"), make("bob")]


@pytest.fixture
def page(users):
    """A page of two versions, by two users."""
    ann, bob = users
    with recording(ann, "first"):
        page = PointPage.objects.create(title="one", price=Decimal("1.5"))
    with recording(bob, "second"):
        page.title, page.body = "two", "b"
        page.save()
    return page


@pytest.fixture
def form(page):
    """What the form of the page sends."""
    start = page.start_at
    return {
        "title": "two",
        "body": "b",
        "kind": "a",
        "price": "1.5",
        "extra": "{}",
        "initial-extra": "{}",
        "start_at_0": start.date(),
        "start_at_1": start.time(),
        "initial-start_at_0": start.date(),
        "initial-start_at_1": start.time(),
    }


def said(page):
    return [(v.user and v.user.username, v.comment, v.data["title"]) for v in history(page)]


def ids(page):
    return [version.id for version in history(page)]


def test_the_history_tells_of_every_row(admin_client, page):
    response = admin_client.get(url("history", page.pk))

    rows = response.context["rows"]
    assert [(row.user, row.comment) for row in rows] == [("bob", "second"), ("ann", "first")]
    assert [[(line.label, line.parts) for line in row.lines] for row in rows] == [
        [
            ("Title", [("delete", "one"), ("insert", "two")]),
            ("Body", [("equal", "-"), ("insert", "b")]),
        ],
        [],
    ]
    newest, oldest = ids(page)
    assert (newest, oldest) == (f"{page.pk}.2", f"{page.pk}.1")
    assert [row.url for row in rows] == [url("version", page.pk, key) for key in (newest, oldest)]
    assert rows[0].back_url == url("rollback", page.pk, newest)
    assert rows[0].lines[0].take == oldest


def test_one_version_and_two(admin_client, page):
    newest, oldest = ids(page)

    one = admin_client.get(url("version", page.pk, oldest))
    two = admin_client.get(url("compare", page.pk, **{"from": newest, "to": oldest}))

    values = {line.label: line.parts for line in one.context["lines"]}
    assert (values["Title"], values["Price"]) == ([("equal", "one")], [("equal", "1.5000")])
    assert [name for name, _row in one.context["neighbours"]] == ["Next version"]
    assert [label for label, _parts in changes(two)] == ["Title", "Body"]
    assert [row.version.id for row in two.context["rows"]] == [oldest, newest]


def test_what_tells_of_a_write_alone_cannot_be_taken_back(admin_client, page):
    response = admin_client.get(url("version", page.pk, ids(page)[0]))

    taken = {line.name for line in response.context["lines"] if line.take}
    assert taken == {
        *["title", "body", "kind", "price", "printed", "extra", "section"],
        *["start_at", "end_at"],
    }


def test_a_field_and_all_of_them_are_taken_back(admin_client, admin_user, page):
    _newest, oldest = ids(page)

    confirm(
        admin_client, url("revert", page.pk, **{"take-title": oldest}), **{"take-title": oldest}
    )
    response = confirm(admin_client, url("rollback", page.pk, oldest), comment="all of it")

    page.refresh_from_db()
    assert (response.status_code, response.url) == (302, url("history", page.pk))
    assert (page.title, page.body, page.row_version) == ("one", "", 4)
    rolled_back, reverted, *others = history(page)
    assert [version.id for version in others] == [f"{page.pk}.2", f"{page.pk}.1"]
    assert (rolled_back.user, rolled_back.comment) == (admin_user, "all of it")
    assert reverted.comment.startswith(f"Took back title from version {oldest} (")
    assert {rolled_back.reverted_from, reverted.reverted_from} == {oldest}
    row = admin_client.get(url("history", page.pk)).context["rows"][0]
    assert row.source_url == url("version", page.pk, oldest)
    assert LogEntry.objects.count() == 2


def test_what_was_saved_meanwhile_is_a_conflict(admin_client, page):
    address = url("rollback", page.pk, ids(page)[1])
    seen = admin_client.get(address).context["expected_state"]
    page.title = "three"
    page.save()

    response = admin_client.post(address, {"expected_state": seen})

    page.refresh_from_db()
    assert (response.status_code, page.title, page.row_version) == (409, "three", 3)


def test_what_the_admin_writes_is_by_its_user_and_says_what(admin_client, admin_user, page, form):
    admin_client.post(url("change", page.pk), {**form, "title": "three"})
    admin_client.post(url("add"), {**form, "title": "new"})

    added = PointPage.objects.get(title="new")
    assert said(page)[0] == ("admin", "Changed Title.", "three")
    assert said(added) == [("admin", "Added.", "new")]
    assert PointPage.objects.get(pk=page.pk).modified_by == admin_user


def test_what_is_deleted_leads_to_its_versions(admin_client, page):
    admin_client.post(url("delete", page.pk), {"post": "yes"})

    listed = admin_client.get(url("deleted"))
    past = admin_client.get(url("history", page.pk))

    [row] = listed.context["rows"]
    last = f"{page.pk}.2"
    assert (row.version.id, str(row.version)) == (last, "two")
    assert (row.url, row.back_url) == (url("history", page.pk), url("recover", last))
    assert [row.back_url for row in past.context["rows"]] == [
        url("recover", last),
        url("recover", f"{page.pk}.1"),
    ]
    assert "Change history: two" in text_of(past)
    assert admin_client.get(url("change", page.pk)).status_code == 302
    assert admin_client.get(url("deleted", q="tw")).context["rows"][0].version.id == last
    assert admin_client.get(url("deleted", q="one")).context["rows"] == []


def test_it_is_recovered_with_its_key(admin_client, admin_user, page):
    key = page.pk
    page.delete()
    address = url("recover", f"{key}.1")

    preview = admin_client.get(address)
    response = confirm(admin_client, address)

    assert ("Title", [("equal", "one")]) in changes(preview)
    assert response.url == url("history", key)
    [(level, text)] = told(response)
    assert (level, text.startswith("Recovered from the version of ")) == ("success", True)
    back = PointPage.objects.get(pk=key)
    newest = history(back).first()
    assert (back.title, back.row_version, back.replaced_at) == ("one", 3, None)
    assert (newest.user, newest.reverted_from) == (admin_user, f"{key}.1")
    assert admin_client.get(url("deleted")).context["rows"] == []
    assert admin_client.get(address).status_code == 404


@pytest.mark.parametrize(
    "key", ["nonsense", "7", "7.", ".1", "7.x", "7.99", f"7.{10**30}", f"{10**30}.1"]
)
def test_what_is_no_version_is_not_found(admin_client, page, key):
    for address in (url("version", page.pk, key), url("rollback", page.pk, key)):
        assert admin_client.get(address).status_code == 404
    assert admin_client.get(url("recover", key)).status_code == 404
    assert admin_client.get(url("history", "9999")).status_code == 404


def test_the_row_of_a_replaced_version_is_no_object(admin_client, page):
    replaced = PointPage.records.get(row_id=page.pk, row_version=1)

    # Its key is that of no object, and no address leads to it.
    assert replaced.pk != page.pk
    assert admin_client.get(url("history", replaced.pk)).status_code == 404
    assert admin_client.get(url("change", replaced.pk)).status_code == 302
