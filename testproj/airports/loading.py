"""Make the table of airports equal to a release, in writes of many rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import reversion
from django.db import connection, transaction

from handleref.revisions.context import create_revision
from testproj.airports.models import Airport, Country
from testproj.airports.reading import FIELDS, country_names, read

if TYPE_CHECKING:
    from handleref.models import HandleRefQuerySet
    from testproj.airports.reading import Release, Row

# How many rows are in memory at a time.
CHUNK = 2_000


@dataclass
class Summary:
    """What became of the rows; each counts once."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    restored: int = 0
    unchanged: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{number:,} {name}" for name, number in vars(self).items())


class Keys:
    """A set of primary keys that takes one bit for each, and so no memory to speak of."""

    def __init__(self, keys: Iterable[int] = ()) -> None:
        self.bits = bytearray()
        for key in keys:
            self.add(key)

    def add(self, key: int) -> None:
        """Put a key into the set."""
        byte, bit = divmod(key, 8)
        self.bits.extend(bytes(max(0, byte + 1 - len(self.bits))))
        self.bits[byte] |= 1 << bit

    def __contains__(self, key: int) -> bool:
        byte, bit = divmod(key, 8)
        return byte < len(self.bits) and bool(self.bits[byte] >> bit & 1)


def load(release: Release, tick: Callable[[int], object] = lambda rows: None) -> Summary:
    """Make the table equal to a release, in one transaction.

    What it writes is kept as versions of the release's date, in a revision for
    each ``CHUNK`` of rows: one for all would hold them all in memory.

    :param tick: called with the number of rows just dealt with.
    :returns: what became of the rows.
    """
    summary = Summary()
    with transaction.atomic():
        deleted = Keys(key for keys in pages(Airport.objects.deleted()) for key in keys)
        with revision(release):
            bring_countries(release.countries)
        seen = Keys()
        rows = read(release.path)
        while chunk := list(islice(rows, CHUNK)):
            with revision(release):
                apply(chunk, deleted, seen, summary)
            tick(len(chunk))
        for keys in pages(Airport.objects.undeleted()):
            with revision(release):
                delete_others(keys, deleted, seen, summary)
    return summary


@contextmanager
def revision(release: Release) -> Iterator[None]:
    """Keep what is written inside as versions that a release brought."""
    with create_revision(comment=f"Release {release.name}"):
        if release.date:
            reversion.set_date_created(release.date)
        yield


def bring_countries(codes: Iterable[str]) -> None:
    """Create the countries that are missing, restore those that are deleted."""
    countries = Country.objects.filter(pk__in=codes)
    missing = sorted(set(codes) - set(countries.values_list("pk", flat=True)))
    names = country_names()
    Country.objects.bulk_create(
        [Country(code=code, name=names.get(code, code)) for code in missing]
    )
    countries.restore()


class Changes(NamedTuple):
    """What tells rows of a release from those in the table."""

    new: list[Airport]
    differing: list[Airport]
    same: list[int]


def diff(rows: Iterable[Row], stored: dict[str, tuple[int, Row]]) -> Changes:
    """Compare rows of a release with those in the table.

    :param stored: the primary key and the values of each row, by its ICAO code.
    """
    changes = Changes([], [], [])
    for row in rows:
        key, values = stored.get(row[0], (None, None))
        if key is None:
            changes.new.append(airport(row))
        elif values != row:
            changes.differing.append(airport(row, pk=key))
        else:
            changes.same.append(key)
    return changes


def airport(row: Row, **values: Any) -> Airport:
    """Return an airport with the values of a row."""
    return Airport(**values, **dict(zip(FIELDS, row, strict=True)))


def stored_rows(codes: Iterable[str]) -> dict[str, tuple[int, Row]]:
    """Return the primary keys and the values in the table, deleted or not, by ICAO code."""
    rows = Airport.objects.filter(icao__in=codes).values_list("pk", *FIELDS)
    return {values[0]: (key, tuple(values)) for key, *values in rows}


def apply(chunk: list[Row], deleted: Keys, seen: Keys, summary: Summary) -> None:
    """Write what differs in some rows, and take note of the keys seen."""
    changes = diff(chunk, stored_rows(row[0] for row in chunk))
    Airport.objects.bulk_create(changes.new)
    update(changes.differing)
    differing = [each.pk for each in changes.differing]
    back = [key for key in (*changes.same, *differing) if key in deleted]
    # After the update, for what comes back may belong to another country now.
    Airport.objects.filter(pk__in=back).restore()

    for key in (*changes.same, *differing, *(each.pk for each in changes.new)):
        seen.add(key)
    summary.added += len(changes.new)
    summary.restored += len(back)
    summary.changed += sum(key not in deleted for key in differing)
    summary.unchanged += sum(key not in deleted for key in changes.same)


def update(airports: list[Airport]) -> None:
    """Update rows that are there.

    As an upsert, which takes a third of the time of ``bulk_update()``: that
    writes a CASE with as many branches as rows for every field.
    """
    features = connection.features
    target = {"unique_fields": ["id"]} if features.supports_update_conflicts_with_target else {}
    fields = [Airport._meta.get_field(name).name for name in FIELDS[1:]]
    Airport.objects.bulk_create(airports, update_conflicts=True, update_fields=fields, **target)


def delete_others(keys: Iterable[int], deleted: Keys, seen: Keys, summary: Summary) -> None:
    """Soft-delete those of some airports that were not seen."""
    gone = [key for key in keys if key not in seen]
    Airport.objects.filter(pk__in=gone).delete()
    # What came back with its country only to go again was not there before.
    summary.removed += sum(key not in deleted for key in gone)


def pages(rows: HandleRefQuerySet[Airport]) -> Iterator[list[int]]:
    """Yield the primary keys of the rows, some at a time.

    Each page is a query of its own, because writes go on in between, and the
    client of MariaDB would keep the whole of a long result in memory.
    """
    last = 0
    rows = rows.order_by("pk")
    while keys := list(rows.filter(pk__gt=last).values_list("pk", flat=True)[:CHUNK]):
        yield keys
        last = keys[-1]
