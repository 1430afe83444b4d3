"""The actions of a change list, and the pages that ask before they run."""

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from tests.references.browser import history, log_in, run, told, url
from tests.references.models import (
    Branch,
    Cafe,
    Company,
    Contract,
    Item,
    Memo,
    Net,
    Org,
    Port,
    TextItem,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def orgs():
    """Make two orgs, the first with two nets of one port each."""
    orgs = [Org.objects.create(name=name) for name in ("acme", "bolt")]
    for name in ("north", "south"):
        Port.objects.create(net=Net.objects.create(org=orgs[0], name=name))
    return orgs


def live():
    return [model.objects.undeleted().count() for model in (Org, Net, Port)]


def rows():
    return [model.objects.count() for model in (Org, Net, Port)]


# Delete


def test_delete_asks_first_and_says_that_it_can_be_undone(admin_client, orgs):
    response = run(admin_client, "org", "delete_selected", orgs)

    text = response.content.decode()
    assert (
        "The selected orgs will be marked as deleted, along with what is listed here,"
        " and can be restored." in text
    )
    assert list(response.context["model_count"]) == [("orgs", 2), ("nets", 2), ("ports", 2)]
    assert live() == [2, 2, 2]


def test_delete_marks_the_rows_as_deleted(admin_client, orgs):
    response = run(admin_client, "org", "delete_selected", orgs, confirmed=True)

    assert told(response) == [("success", "Successfully deleted 2 orgs.")]
    assert (live(), rows()) == ([0, 0, 0], [2, 2, 2])
    assert sorted(history()) == [(3, "acme", ""), (3, "bolt", "")]


def test_delete_leaves_out_what_is_deleted_already(admin_client, orgs):
    orgs[1].delete()

    response = run(admin_client, "org", "delete_selected", orgs, confirmed=True)

    assert told(response) == [("success", "Successfully deleted 1 org.")]
    assert Org.objects.get(pk=orgs[1].pk).version == 2
    assert history() == [(3, "acme", "")]


def test_delete_of_deleted_rows_only_says_so(admin_client, orgs):
    Org.objects.all().delete()

    response = run(admin_client, "org", "delete_selected", orgs)

    text = "What is selected is deleted already. Nothing was changed."
    assert told(response) == [("warning", text)]


def test_delete_page_of_one_object_says_the_same(admin_client, orgs):
    page = admin_client.get(url("org_delete", orgs[0].pk))
    response = admin_client.post(url("org_delete", orgs[0].pk), {"post": "yes"})

    text = page.content.decode()
    assert (
        "The org will be marked as deleted, along with what is listed here,"
        " and can be restored." in text
    )
    assert list(page.context["model_count"]) == [("orgs", 1), ("nets", 2), ("ports", 2)]
    assert told(response) == [("success", "The org “acme” was deleted successfully.")]
    assert (live(), rows()) == ([1, 0, 0], [2, 2, 2])


def test_delete_is_refused_while_something_protected_is_in_the_way(admin_client):
    company = Company.objects.create(code="acme")
    branch = Branch.objects.create(company=company, name="north")
    contract = Contract.objects.create(branch=branch)

    page = run(admin_client, "company", "delete_selected", [company])
    single = admin_client.post(url("company_delete", company.pk), {"post": "yes"})
    run(admin_client, "company", "delete_selected", [company], confirmed=True)

    for response in (page, single):
        assert response.context["title"].startswith("Cannot delete")
        assert "can be restored" not in response.content.decode()
        assert response.context["protected"] == [f"Contract: Contract object ({contract.pk})"]
    assert Company.objects.undeleted().count() == 1


def test_delete_page_extends_the_template_that_a_project_has_for_the_model(admin_client, orgs):
    response = admin_client.get(url("org_delete", orgs[0].pk))

    assert [template.name for template in response.templates][:3] == [
        "handleref/admin/delete_confirmation.html",
        "admin/references_tests/org/delete_confirmation.html",
        "admin/delete_confirmation.html",
    ]
    assert "The rules of our house" in response.content.decode()


def test_delete_is_soft_whatever_manager_the_rows_come_from(orgs):
    plain = QuerySet(Org).filter(name="acme")

    admin.site.get_model_admin(Org).delete_queryset(None, plain)

    assert live() == [1, 0, 0]


def test_delete_takes_the_rows_of_a_child_table(admin_client):
    cafe = Cafe.objects.create(name="corner", beans="arabica")

    page = run(admin_client, "cafe", "delete_selected", [cafe])
    run(admin_client, "cafe", "delete_selected", [cafe], confirmed=True)

    assert list(page.context["model_count"]) == [("cafes", 1)]
    assert Cafe.objects.get().status == "deleted"


# Restore


def test_restore_brings_back_what_the_deletion_took_and_tells_of_it(admin_client, orgs):
    Org.objects.all().delete()

    response = run(admin_client, "org", "restore_selected", orgs)

    assert told(response) == [("success", "Restored 2 orgs, 2 nets and 2 ports.")]
    assert live() == [2, 2, 2]
    assert sorted(history()) == [(2, "acme", "Restored."), (2, "bolt", "Restored.")]


def test_restore_leaves_live_rows_alone(admin_client, orgs):
    orgs[1].delete()

    response = run(admin_client, "org", "restore_selected", orgs)

    assert told(response) == [("success", "Restored 1 org.")]
    assert Org.objects.get(pk=orgs[0].pk).version == 1
    assert history() == [(2, "bolt", "Restored.")]


def test_restore_of_live_rows_only_says_so(admin_client, orgs):
    response = run(admin_client, "org", "restore_selected", orgs)

    text = "Nothing that is selected is deleted. Nothing was changed."
    assert told(response) == [("warning", text)]
    assert history() == []


def test_restore_and_delete_take_as_many_queries_for_many_rows_as_for_few(admin_client):
    def queries(count):
        made = Org.objects.bulk_create(Org(name=str(number)) for number in range(count))
        Net.objects.bulk_create(Net(org=org) for org in Org.objects.filter(name__lt="z"))
        chosen = list(Org.objects.filter(name__in=[org.name for org in made]))
        numbers = []
        for action in ("delete_selected", "restore_selected"):
            with CaptureQueriesContext(connection) as captured:
                run(admin_client, "org", action, chosen, confirmed=True)
            numbers.append(len(captured))
        return numbers

    assert queries(80) == queries(5)


# Delete for good


def test_delete_for_good_asks_first_and_lists_what_django_would_delete(admin_client):
    company = Company.objects.create(code="acme")
    branch = Branch.objects.create(company=company, name="north")
    Memo.objects.create(branch=branch)
    company.delete()

    response = run(admin_client, "company", "hard_delete_selected", [company])

    text = response.content.decode()
    assert "This cannot be undone: what is deleted for good cannot be restored." in text
    assert response.context["title"] == "Delete for good"
    assert list(response.context["model_count"]) == [
        ("companys", 1),
        ("branchs", 1),
        ("memos", 1),
    ]
    assert Company.objects.count() == 1


def test_delete_for_good_really_deletes(admin_client, orgs):
    response = run(admin_client, "org", "hard_delete_selected", orgs, confirmed=True)

    assert told(response) == [("success", "Deleted 2 orgs for good.")]
    assert rows() == [0, 2, 2]
    assert sorted(history()) == [
        (3, "acme", "Deleted for good."),
        (3, "bolt", "Deleted for good."),
    ]


def test_delete_for_good_is_refused_while_something_protected_is_in_the_way(admin_client):
    company = Company.objects.create(code="acme")
    branch = Branch.objects.create(company=company, name="north")
    contract = Contract.objects.create(branch=branch)
    contract.delete()

    page = run(admin_client, "branch", "hard_delete_selected", [branch])
    run(admin_client, "branch", "hard_delete_selected", [branch], confirmed=True)

    assert page.context["title"] == "Cannot delete branch"
    assert page.context["protected"] == [f"Contract: Contract object ({contract.pk})"]
    assert Branch.objects.count() == 1


def test_delete_for_good_takes_its_permission_for_every_model(client):
    company = Company.objects.create(code="acme")
    Branch.objects.create(company=company, name="north")
    log_in(client, "view_company", "delete_branch", "delete_company", "hard_delete_company")

    page = run(client, "company", "hard_delete_selected", [company])
    response = run(client, "company", "hard_delete_selected", [company], confirmed=True)

    assert page.context["perms_lacking"] == {"branch"}
    assert response.status_code == 403
    assert Company.objects.count() == 1


def test_delete_for_good_of_one_object_returns_to_the_list(admin_client):
    item = TextItem.objects.create(code="a/b_c", name="odd")
    back = {"_changelist_filters": "deleted=only"}
    address = url("textitem_hard_delete", "a_2Fb_5Fc", **back)

    page = admin_client.get(address)
    response = admin_client.post(address, {"post": "yes"})

    assert page.context["deletable_objects"] == [
        f'Text item: <a href="{url("textitem_change", "a_2Fb_5Fc")}">{item}</a>'
    ]
    assert (response.status_code, response.url) == (
        302,
        url("textitem_changelist", deleted="only"),
    )
    assert TextItem.objects.count() == 0


def test_delete_for_good_of_one_object_takes_the_permission(client):
    item = Item.objects.create()
    log_in(client, "view_item", "delete_item")

    response = client.post(url("item_hard_delete", item.pk), {"post": "yes"})

    assert response.status_code == 403
    assert Item.objects.count() == 1
