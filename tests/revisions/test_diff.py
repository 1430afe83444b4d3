"""What a version changed: compared with the one before, whoever wrote it."""

import json
from datetime import UTC, datetime

import pytest
import reversion
from django.db import connection
from django.db.models import Value
from django.db.models.functions import Concat
from django.test.utils import CaptureQueriesContext
from reversion.models import Revision, Version

from handleref.references.revert import stamp_fields
from handleref.revisions import base, dialects
from handleref.revisions.diff import FEW, Earlier, earlier, values_of
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


def test_many_objects_are_few_queries_where_postgresql_misjudges_the_table(misjudged):
    cities = misjudged
    with CaptureQueriesContext(connection) as captured:
        found = earlier((City, "default"), [str(city.pk) for city in cities], "default")
        before = earlier(
            (City, "default"),
            [str(city.pk) for city in cities],
            "default",
            revision=newest()[0].revision_id,
        )

    assert {key: e.values["name"] for key, e in found.items()} == {
        str(city.pk): f"{city.name}!" for city in cities
    }
    assert {key: (e.values["name"], e.exact) for key, e in before.items()} == {
        str(city.pk): (city.name, True) for city in cities
    }
    assert not any("json_array_elements" in query["sql"] for query in captured)


@pytest.fixture
def only_postgresql():
    if connection.vendor != "postgresql":
        pytest.skip("Other databases keep no such statistics.")


@pytest.mark.parametrize(
    ("rows", "pages", "sparse"),
    [(-1, 0, False), (0, 0, False), (0, 5, True), (4, 5, True), (5, 5, False)],
    ids=["never looked at", "empty", "all uncommitted", "most uncommitted", "large rows"],
)
def test_what_postgresql_takes_to_have_fewer_rows_than_pages(only_postgresql, rows, pages, sparse):
    table = Version._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_class SET reltuples = %s, relpages = %s WHERE oid = %s::regclass",
            [rows, pages, table],
        )

    assert dialects.is_thought_sparse(connection, table) is sparse


@pytest.fixture
def misjudged(only_postgresql):
    """Return cities with two versions each, which PostgreSQL's statistics leave out."""
    with reversion.create_revision():
        cities = City.objects.bulk_create(City(name=str(number)) for number in range(FEW + 1))
    with reversion.create_revision():
        City.objects.update(name=Concat("name", Value("!")))
    other = connection.copy()
    try:
        analyze(other)
        assert dialects.is_thought_sparse(connection, Version._meta.db_table)
        yield cities
    finally:
        other.close()
        # What it finds outlasts the transaction of this test.
        analyze(connection)


def analyze(connection):
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Version._meta.db_table}")


def looks_at_each_object_once(query):
    """Tell whether the plan of a query goes down reversion's unique index for each object."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {query}")
            return "(db=? AND content_type_id=? AND object_id=?" in str(cursor.fetchall())
        explain = (
            "EXPLAIN (ANALYZE, FORMAT JSON)"
            if connection.vendor == "postgresql"
            else ("ANALYZE FORMAT=JSON")
        )
        cursor.execute(f"{explain} {query}")
        plan = cursor.fetchone()[0]
    return max(rows_read(plan if isinstance(plan, list) else json.loads(plan))) < 10


def rows_read(plan):
    """Yield how many rows each step of a plan has read, or dropped, in all."""
    if isinstance(plan, dict):
        for rows, loops in (("Actual Rows", "Actual Loops"), ("r_rows", "r_loops")):
            if isinstance(plan.get(rows), int | float):
                yield plan[rows] * plan[loops]
        yield plan.get("Rows Removed by Filter", 0)
        plan = plan.values()
    if not isinstance(plan, str | int | float | None):
        for part in plan:
            yield from rows_read(part)


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
    if connection.vendor == "postgresql":
        analyze(connection)

    with CaptureQueriesContext(connection) as captured:
        found = earlier((City, "default"), [str(city.pk), str(other.pk), "0"], "default")

    assert len(captured) == 1
    assert looks_at_each_object_once(captured[0]["sql"])
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
