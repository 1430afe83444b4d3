"""Soft delete and restore, with all they take along."""

from contextlib import contextmanager

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import ProtectedError, RestrictedError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from handleref.exceptions import ParentDeletedError, RowDeletedError
from handleref.models import restored, soft_deleted
from tests.references.models import (
    Branch,
    Cafe,
    Car,
    Company,
    Contract,
    Desk,
    Exhibit,
    Item,
    ItemProxy,
    Label,
    Leaf,
    Lease,
    Licence,
    Loan,
    Memo,
    Net,
    Node,
    Org,
    Pair,
    Place,
    Port,
    Seat,
    Stem,
    Table,
    UuidParent,
)

pytestmark = pytest.mark.django_db

LABEL = "references_tests."


@contextmanager
def heard(signal):
    """Collect what a signal says, with the rows as a list."""
    told = []

    def receiver(sender, signal, using, deletion, queryset):
        told.append((sender, using, deletion, sorted(queryset.values_list("pk", flat=True))))

    signal.connect(receiver)
    try:
        yield told
    finally:
        signal.disconnect(receiver)


def live(model):
    return model.objects.undeleted().count()


@pytest.fixture
def company():
    """Return a company with two branches, a desk in each, and a label."""
    company = Company.objects.create(code="c")
    Label.objects.create(target=company, text="l")
    for name in ("north", "south"):
        branch = Branch.objects.create(company=company, name=name)
        Desk.objects.create(branch=branch, owner=company)
    return company


class TestOneRow:
    def test_delete_marks_the_row(self):
        item = Item.objects.create(name="a", status="pending")
        updated = item.updated

        assert item.delete() == (1, {LABEL + "Item": 1})

        assert (item.status, item.former_status, item.version) == ("deleted", "pending", 2)
        again = Item.objects.get()
        assert again.deletion == item.deletion is not None
        assert again.updated == item.updated > updated

    def test_restore_brings_the_former_status_back(self):
        item = Item.objects.create(status="pending")
        item.delete()

        assert item.restore() == (1, {LABEL + "Item": 1})

        item.refresh_from_db()
        assert (item.status, item.former_status, item.deletion) == ("pending", None, None)
        assert item.version == 3

    def test_deleting_twice_changes_nothing(self):
        item = Item.objects.create()
        stale = Item.objects.get()
        item.delete()

        assert item.delete() == (0, {})
        assert stale.delete() == (0, {})
        assert Item.objects.all().delete() == (0, {})

        assert (stale.status, stale.version, stale.deletion) == ("deleted", 2, item.deletion)

    def test_restoring_what_is_not_deleted_changes_nothing(self):
        item = Item.objects.create()

        assert item.restore() == (0, {})
        assert Item.objects.all().restore() == (0, {})

        item.refresh_from_db()
        assert item.version == 1

    @pytest.mark.parametrize("verb", ["delete", "restore"])
    def test_an_unsaved_instance_is_refused(self, verb):
        with pytest.raises(ValueError) as error:
            getattr(Item(), verb)()

        assert str(error.value) == (
            f"Item object can't be {verb}d because its id attribute is set to None."
        )

    def test_a_row_that_is_gone(self):
        item = Item.objects.create()
        Item.objects.all().delete(hard=True)

        assert item.delete() == (0, {})

    def test_hard_delete_really_deletes(self):
        item = Item.objects.create()
        Item.objects.create().delete()

        assert item.delete(hard=True) == (1, {LABEL + "Item": 1})
        assert Item.objects.all().delete(hard=True) == (1, {LABEL + "Item": 1})

        assert not Item.objects.exists()

    def test_a_row_from_before_handleref(self):
        """Blank status, version 0, deleted without bookkeeping."""
        item = Item.objects.create()
        Item.objects.update(status="", version=0)
        assert Item.handleref.since(0).get() == item
        item.refresh_from_db()
        item.save()
        assert item.version == 1
        Item.objects.update(status="deleted")

        item.refresh_from_db()
        item.restore()

        assert (item.status, item.deletion) == ("ok", None)

    def test_a_composite_key(self):
        pair = Pair.objects.create(left=1, right="a")

        assert pair.delete() == (1, {LABEL + "Pair": 1})
        assert pair.restore() == (1, {LABEL + "Pair": 1})

        assert pair.version == 3


class TestByName:
    """HandleRef.delete_cascade = ["related_name", …], as in django-handleref."""

    def test_goes_along_the_names_of_each_model(self):
        org = Org.objects.create(name="o")
        net = Net.objects.create(org=org, name="n")
        Port.objects.create(net=net)
        Label.objects.create(target=org, text="l")
        Net.objects.create(name="alone")

        assert org.delete() == (
            4,
            {LABEL + "Org": 1, LABEL + "Net": 1, LABEL + "Port": 1, LABEL + "Label": 1},
        )

        assert (live(Net), live(Port), live(Label)) == (1, 0, 0)
        assert org.restore()[0] == 4
        assert (live(Net), live(Port), live(Label)) == (2, 1, 1)

    def test_without_the_option_only_the_row_is_deleted(self):
        branch = Branch.objects.create(company=Company.objects.create(code="c"), name="b")
        Desk.objects.create(branch=branch)
        Contract.objects.create(branch=branch)

        assert branch.delete() == (1, {LABEL + "Branch": 1})

        assert (live(Desk), live(Contract)) == (1, 1)


class TestAsOnDelete:
    """HandleRef.delete_cascade = True."""

    def test_cascade_is_deep_and_generic(self, company):
        assert company.delete() == (
            6,
            {
                LABEL + "Company": 1,
                LABEL + "Branch": 2,
                LABEL + "Desk": 2,
                LABEL + "Label": 1,
            },
        )

        assert {live(m) for m in (Company, Branch, Desk, Label)} == {0}
        assert set(Desk.objects.values_list("deletion", flat=True)) == {company.deletion}

    def test_set_null_leaves_the_link(self, company):
        branch = Branch.objects.first()
        car = Car.objects.create(branch=branch)

        company.delete()

        car.refresh_from_db()
        assert (car.branch_id, car.version, car.status) == (branch.pk, 1, "ok")

    def test_plain_children_are_left_alone(self, company):
        Memo.objects.create(branch=Branch.objects.first())

        company.delete()

        assert Memo.objects.count() == 1

    def test_protect_refuses_before_anything_is_written(self, company):
        contract = Contract.objects.create(branch=Branch.objects.first())

        with CaptureQueriesContext(connection) as queries, pytest.raises(ProtectedError) as error:
            company.delete()

        assert error.value.args[0] == (
            "Cannot delete some instances of model 'Branch' because they are referenced"
            " through protected foreign keys: 'Contract.branch'."
        )
        assert error.value.protected_objects == {contract}
        assert not [q for q in queries if q["sql"].startswith("UPDATE")]
        assert company.status == "ok"

    def test_deleted_children_protect_only_against_a_hard_delete(self, company):
        contract = Contract.objects.create(branch=Branch.objects.first())
        contract.delete()

        with pytest.raises(ProtectedError):
            company.delete(hard=True)
        assert company.delete()[0] == 6

    def test_restrict_refuses_what_no_cascade_takes(self, company):
        branch = Branch.objects.first()
        other = Company.objects.create(code="other")
        licence = Licence.objects.create(branch=branch, company=other)

        with pytest.raises(RestrictedError) as error:
            company.delete()

        assert error.value.args[0] == (
            "Cannot delete some instances of model 'Branch' because they are referenced"
            " through restricted foreign keys: 'Licence.branch'."
        )
        assert error.value.restricted_objects == {licence}

    def test_restrict_lets_go_what_a_cascade_takes_too(self, company):
        Licence.objects.create(branch=Branch.objects.first(), company=company)

        company.delete()

        assert live(Licence) == 0

    def test_a_cascade_of_the_database_counts_as_cascade(self):
        stem = Stem.objects.create()
        Leaf.objects.create(stem=stem)

        assert stem.delete() == (2, {LABEL + "Stem": 1, LABEL + "Leaf": 1})

        assert stem.restore()[0] == 2

    def test_a_generic_relation_of_a_uuid_key(self):
        parent = UuidParent.objects.create()
        Label.objects.create(target=parent, text="l")
        Label.objects.create(target=UuidParent.objects.create(), text="other")

        assert parent.delete()[1] == {LABEL + "UuidParent": 1, LABEL + "Label": 1}
        assert parent.restore()[1] == {LABEL + "UuidParent": 1, LABEL + "Label": 1}

    def test_a_generic_relation_minds_the_type(self, company):
        org = Org.objects.create(pk=company.pk, name="o")
        Label.objects.create(target=org, text="of the org")

        company.delete()

        assert Label.objects.undeleted().get().text == "of the org"

    def test_a_child_table_goes_with_its_parent(self):
        cafe = Cafe.objects.create(name="c", beans="x")
        Table.objects.create(cafe=cafe)

        assert cafe.delete() == (2, {LABEL + "Place": 1, LABEL + "Table": 1})
        assert Place.objects.get().restore()[0] == 2
        assert Cafe.objects.filter(beans="x").delete()[0] == 2

        cafe.refresh_from_db()
        assert (cafe.status, cafe.version) == ("deleted", 4)

    def test_a_child_table_with_a_key_of_its_own(self):
        Place.objects.create(name="bystander")
        exhibit = Exhibit.handleref.create(name="e")
        stale = Exhibit.handleref.get()
        loan = Loan.objects.create(exhibit=exhibit)
        assert exhibit.pk != exhibit.place_ptr_id

        assert exhibit.delete() == (2, {LABEL + "Place": 1, LABEL + "Loan": 1})

        assert Place.objects.undeleted().get().name == "bystander"
        with pytest.raises(RowDeletedError), transaction.atomic():
            stale.save()
        exhibit.restore()
        loan.refresh_from_db()
        assert (loan.status, Place.objects.undeleted().count()) == ("ok", 2)

    def test_every_relation_in_the_way_is_named(self, company):
        branch = Branch.objects.first()
        contracts = {Contract.objects.create(branch=branch) for _ in range(2)}
        lease = Lease.objects.create(branch=branch)

        with pytest.raises(ProtectedError) as error:
            company.delete()

        assert error.value.args[0] == (
            "Cannot delete some instances of model 'Branch' because they are referenced"
            " through protected foreign keys: 'Contract.branch', 'Lease.branch'."
        )
        assert error.value.protected_objects == {*contracts, lease}

    def test_a_proxy_is_deleted_as_its_model(self):
        item = ItemProxy.objects.create(name="a")

        with heard(soft_deleted) as told:
            assert item.delete() == (1, {LABEL + "Item": 1})

        assert [model for model, *_ in told] == [Item]
        assert ItemProxy.objects.all().restore() == (1, {LABEL + "Item": 1})

    def test_a_ring_ends(self):
        first = Node.objects.create(name="1")
        second = Node.objects.create(name="2", parent=first)
        first.parent = second
        first.save()

        assert first.delete() == (2, {LABEL + "Node": 2})
        assert second.restore() == (2, {LABEL + "Node": 2})

    def test_a_tree_goes_to_its_leaves(self):
        root = parent = Node.objects.create(name="0")
        for depth in range(1, 6):
            parent = Node.objects.create(name=str(depth), parent=parent)
            Node.objects.create(name="twig", parent=parent)

        assert root.delete() == (11, {LABEL + "Node": 11})
        assert root.restore() == (11, {LABEL + "Node": 11})


class TestManyRows:
    def test_the_queries_do_not_grow_with_the_rows(self):
        def queries(parents, children):
            orgs = Org.objects.bulk_create([Org(name="o") for _ in range(parents)])
            nets = Net.objects.bulk_create(
                [Net(org=org, name="n") for org in orgs for _ in range(children)]
            )
            Port.objects.bulk_create([Port(net=net) for net in nets])
            rows = Org.objects.filter(pk__gte=orgs[0].pk)
            with CaptureQueriesContext(connection) as captured:
                count, _ = rows.delete()
            assert count == parents + 2 * parents * children
            with CaptureQueriesContext(connection) as again:
                assert rows.restore()[0] == count
            return len(captured), len(again)

        few = queries(1, 1)
        many = queries(100, 100)

        assert few == many

    def test_nor_do_those_that_look_for_protected_rows(self):
        def queries(companies, branches):
            rows = Company.objects.bulk_create(
                [Company(code=f"{companies}-{n}") for n in range(companies)]
            )
            places = Branch.objects.bulk_create(
                [Branch(company=row, name="b") for row in rows for _ in range(branches)]
            )
            Desk.objects.bulk_create([Desk(branch=place) for place in places])
            chosen = Company.objects.filter(pk__gte=rows[0].pk)
            with CaptureQueriesContext(connection) as captured:
                count, _ = chosen.delete()
            assert count == companies + 2 * companies * branches
            with CaptureQueriesContext(connection) as again:
                assert chosen.restore()[0] == count
            return len(captured), len(again)

        ContentType.objects.get_for_models(Company, Org, UuidParent)

        assert queries(1, 1) == queries(100, 100)

    def test_children_deleted_before_keep_their_times(self, company):
        desk = Desk.objects.first()
        desk.delete()
        before = timezone.now()

        company.delete()

        desk.refresh_from_db()
        assert (desk.version, desk.updated < before) == (2, True)
        assert desk.deletion != company.deletion

    def test_restore_brings_back_what_its_deletion_took_and_no_more(self, company):
        early, late = Desk.objects.order_by("pk")
        early.delete()
        company.delete()
        added = Desk.objects.create(branch=Branch.objects.first(), owner=None)
        added.delete()

        company.restore()

        assert list(Desk.objects.undeleted()) == [late]
        assert live(Branch) == 2

    def test_restoring_one_of_many_brings_back_only_its_own(self):
        orgs = [Org.objects.create(name=name) for name in "ab"]
        nets = [Net.objects.create(org=org, name="n") for org in orgs]
        Org.objects.all().delete()

        assert orgs[0].restore()[0] == 2

        assert list(Net.objects.undeleted()) == [nets[0]]

    def test_restoring_rows_of_several_deletions(self):
        orgs = [Org.objects.create(name=name) for name in "abc"]
        for org in orgs:
            Net.objects.create(org=org, name="n")
            org.delete()

        with heard(restored) as told:
            assert Org.objects.filter(name__in="ab").restore() == (
                4,
                {LABEL + "Org": 2, LABEL + "Net": 2},
            )

        assert [(model, deletion) for model, _, deletion, _ in told] == [(Org, None), (Net, None)]
        assert not Org.objects.undeleted().exclude(deletion=None).exists()

    @pytest.mark.parametrize("verb", ["delete", "restore"])
    def test_what_django_refuses_is_refused(self, verb):
        for rows, message in (
            (Item.objects.all()[:1], f"Cannot use 'limit' or 'offset' with {verb}()."),
            (
                Item.objects.values("name"),
                f"Cannot call {verb}() after .values() or .values_list()",
            ),
            (
                Item.objects.distinct("name"),
                f"Cannot call {verb}() after .distinct(*fields).",
            ),
        ):
            with pytest.raises(TypeError) as error:
                getattr(rows, verb)()
            assert str(error.value) == message

    def test_managers_have_no_delete(self):
        assert not hasattr(Item.objects, "delete")
        assert not hasattr(Item.objects, "restore")

    def test_a_queryset_with_joins_order_and_cache(self, company):
        desks = (
            Desk.objects.filter(branch__company__code="c").order_by("-pk").select_related("branch")
        )
        assert len(desks) == 2

        desks.delete()

        assert [desk.status for desk in desks] == ["deleted", "deleted"]


class TestParents:
    def test_a_deleted_parent_refuses_its_child(self, company):
        company.delete()
        branch = Branch.objects.first()

        with pytest.raises(ParentDeletedError) as error:
            branch.restore()

        assert str(error.value) == (
            f"references_tests.Branch {branch.pk} cannot be restored while its parent"
            f" references_tests.Company {company.pk} is deleted. Restore the parent first."
        )
        assert (live(Branch), branch.version) == (0, 2)

    def test_a_parent_taken_by_a_grandparent_refuses_too(self, company):
        Desk.objects.update(owner=None)
        company.delete()
        desk = Desk.objects.first()

        with pytest.raises(ParentDeletedError) as error:
            desk.restore()

        assert f"parent references_tests.Branch {desk.branch_id} is deleted" in str(error.value)
        assert live(Desk) == 0

    def test_a_second_parent_refuses_the_whole_restore(self):
        owner = Company.objects.create(code="owner")
        company = Company.objects.create(code="c")
        Desk.objects.create(branch=Branch.objects.create(company=company, name="b"), owner=owner)
        company.delete()
        owner.delete()

        with pytest.raises(ParentDeletedError):
            company.restore()

        assert (live(Company), live(Branch), live(Desk)) == (0, 0, 0)
        owner.restore()
        assert company.restore()[0] == 3

    def test_parent_and_child_can_be_restored_in_one_call(self):
        root = Node.objects.create(name="0")
        child = Node.objects.create(name="1", parent=root)
        child.delete()
        root.delete()

        assert Node.objects.all().restore() == (2, {LABEL + "Node": 2})

    def test_a_row_that_was_live_under_a_deleted_one_comes_back(self, company):
        """Nothing cascades from a branch by itself, so its desk outlived it."""
        branch = Branch.objects.first()
        branch.delete()
        desk = branch.desks.get()
        company.delete()

        company.restore()

        desk.refresh_from_db()
        assert desk.status == "ok"
        branch.refresh_from_db()
        assert branch.restore() == (1, {LABEL + "Branch": 1})

    def test_a_generic_parent_counts(self):
        org = Org.objects.create(name="o")
        label = Label.objects.create(target=org, text="l")
        org.delete()
        label.refresh_from_db()

        with pytest.raises(ParentDeletedError) as error:
            label.restore()

        assert f"references_tests.Org {org.pk}" in str(error.value)

    def test_a_link_that_would_be_nulled_does_not(self, company):
        car = Car.objects.create(branch=Branch.objects.first())
        car.delete()
        company.delete()

        assert car.restore() == (1, {LABEL + "Car": 1})


class TestClashes:
    def test_restoring_into_a_clash_changes_nothing(self):
        seat = Seat.objects.create(code="a")
        seat.delete()
        Seat.objects.create(code="a")

        with pytest.raises(ValidationError) as error:
            seat.restore()

        assert error.value.messages == ["Seat with this Code and Row already exists."]
        seat.refresh_from_db()
        assert (seat.status, seat.version) == ("deleted", 2)

    def test_rows_that_clash_with_each_other(self):
        for _ in range(2):
            Seat.objects.create(code="a").delete()

        with pytest.raises(ValidationError) as error:
            Seat.objects.all().restore()

        assert error.value.messages == ["Seat with this Code and Row already exists."]
        assert live(Seat) == 0

    def test_a_clash_among_the_children(self, company):
        branch = Branch.objects.first()
        Seat.objects.create(branch=branch, code="a")
        company.delete()
        Seat.objects.create(code="a")

        with pytest.raises(ValidationError):
            company.restore()

        assert (live(Company), live(Branch), live(Seat)) == (0, 0, 1)


class TestSignals:
    def test_once_per_model_and_operation(self, company):
        branches = sorted(Branch.objects.values_list("pk", flat=True))

        with heard(soft_deleted) as deletions:
            company.delete()
        deletion = company.deletion
        with heard(restored) as restorations:
            company.restore()

        expected = {Company: 1, Branch: 2, Desk: 2, Label: 1}
        for told in (deletions, restorations):
            assert {model: len(keys) for model, _, _, keys in told} == expected
            assert {model: keys for model, _, _, keys in told}[Branch] == branches
            assert {(using, of) for _, using, of, _ in told} == {("default", deletion)}

    def test_nothing_deleted_tells_nothing(self):
        Item.objects.create().delete()

        with heard(soft_deleted) as told:
            Item.objects.all().delete()

        assert told == []

    def test_a_receiver_that_fails_undoes_all(self, company):
        def refuse(**kwargs):
            raise RuntimeError("no")

        soft_deleted.connect(refuse, sender=Desk)
        try:
            with pytest.raises(RuntimeError):
                company.delete()
        finally:
            soft_deleted.disconnect(refuse, sender=Desk)

        assert (live(Company), live(Branch), live(Desk)) == (1, 2, 2)

    def test_the_rows_of_a_signal_can_be_read_later(self):
        item = Item.objects.create()
        kept = []

        def keep(queryset, **kwargs):
            kept.append(queryset)

        soft_deleted.connect(keep, sender=Item)
        restored.connect(keep, sender=Item)
        try:
            item.delete()
            assert kept[0].get() == item
            item.restore()
        finally:
            soft_deleted.disconnect(keep, sender=Item)
            restored.disconnect(keep, sender=Item)

        assert kept[1].get() == item


def test_a_join_tells_of_each_row_once(company):
    with heard(soft_deleted) as told:
        Company.objects.filter(branches__name__in=["north", "south"]).delete()

    assert {model: len(keys) for model, _, _, keys in told}[Company] == 1


def test_a_row_deleted_by_hand_is_restored_without_a_deletion():
    item = Item.objects.create()
    Item.objects.update(status="deleted")

    with heard(restored) as told:
        item.restore()

    assert told == [(Item, "default", None, [item.pk])]
