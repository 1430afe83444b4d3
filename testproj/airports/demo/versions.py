"""The chapters of ``handleref.versions``: what a row was, and how it comes back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model

from handleref.revisions.context import create_revision
from handleref.versions import Diff, Reverter, history
from testproj.airports.demo.references import AFTER, BEFORE
from testproj.airports.demo.telling import Teller, expect
from testproj.airports.models import Airport
from testproj.airports.reading import FIELDS, compare, find, read

RENAMED, CLOSED = "BGGH", "EFHF"
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = [Airport._meta.get_field(field).name for field in FIELDS]


def airport(teller: Teller) -> None:
    """Tell an airport's history over the releases, and compare its two versions."""
    nuuk = Airport.objects.get(icao=RENAMED)
    newest, oldest = history(nuuk)
    teller.say(f"What history() has of {nuuk}, the newest first:")
    teller.list(
        (f"{version.date:%Y-%m-%d}", version.comment, ", ".join(version.changed_fields()) or "new")
        for version in (newest, oldest)
    )
    diff = Diff(oldest, newest)
    teller.say("The two compared:")
    teller.list((c.verbose_name, c.old_label or "(none)", "→", c.new_label) for c in diff.values())

    told = differences(in_file(BEFORE, RENAMED), in_file(AFTER, RENAMED))
    found = {name: (change.old, change.new) for name, change in diff.items()}
    expect(f"What changed of {nuuk}", found, told)
    expect("The fields that changed", newest.changed_fields(), [*told])
    teller.say("The two files say the same.")

    then = history(nuuk).at(NEW_YEAR)
    expect("The version at the new year", then, oldest)
    teller.say(f"On {NEW_YEAR:%Y-%m-%d} it was {then}.")


def in_file(release: str, icao: str) -> dict[str, Any]:
    """Return the values that a release has for an airport, by the names of the fields."""
    row = next(row for row in read(find(release)) if row[0] == icao)
    return dict(zip(NAMES, row, strict=True))


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what differs, by the names of the fields."""
    return {n: (before[n], after[n]) for n in NAMES if before[n] != after[n]}


def way_back(teller: Teller) -> None:
    """Take a field back, and recover what was deleted, even for good."""
    user = get_user_model().objects.first()
    take_back_name(teller, Reverter(user=user, comment="The name that everybody knows"))

    deleted = history(Airport).deleted()
    expect("What is deleted", deleted.count(), compare(find(BEFORE), find(AFTER)).removed)
    teller.say(f"{deleted.count():,} airports are deleted, as many as the files say.")
    recover(teller, Reverter(user=user, comment="Put back"))


def take_back_name(teller: Teller, reverter: Reverter) -> None:
    """Take back the name, and nothing but the name."""
    nuuk = Airport.objects.get(icao=RENAMED)
    newest, oldest = history(nuuk)
    reverter.revert_fields(nuuk, {"name": oldest}, expected_version=newest)
    last = history(nuuk).first()

    values = {**in_file(AFTER, RENAMED), "name": in_file(BEFORE, RENAMED)["name"]}
    expect(f"What {nuuk} is", {name: last.data[name] for name in NAMES}, values)
    expect("Where its name is from", last.reverted_from, oldest.id)
    teller.say(f"{newest.data['name']} is {nuuk.name} again, by {last.user}: {last.comment}.")
    teller.say("All else is as it was.")
    teller.say()


def recover(teller: Teller, reverter: Reverter) -> None:
    """Bring back an airport that is soft-deleted, and once more when it is gone for good."""
    airports = history(Airport).deleted().search(CLOSED)
    (closed,) = airports
    reverter.restore(closed)
    expect(f"The status of {closed}", status(closed.object_id), "ok")
    with create_revision(comment="Deleted for good"):
        Airport.objects.get(icao=CLOSED).delete(hard=True)
    expect(f"The status of {closed}", status(closed.object_id), None)
    (last,) = airports
    reverter.restore(last)

    row = Airport.objects.filter(pk=closed.object_id).values_list(*FIELDS).get()
    expect(f"What {closed} is", dict(zip(NAMES, row, strict=True)), in_file(BEFORE, CLOSED))
    teller.say(f"{closed} was restored, deleted for good,")
    teller.say("and recovered from its last version, with the key that it had:")
    teller.list(
        (version.comment, "deleted" if version.is_deleted else "live")
        for version in history(Airport, closed.object_id)
    )


def status(key: Any) -> str | None:
    """Return the status of an airport, or None if its row is gone."""
    return Airport.objects.filter(pk=key).values_list("status", flat=True).first()
