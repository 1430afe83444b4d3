"""What is the revision keeper's own; the rest is in tests/versions/test_contract.py."""

import json
from datetime import UTC, datetime

import pytest
import reversion
from django.contrib.auth.models import User
from django.db import connection, transaction
from reversion.models import Version

from handleref.exceptions import PastIsReadOnlyError
from handleref.models import HandleRefModel
from handleref.revisions.models import Record
from handleref.versions import Misfit, Reverter, as_of, history
from tests.references.models import Bistro, Branch, Company, Item, ItemProxy, Node, Pair, TextItem
from tests.references.models import UuidItem as Uuid
from tests.revisions.models import City, Ingredient, Measured, Parcel, Recipe, Unmarked
from tests.versions.models import Tag

pytestmark = pytest.mark.django_db


def save(obj, **values):
    for name, value in values.items():
        setattr(obj, name, value)
    with reversion.create_revision():
        obj.save()
    return obj


def rewrite(version, change):
    """Let a version be as if it had been written for another model, or by reversion alone."""
    elements = json.loads(version.row.serialized_data)
    change(elements[0])
    Version.objects.filter(pk=version.id).update(serialized_data=json.dumps(elements))
    return history(version.model, version.object_id).get(version.id)


@pytest.mark.parametrize("make", [Uuid, lambda **v: TextItem(code="Ä-1", **v)])
def test_objects_of_any_key_are_found_and_recovered(make):
    gone, stays = save(make(name="gone")), save(make(name="stays") if make is Uuid else Item())
    key, model = gone.pk, type(gone)
    with reversion.create_revision():
        gone.delete(hard=True)

    (last,) = history(model).deleted()
    assert last.object_id == key
    Reverter().restore(last)

    assert model.objects.get(pk=key).name == "gone"
    assert history(model).deleted().count() == 0
    assert history(stays).first().is_deleted is False


def test_child_tables_have_the_values_of_their_bases():
    bistro = save(Bistro(name="n", beans="b", menu="m"))
    with reversion.create_revision():
        Bistro.objects.update(name="other")

    newest, oldest = history(bistro)

    assert newest.changed_fields() == ["name"]
    assert (oldest.data["name"], oldest.data["beans"], oldest.data["menu"]) == ("n", "b", "m")
    assert newest.data["status"] == "ok"


def test_child_tables_are_rolled_back_and_recovered():
    bistro = save(Bistro(name="n", beans="b", menu="m"))
    save(bistro, name="other", menu="other")

    Reverter().rollback(bistro, history(bistro).last())
    assert (bistro.name, bistro.menu) == ("n", "m")
    key = bistro.pk
    with reversion.create_revision():
        bistro.delete(hard=True)
    Reverter().restore(history(Bistro).deleted()[0])

    back = Bistro.objects.get(pk=key)
    assert (back.name, back.beans, back.menu) == ("n", "b", "m")


def test_a_proxy_has_the_history_of_its_model():
    item = save(Item(name="a"))

    version = history(ItemProxy.objects.get(pk=item.pk)).first()

    assert (version.model, version.data["name"]) == (ItemProxy, "a")
    assert isinstance(version.instance, ItemProxy)


def test_a_model_that_is_not_registered_has_no_keeper():
    from handleref.versions.registry import keepers

    assert (keepers(Pair), keepers(Tag)) == ({}, {})


def test_a_field_that_exists_no_more_stays_readable():
    item = save(Item(name="a"))
    save(item, name="b")
    newest, oldest = history(item)

    oldest = rewrite(oldest, lambda element: element["fields"].update(colour="red"))

    assert oldest.data["colour"] == "red"
    change = newest.changes(oldest)["colour"]
    assert (change.old_label, change.note) == ("red", "This field exists no more.")
    Reverter().rollback(item, oldest)
    assert item.name == "a"


def test_a_field_that_did_not_exist_then_is_left_as_it_is():
    item = save(Item(name="a", number=1))
    save(item, name="b", number=2)
    newest, oldest = history(item)

    oldest = rewrite(oldest, lambda element: element["fields"].pop("number"))

    assert "number" not in oldest.data
    assert newest.changes(oldest)["number"].note == "This field did not exist then."
    Reverter().rollback(item, oldest)
    assert (item.name, item.number) == ("a", 2)


def test_a_value_that_its_field_does_not_take_any_more_is_refused():
    from handleref.exceptions import RevertInvalidError

    item = save(Item(name="a", number=1))
    save(item, number=2)
    oldest = rewrite(history(item).last(), lambda e: e["fields"].update(number="many"))

    assert oldest.data["number"] == Misfit("many")
    with pytest.raises(RevertInvalidError) as error:
        Reverter().rollback(item, oldest)
    assert error.value.message_dict == {"number": ["The field does not take “many” any more."]}


def test_a_model_that_had_another_name_then_stays_readable():
    item = save(Item(name="a"))

    version = rewrite(history(item).first(), lambda e: e.update(model="formerly.thing"))

    assert version.data["name"] == "a"
    assert version.data["id"] == item.pk


def test_versions_that_reversion_made_alone_are_read_too():
    moment = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
    city = save(City(name="a", moment=moment))
    save(city, name="b")
    Record.objects.all().delete()
    for version in history(city):
        cut = lambda e: e["fields"].update(moment="2026-05-01T12:00:00.123Z")  # noqa: E731
        rewrite(version, cut)

    newest, oldest = history(city)

    assert newest.changed_fields() == ["name"]
    assert (newest.is_deleted, newest.reverted_from, oldest.changed_fields()) == (False, None, [])
    assert list(history(City).at(datetime.now(UTC))) == [newest]
    # What reversion cut off is no change.
    Reverter().rollback(city, oldest, expected_version=newest, dry_run=True)


def test_a_soft_deletion_that_reversion_alone_wrote_is_one():
    item = save(Item(name="a"))
    with reversion.create_revision():
        item.delete()
    Record.objects.all().delete()

    assert history(item).first().is_deleted


def test_the_bases_of_what_reversion_alone_wrote_are_in_versions_of_their_own():
    bistro = save(Bistro(name="n", beans="b", menu="m"))
    Record.objects.all().delete()
    for row in Version.objects.all():
        own = json.loads(row.serialized_data)[:1]
        Version.objects.filter(pk=row.pk).update(serialized_data=json.dumps(own))

    data = history(bistro).first().data

    assert (data["name"], data["beans"], data["menu"]) == ("n", "b", "m")


def test_a_comment_of_the_stock_admin_is_put_into_words():
    with reversion.create_revision():
        reversion.set_comment('[{"changed": {"fields": ["Name"]}}]')
        item = Item.objects.create(name="a")

    assert history(item).first().comment == "Changed Name."


def test_a_restored_row_brings_along_what_its_deletion_took():
    company = save(Company(code="c"))
    branch = save(Branch(company=company, name="b"))
    with reversion.create_revision():
        company.delete()

    Reverter().rollback(company, history(company).last())

    branch.refresh_from_db()
    assert (company.status, branch.status) == ("ok", "ok")
    assert [v.data["status"] for v in history(branch)] == ["ok", "deleted", "ok"]


def test_versions_of_users_name_them(django_user_model):
    user = django_user_model.objects.create_user("ann")
    with reversion.create_revision():
        reversion.set_user(user)
        item = Item.objects.create(name="a")

    user.delete()

    assert history(item).first().user is None
    assert User.objects.count() == 0


def test_the_newest_versions_of_one_object_come_by_an_index():
    item = save(Item(name="a"))
    if connection.vendor != "sqlite":
        pytest.skip("Other databases choose by statistics, which an empty table does not have.")

    plan = history(item)[:25].rows.explain()

    assert "USE TEMP B-TREE" not in plan
    assert "(db=? AND content_type_id=? AND object_id=?)" in plan


@pytest.mark.django_db(databases=["default", "other"])
def test_objects_of_another_database_have_their_own_history():
    mine, theirs = Item(name="mine"), Item(name="theirs")
    with reversion.create_revision():
        mine.save()
        theirs.save(using="other")
        theirs.save(using="other")
    theirs.name = "changed"
    with reversion.create_revision():
        theirs.save(using="other")

    assert [v.data["name"] for v in history(mine)] == ["mine"]
    assert [v.data["name"] for v in history(theirs)] == ["changed", "theirs"]
    Reverter().rollback(theirs, history(theirs).last())
    assert Item.objects.using("other").get().name == "theirs"
    with reversion.create_revision():
        theirs.delete(hard=True)
    assert [v.data["name"] for v in history(Item, using="other").deleted()] == ["theirs"]
    assert issubclass(Item, HandleRefModel) and not history(Item).deleted().exists()


WRITES = {
    "update": lambda city: City.objects.update(name="x"),
    "soft delete": lambda city: city.delete(),
    "hard delete": lambda city: city.delete(hard=True),
    "bulk_create": lambda city: City.objects.bulk_create([City(name="y")]),
    "bulk_update": lambda city: City.objects.bulk_update([city], ["name"]),
    "links": lambda city: city.twins.add(city),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_nothing_is_written_while_the_past_is_looked_at(write):
    city = City.objects.create(name="a")

    past = as_of(datetime(2026, 1, 1, tzinfo=UTC))
    with past, pytest.raises(PastIsReadOnlyError), transaction.atomic():
        write(city)

    assert [(c.name, c.status, c.twins.count()) for c in City.objects.all()] == [("a", "ok", 0)]


def test_what_the_database_computes_is_not_taken_back_but_computed():
    row = save(Measured(name="abc"))
    key = save(row, name="abcdef").pk
    with reversion.create_revision():
        row.delete(hard=True)
    last, _newer, oldest = history(Measured, key)

    Reverter().restore(last, dry_run=True)
    Reverter().restore(last)
    back = Measured.objects.get(pk=key)
    Reverter().rollback(back, oldest)

    back.refresh_from_db()
    assert (back.name, back.size) == ("abc", 3)
    assert history(back).first().data["size"] == 3


def test_a_row_that_points_at_itself_is_recovered():
    node = save(Node(name="a"))
    key = save(node, parent=node).pk
    with reversion.create_revision():
        node.delete(hard=True)

    Reverter().restore(history(Node).deleted()[0])

    assert Node.objects.get(pk=key).parent_id == key


def test_a_deletion_that_versions_do_not_tell_of_is_undone_all_the_same():
    row = save(Unmarked(name="a"))
    with reversion.create_revision():
        row.delete()

    Reverter().restore(history(Unmarked).deleted()[0])

    row.refresh_from_db()
    assert (row.status, row.deletion) == ("ok", None)


def test_what_reversion_cannot_read_any_more_does_not_break_the_page():
    salt = Ingredient.objects.create(name="salt")
    recipe = save(Recipe(base=salt))
    assert history(recipe).first().data["base"] == salt.pk

    salt.delete()

    version = history(recipe).first()
    assert version.data["base"] == Misfit("unreadable")
    assert version.changes()["base"].note == "The field does not take this value any more."


def test_objects_of_a_composite_key_are_listed_when_they_are_gone():
    parcel = save(Parcel(left=1, right=2, code="c"))
    with reversion.create_revision():
        parcel.delete(hard=True)

    (last,) = history(Parcel).deleted()

    assert (last.object_id, last.data["left"]) == ("c", 1)
    Reverter().restore(last)
    assert Parcel.objects.get(code="c").pk == (1, 2)
