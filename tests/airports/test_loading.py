"""The table becomes equal to a release, by writes of many rows."""

import gc
import tracemalloc
from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from reversion.models import Revision

from handleref.versions import history
from testproj.airports import loading
from testproj.airports.loading import Keys
from testproj.airports.models import Airport, Country, Note
from testproj.airports.reading import survey
from tests.airports.conftest import line

pytestmark = pytest.mark.django_db


def statuses():
    return dict(Airport.objects.values_list("icao", "status"))


def versions():
    return dict(Airport.objects.values_list("icao", "version"))


def table():
    """Return every row with all that it holds."""
    models = (Country, Airport, Note)
    return {model: list(model.objects.order_by("pk").values_list()) for model in models}


def test_only_what_differs_is_written(load):
    load(line("BIAR"), line("BIKF"), line("BIRK"))

    said = load(line("BIAR"), line("BIKF", name="Keflavik"), line("BIRK", lat="64.1300004"))

    assert said == "0 added, 0 removed, 1 changed, 0 restored, 2 unchanged.\n"
    assert versions() == {"BIAR": 1, "BIKF": 2, "BIRK": 1}


def test_what_is_gone_is_soft_deleted_with_its_notes(load):
    load(line("BIAR"), line("BIRK"))
    note = Note.objects.create(airport=Airport.objects.get(icao="BIRK"), text="Windy.")

    said = load(line("BIAR"))

    note.refresh_from_db()
    assert said == "0 added, 1 removed, 0 changed, 0 restored, 1 unchanged.\n"
    assert statuses() == {"BIAR": "ok", "BIRK": "deleted"}
    assert note.status == "deleted"


def test_what_is_gone_stays_as_it_is(load):
    load(line("BIAR"), line("BIRK"))
    load(line("BIAR"))

    said = load(line("BIAR"))

    assert said == "0 added, 0 removed, 0 changed, 0 restored, 1 unchanged.\n"
    assert versions() == {"BIAR": 1, "BIRK": 2}


def test_what_came_back_is_restored_with_its_notes_and_then_as_the_release_says(load):
    load(line("BIAR"), line("BIRK"))
    airport = Airport.objects.get(icao="BIRK")
    note = Note.objects.create(airport=airport, text="Windy.")
    load(line("BIAR"))

    said = load(line("BIAR"), line("BIRK", city="Reykjavik"))

    note.refresh_from_db()
    back = Airport.objects.get(icao="BIRK")
    assert said == "0 added, 0 removed, 0 changed, 1 restored, 1 unchanged.\n"
    assert (back.pk, back.status, back.city, back.version) == (airport.pk, "ok", "Reykjavik", 4)
    assert note.status == "ok"


def test_what_came_back_may_belong_to_another_country_now(load):
    load(line("BIAR"), line("BIRK"), line("EKVG", country="FO"))
    Country.objects.get(pk="FO").delete()

    said = load(line("BIAR"), line("BIRK"), line("EKVG"))

    assert said == "0 added, 0 removed, 0 changed, 1 restored, 2 unchanged.\n"
    assert statuses() == {"BIAR": "ok", "BIRK": "ok", "EKVG": "ok"}
    assert Country.objects.get(pk="FO").status == "deleted"


def test_a_deleted_country_that_the_release_names_is_restored(load):
    load(line("BIAR"), line("BIRK"), line("EKVG", country="FO"))
    Country.objects.get(pk="IS").delete()

    said = load(line("BIAR"), line("EKVG", country="FO"))

    assert said == "0 added, 0 removed, 0 changed, 1 restored, 1 unchanged.\n"
    assert Country.objects.get(pk="IS").status == "ok"
    assert statuses() == {"BIAR": "ok", "BIRK": "deleted", "EKVG": "ok"}


def test_countries_are_created_with_their_names_and_by_their_codes_without(load):
    load(line("BIAR"), line("BKPR", country="XK"))

    assert dict(Country.objects.values_list("code", "name")) == {"IS": "Iceland", "XK": "XK"}


def test_a_load_that_fails_half_way_leaves_everything_as_it_was(load, release, monkeypatch):
    load(line("BIAR"), line("BIRK"))
    before = table()
    later = survey(release(line("BIAR", name="New"), line("EKVG", country="FO")))
    monkeypatch.setattr(loading, "delete_others", lambda *args: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        loading.load(later)

    assert table() == before


def test_a_load_larger_than_a_chunk_goes_through_chunk_by_chunk(load, monkeypatch):
    monkeypatch.setattr(loading, "CHUNK", 2)
    load(*[line(f"BI{number:02}") for number in range(7)])

    said = load(*[line(f"BI{number:02}", city="x" * (number % 2)) for number in range(2, 9)])

    assert said == "2 added, 2 removed, 2 changed, 0 restored, 3 unchanged.\n"


# Versions ---------------------------------------------------------------------------------------


def test_what_a_release_writes_is_kept_as_versions_of_its_day(release):
    before = survey(release(line("BIAR"), line("BIKF"), name="airports-20250224.csv.gz"))
    after = survey(release(line("BIAR", name="Akureyri"), name="airports-20260905.csv.gz"))
    loading.load(before)

    loading.load(after)

    told = [
        (str(version), version.comment, version.date, version.changed_fields(), version.is_deleted)
        for version in history(Airport)
    ]
    first = "Release 20250224", datetime(2025, 2, 24, tzinfo=UTC), [], False
    second = "Release 20260905", datetime(2026, 9, 5, tzinfo=UTC)
    assert told == [
        ("BIKF BIKF Airport", *second, ["status"], True),
        ("BIAR Akureyri", *second, ["name"], False),
        ("BIKF BIKF Airport", *first),
        ("BIAR BIAR Airport", *first),
    ]


def test_a_release_without_a_date_is_of_today(load):
    before = timezone.now()

    load(line("BIAR"))

    (version,) = history(Airport)
    assert version.comment == "Release small"
    assert before <= version.date <= timezone.now()


def test_a_chunk_is_a_revision(load, monkeypatch):
    monkeypatch.setattr(loading, "CHUNK", 2)

    load(*[line(f"BI{number:02}") for number in range(5)])

    sizes = [revision.version_set.count() for revision in Revision.objects.order_by("pk")]
    assert sizes == [1, 2, 2, 1]  # the country, then the airports


def test_what_does_not_differ_gets_no_version(load):
    load(line("BIAR"), line("BIKF"))

    load(line("BIAR"), line("BIKF", name="Keflavik"))

    assert [str(version) for version in history(Airport)] == [
        "BIKF Keflavik",
        "BIKF BIKF Airport",
        "BIAR BIAR Airport",
    ]


# Memory -----------------------------------------------------------------------------------------


def test_memory_is_flat_with_the_number_of_rows(release, monkeypatch):
    monkeypatch.setattr(loading, "CHUNK", 100)
    few = survey(release(*many(600), name="few.csv.gz"))
    more = survey(release(*many(2_400), name="more.csv.gz"))
    peak(few)

    peaks = peak(few), peak(more)

    assert peaks[1] < peaks[0] * 1.25


def many(rows):
    return [line(f"{number:04}", country=f"{'AB'[number % 2]}A") for number in range(rows)]


def peak(release):
    """Return how many bytes were in use at most while a release was loaded."""
    Airport.objects.all().delete(hard=True)
    gc.freeze()
    tracemalloc.start()
    try:
        # Garbage is not what is held, and Python comes for it when it likes.
        loading.load(release, tick=lambda rows: gc.collect())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.unfreeze()


def test_keys_are_remembered_at_a_bit_each():
    keys = Keys([1, 8, 80_000])

    held = [key for key in range(1, 100_000) if key in keys]

    assert held == [1, 8, 80_000]
    assert len(keys.bits) == 10_001


# Deletion of users ------------------------------------------------------------------------------


def test_a_note_outlives_its_author_and_counts_the_change(load):
    load(line("BIRK"))
    author = get_user_model().objects.create_user("ann")
    note = Note.objects.create(airport=Airport.objects.get(), author=author, text="Windy.")

    author.delete()

    note.refresh_from_db()
    assert (note.author, note.status, note.version) == (None, "ok", 2)
