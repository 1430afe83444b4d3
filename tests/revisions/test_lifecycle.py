"""First versions and pruning: what is written, what goes, what stays."""

from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
import reversion
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from reversion.models import Revision, Version

from handleref.revisions.context import create_revision
from handleref.revisions.diff import FEW
from handleref.revisions.lifecycle.initial import write_first_versions, write_records
from handleref.revisions.lifecycle.prune import Pruned, Removed, prune
from handleref.revisions.models import Record
from handleref.revisions.tracking import touch
from handleref.versions import InstanceState, Reverter, history
from tests.references.models import Bistro, Branch, Cafe, Company, Item, Memo, Place, TextItem
from tests.revisions.models import City, Tag, Ticket

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def write(*objects, age=0, **values):
    """Write objects as one revision, some days ago."""
    with create_revision():
        reversion.set_date_created(timezone.now() - age * DAY)
        for obj in objects:
            for name, value in values.items():
                setattr(obj, name, value)
            obj.save()
    return objects[0]


def write_alone(*objects, model=None):
    """Write a revision as django-reversion does it alone: no records, no microseconds."""
    revision = Revision.objects.create(date_created=timezone.now())
    for obj in objects:
        # A base's part of a row is in a version of its own.
        for part in [obj, *(parent(pk=obj.pk) for parent in obj._meta.all_parents)]:
            kept = type(part)._base_manager.get(pk=part.pk)
            Version.objects.create(
                revision=revision,
                object_id=kept.pk,
                content_type=reversion.models._get_content_type(type(kept), "default"),
                db="default",
                format="json",
                serialized_data=serializers.serialize(
                    "json", [kept], fields=[f.name for f in kept._meta.local_fields]
                ),
                object_repr=str(kept),
            )
    return revision


def numbers(model):
    """Return what the versions of a model have as a number, object by object, oldest first."""
    rows = history(model)
    found = {}
    for version in sorted(rows, key=lambda version: version.row.revision_id):
        found.setdefault(version.object_id, []).append(version.data["number"])
    return found


def records(obj):
    """Return what is written beside the versions of an object, oldest first."""
    rows = Record.objects.filter(version__in=Version.objects.get_for_object(obj))
    return [*rows.order_by("pk").values_list("changed_fields", "deleted", "complete")]


# First versions ---------------------------------------------------------------------------------


def test_every_row_without_a_version_gets_its_first():
    kept, *others = (Item.objects.create(name=name) for name in "abc")
    others[0].delete()
    write(kept, name="A")

    written = write_first_versions(Item, comment="There before.")

    assert written == 2
    assert {(v.data["name"], v.is_deleted, v.comment) for v in history(Item)} == {
        ("A", False, ""),
        ("b", True, "There before."),
        ("c", False, "There before."),
    }
    assert [records(other) for other in others] == [[(None, True, True)], [(None, False, True)]]


def test_a_second_run_writes_nothing():
    Item.objects.bulk_create(Item() for _ in range(5))
    write_first_versions(Item, batch_size=2)

    written = write_first_versions(Item, batch_size=2)

    assert written == 0
    assert (Version.objects.count(), Revision.objects.count()) == (5, 3)


def test_each_batch_is_a_revision():
    Item.objects.bulk_create(Item() for _ in range(5))
    ticks = []

    write_first_versions(Item, batch_size=2, tick=ticks.append)

    sizes = [revision.version_set.count() for revision in Revision.objects.order_by("pk")]
    assert (sizes, ticks) == ([2, 2, 1], [2, 2, 1])


@pytest.mark.django_db(transaction=True)
def test_an_interrupted_run_keeps_its_batches_and_is_gone_on_with():
    Item.objects.bulk_create(Item() for _ in range(6))

    with (
        mock.patch("handleref.revisions.lifecycle.initial.touch", side_effect=second_fails()),
        pytest.raises(KeyboardInterrupt),
    ):
        write_first_versions(Item, batch_size=2)
    before = Version.objects.count()
    written = write_first_versions(Item, batch_size=2)

    assert (before, written) == (2, 4)
    assert numbers(Item) == {item.pk: [0] for item in Item.objects.all()}
    assert (Record.objects.count(), Revision.objects.count()) == (6, 3)


def second_fails():
    """Return what notes the first batch, and is interrupted after it has noted the second."""
    calls = []

    def note(*arguments):
        touch(*arguments)
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt

    return note


def test_the_queries_of_a_batch_do_not_grow():
    def run(rows):
        City.objects.bulk_create(City(name=str(number)) for number in range(rows))
        with CaptureQueriesContext(connection) as captured:
            write_first_versions(City)
        # Django cuts an INSERT of many rows where the database has a limit.
        return len([query for query in captured if not query["sql"].startswith("INSERT")])

    run(1)

    assert run(FEW + 1) == run(200)


def test_the_query_of_what_has_versions_does_not_grow_with_them():
    item = write(Item(), number=1)
    for number in range(2, 12):
        write(item, number=number)

    with CaptureQueriesContext(connection) as captured:
        write_first_versions(Item)

    assert len(captured) == 3  # the rows, the versions, and no more rows


@pytest.mark.parametrize(
    "make", [lambda: TextItem.objects.create(code="Ä"), lambda: Bistro.objects.create(name="n")]
)
def test_any_key_will_do(make):
    obj = make()

    write_first_versions(type(obj))

    assert [version.object_id for version in history(obj)] == [obj.pk]


def test_the_bases_of_a_child_table_come_along_once():
    bistro = Bistro.objects.create(name="n", beans="b", menu="m")
    place = Place.objects.create(name="p")

    counts = [write_first_versions(model) for model in (Bistro, Cafe, Place)]

    assert counts == [1, 0, 1]
    assert [history(obj).count() for obj in (bistro, bistro.cafe_ptr, place)] == [1, 1, 1]


def test_a_plain_model_that_is_registered_has_them_too(registered_memo):
    branch = Branch.objects.create(company=Company.objects.create(code="c"), name="b")
    memo = Memo.objects.create(branch=branch)

    written = write_first_versions(Memo)

    assert (written, history(memo).count()) == (1, 1)
    assert records(memo) == [(None, False, True)]


@pytest.fixture
def registered_memo():
    reversion.register(Memo)
    yield
    reversion.unregister(Memo)


@pytest.mark.django_db(databases=["default", "other"])
def test_rows_and_versions_may_be_in_other_databases():
    Item.objects.using("other").bulk_create([Item(name="there")])

    apart = write_first_versions(Item, database="other")
    together = write_first_versions(Item, database="other", using="other")

    assert (apart, together) == (1, 1)
    (here,), (there,) = Version.objects.all(), Version.objects.using("other")
    assert (here.db, there.db) == ("other", "other")
    assert here.serialized_data == there.serialized_data


@pytest.mark.parametrize("size", [0, -1, 5_001])
@pytest.mark.parametrize(
    "act",
    [
        lambda size: write_first_versions(Item, batch_size=size),
        lambda size: prune(keep=1, batch_size=size),
    ],
)
def test_a_batch_has_a_size(act, size):
    write(Item())

    with pytest.raises(ValueError) as caught:
        act(size)

    assert str(caught.value) == f"A batch of {size:,} rows; choose from 1 to 5,000."


# Records ----------------------------------------------------------------------------------------


def test_what_reversion_wrote_alone_is_compared_with_what_was_before():
    city = City.objects.create(name="a", moment=datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC))
    write_alone(city)
    City.objects.update(name="b", price="1.5")
    write_alone(city)
    city.refresh_from_db()
    city.delete()
    write_alone(city)

    written = write_records(City)

    assert written == 3
    assert records(city) == [
        (None, False, False),
        (("name", "price"), False, False),
        (("status",), True, False),
    ]
    assert write_records(City) == 0


def test_versions_of_the_bridge_and_of_reversion_alone_are_compared_either_way():
    city = write(City(name="a", moment=datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)))
    City.objects.update(name="b")
    write_alone(city)
    write_records(City)
    city.refresh_from_db()

    write(city, number=1)

    assert records(city) == [
        (None, False, True),
        (("name",), False, False),
        (("number",), False, True),
    ]


def test_a_version_that_reversion_wrote_alone_is_no_conflict():
    moment = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
    city = City.objects.create(name="a", moment=moment)
    write_alone(city)
    write_records(City)

    (version,) = history(city)

    assert version.keeper.is_current(version, InstanceState(city, version.keeper))


def test_the_tables_of_the_bases_are_seen_in_the_versions_beside():
    bistro = Bistro.objects.create(name="n", beans="b", menu="m")
    write_alone(bistro)
    Bistro.objects.update(name="N", menu="M")
    write_alone(bistro)
    bistro.refresh_from_db()
    bistro.delete()
    write_alone(bistro)

    write_records(Bistro)

    assert records(bistro) == [
        (None, False, False),
        (("name", "menu"), False, False),
        (("status",), True, False),
    ]


def test_records_are_written_in_batches_that_go_on():
    item = Item.objects.create()
    for number in range(5):
        Item.objects.update(number=number)
        write_alone(item)
    ticks = []

    def stop(rows):
        ticks.append(rows)
        if len(ticks) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_records(Item, batch_size=2, tick=stop)
    before = Record.objects.count()
    written = write_records(Item, batch_size=2)

    assert (before, written) == (4, 1)
    assert records(item) == [(None, False, False), *[(("number",), False, False)] * 4]


def test_the_queries_for_records_do_not_grow():
    def run(versions):
        items = Item.objects.bulk_create(Item() for _ in range(versions))
        for number in range(2):
            Item.objects.update(number=number)
            write_alone(*Item.objects.filter(pk__in=[item.pk for item in items]))
        with CaptureQueriesContext(connection) as captured:
            write_records(Item)
        return len(captured)

    assert run(1) == run(20)


# Pruning ----------------------------------------------------------------------------------------


@pytest.fixture
def items():
    """Write three items: one on five days, one on one day, one gone for good."""
    busy, quiet, gone = (Item.objects.create(number=100 * n) for n in (0, 1, 2))
    write(busy, quiet, gone, age=50)
    for age in (40, 30, 20, 10):
        write(busy, age=age, number=5 - age // 10)
    with create_revision():
        reversion.set_date_created(timezone.now() - 30 * DAY)
        key = gone.pk
        gone.delete(hard=True)
    return busy.pk, quiet.pk, key


@pytest.mark.parametrize(
    ("bounds", "left", "revisions"),
    [
        ({"keep": 1}, ([4], [100], [200]), 3),
        ({"keep": 3}, ([2, 3, 4], [100], [200, 200]), 1),
        ({"keep": 9}, ([0, 1, 2, 3, 4], [100], [200, 200]), 0),
        ({"older_than": 0 * DAY}, ([4], [100], [200]), 3),
        ({"older_than": 25 * DAY}, ([3, 4], [100], [200]), 2),
        ({"older_than": 25 * DAY, "keep": 4}, ([1, 2, 3, 4], [100], [200, 200]), 0),
        ({"older_than": 25 * DAY, "keep": 0}, ([3, 4], None, None), 4),
        ({"older_than": 35 * DAY, "keep": 3}, ([2, 3, 4], [100], [200, 200]), 1),
        ({"older_than": 0 * DAY, "keep": 0}, (None, None, None), 6),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_the_bounds(items, bounds, left, revisions, size):
    versions = Version.objects.count()

    tried = prune(**bounds, batch_size=size, dry_run=True)
    untouched = Version.objects.count()
    pruned = prune(**bounds, batch_size=size)

    assert (tried, untouched) == (pruned, versions)
    expected = {key: numbers for key, numbers in zip(items, left, strict=True) if numbers}
    assert numbers(Item) == expected
    (of_items,) = pruned.models
    assert of_items.kept == sum(map(len, expected.values())) == Version.objects.count()
    assert of_items.versions == versions - of_items.kept
    assert (pruned.revisions, Revision.objects.count()) == (revisions, 6 - revisions)
    assert Record.objects.count() == of_items.kept
    assert Revision.objects.filter(version=None).count() == 0


def test_without_a_bound_nothing_is_pruned(items):
    with pytest.raises(ValueError) as caught:
        prune(keep=0)

    assert str(caught.value) == "There is no bound: give older_than, keep (at least 1), or both."
    assert Version.objects.count() == 8


@pytest.mark.parametrize("bounds", [{"keep": -1}, {"older_than": -1 * DAY}])
def test_no_bound_is_negative(bounds):
    with pytest.raises(ValueError) as caught:
        prune(**bounds)

    given = {"older_than": None, "keep": None} | bounds
    assert str(caught.value) == (
        f"No bound is negative: older_than={given['older_than']}, keep={given['keep']}."
    )


def test_what_is_gone_for_good_can_still_be_recovered(items):
    prune(older_than=0 * DAY)

    (last,) = history(Item).deleted()
    Reverter().restore(last)

    assert Item.objects.get(pk=items[2]).number == 200


def test_a_model_is_pruned_alone(items):
    tag = Tag.objects.create(name="t")
    item = Item.objects.get(pk=items[0])
    for age in (9, 8):
        write(tag, item, age=age, number=age)
    tried = prune([Item], keep=1, dry_run=True)

    pruned = prune([Item], keep=1)

    assert (tried, pruned.models) == (
        pruned,
        [Removed("references_tests.Item", "default", versions=7, objects=2, kept=3)],
    )
    # Of the six before, one has the last version of what is gone, one of the quiet item; of the
    # two that followed both have versions of the tag.
    assert (pruned.revisions, Revision.objects.count()) == (4, 4)
    assert history(tag).count() == 2


def test_all_models_are_told_apart():
    tag, item = Tag.objects.create(name="t"), Item.objects.create()
    for age in (3, 2, 1):
        write(tag, item, age=age)
    write(tag)

    pruned = prune(keep=2)

    assert pruned == Pruned(
        [
            Removed("references_tests.Item", "default", versions=1, objects=1, kept=2),
            Removed("revisions_tests.Tag", "default", versions=2, objects=1, kept=2),
        ],
        revisions=1,
    )


def test_what_hangs_on_a_revision_goes_with_it():
    item = Item.objects.create()
    for number in range(2):
        with create_revision():
            reversion.add_meta(Ticket, number=number)
            item.save()

    prune(keep=1)

    assert [*Ticket.objects.values_list("number", flat=True)] == [1]


def test_revisions_that_were_empty_before_stay():
    Revision.objects.create(date_created=timezone.now() - DAY)
    write(write(Item()))

    pruned = prune(keep=1)

    assert (pruned.revisions, Revision.objects.count()) == (1, 2)


def test_a_version_forgets_what_it_was_reverted_from():
    item = write(write(Item(), number=1), number=2)
    Reverter().rollback(item, history(item).last())
    assert Record.objects.exclude(reverted_from=None).count() == 1

    prune(keep=1)

    assert [*Record.objects.values_list("reverted_from", flat=True)] == [None]
    assert history(item).first().reverted_from is None


def test_what_a_version_changed_is_known_without_the_one_before():
    item = write(write(Item(), number=1), number=2)

    prune(keep=1)

    (version,) = history(item)
    assert (version.changed_fields(), version.previous) == (["number"], None)


def test_a_version_of_a_child_table_keeps_those_of_its_bases():
    cafe = Cafe.objects.create(name="n", beans="b")
    write_alone(cafe)
    place = Place.objects.get()
    place.name = "later"
    place.save()
    write_alone(place)
    tried = prune(keep=1, dry_run=True)

    pruned = prune(keep=1)

    assert (
        tried
        == pruned
        == Pruned(
            [
                Removed("references_tests.Cafe", "default", kept=1),
                Removed("references_tests.Place", "default", kept=2),
            ]
        )
    )
    assert Version.objects.get_for_object(cafe).get().field_dict["name"] == "n"


def test_a_base_is_pruned_with_its_child_tables():
    bistro = Bistro.objects.create(name="n", beans="b", menu="m")
    for name in "abc":
        write(bistro, name=name)
    tried = prune([Cafe], keep=2, dry_run=True)

    pruned = prune([Cafe], keep=2)

    assert (
        tried
        == pruned
        == Pruned(
            [
                Removed("references_tests.Bistro", "default", versions=1, objects=1, kept=2),
                Removed("references_tests.Cafe", "default", versions=1, objects=1, kept=2),
            ],
        )
    )
    assert [version.data["name"] for version in history(bistro)] == ["c", "b"]
    prune([Place], keep=1)
    assert Version.objects.count() == 3
    assert Version.objects.get_for_object(bistro).get().field_dict["name"] == "c"


def test_versions_of_a_model_that_exists_no_more_are_pruned_too():
    write(write(Item()))
    unknown = ContentType.objects.create(app_label="gone", model="thing")
    Version.objects.update(content_type=unknown)

    pruned = prune(keep=1)

    assert pruned == Pruned([Removed("gone.thing", "default", 1, 1, 1)], revisions=1)


@pytest.mark.django_db(databases=["default", "other"])
def test_databases_are_told_apart():
    item, there = Item(), Item()
    for _ in range(2):
        write(item)
        with create_revision():
            there.save(using="other")
    there_only = prune(keep=1, database="other")

    rest = prune(keep=1)

    assert there_only.models == [Removed("references_tests.Item", "other", 1, 1, 1)]
    assert rest.models == [
        Removed("references_tests.Item", "default", 1, 1, 1),
        Removed("references_tests.Item", "other", 0, 0, 1),
    ]


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_queries_of_a_batch_do_not_grow_with_versions(dry_run):
    def run(versions):
        items = [Item.objects.create() for _ in range(3)]
        for _ in range(versions):
            write(*items)
        with CaptureQueriesContext(connection) as captured:
            prune(older_than=0 * DAY, dry_run=dry_run)
        return len(captured)

    run(2)

    assert run(2) == run(20)


@pytest.mark.django_db(transaction=True)
def test_each_batch_is_a_transaction():
    item = Item.objects.create()
    for number in range(5):
        write(item, number=number)

    def stop(rows):
        if Version.objects.count() == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune(keep=1, batch_size=2, tick=stop)

    assert numbers(Item) == {item.pk: [0, 4]}
    assert (Record.objects.count(), Revision.objects.count()) == (2, 2)
