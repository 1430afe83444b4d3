"""The chapter on events: what the database recorded, whoever wrote, on every database."""

from contextlib import nullcontext

import pytest

from handleref.events.models import Suspension
from testproj.airports.demo import events, references
from testproj.airports.demo.telling import MismatchError
from testproj.airports.models import Airport, AirportEvent

pytestmark = pytest.mark.django_db

LOADED = [
    ("insert", "BGGH", "Godthaab", "ok", 1),
    ("insert", "EFHF", "EFHF Airport", "ok", 1),
    ("insert", "EFHK", "EFHK Airport", "ok", 1),
    ("update", "BGGH", "Nuuk", "ok", 2),
    ("update", "EFHK", "Vantaa", "ok", 2),
    ("update", "EFHF", "EFHF Airport", "deleted", 2),
]


@pytest.fixture
def loaded(teller, releases):
    """Load both releases, as the chapters before this one do."""
    references.first_release(teller)
    references.second_release(teller)


def told(teller, chapter):
    """Return what a chapter says."""
    before = len(teller.stdout._out.getvalue())
    chapter(teller)
    return teller.stdout._out.getvalue()[before:]


def recorded():
    """Return the events, in the order in which the database wrote them."""
    fields = "hr_label", "icao", "name", "status", "version"
    return list(AirportEvent.objects.order_by("hr_id").values_list(*fields))


def test_the_loads_are_recorded_row_for_row(loaded):
    assert recorded() == LOADED
    assert [event.name for event in Airport.objects.get(icao="BGGH").events.order_by("hr_id")] == [
        "Godthaab",
        "Nuuk",
    ]


def test_raw_sql_is_recorded_as_the_orm_is_and_taken_back(teller, loaded):
    rows = list(Airport.objects.order_by("pk").values())

    said = told(teller, events.replay)

    assert (
        said
        == """\
   Airport is tracked: triggers have recorded all that the ORM wrote so far.
   Now its table is emptied, unrecorded, and raw SQL writes the releases.

   The events of each, beside the rows of the two files:

                   by ORM  by raw SQL       files
   added                3           3           3
   removed              1           1           1
   changed              2           2           2

   They agree, row for row and value by value.
   Updates by the ORM: 3, soft deletions among them.
   By raw SQL, which deletes for good: 2.
   The raw SQL is rolled back, and its events with it.
"""
    )
    assert recorded() == LOADED
    assert list(Airport.objects.order_by("pk").values()) == rows
    assert not Suspension.objects.exists()


def test_what_raw_sql_wrote_is_what_the_orm_wrote(loaded):
    Airport.objects.all().delete(hard=True)
    AirportEvent.objects.all().delete()

    written = events.write_releases()

    assert written == (3, 1, 2)
    assert recorded() == [
        *LOADED[:3],
        # Nobody counts for raw SQL.
        ("update", "BGGH", "Nuuk", "ok", 1),
        ("update", "EFHK", "Vantaa", "ok", 1),
        ("delete", "EFHF", "EFHF Airport", "ok", 1),
    ]


def test_an_event_that_is_missing_ends_the_demo(teller, loaded):
    AirportEvent.objects.get(icao="BGGH", hr_label="update").delete()

    with pytest.raises(MismatchError) as caught:
        events.replay(teller)

    assert str(caught.value) == (
        "The events are not what the files say: found (Difference(added=3, removed=1, changed=1),"
        " Difference(added=3, removed=1, changed=2)), expected (Difference(added=3, removed=1,"
        " changed=2), Difference(added=3, removed=1, changed=2))."
    )


def test_an_event_with_another_value_ends_the_demo(teller, loaded):
    changed = AirportEvent.objects.filter(icao="BGGH", hr_label="update")
    changed.update(name="Godthåb")
    values = changed.values_list(*events.FIELDS).get()

    with pytest.raises(MismatchError) as caught:
        events.replay(teller)

    assert str(caught.value) == (
        f"Events with values that raw SQL did not write: found {[values]}, expected []."
    )


def test_an_emptying_that_is_recorded_ends_the_demo(teller, loaded, monkeypatch):
    monkeypatch.setattr(events, "suspend", lambda *targets, reason: nullcontext())

    with pytest.raises(MismatchError) as caught:
        events.replay(teller)

    assert str(caught.value) == "What is recorded while suspended: found 3, expected 0."
