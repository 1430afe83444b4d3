"""What is written in a block becomes one version per object, whatever path it took."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import reversion
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from reversion.models import Version

from handleref.revisions.models import Record
from handleref.revisions.tracking import mark_reverted, touch
from tests.revisions.models import (
    Arena,
    Book,
    Building,
    City,
    Hall,
    LoudPet,
    Memo,
    Museum,
    Parcel,
    Pass,
    Province,
    Realm,
    Secret,
    Tag,
    Token,
    Venue,
)
from tests.revisions.stories import count, kept, newest, values

pytestmark = pytest.mark.django_db


# Single rows -------------------------------------------------------------------------------------


def test_the_seed_s_example():
    with reversion.create_revision():
        city = City.objects.create(name="Chicago")
    assert city.version == 1

    with reversion.create_revision():
        city.name = "Oak Park"
        city.save()
    assert city.version == 2

    assert City.handleref.since(version=1).count() == 1
    stored = [values(v) for v in Version.objects.get_for_object(city).order_by("pk")]
    assert [(v["name"], v["version"]) for v in stored] == [("Chicago", 1), ("Oak Park", 2)]


def test_a_version_has_what_the_database_has_and_nothing_else():
    city = City.objects.create(name="Aa", number=1)

    with reversion.create_revision():
        city.name, city.number = "never saved", 2
        city.save(update_fields=["number"])

    assert kept("name", "number", "version") == [("city", str(city.pk), "Aa", 2, 2)]


def test_the_values_are_those_at_the_end_of_the_block():
    city = City.objects.create(name="Aa", number=1)

    with reversion.create_revision():
        city.number = F("number") + 1
        city.save()
        city.refresh_from_db()
        city.number += 1
        city.save()
        City.objects.filter(pk=city.pk).update(name="Zz")
        city.name = "never saved"

    assert kept("name", "number", "version") == [("city", str(city.pk), "Zz", 3, 4)]


def test_what_changes_after_the_save_without_a_signal_is_in_the_version_too():
    with reversion.create_revision():
        city = City.objects.create(name="Aa")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE revisions_tests_city SET name = 'raw'")

    assert kept("name") == [("city", str(city.pk), "raw")]


def test_microseconds_decimals_and_spans_are_exact():
    moment = datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)
    with reversion.create_revision():
        city = City.objects.create(
            price=Decimal("12345678.123456"),
            moment=moment,
            span=timedelta(days=1, microseconds=1),
            extra={"ü": [1, None]},
        )

    (version,) = newest()
    assert {name: values(version)[name] for name in ("price", "moment", "span", "extra")} == {
        "price": "12345678.123456",
        "moment": "2024-02-29T12:00:00.123456Z",
        "span": "1 00:00:00.000001",
        "extra": {"ü": [1, None]},
    }
    read = version.field_dict
    assert (read["price"], read["moment"]) == (city.price, moment)
    version.revision.revert()
    city.refresh_from_db()
    assert (city.moment, city.span) == (moment, timedelta(days=1, microseconds=1))


def test_a_proxy_s_rows_are_those_of_its_model():
    with reversion.create_revision():
        pet = LoudPet.objects.create(name="Rex")
    assert kept("name") == [("pet", str(pet.pk), "Rex")]

    with reversion.create_revision():
        LoudPet.objects.update(name="Max")
    assert kept("name") == [("pet", str(pet.pk), "Max")]


def test_opted_out_models_are_not_recorded():
    with reversion.create_revision():
        Secret.objects.create().save()
        Secret.objects.all().delete()

    assert count() == (0, 0)


def test_keys_of_another_type_give_one_version():
    city = City.objects.create(name="Aa")

    with reversion.create_revision():
        City(pk=str(city.pk), name="Bb").save()
        city.save()
        touch(City, "default", [city.pk, str(city.pk)])

    assert kept("name") == [("city", str(city.pk), "Aa")]


def test_a_revision_without_writes_is_none():
    with reversion.create_revision():
        City.objects.count()
        City.objects.update(name="no rows")

    assert count() == (0, 0)


# Many rows ---------------------------------------------------------------------------------------


@pytest.fixture
def cities():
    return [City.objects.create(name=name) for name in "abc"]


def rows(cities, *expected):
    return sorted(("city", str(c.pk), *values) for c, values in zip(cities, expected, strict=True))


def test_update(cities):
    with reversion.create_revision():
        City.objects.filter(name__in="ab").update(number=F("number") + 5)

    assert kept("number", "version") == rows(cities[:2], (5, 2), (5, 2))


def test_bulk_create():
    with reversion.create_revision():
        made = City.objects.bulk_create([City(name=name) for name in "ab"])

    assert kept("name") == rows(made, "a", "b")


def test_bulk_create_with_conflicts(cities):
    named = connection.features.supports_update_conflicts_with_target

    with reversion.create_revision():
        City.objects.bulk_create(
            [City(pk=cities[0].pk, name="never written", number=7)],
            update_conflicts=True,
            update_fields=["number"],
            unique_fields=["pk"] if named else None,
        )

    assert kept("name", "number", "version") == rows(cities[:1], ("a", 7, 2))


@pytest.mark.parametrize("batch_size", [None, 1])
def test_bulk_create_that_passes_over_conflicts_keeps_what_it_made(batch_size):
    Book.objects.create(code="a")

    with reversion.create_revision():
        books = [Book(code=code) for code in "abc"]
        Book.objects.bulk_create(books, ignore_conflicts=True, batch_size=batch_size)
        Parcel.objects.create(left=1, right=1, code="a")
        parcels = [Parcel(left=1, right=right, code=code) for right, code in [(1, "x"), (2, "y")]]
        Parcel.objects.bulk_create(parcels, ignore_conflicts=True)

    made = dict(Book.objects.values_list("code", "pk"))
    assert kept("code") == [
        ("book", str(made["b"]), "b"),
        ("book", str(made["c"]), "c"),
        ("parcel", "a", "a"),
        ("parcel", "y", "y"),
    ]


@pytest.mark.parametrize("model", [Token, Pass])
def test_bulk_create_that_passes_over_conflicts_with_keys_to_convert(model):
    model.objects.create(code="a")

    with reversion.create_revision():
        for codes in ("a", "abc"):
            rows = [model(code=code) for code in codes]
            model.objects.bulk_create(rows, ignore_conflicts=True)

    assert sorted(code for _, _, code in kept("code")) == ["b", "c"]


def test_bulk_create_that_makes_nothing_keeps_nothing(cities):
    before = count()
    with reversion.create_revision():
        City.objects.bulk_create([City(pk=cities[0].pk)], ignore_conflicts=True)

    assert count() == before


def test_bulk_update(cities):
    for city in cities:
        city.name, city.number = "never written", 9

    with reversion.create_revision():
        City.objects.bulk_update(cities[:2], ["number"])

    assert kept("name", "number") == rows(cities[:2], ("a", 9), ("b", 9))


@pytest.mark.parametrize("by", ["instance", "queryset"])
def test_soft_delete_and_restore_with_what_they_take_along(by):
    realm = Realm.objects.create(name="C")
    province = Province.objects.create(name="P", realm=realm)
    Province.objects.create(name="of no realm")
    which = realm if by == "instance" else Realm.objects.filter(pk=realm.pk)

    with reversion.create_revision():
        which.delete()
    assert kept("name", "status") == [
        ("province", str(province.pk), "P", "deleted"),
        ("realm", str(realm.pk), "C", "deleted"),
    ]
    assert {v.record.deleted for v in newest()} == {True}

    with reversion.create_revision():
        which.restore()
    assert kept("name", "status") == [
        ("province", str(province.pk), "P", "ok"),
        ("realm", str(realm.pk), "C", "ok"),
    ]
    assert {(v.record.deleted, v.record.changed_fields) for v in newest()} == {(False, ("status",))}


def test_related_managers(cities):
    realm = Realm.objects.create(name="C")
    one, two = (Province.objects.create(name=name) for name in ("one", "two"))

    with reversion.create_revision():
        realm.provinces.add(one)
    assert kept("realm") == [("province", str(one.pk), realm.pk)]

    with reversion.create_revision():
        realm.provinces.set([two])
    assert kept("realm") == sorted(
        [("province", str(one.pk), None), ("province", str(two.pk), realm.pk)]
    )

    with reversion.create_revision():
        realm.provinces.clear()
    assert kept("realm") == [("province", str(two.pk), None)]


def test_set_null_of_a_parent_that_is_deleted_for_good():
    realm = Realm.objects.create(name="C")
    province = Province.objects.create(name="P", realm=realm)

    key = realm.pk

    with reversion.create_revision():
        realm.delete(hard=True)

    assert kept("realm") == [("province", str(province.pk), None), ("realm", str(key))]


def test_many_rows_are_few_queries():
    City.objects.bulk_create([City(name=str(number)) for number in range(200)])

    queries = []
    for rows in (City.objects.filter(name__in=["1", "2"]), City.objects.all()):
        with CaptureQueriesContext(connection) as captured, reversion.create_revision():
            rows.update(number=1)
        queries.append(len(captured))

    # SQLite inserts so many rows in more than one statement.
    assert queries[1] <= queries[0] + 4
    assert len(newest()) == 200


# Links -------------------------------------------------------------------------------------------


@pytest.fixture
def tagged():
    city, tag = City.objects.create(name="c"), Tag.objects.create(name="t")
    with reversion.create_revision():
        city.tags.add(tag)
    return city, tag


def test_links_from_the_side_of_the_field(tagged):
    city, tag = tagged
    assert kept("tags") == [("city", str(city.pk), [tag.pk])]
    other = Tag.objects.create(name="o")

    changes = []
    for change in (
        lambda: city.tags.remove(tag),
        lambda: city.tags.set([tag, other]),
        city.tags.clear,
        lambda: city.tags.create(name="new"),
    ):
        with reversion.create_revision():
            change()
        changes.append([values(v)["tags"] for v in newest() if v.object_repr == "c"])

    new = Tag.objects.get(name="new")
    assert changes == [[[]], [[tag.pk, other.pk]], [[]], [[new.pk]]]


def test_links_from_the_other_side(tagged):
    city, tag = tagged
    other = City.objects.create(name="o")

    with reversion.create_revision():
        tag.cities.add(other)
    assert kept("tags") == [("city", str(other.pk), [tag.pk])]

    with reversion.create_revision():
        tag.cities.remove(city)
    assert kept("tags") == [("city", str(city.pk), [])]

    with reversion.create_revision():
        tag.cities.set([city])
    assert kept("tags") == rows([city, other], ([tag.pk],), ([],))

    with reversion.create_revision():
        tag.cities.clear()
    assert kept("tags") == [("city", str(city.pk), [])]
    assert [v.record.changed_fields for v in newest()] == [("tags",)]


def test_links_that_are_there_already_are_no_change(tagged):
    city, tag = tagged
    before = count()

    with reversion.create_revision():
        city.tags.add(tag)
        tag.cities.add(city)

    assert count() == before


def test_links_among_one_model_change_both_sides():
    one, two = (City.objects.create(name=name) for name in "ab")

    with reversion.create_revision():
        one.twins.add(two)
    assert kept("twins") == rows([one, two], ([two.pk],), ([one.pk],))

    with reversion.create_revision():
        two.twins.clear()
    assert kept("twins") == rows([one, two], ([],), ([],))


def test_links_of_a_base_table():
    arena, tag = Arena.objects.create(name="a"), Tag.objects.create(name="t")

    with reversion.create_revision():
        tag.venues.add(arena)

    key = str(arena.pk)
    assert kept("tags") == [
        ("arena", key, [tag.pk]),
        ("hall", key, [tag.pk]),
        ("venue", key, [tag.pk]),
    ]


def test_the_target_of_links_is_deleted_for_good(tagged):
    city, tag = tagged
    key = tag.pk

    with reversion.create_revision():
        tag.delete(hard=True)

    assert kept("tags") == [("city", str(city.pk), []), ("tag", str(key))]


# Tables of bases ---------------------------------------------------------------------------------


def test_a_child_row_s_version_has_the_values_of_its_bases_and_they_have_their_own():
    with reversion.create_revision():
        arena = Arena.objects.create(name="a", seats=5, roof=True)

    key = str(arena.pk)
    assert kept("name", "seats", "roof") == [
        ("arena", key, "a", 5, True),
        ("hall", key, "a", 5),
        ("venue", key, "a"),
    ]
    version = Version.objects.get_for_object(arena).get()
    assert {"name": "a", "seats": 5, "roof": True}.items() <= version.field_dict.items()


def test_a_write_to_the_table_of_a_base_changes_the_child_row():
    arena, other = Arena.objects.create(name="a", seats=5), Venue.objects.create(name="o")
    with reversion.create_revision():
        arena.save()

    with reversion.create_revision():
        Venue.objects.update(name="b")

    key = str(arena.pk)
    assert kept("name", "seats", "roof") == sorted(
        [
            ("arena", key, "b", 5, False),
            ("hall", key, "b", 5),
            ("venue", key, "b"),
            ("venue", str(other.pk), "b"),
        ]
    )
    changed = {
        v.content_type.model: v.record.changed_fields for v in newest() if v.object_id == key
    }
    assert changed == {"arena": ("name",), "hall": ("name",), "venue": ("name",)}


def test_soft_delete_of_a_child_row():
    hall = Hall.objects.create(name="h")

    with reversion.create_revision():
        hall.delete()

    assert kept("status") == [
        ("hall", str(hall.pk), "deleted"),
        ("venue", str(hall.pk), "deleted"),
    ]
    assert [v.record.deleted for v in newest()] == [True, True]


def test_a_plain_base_with_a_key_of_its_own():
    Building.objects.create()
    with reversion.create_revision():
        museum = Museum.objects.create(name="m", floors=3)
    assert kept("floors", "name") == sorted(
        [("museum", str(museum.pk), 3, "m"), ("building", str(museum.building_id), 3)]
    )

    with reversion.create_revision():
        Building.objects.get(pk=museum.building_id).save()
        building = Building.objects.get(pk=museum.building_id)
        building.floors = 4
        building.save()
    assert kept("floors", "name") == sorted(
        [("museum", str(museum.pk), 4, "m"), ("building", str(museum.building_id), 4)]
    )


# Beside reversion --------------------------------------------------------------------------------


def test_plain_models_are_recorded_as_ever():
    with reversion.create_revision():
        memo = Memo.objects.create(text="Mm")
        city = City.objects.create(name="Cc")

    assert kept("text", "name") == [("city", str(city.pk), "Cc"), ("memo", str(memo.pk), "Mm")]


def test_manage_manually_records_what_is_added_with_the_values_of_the_database():
    city, other = City.objects.create(name="Aa"), City.objects.create(name="Bb")

    with reversion.create_revision(manage_manually=True):
        city.name = "never saved"
        reversion.add_to_revision(city)
        other.save()
        City.objects.filter(pk=other.pk).update(number=1)
        other.tags.add(Tag.objects.create())

    assert kept("name") == [("city", str(city.pk), "Aa")]


def test_manage_manually_without_anything_added_leaves_nothing():
    with reversion.create_revision(manage_manually=True):
        City.objects.create().delete(hard=True)

    assert count() == (0, 0)


def test_what_is_added_by_hand_and_what_is_written_are_one_version():
    city, memo = City.objects.create(name="Aa"), Memo.objects.create(text="Mm")

    with reversion.create_revision():
        city.name = "never saved"
        reversion.add_to_revision(city)
        reversion.add_to_revision(memo)
        City.objects.filter(pk=city.pk).update(number=3)

    assert kept("name", "number", "text") == [
        ("city", str(city.pk), "Aa", 3),
        ("memo", str(memo.pk), "Mm"),
    ]


def test_receivers_of_reversion_s_signals_see_all_versions():
    seen = []

    def look(sender, revision, versions, **_):
        seen.append(sorted((v.object_repr, v.record.changed_fields) for v in versions))

    reversion.signals.pre_revision_commit.connect(look)
    reversion.signals.post_revision_commit.connect(look)
    try:
        with reversion.create_revision():
            City.objects.bulk_create([City(name="a"), City(name="b")])
    finally:
        reversion.signals.pre_revision_commit.disconnect(look)
        reversion.signals.post_revision_commit.disconnect(look)

    assert seen == [[("a", None), ("b", None)]] * 2


def test_raw_writes_can_be_told_of():
    city = City.objects.create(name="Aa")

    with reversion.create_revision():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE revisions_tests_city SET name = 'raw'")
        touch(City, "default", [city.pk, 0])

    assert kept("name") == [("city", str(city.pk), "raw")]


def test_touch_outside_of_a_block_does_nothing():
    touch(City, "default", [1])

    assert count() == (0, 0)


def test_the_record_says_what_an_object_was_reverted_from():
    with reversion.create_revision():
        city, other = City.objects.create(name="Aa"), City.objects.create(name="Bb")
    first = Version.objects.get_for_object(city).get()

    with reversion.create_revision():
        mark_reverted(City, "default", str(city.pk), first.pk)
        city.save()
        other.save()

    assert {v.object_id: v.record.reverted_from_id for v in newest()} == {
        str(city.pk): first.pk,
        str(other.pk): None,
    }
    with pytest.raises(reversion.RevisionManagementError):
        mark_reverted(City, "default", str(city.pk), first.pk)


def test_reversion_s_own_revert_is_recorded():
    with reversion.create_revision():
        city = City.objects.create(name="Aa")
    with reversion.create_revision():
        city.name = "Bb"
        city.save()

    with reversion.create_revision():
        Version.objects.get_for_object(city).last().revert()

    assert kept("name") == [("city", str(city.pk), "Aa")]
    assert Record.objects.order_by("pk").last().changed_fields == ("name",)


def test_a_fixture_that_is_loaded_is_recorded():
    from django.core import serializers

    text = serializers.serialize("json", [City(pk=5, name="loaded")])

    with reversion.create_revision():
        for found in serializers.deserialize("json", text):
            found.save()

    assert kept("name") == [("city", "5", "loaded")]
