"""The admin of stacks: latest versions, versions of one item, nothing deleted."""

import pytest
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import path, reverse
from django.utils.html import escape

from handleref.admin import AbstractStackStoreAdmin
from handleref.versions import history
from tests.stacks.models import Link, Note, StackPage
from tests.versions.models import Tag

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class PageAdmin(AbstractStackStoreAdmin):
    list_display = (*AbstractStackStoreAdmin.list_display, "title", "short_stack_group_uuid")
    list_editable = ("title",)
    list_display_links = ("stack_group_uuid",)
    ordering = ("pk",)


site = AdminSite(name="stack-admin")
site.register(StackPage, PageAdmin)
site.register(Note, AbstractStackStoreAdmin)
site.register(Link, ModelAdmin)
urlpatterns = [path("stacks/", site.urls)]

FORM = {"title": "three", "body": "", "kind": "a", "price": "", "section": ""}
FORM |= {"extra": '{"a": 1}', "initial-extra": '{"a": 1}'}


def url(page, *args, model="stackpage", **query):
    name = f"admin:stacks_tests_{model}_{page}"
    return reverse(name, args=args, query=query or None, current_app="stack-admin")


@pytest.fixture
def page():
    """The second version of a page."""
    page = StackPage.objects.create(title="one", extra={"a": 1})
    page.title = "two"
    page.save()
    return page


@pytest.fixture
def other():
    return StackPage.objects.create(title="other")


def listed(client, **query):
    changes = client.get(url("changelist", **query)).context["cl"]
    return [(row.title, row.stack_number) for row in changes.result_list]


class TestTheList:
    def test_it_has_every_version(self, admin_client, page, other):
        assert listed(admin_client) == [("one", 1), ("two", 2), ("other", 1)]

    def test_only_latest_versions(self, admin_client, page, other):
        assert listed(admin_client, only_latests="YES") == [("two", 2), ("other", 1)]
        assert listed(admin_client, only_latests="nonsense") == listed(admin_client)

    def test_the_filter_is_offered(self, admin_client, page):
        text = admin_client.get(url("changelist")).content.decode()

        assert "?only_latests=YES" in text and "YES (Latests Only)" in text

    def test_a_link_leads_to_the_versions_of_the_same_item(self, admin_client, page, other):
        text = admin_client.get(url("changelist")).content.decode()
        same = url("changelist", stack_group_uuid=page.stack_group_uuid)

        assert f'<a href="{escape(same)}">only same item</a>' in text
        assert listed(admin_client, stack_group_uuid=page.stack_group_uuid) == [
            ("one", 1),
            ("two", 2),
        ]

    def test_its_columns_are_those_of_the_original(self, admin_client, page):
        shown = admin_client.get(url("changelist")).content.decode()

        assert AbstractStackStoreAdmin.list_display == ("key", "stack_group_uuid", "only_same_item")
        assert f'<td class="field-key">{page.pk}</td>' in shown
        assert page.stack_group_uuid.hex[:10] in shown
        # And it can be sorted by the first.
        assert listed(admin_client, o="-0") == [("two", 2), ("one", 1)]

    def test_keys_of_every_kind_are_listed_and_found(self, admin_client):
        note = Note.objects.create(text="a")

        page = admin_client.get(url("changelist", model="note", q=str(note.stack_group_uuid)))

        assert [row.pk for row in page.context["cl"].result_list] == [note.pk]

    def test_a_search_finds_keys_and_groups(self, admin_client, page, other):
        assert listed(admin_client, q=str(other.stack_group_uuid)) == [("other", 1)]
        assert ("two", 2) in listed(admin_client, q=str(page.pk))

    def test_what_is_edited_in_the_list_becomes_a_version(self, admin_client, page):
        first = page.previous_instance()
        form = {
            "form-TOTAL_FORMS": 2,
            "form-INITIAL_FORMS": 2,
            "form-0-id": first.pk,
            "form-0-title": "one",
            "form-1-id": page.pk,
            "form-1-title": "three",
            "_save": "Save",
        }

        admin_client.post(url("changelist"), form)

        assert [row.title for row in page.same_group_items()] == ["three", "two", "one"]


class TestAPage:
    def test_saving_makes_a_version_by_the_user(self, admin_client, admin_user, page):
        tag = Tag.objects.create(name="t")

        response = admin_client.post(url("change", page.pk), {**FORM, "tags": [tag.pk]})

        latest = page.latest_instance()
        assert (latest.title, latest.stack_number, [*latest.tags.all()]) == ("three", 3, [tag])
        assert (latest.stack_user, latest.stack_comment) == (admin_user, "Changed Title and Tags.")
        assert [*page.tags.all()] == []
        assert response.url == url("changelist")
        assert LogEntry.objects.get().object_id == str(latest.pk)

    def test_so_does_saving_an_old_one(self, admin_client, page):
        first = page.previous_instance()

        admin_client.post(url("change", first.pk), FORM)

        assert [row.title for row in page.same_group_items()] == ["three", "two", "one"]

    def test_who_goes_on_goes_on_with_the_new_version(self, admin_client, page):
        response = admin_client.post(
            url("change", page.pk), {**FORM, "_continue": "1"}, follow=True
        )

        latest = page.latest_instance()
        assert response.redirect_chain == [(url("change", latest.pk), 302)]
        assert f'<a href="{url("change", latest.pk)}">three</a>' in response.content.decode()

    def test_a_title_that_is_taken_is_refused(self, admin_client, page, other):
        response = admin_client.post(url("change", page.pk), {**FORM, "title": "other"})

        assert response.context["errors"] == [["Stack page with this Title already exists."]]
        assert page.latest_instance() == page

    def test_adding_begins_a_stack(self, admin_client, admin_user):
        admin_client.post(url("add"), FORM)

        page = StackPage.objects.get()
        assert (page.stack_number, page.stack_latest, page.stack_user) == (1, True, admin_user)

    def test_a_key_that_follows_is_chosen_among_latest_versions(self, admin_client, page, other):
        text = admin_client.get(url("add", model="link")).content.decode()
        assert text.count("<option") == 3  # with that of none

        admin_client.post(
            url("add", model="link"), {"name": "l", "page": str(page.stack_group_uuid)}
        )
        page.title = "three"
        page.save()
        assert Link.objects.get().page == page

    def test_the_history_is_that_of_the_stack(self, admin_client, page):
        first = page.previous_instance()

        for row in (page, first):
            shown = admin_client.get(url("history", row.pk)).context["rows"]
            assert [row.version for row in shown] == [*history(page)]

    def test_a_rollback_makes_a_version(self, admin_client, admin_user, page):
        first = page.previous_instance()
        address = url("rollback", page.pk, first.pk)
        state = admin_client.get(address).context["expected_state"]

        admin_client.post(address, {"expected_state": state})

        latest = page.latest_instance()
        assert (latest.title, latest.stack_number, latest.stack_reverted_from) == ("one", 3, 1)
        assert latest.stack_user == admin_user


class TestNobodyDeletes:
    def test_there_is_no_action_and_no_button(self, admin_client, page):
        assert "delete_selected" not in admin_client.get(url("changelist")).content.decode()
        assert "deletelink" not in admin_client.get(url("change", page.pk)).content.decode()

    def test_the_pages_refuse(self, admin_client, page):
        assert admin_client.post(url("delete", page.pk), {"post": "yes"}).status_code == 403
        assert admin_client.get(url("deleted")).status_code == 403
        assert StackPage.objects.count() == 2

    def test_nothing_is_offered_to_be_recovered(self, admin_client, page):
        assert url("deleted") not in admin_client.get(url("changelist")).content.decode()


def test_who_may_only_look_changes_nothing(client, page):
    user = get_user_model().objects.create_user("carl", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_stackpage"))
    client.force_login(user)

    assert client.get(url("change", page.pk)).status_code == 200
    assert client.post(url("change", page.pk), FORM).status_code == 403
    assert page.latest_instance() == page
