"""The chapters of ``handleref.references``: a row knows when it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.utils import timezone

from testproj.airports.demo.telling import Teller, counted, expect
from testproj.airports.models import Airport, Country, Note
from testproj.airports.reading import Difference, compare, find

if TYPE_CHECKING:
    from datetime import datetime

BEFORE, AFTER = "20250224", "20260905"
COUNTRY = "IS"
NOTES = {
    "BIRK": "The terminal is a short walk from the old town.",
    "BIAR": "The runway is built out into the fjord.",
    "BIIS": "Approach through the fjord only; ask for the wind first.",
    "BIHN": "A note that was deleted before the country, and stays so.",
}


def first_release(teller: Teller) -> None:
    """Load the first release into the empty table."""
    teller.load(BEFORE)


def second_release(teller: Teller) -> None:
    """Go to the second release, and find by ``since()`` what the files say."""
    moment = timezone.now()
    teller.load(AFTER)
    teller.say()
    teller.say("What Airport.handleref.since() finds, beside what the two files say:")

    found = changes_since(moment)
    told = compare(find(BEFORE), find(AFTER))

    teller.show(
        ("since()", "files"),
        [(name, (found[i], told[i])) for i, name in enumerate(Difference._fields)],
    )
    expect("What since() finds is not what the files say", found, told)
    teller.say("They agree.")


def changes_since(moment: datetime) -> Difference:
    """Return how many airports came, went and changed after the moment."""
    written = Airport.handleref.since(moment, deleted=True)
    return Difference(
        added=written.undeleted().filter(created__gt=moment).count(),
        removed=written.deleted().count(),
        changed=written.undeleted().filter(created__lte=moment).count(),
    )


def country(teller: Teller) -> None:
    """Soft-delete a country with its airports and their notes, and restore it."""
    write_notes()
    iceland = Country.objects.get(pk=COUNTRY)
    before = living(iceland)
    with counted() as deletion:
        taken, _ = iceland.delete()
    deleted = living(iceland)
    with counted() as restoration:
        restored, _ = iceland.restore()
    after = living(iceland)

    teller.say(f"What is left of {iceland} while it is deleted, and once it is back:")
    teller.show(
        ("before", "deleted", "restored"),
        [(name, (before[name], deleted[name], after[name])) for name in before],
    )
    expect(f"What came back of {iceland}", after, before)
    teller.say(f"delete() took {taken} rows in {len(deletion)} statements,")
    teller.say(f"restore() brought the same {restored} back in {len(restoration)}.")
    teller.say("The fourth note had been deleted by itself before, and stays so.")


def write_notes() -> None:
    """Write a note on some airports, and delete the last one."""
    author = get_user_model().objects.first()
    airports = {each.icao: each for each in Airport.objects.filter(icao__in=NOTES)}
    notes = Note.objects.bulk_create(
        [Note(airport=airports[icao], author=author, text=text) for icao, text in NOTES.items()]
    )
    notes[-1].delete()


def living(country: Country) -> dict[str, int]:
    """Return how many rows of a country are not deleted."""
    return {
        "countries": Country.objects.undeleted().filter(pk=country.pk).count(),
        "airports": Airport.objects.undeleted().filter(country=country).count(),
        "notes": Note.objects.undeleted().filter(airport__country=country).count(),
    }
