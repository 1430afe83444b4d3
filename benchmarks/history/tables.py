"""Prepares the tables of rows and of their versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from reversion.models import Revision, Version

from benchmarks.rows.plain.models import Folder
from benchmarks.tables import empty, fill, prepare, settle
from handleref.revisions.models import Record

if TYPE_CHECKING:
    from benchmarks.history.contenders import Contender

# Those that refer to others come first.
OF_REVERSION = (Record, Version, Revision)

# What rows are moved between.
FOLDERS = (1, 2)


def prepare_all(contenders: Sequence[Contender]) -> None:
    """Set the database up for the benchmarks."""
    own = [contender.versions().model for contender in contenders]
    prepare([*dict.fromkeys([*OF_REVERSION, *own, *(one.row for one in contenders)])])
    # What the first work would look up for all that follow.
    ContentType.objects.get_for_models(*apps.get_models())


def filled(contender: Contender, size: int) -> list[Any]:
    """Return rows that have no versions yet, and neither has anybody else."""
    versions = [*dict.fromkeys([*OF_REVERSION, contender.versions().model])]
    empty(*versions)
    for model in versions:
        settle(model)
    fill(contender.row, size)
    return [*contender.row.objects.order_by("pk")]


def chronicled(contender: Contender, size: int) -> Any:
    """Return a row with that many versions; made once, and by one user."""
    code = f"HR-{size}"
    if row := contender.row.objects.filter(code=code).first():
        return row
    get_user_model().objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    for key in FOLDERS:
        Folder.objects.get_or_create(pk=key)
    row = contender.row(name="Tempelhof", code=code, city="Berlin")
    for number in range(size):
        with contender.told(row, f"Release {number}"):
            change(row, number)
            row.save()
    for model in {*OF_REVERSION, contender.versions().model, contender.row}:
        settle(model)
    return row


def change(row: Any, number: int) -> None:
    """Change one field, of every second version two, and of every fifth the folder."""
    row.number = number
    if number % 2:
        row.name = f"Berlin Tempelhof, terminal {number}"
    if not number % 5:
        row.folder_id = FOLDERS[number % 2]
