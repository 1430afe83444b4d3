"""Every set-based write is stamped, counted and told of."""

from contextlib import contextmanager

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, models
from django.db.models import F, Value
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from handleref.exceptions import RowDeletedError
from handleref.models import HandleRefManager, rows_written
from tests.references.models import Cafe, Custom, Folder, Item, Net, Org, Sheet, UuidItem

pytestmark = pytest.mark.django_db


@contextmanager
def heard(model):
    """Collect what rows_written says of a model."""
    told = []

    def receiver(sender, **event):
        event.pop("signal")
        told.append(event)

    rows_written.connect(receiver, sender=model)
    try:
        yield told
    finally:
        rows_written.disconnect(receiver, sender=model)


@pytest.fixture
def items():
    return Item.objects.bulk_create([Item(name=name) for name in "abc"])


def versions(model=Item):
    return list(model.objects.order_by("pk").values_list("version", flat=True))


def test_update(items):
    before = timezone.now()

    assert Item.objects.filter(name__in="ab").update(number=F("number") + 1) == 2

    assert versions() == [2, 2, 1]
    assert Item.handleref.since(before).count() == 2


def test_update_without_values_writes_nothing(items):
    before = timezone.now()

    Item.objects.update()

    assert versions() == [1, 1, 1]
    assert not Item.handleref.since(before).exists()


def test_update_keeps_stamps_that_the_caller_gives(items):
    moment = timezone.now().replace(year=2020)

    Item.objects.update(created=moment, updated=moment, version=9)

    assert set(Item.objects.values_list("updated", "version")) == {(moment, 9)}


def test_updated_is_never_before_created(items):
    past, future = (timezone.now().replace(year=year) for year in (2020, 2090))

    Item.objects.update(updated=past)
    assert Item.objects.filter(updated__lt=F("created")).count() == 0

    Item.objects.update(created=future)
    assert set(Item.objects.values_list("created", "updated")) == {(future, future)}


def test_update_across_a_join_and_with_an_order():
    org = Org.objects.create(name="o")
    Net.objects.create(org=org, name="n")
    Net.objects.create(name="other")

    Net.objects.filter(org__name="o").order_by("name").update(name="m")

    assert versions(Net) == [2, 1]


def test_update_of_a_status_refuses_deleted_rows(items):
    items[1].delete()

    with pytest.raises(RowDeletedError) as error:
        Item.objects.update(status="pending")

    assert str(error.value) == (
        f"references_tests.Item {items[1].pk} is deleted: its status changes only by"
        " restore(). Leave it out with undeleted()."
    )
    assert Item.objects.undeleted().update(status="pending") == 2


def test_bulk_update(items):
    before = timezone.now()
    for item in items[:2]:
        item.number = 5

    assert Item.objects.bulk_update(items[:2], ["number"], batch_size=1) == 2

    assert versions() == [2, 2, 1]
    assert [item.version for item in items] == [2, 2, 1]
    assert Item.handleref.since(before).count() == 2


@pytest.mark.parametrize("status", [Value("ok"), F("name")])
def test_a_status_given_as_an_expression_passes_over_deleted_rows(items, status):
    Item.objects.filter(name="a").delete()

    Item.objects.update(status=status)

    assert Item.objects.deleted().get().name == "a"


def test_bulk_update_does_not_write_stale_stamps(items):
    stale = list(Item.objects.all())
    Item.objects.update(number=1)
    Item.objects.filter(name="a").delete()

    Item.objects.bulk_update(
        stale, ["name", "created", "updated", "version", "deletion", "former_status"]
    )

    assert versions() == [4, 3, 3]
    assert Item.objects.deleted().exclude(deletion=None).count() == 1


def test_bulk_update_of_a_status_refuses_deleted_rows(items):
    Item.objects.filter(pk=items[0].pk).delete()

    with pytest.raises(RowDeletedError):
        Item.objects.bulk_update(items, ["status"])

    fresh = list(Item.objects.all())
    assert Item.objects.bulk_update(fresh, ["status", "name"]) == 3
    assert Item.objects.deleted().count() == 1


def test_bulk_create():
    before = timezone.now()

    items = Item.objects.bulk_create([Item(name="a"), Item(name="b")])

    assert [(item.version, item.status) for item in items] == [(1, "ok")] * 2
    assert all(before <= item.created <= item.updated for item in items)
    assert Item.handleref.since(before).count() == 2


def unique_target():
    """Return the fields of a conflict where the database wants to know them."""
    return ["id"] if connection.features.supports_update_conflicts_with_target else None


def test_bulk_create_with_update_conflicts(items):
    before = timezone.now()
    rows = [Item(pk=items[0].pk, name="new", number=1), Item(name="fresh")]

    Item.objects.bulk_create(
        rows[:1], update_conflicts=True, update_fields=["name"], unique_fields=unique_target()
    )
    Item.objects.bulk_create(rows[1:])

    assert versions() == [2, 1, 1, 1]
    assert rows[0].version == 2
    first = Item.objects.get(pk=items[0].pk)
    assert (first.name, first.number, first.created) == ("new", 0, items[0].created)
    assert Item.handleref.since(before).count() == 2


@pytest.mark.parametrize("fields", [["status"], ["updated"], ["version", "name"]])
def test_update_conflicts_on_our_own_fields(items, fields):
    items[0].delete()
    rows = [Item(pk=item.pk, name="x", status="pending") for item in items]

    Item.objects.bulk_create(
        rows, update_conflicts=True, update_fields=fields, unique_fields=unique_target()
    )

    assert versions() == [3, 2, 2]
    later = "pending" if fields == ["status"] else "ok"
    statuses = list(Item.objects.order_by("pk").values_list("status", flat=True))
    assert statuses == ["deleted", later, later]


def test_bulk_create_with_ignore_conflicts(items):
    Item.objects.bulk_create([Item(pk=items[0].pk, name="x"), Item(pk=999)], ignore_conflicts=True)

    assert versions() == [1, 1, 1, 1]
    assert Item.objects.get(pk=items[0].pk).name == "a"


def test_get_or_create_and_update_or_create():
    item, created = Item.objects.get_or_create(name="a")
    assert (item.version, created) == (1, True)

    item, created = Item.objects.get_or_create(name="a")
    assert (item.version, created) == (1, False)

    item, created = Item.objects.update_or_create(name="a", defaults={"number": 3})
    assert (item.version, created) == (2, False)


def test_update_or_create_leaves_a_deleted_row_deleted():
    Item.objects.create(name="a").delete()

    item, created = Item.objects.update_or_create(name="a", defaults={"number": 3})

    assert (created, item.number, item.status, item.version) == (False, 3, "deleted", 3)


def test_related_managers_are_counted():
    org = Org.objects.create(name="o")
    net = Net.objects.create(name="n")

    org.nets.add(net)
    net.refresh_from_db()
    assert (net.org, net.version) == (org, 2)
    org.nets.remove(net)
    net.refresh_from_db()
    assert (net.org, net.version) == (None, 3)
    org.nets.set([net])
    org.nets.clear()
    org.nets.add(net)
    org.nets.update(name="m")
    net.refresh_from_db()
    assert net.version == 7
    assert org.nets.create(name="k").version == 1


def test_set_null_of_a_plain_parent_is_counted():
    folder = Folder.objects.create()
    sheet = Sheet.objects.create(folder=folder)
    before = timezone.now()

    folder.delete()

    sheet.refresh_from_db()
    assert (sheet.folder, sheet.version) == (None, 2)
    assert Sheet.handleref.since(before).get() == sheet


def test_set_null_of_a_hard_deleted_reference_is_counted():
    org = Org.objects.create(name="o")
    net = Net.objects.create(org=org, name="n")

    org.delete(hard=True)

    net.refresh_from_db()
    assert (net.org, net.version) == (None, 2)


def test_a_child_table_is_updated_and_counted():
    Cafe.objects.create(name="c", beans="x")

    assert Cafe.objects.update(name="d", beans="y") == 1

    cafe = Cafe.objects.get()
    assert (cafe.name, cafe.beans, cafe.version) == ("d", "y", 2)


def test_a_manager_built_from_ours():
    Custom.objects.create(name="hey!")

    Custom.objects.loud().update(name="ho!")

    assert Custom.objects.loud().since(0).get().version == 2
    assert isinstance(Custom._default_manager, HandleRefManager)
    assert Custom._base_manager.name == "handleref"
    assert Custom._meta.get_latest_by == "updated"
    assert not Custom._meta.ordering


def test_options_of_the_model_through_the_manager():
    assert Item.handleref.tag == "item"
    assert Org.handleref.prop("delete_cascade") == ["nets", "labels"]
    with pytest.raises(AttributeError):
        Item.handleref.prop("colour")


def test_nobody_listening_costs_no_query(items):
    with CaptureQueriesContext(connection) as queries:
        Item.objects.update(number=1)

    assert len(queries) == 1


def test_an_update_is_told_of_with_the_keys_from_before(items):
    with heard(Item) as told:
        Item.objects.filter(name="a").update(name="z")

    assert told == [
        {
            "using": "default",
            "operation": "update",
            "pks": [items[0].pk],
            "fields": frozenset({"name", "updated", "version"}),
        }
    ]


def test_every_set_based_write_is_told_of(items):
    keys = [item.pk for item in items]
    for item in items:
        item.number = 1

    with heard(Item) as told:
        Item.objects.bulk_update(items, ["number"])
        Item.objects.filter(pk=keys[0]).delete()
        Item.objects.filter(pk=keys[0]).restore()
        Item.objects.filter(pk=keys[2]).delete(hard=True)
        fresh = Item.objects.bulk_create([Item()])

    bookkeeping = {"status", "former_status", "deletion", "updated", "version"}
    assert [(e["operation"], e["pks"], e["fields"]) for e in told] == [
        ("update", keys, {"number", "updated", "version"}),
        ("soft_delete", keys[:1], bookkeeping),
        ("restore", keys[:1], bookkeeping),
        ("hard_delete", keys[2:], set()),
        ("bulk_create", [fresh[0].pk], {f.name for f in Item._meta.concrete_fields}),
    ]


def test_a_listener_that_fails_undoes_the_write(items):
    def refuse(**event):
        raise RuntimeError("no")

    rows_written.connect(refuse, sender=Item)
    try:
        for write in (
            lambda: Item.objects.update(name="z"),
            lambda: Item.objects.bulk_create([Item()]),
            lambda: Item.objects.all().delete(),
        ):
            with pytest.raises(RuntimeError):
                write()
    finally:
        rows_written.disconnect(refuse, sender=Item)

    assert versions() == [1, 1, 1]
    assert not Item.objects.deleted().exists()


@pytest.mark.django_db(databases=["default", "other"])
def test_another_database_has_its_own_rows():
    there = Item.objects.using("other").create(name="a")
    here = Item.objects.create(pk=there.pk, name="a")

    Item.objects.using("other").update(number=1)
    there.save()
    with heard(Item) as told:
        Item.objects.using("other").filter(name="a").delete()

    here.refresh_from_db()
    there.refresh_from_db()
    assert (here.version, here.status, there.version, there.status) == (1, "ok", 4, "deleted")
    assert [event["using"] for event in told] == ["other"]
    assert there.restore() == (1, {"references_tests.Item": 1})


@pytest.mark.parametrize("model", [Item, UuidItem])
@pytest.mark.django_db(transaction=True)
def test_async_twins(model):
    async_to_sync(write_by_async_twins)(model)


async def write_by_async_twins(model):
    item = await model.objects.acreate(name="a")
    before = timezone.now()
    item.name = "b"
    await item.asave()
    await item.arefresh_from_db(fields=["version"])
    assert item.version == 2

    await model.objects.aupdate(name="c")
    await model.objects.abulk_update([item], ["name"])
    item, _ = await model.objects.aupdate_or_create(pk=item.pk, defaults={"name": "d"})
    await model.objects.abulk_create([model(name="e")])
    assert await model.handleref.since(before).acount() == 2
    assert await model.handleref.alast_change() > before

    assert await item.adelete() == (1, {model._meta.label: 1})
    assert await item.arestore() == (1, {model._meta.label: 1})
    assert (await model.objects.filter(pk=item.pk).adelete())[0] == 1
    assert (await model.objects.filter(pk=item.pk).arestore())[0] == 1
    await item.arefresh_from_db()
    assert item.version == 9
    assert (await item.adelete(hard=True))[0] == 1
    assert (await model.objects.all().adelete(hard=True))[0] == 1
    assert await model.objects.acount() == 0


def test_a_plain_manager_writes_past_us():
    """The check handleref.W002 warns of such a manager."""
    item = Item.objects.create()
    plain = models.Manager()
    plain.model = Item

    plain.update(name="b")

    item.refresh_from_db()
    assert item.version == 1
