"""What a version changed: compared with the one before, whoever wrote it."""

import json
from datetime import UTC, datetime

import pytest
import reversion
from django.db import connection
from django.test.utils import CaptureQueriesContext
from reversion.models import Revision, Version

from handleref.revisions import base
from handleref.revisions.diff import Earlier, earlier, stamp_fields, values_of
from handleref.revisions.models import Record
from tests.revisions.models import Arena, City, Leaflet, Tag
from tests.revisions.stories import newest

pytestmark = pytest.mark.django_db

MOMENT = datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)


def changed():
    return [v.record.changed_fields for v in newest()]


def as_reversion_writes_it(*objects):
    """Write a revision as reversion alone does: from memory, to the millisecond, no record."""
    from django.core import serializers
    from django.utils import timezone

    revision = Revision.objects.create(date_created=timezone.now())
    for obj in objects:
        model = type(obj)
        Version.objects.create(
            revision=revision,
            object_id=str(obj.pk),
            content_type=base.content_type(model, "default"),
            db="default",
            format="json",
            serialized_data=serializers.serialize("json", [obj]),
            object_repr=str(obj),
        )


def test_each_field_that_differs_in_the_order_of_the_model():
    tag = Tag.objects.create()
    with reversion.create_revision():
        city = City.objects.create(name="Aa")
    assert changed() == [None]

    with reversion.create_revision():
        city.extra, city.name, city.moment = {"a": 1}, "Bb", MOMENT
        city.save()
        city.tags.add(tag)
    assert changed() == [("name", "moment", "extra", "tags")]

    with reversion.create_revision():
        city.save()
    assert changed() == [()]


def test_a_microsecond_is_a_change():
    with reversion.create_revision():
        city = City.objects.create(moment=MOMENT)

    with reversion.create_revision():
        city.moment = MOMENT.replace(microsecond=123457)
        city.save()

    assert changed() == [("moment",)]


def test_what_reversion_wrote_alone_differs_in_no_part_that_it_cuts():
    city = City.objects.create(name="Aa", moment=MOMENT)
    as_reversion_writes_it(city)

    with reversion.create_revision():
        city.save()
    assert changed() == [()]

    with reversion.create_revision():
        city.name = "Bb"
        city.save()
    assert changed() == [("name",)]


def test_what_reversion_wrote_alone_does_not_know_the_tables_of_bases():
    arena = Arena.objects.create(name="a", seats=5)
    as_reversion_writes_it(arena)

    with reversion.create_revision():
        Arena.objects.update(name="b", roof=True)

    arenas = [v.record.changed_fields for v in newest() if v.content_type.model == "arena"]
    assert arenas == [("roof",)]


def test_links_in_another_order_are_no_change():
    values = {"tags": [3, 1]}

    assert Earlier({"tags": [1, 3]}, exact=True).changed(City, values) == ()
    assert Earlier({"tags": [1]}, exact=True).changed(City, values) == ("tags",)


def test_fields_that_came_or_went_have_changed():
    assert Earlier({"old": 1}, exact=True).changed(City, {"name": "a"}) == ("name", "old")


def test_the_last_version_is_that_of_the_last_revision():
    with reversion.create_revision():
        city, other = City.objects.create(name="a"), City.objects.create(name="b")
    with reversion.create_revision():
        City.objects.filter(pk=city.pk).update(name="c")

    ids = [str(city.pk), str(other.pk), "unknown"]
    found = earlier((City, "default"), ids, "default")
    before = earlier((City, "default"), ids, "default", revision=newest()[0].revision_id)

    assert {key: (e.values["name"], e.exact) for key, e in found.items()} == {
        str(city.pk): ("c", True),
        str(other.pk): ("b", True),
    }
    assert before[str(city.pk)].values["name"] == "a"


def test_ten_thousand_versions_of_one_object_are_one_look():
    with reversion.create_revision():
        city, other = City.objects.create(name="a"), City.objects.create(name="b")
    model = newest()[0]
    revisions = Revision.objects.bulk_create(
        Revision(date_created=model.revision.date_created) for _ in range(10_000)
    )
    Version.objects.bulk_create(
        Version(
            revision=revision,
            object_id=str(city.pk),
            content_type=model.content_type,
            db="default",
            format="json",
            serialized_data=json.dumps([{"fields": {"number": number}}]),
        )
        for number, revision in enumerate(revisions)
    )

    with CaptureQueriesContext(connection) as captured:
        found = earlier((City, "default"), [str(city.pk), str(other.pk), "0"], "default")

    assert len(captured) == 1
    assert float(captured[0]["time"]) < 0.05
    assert found[str(city.pk)] == Earlier({"number": 9999}, exact=False)
    assert found[str(other.pk)].values["name"] == "b"


@pytest.mark.parametrize("text", ["", "{", "[1", "<xml"])
@pytest.mark.parametrize("form", ["json", "xml", "unknown"])
def test_what_can_be_read_no_more_breaks_no_save(form, text):
    assert values_of(Leaflet, form, text) == {}


def test_a_version_that_can_be_read_no_more_breaks_no_save():
    with reversion.create_revision():
        city = City.objects.create(name="a")
    Version.objects.update(serialized_data="[", format="json")
    Record.objects.all().delete()

    with reversion.create_revision():
        city.save()

    assert changed() == [()]


def test_stamps():
    assert stamp_fields(City) == {"created", "updated", "version", "deletion", "former_status"}
