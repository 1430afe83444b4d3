"""The admin's pages of one object: to look at, to change, to restore."""

import re

import pytest
from django.db.models.signals import pre_save
from django.test import Client

from tests.references.browser import history, log_in, run, told, url
from tests.references.models import Branch, Company, Item, Seat

pytestmark = pytest.mark.django_db


@pytest.fixture
def items():
    """Make two live items and a deleted one."""
    items = [Item.objects.create(name=name) for name in ("anvil", "bell", "clock")]
    items[2].delete()
    return items


def buttons(response):
    """Return the labels of what can be pressed on a page of one object."""
    text = response.content.decode()
    labels = re.findall(r'<input type="submit"[^>]* ?value="([^"]+)"', text)
    return labels + re.findall(r'class="(?:deletelink|closelink)">([^<]+)<', text)


def test_page_of_a_live_object_is_the_stock_page(admin_client, items):
    response = admin_client.get(url("item_change", items[0].pk))

    assert buttons(response) == [
        "Save",
        "Save and add another",
        "Save and continue editing",
        "Delete",
    ]
    assert "handleref/admin/deleted_change_form.html" not in [t.name for t in response.templates]


def test_page_of_a_deleted_object_says_so_and_is_read_only(admin_client, items):
    *_others, clock = items

    response = admin_client.get(url("item_change", clock.pk))

    text = response.content.decode()
    assert "This item is deleted. It can be changed again once it is restored." in text
    assert buttons(response) == ["Restore", "Delete for good", "Close"]
    assert list(response.context["adminform"].form.fields) == []


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        (["view_item"], ["Close"]),
        (["change_item", "delete_item"], ["Restore", "Close"]),
        (["view_item", "hard_delete_item"], ["Delete for good", "Close"]),
    ],
)
def test_page_of_a_deleted_object_offers_what_is_permitted(client, items, permissions, expected):
    log_in(client, *permissions)

    response = client.get(url("item_change", items[2].pk))

    assert buttons(response) == expected


def test_inlines_of_a_deleted_object_are_read_only(admin_client):
    company = Company.objects.create(code="acme")
    Branch.objects.create(company=company, name="north")
    company.delete()

    response = admin_client.get(url("company_change", company.pk))

    [inline] = response.context["inline_admin_formsets"]
    assert (inline.has_add_permission, inline.has_change_permission) == (False, False)
    assert inline.has_delete_permission is False


def test_a_form_that_was_opened_before_the_deletion_is_not_saved(admin_client, items):
    *_others, clock = items
    data = {"status": "ok", "name": "cuckoo", "number": 2}

    response = admin_client.post(url("item_change", clock.pk), data)

    assert (response.status_code, response.url) == (302, url("item_change", clock.pk))
    assert told(response) == [("error", "The item “clock” is deleted. Nothing was saved.")]
    assert Item.objects.get(pk=clock.pk).name == "clock"


def test_a_form_whose_row_is_deleted_while_it_is_saved_says_so(admin_client, items):
    anvil, *_others = items

    def intrude(**kwargs):
        Item.objects.filter(pk=anvil.pk).delete()

    pre_save.connect(intrude, sender=Item)
    try:
        data = {"status": "ok", "name": "axe", "number": 2}
        response = admin_client.post(url("item_change", anvil.pk), data)
    finally:
        pre_save.disconnect(intrude, sender=Item)

    assert told(response) == [("error", "The item “anvil” is deleted. Nothing was saved.")]
    assert Item.objects.get(pk=anvil.pk).name == "anvil"


def test_who_may_not_change_a_live_object_is_still_refused(client, items):
    log_in(client, "view_item")

    response = client.post(url("item_change", items[0].pk), {"name": "axe"})

    assert response.status_code == 403


def test_deleting_a_deleted_object_changes_nothing_and_says_so(admin_client, items):
    *_others, clock = items

    responses = [
        getattr(admin_client, method)(url("item_delete", clock.pk)) for method in ("get", "post")
    ]

    for response in responses:
        assert (response.status_code, response.url) == (302, url("item_change", clock.pk))
    text = "The item “clock” is deleted already. Nothing was changed."
    assert told(responses[1])[-1] == ("error", text)
    assert Item.objects.get(pk=clock.pk).version == 2
    assert history() == []


def test_a_field_that_may_not_name_the_object_is_refused_as_ever(admin_client, items):
    response = admin_client.get(url("item_delete", "clock", _to_field="name"))

    assert response.status_code == 400


# Restoring one object


def test_restore_button_brings_the_object_back(admin_client, items):
    *_others, clock = items

    response = admin_client.post(url("item_restore", clock.pk, _changelist_filters="deleted=only"))

    back = url("item_change", clock.pk, _changelist_filters="deleted=only")
    assert (response.status_code, response.url) == (302, back)
    assert told(response) == [("success", "Restored 1 item.")]
    assert Item.objects.get(pk=clock.pk).status == "ok"
    assert history() == [(2, "clock", "Restored.")]


def test_restore_button_leads_to_the_view_that_restores(admin_client, items):
    filters = {"_changelist_filters": "deleted=only"}

    response = admin_client.get(url("item_change", items[2].pk, **filters))

    assert f'formaction="{url("item_restore", items[2].pk, **filters)}"' in (
        response.content.decode()
    )


def test_restore_is_posted_with_a_token(admin_user, items):
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(admin_user)

    page = careful.get(url("item_change", items[2].pk))
    bare = careful.post(url("item_restore", items[2].pk))
    token = page.context["csrf_token"]
    tokened = careful.post(url("item_restore", items[2].pk), {"csrfmiddlewaretoken": str(token)})

    assert [bare.status_code, tokened.status_code] == [403, 302]


def test_restore_is_not_for_everyone_and_not_by_a_link(client, admin_client, items):
    log_in(client, "view_item", "change_item")

    refused = client.post(url("item_restore", items[2].pk))
    got = admin_client.get(url("item_restore", items[2].pk))
    missing = admin_client.post(url("item_restore", 999))

    assert [refused.status_code, got.status_code, missing.status_code] == [403, 405, 404]
    assert Item.objects.get(pk=items[2].pk).status == "deleted"


def test_restore_says_which_parent_is_deleted(admin_client):
    company = Company.objects.create(code="acme")
    branch = Branch.objects.create(company=company, name="north")
    branch.delete()
    company.delete()

    response = admin_client.post(url("branch_restore", branch.pk))

    assert told(response) == [
        (
            "error",
            (
                f"references_tests.Branch {branch.pk} cannot be restored while its parent"
                f" references_tests.Company {company.pk} is deleted. Restore the parent first."
            ),
        )
    ]
    assert history() == []


def test_restore_says_what_a_live_row_has_taken(admin_client):
    seat = Seat.objects.create(code="a")
    seat.delete()
    Seat.objects.create(code="a")

    response = run(admin_client, "seat", "restore_selected", [seat])

    assert told(response) == [("error", "Seat with this Code and Row already exists.")]
    assert Seat.objects.get(pk=seat.pk).status == "deleted"
