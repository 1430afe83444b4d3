"""What the page before a deletion says of it: ``get_deleted_objects()``."""

import pytest
from django.contrib.admin import site
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext, isolate_apps

from handleref.admin import HandleRefAdmin
from tests.references.browser import url
from tests.references.models import (
    Branch,
    Cafe,
    Company,
    Contract,
    Desk,
    Licence,
    Net,
    Node,
    Org,
    Place,
    Port,
    Table,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(admin_user):
    """Return what the admin of a model says of a deletion."""

    def ask(objects, model=None):
        model = model or (objects[0] if isinstance(objects, list) else objects.model)
        model = model if isinstance(model, type) else type(model)
        known = site.is_registered(model)
        model_admin = site.get_model_admin(model) if known else HandleRefAdmin(model, site)
        request = RequestFactory().get("/")
        request.user = admin_user
        return model_admin.get_deleted_objects(objects, request)

    return ask


def link(model, row):
    name = model.capitalize()
    return f'{name}: <a href="{url(f"{model}_change", row.pk)}">{row}</a>'


def test_rows_are_linked_and_counted_by_model(ask):
    org = Org.objects.create(name="acme")
    net = Net.objects.create(org=org)
    port = Port.objects.create(net=net)

    lines, counts, lacking, protected = ask([org])

    assert lines == [link("org", org), link("net", net), f"Port: {port}"]
    assert counts == {"orgs": 1, "nets": 1, "ports": 1}
    assert (lacking, protected) == (set(), [])


def test_what_is_deleted_already_is_not_taken_again(ask):
    org = Org.objects.create(name="acme")
    Net.objects.create(org=org).delete()
    gone = Org.objects.create(name="bolt")
    gone.delete()

    lines, counts, lacking, protected = ask(Org.objects.all())

    assert (lines, counts, lacking, protected) == ([link("org", org)], {"orgs": 1}, set(), [])


def test_nothing_gives_an_empty_summary(ask):
    assert ask(Org.objects.none()) == ([], {}, set(), [])


def test_of_many_rows_the_first_hundred_are_listed(ask):
    org = Org.objects.create(name="acme")
    Net.objects.bulk_create(Net(org=org) for _ in range(1334))

    lines, counts, _lacking, _protected = ask([org])

    assert counts == {"orgs": 1, "nets": 1334}
    assert len(lines) == 1 + 100 + 1
    assert lines[-1] == "… and 1,234 more nets"


def test_a_row_that_is_reached_twice_counts_once(ask):
    company = Company.objects.create(code="acme")
    branch = Branch.objects.create(company=company, name="north")
    desks = [Desk.objects.create(branch=branch, owner=company) for _ in range(2)]

    lines, counts, _lacking, _protected = ask([company])

    assert counts == {"companys": 1, "branchs": 1, "desks": 2}
    assert lines[2:] == [link("desk", desk) for desk in desks]


def test_rows_in_a_ring_count_once(ask):
    first, second = Node.objects.create(name="a"), Node.objects.create(name="b")
    Node.objects.filter(pk=first.pk).update(parent=second)
    Node.objects.filter(pk=second.pk).update(parent=first)

    lines, counts, _lacking, _protected = ask([first])

    assert lines == [link("node", first), link("node", second)]
    assert counts == {"nodes": 2}


def test_rows_of_a_child_table_are_shown_as_its_own(ask):
    cafe = Cafe.objects.create(name="corner", beans="arabica")
    table = Table.objects.create(cafe=cafe)

    lines, counts, _lacking, _protected = ask([cafe])

    assert lines == [link("cafe", cafe), f"Table: {table}"]
    assert counts == {"cafes": 1, "tables": 1}


def test_rows_of_a_base_table_take_the_children_of_its_child_table(ask):
    cafe = Cafe.objects.create(name="corner", beans="arabica")
    table = Table.objects.create(cafe=cafe)

    lines, counts, _lacking, _protected = ask([cafe.place_ptr], model=Place)

    assert lines == [f"Place: {cafe.place_ptr}", f"Table: {table}"]
    assert counts == {"places": 1, "tables": 1}


@isolate_apps("tests.references")
def test_rows_of_a_proxy_are_shown_as_its_own(ask):
    class Root(Node):
        class Meta:
            proxy = True
            app_label = "references_tests"

    root = Root.objects.create(name="root")
    leaf = Node.objects.create(name="leaf", parent=root)

    lines, counts, _lacking, _protected = ask([root])

    assert lines == [f"Root: {root}", link("node", leaf)]
    assert counts == {"roots": 1, "nodes": 1}


def test_what_protects_is_listed(ask):
    company, other = Company.objects.create(code="a"), Company.objects.create(code="b")
    branch = Branch.objects.create(company=company, name="north")
    contract = Contract.objects.create(branch=branch)
    Licence.objects.create(branch=branch, company=company)
    licence = Licence.objects.create(branch=branch, company=other)
    Contract.objects.create(branch=branch).delete()

    _lines, _counts, _lacking, protected = ask([company])

    assert protected == [f"Contract: {contract}", f"Licence: {licence}"]


def test_an_admin_with_a_rule_of_its_own_is_asked_about_every_row(ask):
    company = Company.objects.create(code="acme")
    branch = Branch.objects.create(company=company, name="north")
    Desk.objects.bulk_create(Desk(pk=2 * number, branch=branch) for number in range(1, 150))

    before = ask([company])
    Desk.objects.create(pk=999, branch=branch)
    after = ask([company])

    assert [before[2], after[2]] == [set(), {"desk"}]


@pytest.mark.parametrize(("few", "many"), [(3, 90), (150, 600)])
def test_page_takes_as_many_queries_for_many_rows_as_for_few(admin_client, few, many):
    def queries(count):
        company = Company.objects.create(code=str(count))
        Branch.objects.bulk_create(Branch(company=company) for _ in range(count))
        branches = Branch.objects.filter(company=company)
        Desk.objects.bulk_create(Desk(branch=branch, owner=company) for branch in branches)
        Contract.objects.bulk_create(Contract(branch=branch) for branch in branches)
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(url("company_delete", company.pk))
        return len(captured)

    assert queries(few) == queries(many)
