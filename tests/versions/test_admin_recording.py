"""Every change made in the admin is a version: by whom, and why."""

import pytest
from django.contrib import admin
from django.test import RequestFactory

from handleref.admin import VersionAdmin
from tests.versions.admin import PageAdmin
from tests.versions.browser import url
from tests.versions.models import Page, Section, Tag

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shown_keeper(keeper, monkeypatch):
    monkeypatch.setattr(PageAdmin, "keeper", keeper.name)
    return keeper


@pytest.fixture
def form():
    """Return what the form of a page sends."""
    return {"title": "one", "kind": "a", "status": "ok", "extra": "{}", "body": ""}


@pytest.fixture
def told(history, admin_user):
    """Return what the versions of a page tell, newest first, each of them by the user."""

    def told(page=None):
        versions = list(history(page))
        assert {version.user for version in versions if version.comment != "first"} <= {admin_user}
        return [(version.comment, version.data["title"]) for version in versions]

    return told


def test_what_is_added(admin_client, form, told):
    tag = Tag.objects.create(name="a")

    admin_client.post(url("page_add"), {**form, "tags": [tag.pk]})

    assert told() == [("Added.", "one")]


def test_what_is_changed_together_with_its_relations(admin_client, page, form, told, history):
    tag = Tag.objects.create(name="a")
    form |= {"title": "two", "initial-extra": "{}", "tags": [tag.pk]}

    response = admin_client.post(url("page_change", page.pk), form)

    assert response.status_code == 302
    assert told(page) == [("Changed Title and Tags.", "two"), ("first", "one")]
    assert history(page).first().data["tags"] == (tag.pk,)


def test_what_is_refused_leaves_no_version(admin_client, page, form, told):
    response = admin_client.post(url("page_change", page.pk), {**form, "title": ""})

    assert response.status_code == 200
    assert told(page) == [("first", "one")]


def test_what_is_looked_at_leaves_no_version(admin_client, page, told):
    for address in (url("page_changelist"), url("page_add"), url("page_change", page.pk)):
        assert admin_client.get(address).status_code == 200

    assert told(page) == [("first", "one")]


def test_what_is_changed_in_the_list(admin_client, page, save, told):
    other = save(Page(title="other"), comment="first")
    data = {"form-TOTAL_FORMS": 2, "form-INITIAL_FORMS": 2, "_save": "Save"}
    data |= {"form-0-id": page.pk, "form-0-kind": "n", "form-1-id": other.pk, "form-1-kind": "n"}

    response = admin_client.post(url("page_changelist"), data)

    assert response.status_code == 302
    assert told(page) == [("Changed Kind.", "one"), ("first", "one")]
    assert told(other) == [("Changed Kind.", "other"), ("first", "other")]


def run(client, action, *pages, shown=None, **data):
    data |= {"action": action, "_selected_action": [page.pk for page in pages], "index": 0}
    query = {"deleted": shown} if shown else {}
    return client.post(url("page_changelist", **query), data)


def test_what_an_action_changes(admin_client, page, told):
    run(admin_client, "shout", page)

    assert told(page) == [("Shouted.", "ONE"), ("first", "one")]


def test_what_is_deleted(admin_client, page, told, history):
    admin_client.post(url("page_delete", page.pk), {"post": "yes"})

    assert told(page) == [("Deleted.", "one"), ("first", "one")]
    assert history(page).first().is_deleted


def test_what_is_deleted_and_restored_by_actions(admin_client, page, told):
    run(admin_client, "delete_selected", page, post="yes")
    run(admin_client, "restore_selected", page, shown="only")

    assert told(page) == [("Restored.", "one"), ("Deleted.", "one"), ("first", "one")]


def test_what_is_restored_and_deleted_for_good(admin_client, page, record, told):
    page.key = page.pk
    record(page.delete, comment="first")
    admin_client.post(url("page_restore", page.pk))
    admin_client.post(url("page_hard_delete", page.pk), {"post": "yes"})
    page.pk = None

    assert told(page)[:2] == [("Deleted for good.", "one"), ("Restored.", "one")]


def test_a_plain_admin_records_too(admin_client, admin_user, keeper):
    if keeper.name != "revisions":
        pytest.skip("The ledger keeps pages only.")
    from handleref.versions import history

    admin_client.post(url("section_add"), {"name": "s", "status": "ok"})
    section = Section.objects.get()
    admin_client.post(url("section_delete", section.pk), {"post": "yes"})

    told = [(version.comment, version.user) for version in history(section)]
    assert told == [("Deleted.", admin_user), ("Added.", admin_user)]


def test_texts_of_one_request_are_joined(rf, page, save, told, admin_user):
    request = RequestFactory().post("/")
    request.user = admin_user
    model_admin = admin.site.get_model_admin(Page)

    with model_admin.recording(request):
        for text in ("One.", "Two.", "One."):
            model_admin.comment_on(request, text)
        page.title = "two"
        page.save()

    assert told(page)[0] == ("One. Two.", "two")


def test_an_admin_of_what_nobody_keeps_is_an_error():
    class TagAdmin(VersionAdmin):
        pass

    [error] = TagAdmin(Tag, admin.site).check()

    assert (error.id, error.obj) == ("handleref.E014", TagAdmin)
    assert error.msg == (
        "Nobody keeps versions of versions_tests.Tag."
        " Keepers installed: 'events', 'ledger', 'pointintime', 'revisions', 'stacks'."
    )
    assert error.hint == (
        "Let one keep them, name it as in keeper = 'revisions', or use another admin class."
    )


def test_so_is_one_that_names_none_of_several(monkeypatch):
    monkeypatch.setattr(PageAdmin, "keeper", None)

    [error] = PageAdmin(Page, admin.site).check()

    assert error.msg == (
        "versions_tests.Page has several keepers, so name one:"
        " keeper= takes 'events', 'ledger', 'revisions'."
    )


def test_one_that_is_kept_is_none():
    assert PageAdmin(Page, admin.site).check() == []
