"""The admin's change list, and the pages of one object."""

import pytest
from django.contrib.admin import AdminSite, site
from django.core import checks
from django.db import connection
from django.forms import CharField, ChoiceField, ValidationError
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from handleref.admin import HandleRefAdmin
from handleref.references.admin.forms import keep_alive
from tests.references.browser import log_in, url
from tests.references.models import Item, Org

pytestmark = pytest.mark.django_db


@pytest.fixture
def items():
    """Make two live items and a deleted one."""
    items = [Item.objects.create(name=name) for name in ("anvil", "bell", "clock")]
    items[2].delete()
    return items


def names(response):
    return [str(row) for row in response.context["cl"].result_list]


# The change list


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["anvil", "bell"]),
        ({"deleted": "only"}, ["clock"]),
        ({"deleted": "all"}, ["anvil", "bell", "clock"]),
    ],
)
def test_list_shows_the_rows_that_the_filter_says(admin_client, items, query, expected):
    response = admin_client.get(url("item_changelist", **query))

    assert names(response) == expected


def test_filter_has_three_choices_and_counts_them(admin_client, items):
    response = admin_client.get(url("item_changelist", deleted="only", _facets="True"))

    changelist = response.context["cl"]
    assert list(changelist.filter_specs[0].choices(changelist)) == [
        {"selected": False, "query_string": "?_facets=True", "display": "Live (2)"},
        {
            "selected": True,
            "query_string": "?_facets=True&deleted=only",
            "display": "Deleted (1)",
        },
        {"selected": False, "query_string": "?_facets=True&deleted=all", "display": "All (3)"},
    ]


def test_filter_refuses_another_value(admin_client):
    response = admin_client.get(url("item_changelist", deleted="1"))

    assert (response.status_code, response.url) == (302, url("item_changelist", e=1))


def test_list_of_all_rows_tells_which_are_deleted(admin_client, items):
    lists = [
        admin_client.get(url("item_changelist", **query)).context["cl"].list_display
        for query in ({}, {"deleted": "only"}, {"deleted": "all"})
    ]

    plain = ["action_checkbox", "name", "number"]
    assert lists == [plain, plain, ["action_checkbox", "name", "status", "number"]]


def test_list_takes_as_many_queries_for_many_rows_as_for_few(admin_client):
    def queries(model):
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(url(f"{model}_changelist", deleted="all"))
        return len(captured)

    Item.objects.create()
    Org.objects.create()
    few = queries("item"), queries("org")
    Item.objects.bulk_create(Item() for _ in range(50))
    Org.objects.bulk_create(Org() for _ in range(50))

    assert (queries("item"), queries("org")) == few


def test_a_deleted_row_of_an_editable_list_is_not_edited(admin_client, items):
    *_others, clock = items
    page = admin_client.get(url("item_changelist", deleted="only"))
    data = {
        "form-TOTAL_FORMS": 1,
        "form-INITIAL_FORMS": 1,
        "form-0-id": clock.pk,
        "form-0-number": 7,
        "_save": "Save",
    }

    response = admin_client.post(url("item_changelist", deleted="only"), data)

    assert list(page.context["cl"].formset.forms[0].fields) == ["id"]
    assert response.status_code == 302
    assert Item.objects.get(pk=clock.pk).number == 0


def test_a_live_row_of_an_editable_list_is_edited(admin_client, items):
    anvil, *_others = items
    data = {
        "form-TOTAL_FORMS": 1,
        "form-INITIAL_FORMS": 1,
        "form-0-id": anvil.pk,
        "form-0-number": 7,
        "_save": "Save",
    }

    admin_client.post(url("item_changelist"), data)

    assert Item.objects.values_list("number", "version").get(pk=anvil.pk) == (7, 2)


# The actions that it offers


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["delete_selected", "shout", "hard_delete_selected"]),
        ({"deleted": "only"}, ["shout", "restore_selected", "hard_delete_selected"]),
        (
            {"deleted": "all"},
            ["delete_selected", "shout", "restore_selected", "hard_delete_selected"],
        ),
    ],
)
def test_list_offers_the_actions_that_fit_its_rows(admin_client, items, query, expected):
    response = admin_client.get(url("item_changelist", **query))

    offered = [name for name, _label in response.context["action_form"].fields["action"].choices]
    assert sorted(offered) == sorted(["", *expected])


def test_actions_say_what_they_do(admin_client, items):
    response = admin_client.get(url("item_changelist", deleted="all"))

    choices = dict(response.context["action_form"].fields["action"].choices)
    assert choices["restore_selected"] == "Restore selected items"
    assert choices["hard_delete_selected"] == "Delete selected items for good"


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        (["view_item"], {"shout"}),
        (["view_item", "delete_item"], {"shout", "delete_selected", "restore_selected"}),
        (["view_item", "hard_delete_item"], {"shout", "hard_delete_selected"}),
    ],
)
def test_actions_take_a_permission(client, items, permissions, expected):
    log_in(client, *permissions)

    response = client.get(url("item_changelist", deleted="all"))

    choices = dict(response.context["action_form"].fields["action"].choices)
    assert choices.keys() == expected | {""}


def offered_by(admin_class, admin_site, user):
    request = RequestFactory().get("/")
    request.user = user
    return set(admin_class(Item, admin_site).get_actions(request))


def test_an_action_that_the_site_disables_stays_so(admin_user):
    own = AdminSite()
    own.disable_action("delete_selected")

    offered = offered_by(HandleRefAdmin, own, admin_user)

    assert offered == {"hard_delete_selected"}


def test_an_admin_without_actions_stays_so(admin_user):
    class Silent(HandleRefAdmin):
        actions = None

    assert offered_by(Silent, site, admin_user) == set()


def test_an_admin_without_the_filter_offers_all_actions(admin_user):
    class Unfiltered(HandleRefAdmin):
        def get_list_filter(self, request):
            return []

    offered = offered_by(Unfiltered, site, admin_user)

    assert offered == {"delete_selected", "restore_selected", "hard_delete_selected"}


def test_django_has_nothing_to_say_against_the_admin():
    assert checks.run_checks(tags=["admin"]) == []


# The form of a live object


def test_add_form_has_no_stamps_and_offers_no_deletion(admin_client):
    response = admin_client.get(url("item_add"))

    form = response.context["adminform"]
    assert [name for _title, options in form.fieldsets for name in options["fields"]] == [
        "status",
        "name",
        "number",
    ]
    assert [value for value, _label in form.form.fields["status"].choices] == ["", "ok", "pending"]


def test_change_form_shows_the_stamps_and_takes_none(admin_client, items):
    anvil, *_others = items
    data = {
        "status": "pending",
        "name": "axe",
        "number": 2,
        "version": 9,
        "created_0": "2020-01-01",
    }

    page = admin_client.get(url("item_change", anvil.pk))
    admin_client.post(url("item_change", anvil.pk), data)

    fields = [
        name
        for _title, options in page.context["adminform"].fieldsets
        for name in options["fields"]
    ]
    assert fields == ["status", "name", "number", "created", "updated", "version"]
    assert list(page.context["adminform"].form.fields) == ["status", "name", "number"]
    saved = Item.objects.get(pk=anvil.pk)
    assert (saved.status, saved.name, saved.version) == ("pending", "axe", 2)
    assert saved.created == anvil.created


def test_form_does_not_take_the_status_deleted(admin_client, items):
    anvil, *_others = items
    data = {"status": "deleted", "name": "axe", "number": 2}

    response = admin_client.post(url("item_change", anvil.pk), data)

    assert response.context["adminform"].form.errors == {
        "status": ["Select a valid choice. deleted is not one of the available choices."]
    }
    assert Item.objects.get(pk=anvil.pk).status == "ok"


def test_a_status_without_choices_does_not_take_deleted_either():
    field = keep_alive(CharField())

    with pytest.raises(ValidationError) as caught:
        field.clean("deleted")

    assert caught.value.messages == ["Delete the row instead: that can be undone."]


def test_a_status_with_groups_of_choices_does_not_offer_deleted():
    choices = [("Here", [("ok", "ok")]), ("Gone", [("deleted", "deleted"), ("lost", "lost")])]

    field = keep_alive(ChoiceField(choices=choices))

    assert field.choices == [("Here", [("ok", "ok")]), ("Gone", [("lost", "lost")])]
