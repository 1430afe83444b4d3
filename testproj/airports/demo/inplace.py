"""The chapter of rows that are history: what each release said, and when it was true."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from testproj.airports.demo.references import AFTER, BEFORE
from testproj.airports.demo.telling import Teller, expect
from testproj.airports.demo.versions import RENAMED
from testproj.airports.loading import CHUNK
from testproj.airports.models import Notice, Position
from testproj.airports.reading import FIELDS, differing, find, read, values_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

# What a position says of an airport, and where a release has it.
SAID = ("icao", "name", "elevation", "latitude", "longitude")
PLACES = [FIELDS.index(name) for name in SAID]
# Nuuk's long runway was opened, and the airport got its name.
OPENED = datetime(2024, 11, 28, tzinfo=UTC)


def positions(teller: Teller) -> None:
    """Write both releases as point-in-time rows, and ask for either."""
    first = write_first()
    written = write_second()
    teller.say("Each release is written into one table; rows that it replaces stay there.")
    rows = [
        ("then", (Position.records.version(first).count(), lines(BEFORE))),
        ("now", (Position.objects.count(), lines(AFTER))),
        ("replaced", (Position.records.exclude(replaced_at=None).count(), written)),
    ]
    teller.show(("rows", "files"), rows)
    expect("What was known then", said(Position.records.version(first)), in_file(BEFORE))
    expect("What is known now", said(Position.objects.all()), in_file(AFTER))
    teller.say("They agree, value by value.")
    teller.say()
    correct_name(teller)
    issue_notice(teller)


def write_first() -> datetime:
    """Write the first release, and return the moment as of which it is there."""
    rows = read(find(BEFORE))
    while chunk := list(islice(rows, CHUNK)):
        Position.objects.bulk_create(position(row) for row in chunk)
    latest: datetime = Position.objects.latest("created_at").created_at
    return latest


def write_second() -> int:
    """Go on to the second release, and return how many rows that replaces."""
    steps = [
        (before and chosen(values_of(before)), after and chosen(values_of(after)))
        for before, after in differing(find(BEFORE), find(AFTER))
    ]
    steps = [(before, after) for before, after in steps if before != after]
    known = {each.icao: each for each in Position.objects.all()}
    changed = []
    for before, after in steps:
        if before and after:
            obj = known[before[0]]
            vars(obj).update(zip(SAID, after, strict=True))
            changed.append(obj)
    gone = [before[0] for before, after in steps if not after]

    Position.objects.bulk_create(
        Position(**dict(zip(SAID, after, strict=True))) for before, after in steps if not before
    )
    Position.objects.bulk_update(changed, SAID[1:], batch_size=CHUNK)
    Position.objects.filter(icao__in=gone).delete()
    return len(changed) + len(gone)


def correct_name(teller: Teller) -> None:
    """Say since when an airport has its name, and ask with both times."""
    nuuk = Position.objects.get(icao=RENAMED)
    new, old = nuuk.name, Position.records.filter(icao=RENAMED).earliest("row_version").name
    nuuk.start_at = datetime(1979, 1, 1, tzinfo=UTC)
    nuuk.save()
    nuuk.correct(valid_to=OPENED, name=old)
    teller.say("An airport has its new name since its new runway; correct() splits the row:")
    parts = Position.objects.filter(icao=RENAMED).order_by("start_at")
    teller.list((f"{p.start_at:%Y-%m-%d}", "to", day(p.end_at), p.name) for p in parts)
    for moment, name in ((datetime(2000, 1, 1, tzinfo=UTC), old), (OPENED, new)):
        active = parts.active(moment).get()
        expect(f"The name on {moment:%Y-%m-%d}", active.name, name)


def issue_notice(teller: Teller) -> None:
    """Issue a notice three times: every save is a new row."""
    notice = Notice.objects.create(icao=RENAMED, text="Runway 05/23 is 950 m long.")
    for length in (1_799, 2_200):
        notice.text = f"Runway 05/23 is {length:,} m long."
        notice.save()
    issues = notice.same_group_items().order_by("stack_number")
    teller.say("A notice is issued three times, and each is a row:")
    teller.list((str(n.stack_number), n.text, "latest" if n.stack_latest else "") for n in issues)
    expect("The latest notice", Notice.objects.get_latest_from_stack_group(icao=RENAMED), notice)
    expect("The one before", notice.previous_instance(), issues[1])


# The files --------------------------------------------------------------------------------------


def position(row: Sequence[Any]) -> Position:
    """Return the position that a row of a release tells of."""
    return Position(**dict(zip(SAID, chosen(row), strict=True)))


def chosen(row: Sequence[Any]) -> tuple[Any, ...]:
    """Return what a position has of a row."""
    return tuple(row[place] for place in PLACES)


def in_file(release: str) -> set[tuple[Any, ...]]:
    """Return what a release says of all positions."""
    return {chosen(row) for row in read(find(release))}


def said(rows: QuerySet[Any]) -> set[tuple[Any, ...]]:
    """Return what rows say."""
    return {*rows.values_list(*SAID)}


def lines(release: str) -> int:
    """Return the number of rows of a release."""
    return sum(1 for _ in read(find(release)))


def day(moment: datetime | None) -> str:
    """Return a day, or that there is no end."""
    return f"{moment:%Y-%m-%d}" if moment else "now and on"
