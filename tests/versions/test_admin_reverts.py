"""Going back in the admin: fields, whole objects, deleted objects."""

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.versions.admin import PageAdmin
from tests.versions.browser import changes, confirm, log_in, text_of, told, url
from tests.versions.models import Page, Section, Tag

pytestmark = pytest.mark.django_db

CONFLICT = "The object was changed meanwhile. Look at what would change now."


@pytest.fixture(autouse=True)
def shown_keeper(keeper, monkeypatch):
    monkeypatch.setattr(PageAdmin, "keeper", keeper.name)
    return keeper


@pytest.fixture
def renamed(page, save):
    """Rename the page, so that there is something to go back to."""
    return save(page, title="two", body="b", comment="second")


@pytest.fixture
def gone(save, record):
    """Delete a page for good."""
    page = save(Page(title="gone", body="last words"))
    page.key = page.pk
    record(lambda: page.delete(hard=True), comment="deleted")
    return page


@pytest.fixture
def hidden(save, record):
    """Delete a page softly."""
    page = save(Page(title="hidden"))
    record(page.delete, comment="hidden")
    return page


def fresh(page):
    return Page.objects.get(pk=page.pk)


# Rolling back


def test_a_rollback_shows_what_will_change_and_does_it(admin_client, admin_user, renamed, history):
    first = history(renamed).last()
    address = url("page_rollback", renamed.pk, first.id)

    response = admin_client.get(address)

    assert response.context["title"] == "Roll back: two"
    assert changes(response) == [
        ("Title", [("delete", "two"), ("insert", "one")]),
        ("Body", [("delete", "b"), ("equal", "-")]),
    ]
    assert fresh(renamed).title == "two"

    response = confirm(admin_client, address)

    said = "Rolled back to the version of “Jan. 1, 2026, 2 p.m.”."
    assert (response.status_code, response.url) == (302, url("page_history", renamed.pk))
    assert told(response) == [("success", said)]
    assert (fresh(renamed).title, fresh(renamed).body) == ("one", "")
    newest = history(renamed).first()
    assert (newest.user, newest.reverted_from) == (admin_user, first.id)
    assert newest.comment.startswith(f"Rolled back to version {first.id} (")
    [entry] = LogEntry.objects.all()
    assert (entry.object_id, entry.change_message) == (f"{renamed.pk}", said)


def test_a_comment_is_taken_along(admin_client, renamed, history):
    address = url("page_rollback", renamed.pk, history(renamed).last().id)

    confirm(admin_client, address, comment="  it was <b>wrong</b> ")

    assert history(renamed).first().comment == "it was <b>wrong</b>"


def test_a_version_that_is_as_the_object_is_changes_nothing(admin_client, page, history):
    address = url("page_rollback", page.pk, history(page).first().id)

    response = admin_client.get(address)

    assert "Nothing differs, so nothing would change." in text_of(response)
    assert response.context["can_confirm"] is False

    response = confirm(admin_client, address)

    assert told(response) == [("warning", "Nothing differs. Nothing was changed.")]
    assert (history(page).count(), LogEntry.objects.count()) == (1, 0)


def test_looking_writes_nothing(admin_client, renamed, gone, hidden, history):
    first, last = history(renamed).last(), history(gone).first()
    addresses = [
        url("page_history", renamed.pk),
        url("page_version", renamed.pk, first.id),
        url("page_compare", renamed.pk, **{"from": first.id, "to": first.id}),
        url("page_rollback", renamed.pk, first.id, expected_state="x"),
        url("page_revert", renamed.pk, **{"take-title": first.id}),
        url("page_deleted"),
        url("page_recover", last.id),
        url("page_recover", history(hidden).first().id),
    ]

    for address in addresses:
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(address).status_code == 200
        kinds = {query["sql"].split()[0] for query in queries}
        assert kinds <= {"SELECT", "SAVEPOINT", "RELEASE"}


def test_nobody_else_makes_the_browser_do_it(admin_user, renamed, gone, history):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    first, last = history(renamed).last(), history(gone).first()

    for address, data in (
        (url("page_rollback", renamed.pk, first.id), {}),
        (url("page_revert", renamed.pk), {"take-title": first.id}),
        (url("page_recover", last.id), {}),
    ):
        assert client.post(address, {"expected_state": "", **data}).status_code == 403

    assert (fresh(renamed).title, Page.objects.count()) == ("two", 1)


# Conflicts and refusals


def test_what_was_changed_meanwhile_is_shown_again(admin_client, renamed, save, history):
    address = url("page_rollback", renamed.pk, history(renamed).last().id)
    seen = admin_client.get(address).context["expected_state"]
    save(renamed, title="three")

    response = admin_client.post(address, {"expected_state": seen, "comment": "mine"})

    assert response.status_code == 409
    assert response.context["errors"] == [("", CONFLICT)]
    assert changes(response)[0] == ("Title", [("delete", "three"), ("insert", "one")])
    assert response.context["comment"] == "mine"
    assert fresh(renamed).title == "three"

    state = response.context["expected_state"]
    assert admin_client.post(address, {"expected_state": state}).status_code == 302
    assert fresh(renamed).title == "one"


def test_so_is_what_was_changed_without_a_version(admin_client, renamed, history):
    address = url("page_rollback", renamed.pk, history(renamed).last().id)
    seen = admin_client.get(address).context["expected_state"]
    Page.objects.filter(pk=renamed.pk).update(kind="n")

    response = admin_client.post(address, {"expected_state": seen})

    assert (response.status_code, fresh(renamed).title) == (409, "two")


def test_a_post_that_saw_nothing_is_a_conflict(admin_client, renamed, history):
    address = url("page_rollback", renamed.pk, history(renamed).last().id)

    response = admin_client.post(address)

    assert (response.status_code, fresh(renamed).title) == (409, "two")


def test_a_value_that_breaks_a_rule_is_refused_on_the_page(admin_client, renamed, save, history):
    address = url("page_rollback", renamed.pk, history(renamed).last().id)
    seen = admin_client.get(address).context["expected_state"]
    save(Page(title="one"))

    for response in (
        admin_client.get(address),
        admin_client.post(address, {"expected_state": seen}),
    ):
        assert response.status_code == 200
        assert response.context["errors"] == [("Title", "Page with this Title already exists.")]
        assert response.context["can_confirm"] is False
    assert fresh(renamed).title == "two"


def test_what_the_model_says_of_itself_has_no_field(admin_client, renamed, history, monkeypatch):
    def refuse(self):
        raise ValidationError("Not today.")

    monkeypatch.setattr(Page, "clean", refuse)

    response = admin_client.get(url("page_rollback", renamed.pk, history(renamed).last().id))

    assert response.context["errors"] == [("", "Not today.")]


def test_a_deleted_parent_is_in_the_way(admin_client, save, record, history):
    section = Section.objects.create(name="s")
    page = save(Page(title="one", section=section))
    record(section.delete)
    version = history(page).last()

    response = admin_client.get(url("page_recover", version.id))

    reason = (
        f"versions_tests.Page {page.pk} cannot be restored while its parent"
        f" versions_tests.Section {section.pk} is deleted. Restore the parent first."
    )
    assert response.context["errors"] == [("", reason)]
    assert confirm(admin_client, url("page_recover", version.id)).status_code in (200, 409)
    assert fresh(page).status == "deleted"


# Taking back fields


def test_fields_are_chosen_from_versions_of_their_own(admin_client, renamed, save, history):
    save(renamed, title="three", body="c", kind="n")
    _newest, middle, oldest = history(renamed)
    choice = {"take-body": middle.id, "take-title": oldest.id}

    response = admin_client.get(url("page_revert", renamed.pk, **choice))

    assert changes(response) == [
        ("Title", [("delete", "three"), ("insert", "one")]),
        ("Body", [("delete", "c"), ("insert", "b")]),
    ]
    assert [line.take for line in response.context["lines"]] == [oldest.id, middle.id]

    state = response.context["expected_state"]
    data = {"expected_state": state, **choice}
    response = admin_client.post(url("page_revert", renamed.pk), data)

    assert told(response) == [("success", "Took back: title, body.")]
    page = fresh(renamed)
    assert (page.title, page.body, page.kind) == ("one", "b", "n")


def test_the_history_offers_what_the_fields_had_before(admin_client, renamed, history):
    response = admin_client.get(url("page_history", renamed.pk))

    first = history(renamed).last()
    assert [(line.name, line.take) for line in response.context["rows"][0].lines] == [
        ("title", first.id),
        ("body", first.id),
    ]
    html = response.content.decode()
    assert f'<input type="radio" name="take-title" value="{first.id}">' in html


def test_a_version_offers_all_that_can_be_taken_back(admin_client, renamed, history):
    version = history(renamed).last()

    response = admin_client.get(url("page_version", renamed.pk, version.id))

    offered = [line.name for line in response.context["lines"] if line.take == version.id]
    assert offered == [
        *["status", "title", "body", "kind", "price", "printed", "extra", "section", "tags"]
    ]


def test_relations_are_taken_back(admin_client, page, record, history):
    a, b = (Tag.objects.create(name=name) for name in "ab")
    record(lambda: page.tags.set([a]))
    version = history(page).first()
    record(lambda: page.tags.set([b]))
    address = url("page_revert", page.pk, **{"take-tags": version.id})

    response = confirm(admin_client, address, **{"take-tags": version.id})

    assert (response.status_code, list(page.tags.all())) == (302, [a])


@pytest.mark.parametrize("name", ["version", "seen", "id"])
def test_what_every_write_sets_is_not_taken_back(admin_client, page, history, name):
    choice = {f"take-{name}": history(page).first().id}

    response = admin_client.get(url("page_revert", page.pk, **choice))

    [(_label, reason)] = response.context["errors"]
    assert reason == "This field cannot be taken back: every write sets it."


def test_nothing_chosen_is_nothing_done(admin_client, renamed, history):
    address = url("page_revert", renamed.pk)

    for response in (admin_client.get(address), admin_client.post(address)):
        assert response.status_code == 200
        assert response.context["errors"] == [
            ("", "Choose the fields to take back in the history.")
        ]
    assert history(renamed).count() == 2


# Recovering


def test_deleted_objects_are_listed_and_searched(admin_client, page, gone, hidden):
    response = admin_client.get(url("page_deleted"))

    rows = response.context["rows"]
    assert [(str(row.version), row.version.comment) for row in rows] == [
        ("hidden", "hidden"),
        ("gone", "deleted"),
    ]
    assert [row.back_url for row in rows] == [url("page_recover", row.version.id) for row in rows]
    assert admin_client.get(rows[1].url).status_code == 200

    found = admin_client.get(url("page_deleted", q=" GON\x00E "))

    assert [str(row.version) for row in found.context["rows"]] == ["gone"]
    nothing = admin_client.get(url("page_deleted", q="<b>"))
    assert "Nothing deleted is called like that." in text_of(nothing)


def test_the_list_has_pages_that_take_the_same_queries(
    admin_client, save, record, monkeypatch, django_assert_num_queries
):
    def delete(number):
        page = save(Page(title=f"page {number:02}"))
        record(lambda: page.delete(hard=bool(number % 2)))

    monkeypatch.setattr(PageAdmin, "history_per_page", 3)
    delete(0)
    with django_assert_num_queries(4):
        admin_client.get(url("page_deleted"))
    for number in range(1, 11):
        delete(number)
    with django_assert_num_queries(4):
        response = admin_client.get(url("page_deleted", q="page", p=2))

    assert [str(row.version) for row in response.context["rows"]] == [
        "page 07",
        "page 06",
        "page 05",
    ]
    assert 'href="?q=page&amp;p=3"' in response.content.decode()


def test_the_list_may_be_empty(admin_client, page):
    assert "Nothing is deleted." in text_of(admin_client.get(url("page_deleted")))


def test_what_is_gone_is_recovered(admin_client, admin_user, gone, history):
    last = history(gone).first()
    address = url("page_recover", last.id)

    response = admin_client.get(address)

    assert ("Body", [("equal", "last words")]) in changes(response)
    assert (response.context["expected_state"], Page.objects.count()) == ("", 0)

    response = confirm(admin_client, address)

    back = Page.objects.get(pk=gone.key)
    assert (response.url, back.title, back.body) == (
        url("page_history", back.pk),
        "gone",
        "last words",
    )
    [(level, text)] = told(response)
    assert (level, text.startswith("Recovered from the version of ")) == ("success", True)
    newest = history(back).first()
    assert (newest.user, newest.reverted_from) == (admin_user, last.id)


def test_what_is_hidden_is_recovered_as_it_was_in_any_version(
    admin_client, page, save, record, history
):
    save(page, title="two")
    record(page.delete)

    response = confirm(admin_client, url("page_recover", history(page).last().id))

    page = fresh(page)
    assert (response.status_code, page.status, page.title) == (302, "ok", "one")


def test_what_came_back_meanwhile_is_a_conflict(admin_client, gone, history, keeper):
    from handleref.versions import Reverter

    last = history(gone).first()
    Reverter(keeper=keeper.name).restore(last)

    assert admin_client.get(url("page_recover", last.id)).status_code == 404
    assert admin_client.post(url("page_recover", last.id)).status_code == 404


def test_the_change_list_leads_to_the_deleted(admin_client, client, page):
    link = f'<a href="{url("page_deleted")}" class="historylink">Recover deleted pages</a>'

    assert link in admin_client.get(url("page_changelist")).content.decode()
    assert link not in admin_client.get(url("page_changelist", _popup=1)).content.decode()
    log_in(client, "view_page", "change_page")
    assert link not in client.get(url("page_changelist")).content.decode()


# The way back


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/admin/?a=1", "/admin/?a=1"),
        ("javascript:alert(1)", None),
        ("https://example.com/", None),
        ("//example.com", None),
    ],
)
def test_only_links_of_this_site_lead_back(admin_client, renamed, history, given, expected):
    expected = expected or url("page_history", renamed.pk)
    address = url("page_rollback", renamed.pk, history(renamed).last().id, next=given)

    response = admin_client.get(address)

    assert response.context["cancel_url"] == expected
    assert "javascript:alert" not in response.content.decode()
    assert confirm(admin_client, address).url == expected


# Permissions


def refusals(client, page, gone, hidden, history):
    """Return the pages to go back that say 403, looked at and pressed."""
    first = history(page).last().id
    pages = {
        "rollback": (url("page_rollback", page.pk, first), {}),
        "revert": (url("page_revert", page.pk), {"take-title": first}),
        "deleted": (url("page_deleted"), {}),
        "recover gone": (url("page_recover", history(gone).first().id), {}),
        "recover hidden": (url("page_recover", history(hidden).first().id), {}),
    }
    refused = []
    for name, (address, data) in pages.items():
        looked = client.get(address, data).status_code
        pressed = client.post(address, data).status_code
        assert (looked == 403) is (pressed == 403)
        refused += [name] if looked == 403 else []
    return refused


@pytest.mark.parametrize(
    ("codenames", "expected"),
    [
        ([], ["rollback", "revert", "deleted", "recover gone", "recover hidden"]),
        (["view_page"], ["rollback", "revert", "deleted", "recover gone", "recover hidden"]),
        (["change_page"], ["deleted", "recover gone", "recover hidden"]),
        (["view_page", "add_page"], ["rollback", "revert"]),
        (
            ["add_page", "delete_page"],
            ["rollback", "revert", "deleted", "recover gone", "recover hidden"],
        ),
        (["change_page", "add_page"], []),
    ],
)
def test_who_may_go_back(client, renamed, gone, hidden, history, codenames, expected):
    log_in(client, *codenames)

    assert refusals(client, renamed, gone, hidden, history) == expected
    assert (fresh(renamed).title, fresh(hidden).status) == ("two", "deleted")


def test_the_admin_may_say_who_changes_which_object(admin_client, renamed, history, monkeypatch):
    monkeypatch.setattr(
        PageAdmin, "has_change_permission", lambda self, request, obj=None: obj != renamed
    )

    for address in (
        url("page_rollback", renamed.pk, history(renamed).last().id),
        url("page_revert", renamed.pk, **{"take-title": history(renamed).last().id}),
    ):
        assert admin_client.get(address).status_code == 403
        assert admin_client.post(address).status_code == 403
    html = admin_client.get(url("page_history", renamed.pk)).content.decode()
    assert "take-" not in html and "rollback" not in html


def test_who_may_not_delete_does_not_roll_back_to_a_deleted_version(client, page, record, history):
    record(page.delete)
    deleted = history(page).first().id
    record(page.restore)
    log_in(client, "change_page")

    for address in (
        url("page_rollback", page.pk, deleted),
        url("page_revert", page.pk, **{"take-status": deleted}),
    ):
        assert client.get(address).status_code == 403
    assert client.post(url("page_rollback", page.pk, deleted)).status_code in (403, 409)
    assert fresh(page).status == "ok"


def test_who_may_delete_does(client, page, record, history):
    record(page.delete)
    deleted = history(page).first().id
    record(page.restore)
    log_in(client, "change_page", "delete_page")

    response = confirm(client, url("page_rollback", page.pk, deleted))

    assert (response.status_code, fresh(page).status) == (302, "deleted")


def test_what_is_deleted_is_recovered_and_not_rolled_back(admin_client, hidden, history):
    version = history(hidden).last()

    rows = admin_client.get(url("page_history", hidden.pk)).context["rows"]

    assert [row.back_url for row in rows] == [url("page_recover", row.version.id) for row in rows]
    address = url("page_rollback", hidden.pk, version.id)
    assert admin_client.get(address).status_code == 403


def test_a_plain_admin_undeletes_by_rolling_back(admin_client, client, record, keeper):
    from handleref.versions import history as public_history

    section = Section(name="s")
    record(section.save)
    record(section.delete)
    if keeper.name != "revisions":
        pytest.skip("The ledger keeps pages only.")
    version = public_history(section).last()
    address = url("section_rollback", section.pk, version.id)

    log_in(client, "view_section", "change_section")
    assert client.get(address).status_code == 403
    assert confirm(admin_client, address).status_code == 302
    section.refresh_from_db()
    assert section.status == "ok"


def test_what_the_form_shows_only_is_not_taken_back(admin_client, renamed, history, monkeypatch):
    monkeypatch.setattr(PageAdmin, "readonly_fields", ["title"])
    first = history(renamed).last()

    shown = admin_client.get(url("page_version", renamed.pk, first.id))
    answer = admin_client.post(url("page_revert", renamed.pk), {"take-title": first.id})

    assert "take-title" not in shown.content.decode()
    assert "take-body" in shown.content.decode()
    assert (answer.status_code, fresh(renamed).title) == (403, "two")
