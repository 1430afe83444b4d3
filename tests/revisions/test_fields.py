"""Names of fields in one column."""

import pytest
import reversion
from django.core import serializers
from reversion.models import Version

from handleref.revisions.fields import FieldNamesField
from handleref.revisions.models import Record
from tests.revisions.models import City

FIELD = FieldNamesField(null=True)


@pytest.mark.parametrize(
    ("names", "stored"),
    [(None, None), ((), "|"), (("name",), "|name|"), (("name", "a_b"), "|name|a_b|")],
)
def test_names_are_stored_between_bars(names, stored):
    assert FIELD.get_prep_value(names) == stored
    assert FIELD.from_db_value(stored) == names


@pytest.fixture
def records(db):
    """One record for each of three changes."""
    names = [None, (), ("name",), ("a_b", "name_x"), ("axb",)]
    with reversion.create_revision():
        cities = [City.objects.create() for _ in names]
    keys = dict(Version.objects.values_list("object_id", "pk"))
    for city, changed in zip(cities, names, strict=True):
        Record.objects.filter(pk=keys[str(city.pk)]).update(changed_fields=changed)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("name", [("name",)]),
        ("name_x", [("a_b", "name_x")]),
        ("a_b", [("a_b", "name_x")]),
        ("axb", [("axb",)]),
        ("nam", []),
        ("%", []),
    ],
)
def test_has_finds_the_whole_name_and_no_pattern(records, name, expected):
    found = Record.objects.filter(changed_fields__has=name)

    assert [record.changed_fields for record in found] == expected


def test_a_record_can_be_dumped_and_loaded(records):
    dumped = serializers.serialize("json", Record.objects.order_by("pk"))

    loaded = [found.object.changed_fields for found in serializers.deserialize("json", dumped)]

    assert loaded == [None, (), ("name",), ("a_b", "name_x"), ("axb",)]
