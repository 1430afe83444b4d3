"""The chapter of ``handleref.events``: the database itself writes the history."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.db.models import Count, Q

from handleref.triggers.suspension import suspend
from testproj.airports.demo.references import AFTER, BEFORE
from testproj.airports.demo.telling import Teller, expect
from testproj.airports.loading import CHUNK
from testproj.airports.models import Airport, AirportEvent
from testproj.airports.reading import FIELDS, Difference, differing, find, read, values_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet

# By what events an airport is added, removed and changed; to the database, a soft deletion
# is an update.
SOFT_DELETION = Q(hr_label="update", status="deleted")
KINDS = Difference(
    added=Q(hr_label="insert"),
    removed=Q(hr_label="delete") | SOFT_DELETION,
    changed=Q(hr_label="update") & ~SOFT_DELETION,
)


def replay(teller: Teller) -> None:
    """Write both releases once more, by raw SQL, and compare what is recorded."""
    teller.say("Airport is tracked: triggers have recorded all that the ORM wrote so far.")
    teller.say("Now its table is emptied, unrecorded, and raw SQL writes the releases.")
    teller.say()
    last = AirportEvent.objects.latest("hr_id").hr_id
    by_orm = AirportEvent.objects.filter(hr_id__lte=last)
    by_sql = AirportEvent.objects.filter(hr_id__gt=last)
    with transaction.atomic():
        with suspend(Airport, reason="To begin again"):
            execute("DELETE FROM airports_airport", [()])
        expect("What is recorded while suspended", by_sql.count(), 0)
        written = write_releases()
        tell(teller, by_orm, by_sql, written)
        transaction.set_rollback(True)
    expect("What is left of the raw SQL", by_sql.count(), 0)
    teller.say("The raw SQL is rolled back, and its events with it.")


def tell(teller: Teller, by_orm: QuerySet[Any], by_sql: QuerySet[Any], files: Difference) -> None:
    """Tell what was recorded of the ORM and of raw SQL, beside what the files say."""
    orm, sql = found = counts(by_orm), counts(by_sql)
    teller.say("The events of each, beside the rows of the two files:")
    teller.show(
        ("by ORM", "by raw SQL", "files"),
        [(name, (orm[i], sql[i], files[i])) for i, name in enumerate(Difference._fields)],
    )
    expect("The events are not what the files say", found, (files, files))
    expect("Events with values that raw SQL did not write", differences(by_orm, by_sql), [])
    teller.say("They agree, row for row and value by value.")

    labels = {"insert": files.added, "update": files.changed}
    soft = labels | {"update": files.changed + files.removed}
    expect("The labels by ORM", by_label(by_orm), soft)
    expect("The labels by raw SQL", by_label(by_sql), labels | {"delete": files.removed})
    teller.say(f"Updates by the ORM: {soft['update']:,}, soft deletions among them.")
    teller.say(f"By raw SQL, which deletes for good: {labels['update']:,}.")


def counts(events: QuerySet[Any]) -> Difference:
    """Return how many airports were added, removed and changed, by their events."""
    return Difference(*(events.filter(kind).count() for kind in KINDS))


def by_label(events: QuerySet[Any]) -> dict[str, int]:
    """Return how many events there are of each label."""
    return dict(events.values_list("hr_label").annotate(Count("pk")))


def differences(by_orm: QuerySet[Any], by_sql: QuerySet[Any]) -> list[Any]:
    """Return the values of the ORM's events that raw SQL's have not, kind by kind."""
    return [
        row
        for kind in KINDS
        for row in by_orm.filter(kind)
        .values_list(*FIELDS)
        .difference(by_sql.filter(kind).values_list(*FIELDS))
    ]


# Raw SQL ----------------------------------------------------------------------------------------


def write_releases() -> Difference:
    """Write the first release into the empty table, go on to the second, and count the rows."""
    rows, first = read(find(BEFORE)), 0
    while chunk := list(islice(rows, CHUNK)):
        insert(chunk)
        first += len(chunk)
    steps = [*differing(find(BEFORE), find(AFTER))]
    new = [values_of(after) for before, after in steps if not before]
    changed = [values_of(after) for before, after in steps if before and after]
    gone = [before[:1] for before, after in steps if not after]

    insert(new)
    update(changed)
    execute("DELETE FROM airports_airport WHERE icao = %s", gone)
    return Difference(added=first + len(new), removed=len(gone), changed=len(changed))


def insert(rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows of values of ``FIELDS``, which are the names of their columns, too."""
    columns, places = ", ".join(FIELDS), ", ".join(["%s"] * len(FIELDS))
    execute(
        f"INSERT INTO airports_airport ({columns}, created, updated, status, version)"  # noqa: S608
        f" VALUES ({places}, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 'ok', 1)",
        rows,
    )


def update(rows: Iterable[Sequence[Any]]) -> None:
    """Update rows, found by the first of their values."""
    settings = ", ".join(f"{column} = %s" for column in FIELDS[1:])
    execute(
        f"UPDATE airports_airport SET {settings} WHERE icao = %s",  # noqa: S608
        [(*values, icao) for icao, *values in rows],
    )


def execute(sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run a statement for each row, as any other program might."""
    with connection.cursor() as cursor:
        cursor.executemany(sql, rows)
