"""created, updated and version on one instance's own paths."""

import datetime
import pickle
from unittest import mock

import pytest
from django.core import serializers
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from handleref.exceptions import RowDeletedError, RowRestoredError
from handleref.models import Status
from tests.references.models import Bistro, Cafe, Item, Net, Org, Pair, Place

pytestmark = pytest.mark.django_db

HOUR = datetime.timedelta(hours=1)


def stored_version(item):
    return type(item).objects.values_list("version", flat=True).get(pk=item.pk)


def test_create_gives_version_one_and_aware_stamps():
    before = timezone.now()

    item = Item.objects.create(name="a")

    assert (item.version, item.status, item.deletion, item.former_status) == (1, "ok", None, None)
    assert before <= item.created <= item.updated <= timezone.now()
    assert timezone.is_aware(item.created)


def test_each_save_counts_and_moves_updated():
    item = Item.objects.create(name="a")
    created, updated = item.created, item.updated

    for expected in (2, 3, 4):
        item.save()

        assert item.version == expected == stored_version(item)
    assert item.created == created
    assert item.updated > updated


def test_save_asks_the_database_for_the_version_only_when_it_is_read():
    item = Item.objects.create(name="a")

    with CaptureQueriesContext(connection) as queries:
        item.save()
    assert len(queries) == 1

    with CaptureQueriesContext(connection) as queries:
        assert [item.version, item.version] == [2, 2]
    assert len(queries) == (0 if returns_updated_rows() else 1)


def returns_updated_rows():
    """Django 6 has UPDATE … RETURNING where the database has it."""
    return getattr(connection.features, "can_return_rows_from_update", False)


def test_an_unread_version_never_narrows_a_later_save():
    item = Item.objects.create(name="a")
    item.save()
    Item.objects.filter(pk=item.pk).update(number=5)
    Item.objects.filter(pk=item.pk).delete(hard=True)

    item.save()

    assert Item.objects.get().number == 0


def test_update_fields_are_widened_by_the_stamps():
    item = Item.objects.create(name="a", number=1)
    updated = item.updated
    item.name, item.number = "b", 2

    item.save(update_fields=["name"])

    item.refresh_from_db()
    assert (item.name, item.number, item.version) == ("b", 1, 2)
    assert item.updated > updated


def test_empty_update_fields_write_nothing():
    item = Item.objects.create()
    item.save()

    with CaptureQueriesContext(connection) as queries:
        item.save(update_fields=[])

    assert len(queries) == 0
    assert item.version == 2


def test_a_save_that_is_refused_leaves_the_version_to_be_read():
    item = Item.objects.create()
    item.save()

    with pytest.raises(ValueError):
        item.save(update_fields=["nonsense"])

    assert item.version == 2


@pytest.mark.parametrize("deferred", [["version"], ["updated", "version"], ["created"], ["status"]])
def test_a_deferred_stamp_is_counted(deferred):
    item = Item.objects.create(name="a")
    item = Item.objects.defer(*deferred).get()
    item.name = "b"

    with CaptureQueriesContext(connection) as queries:
        item.save()

    assert len(queries) == 1
    item.refresh_from_db()
    assert (item.name, item.version) == ("b", 2)


def test_only_some_fields_loaded():
    Item.objects.create(name="a", number=1)
    item = Item.objects.only("name").get()
    Item.objects.update(number=7)
    item.name = "b"

    item.save()

    item = Item.objects.get()
    assert (item.name, item.number, item.version) == ("b", 7, 3)


def test_expressions_are_counted():
    item = Item.objects.create(number=1)
    item.number = F("number") + 1

    item.save()

    item.refresh_from_db()
    assert (item.number, item.version) == (2, 2)


def test_overwriting_by_explicit_key_goes_on_counting():
    item = Item.objects.create(name="a")

    Item(pk=item.pk, name="b").save()

    assert stored_version(item) == 2


def test_an_explicit_created_is_kept_and_updated_is_never_before_it():
    future = timezone.now() + HOUR

    item = Item.objects.create(created=future)

    assert (item.created, item.updated) == (future, future)
    item.save()
    assert item.updated == future
    Item.objects.update(name="b")
    item.refresh_from_db()
    assert item.updated == future


@pytest.mark.filterwarnings("ignore:DateTimeField Item.created received a naive")
@pytest.mark.parametrize("created", [datetime.datetime(2024, 1, 1), "2024-01-01T00:00:00Z", Now()])
def test_an_explicit_created_of_any_kind(created):
    item = Item(created=created)

    item.save()

    item.refresh_from_db()
    assert item.created <= item.updated


def test_a_copy_is_a_new_row():
    item = Item.objects.create(name="a")
    item.save()
    item.pk, item._state.adding = None, True

    item.save()

    assert (item.version, Item.objects.count()) == (1, 2)


def test_a_pickled_instance_asks_for_its_version():
    item = Item.objects.create(name="a")
    item.save()

    copy = pickle.loads(pickle.dumps(item))

    assert copy.version == 2


def test_loaddata_keeps_the_files_own_values():
    item = Item.objects.create(name="a")
    Item.objects.update(version=41)
    text = serializers.serialize("json", Item.objects.all())
    item.refresh_from_db()
    Item.objects.all().delete()

    for loaded in serializers.deserialize("json", text):
        loaded.save()

    again = Item.objects.get()
    assert (again.version, again.status, again.deletion) == (41, "ok", None)
    assert again.updated.replace(microsecond=0) == item.updated.replace(microsecond=0)


def test_a_fixture_without_stamps_gets_the_defaults():
    text = '[{"model": "references_tests.item", "pk": 5, "fields": {"name": "a"}}]'
    before = timezone.now()

    for loaded in serializers.deserialize("json", text):
        loaded.save()

    item = Item.objects.get(pk=5)
    assert (item.version, item.status) == (1, "ok")
    assert before <= item.created and before <= item.updated


def test_saving_a_stale_instance_of_a_deleted_row_writes_nothing():
    item = Item.objects.create(name="a")
    stale = Item.objects.get()
    item.delete()
    stale.name = "b"

    with pytest.raises(RowDeletedError) as error:
        stale.save()

    assert str(error.value) == (
        f"references_tests.Item {item.pk} is deleted, which this instance does not know."
        " Nothing is saved; only restore() brings the row back."
    )
    item.refresh_from_db()
    assert (item.name, item.status, item.version) == ("a", "deleted", 2)


@pytest.mark.parametrize("options", [{"update_fields": ["name"]}, {"force_update": True}])
def test_a_narrow_or_forced_save_of_a_deleted_row_is_refused(options):
    item = Item.objects.create(name="a")
    stale = Item.objects.get()
    item.delete()

    with pytest.raises(RowDeletedError):
        stale.save(**options)


def test_setting_the_status_back_by_hand_is_refused():
    item = Item.objects.create(name="a")
    item.delete()
    item.status = Status.OK

    with pytest.raises(RowDeletedError):
        item.save()


def test_a_deleted_row_can_be_edited_and_stays_deleted():
    item = Item.objects.create(name="a")
    item.delete()
    item.name = "b"

    item.save()

    item.refresh_from_db()
    assert (item.name, item.status, item.version) == ("b", "deleted", 3)


def test_a_save_never_writes_the_bookkeeping():
    """Deleted, restored and deleted again with its parent: the first copy is stale."""
    org = Org.objects.create(name="o")
    net = Net.objects.create(org=org, name="n")
    net.delete()
    stale = Net.objects.get()
    net.restore()
    org.delete()
    stale.name = "edited"

    stale.save()

    net.refresh_from_db()
    assert (net.name, net.deletion) == ("edited", org.deletion)
    org.restore()
    assert Net.objects.undeleted().get() == net


def test_a_refused_save_leaves_the_transaction_usable():
    """Also with tables of several bases, of which ours is written first."""
    for model, values in ((Item, {}), (Cafe, {"beans": "x"}), (Bistro, {"menu": "y"})):
        row = model.objects.create(**values)
        stale = model.objects.get(pk=row.pk)
        row.delete()

        with transaction.atomic():
            with pytest.raises(RowDeletedError):
                stale.save()
            assert model.objects.filter(pk=row.pk).exists()


def test_saving_a_stale_instance_of_a_restored_row_writes_nothing():
    item = Item.objects.create(name="a")
    item.delete()
    stale = Item.objects.get()
    item.restore()

    with pytest.raises(RowRestoredError) as error:
        stale.save()

    assert str(error.value) == (
        f"references_tests.Item {item.pk} was restored since this instance was read."
        " Nothing is saved; refresh_from_db() reads the row as it is."
    )
    assert Item.objects.undeleted().count() == 1


def test_a_child_table_counts_once_for_both_tables():
    cafe = Cafe.objects.create(name="c", beans="x")

    cafe.beans = "y"
    cafe.save(update_fields=["beans"])
    Cafe.objects.update(beans="z")

    cafe.refresh_from_db()
    assert (cafe.version, cafe.beans, Place.objects.get().version) == (3, "z", 3)


def test_a_composite_key_is_counted():
    pair = Pair.objects.create(left=1, right="a")

    pair.save()
    assert pair.version == 2

    Pair.objects.update(name="b")
    pair.refresh_from_db()
    assert pair.version == 3


def test_post_save_sees_the_version_of_the_database():
    from django.db.models.signals import post_save

    seen = []
    receiver = mock.Mock(side_effect=lambda instance, **kw: seen.append(instance.version))
    post_save.connect(receiver, sender=Item)
    try:
        item = Item.objects.create()
        item.save()
        item.save()
    finally:
        post_save.disconnect(receiver, sender=Item)

    assert seen == [1, 2, 3]
