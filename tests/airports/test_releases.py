"""The three releases at full size, on whatever database the suite runs."""

from contextlib import nullcontext
from unittest.mock import patch

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from testproj.airports.demo.references import changes_since
from testproj.airports.loading import FIELDS, Summary, load
from testproj.airports.models import Airport
from testproj.airports.reading import find, read, survey

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def years(django_db_setup, django_db_blocker):
    """Load the three releases, and return what each step said and what since() found.

    Without versions, which take more than twice as long; the demo's own tests look at them.
    """
    unrecorded = patch("testproj.airports.loading.revision", nullcontext)
    with django_db_blocker.unblock(), transaction.atomic(), unrecorded:
        yield dict(step(name) for name in ("20231230", "20250224", "20260905"))
        transaction.set_rollback(True)


def step(name):
    # Forgotten, so that what comes back later counts as added, as between two files.
    Airport.objects.deleted().delete(hard=True)
    moment = timezone.now()
    summary = load(survey(find(name)))
    return name, (summary, changes_since(moment))


def test_the_first_release_is_created(years):
    assert years["20231230"] == (Summary(added=28_135), (28_135, 0, 0))


def test_the_way_to_the_second_release_has_the_changes_that_six_decimals_show(years):
    # Of the 27,548 rows that differ as text, 1,891 do beyond the sixth decimal only.
    summary = Summary(added=291, removed=168, changed=25_657, unchanged=2_310)

    assert years["20250224"] == (summary, (291, 168, 25_657))


def test_the_way_to_the_third_release_has_the_changes_of_the_files(years):
    summary = Summary(added=689, removed=649, changed=12_704, unchanged=14_905)

    assert years["20260905"] == (summary, (689, 649, 12_704))


def test_the_table_equals_the_release(years):
    live = Airport.objects.undeleted().order_by("icao").values_list(*FIELDS)

    # Databases differ in where they sort "_".
    assert sorted(live) == list(read(find("20260905")))


def test_loading_a_release_again_writes_nothing(years):
    release = survey(find("20260905"))
    before = versions()

    with CaptureQueriesContext(connection) as queries:
        summary = load(release)

    assert summary == Summary(unchanged=28_298)
    assert versions() == before
    assert writes(queries) == []


def versions():
    return list(Airport.objects.order_by("pk").values_list("icao", "version", "updated"))


def writes(queries):
    statements = [query["sql"] for query in queries]
    return [sql for sql in statements if sql.startswith(("INSERT", "UPDATE", "DELETE"))]
