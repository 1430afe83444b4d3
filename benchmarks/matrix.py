"""Which write paths each package records, of ten rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import DatabaseError, Error, transaction
from django.db.models import Model

from tests.references.write_paths import PATHS, Kit, Path

Stamps = tuple[Any, ...]


@dataclass(frozen=True)
class Recorder:
    """What a package records of a write.

    :ivar label: the app label of its models.
    :ivar fields: what moves with every write.
    :ivar deleted: the field that tells of a soft delete, and whether a value does.
    """

    title: str
    label: str
    fields: tuple[str, ...]
    deleted: tuple[str, Callable[[Any], bool]]

    def kit(self) -> Kit:
        """Return the package's models."""
        item = apps.get_model(self.label, "Item")
        return Kit(item, (item, "folder"), (item, "owner"), (item, "binder"))

    def stamps(self, model: type[Model]) -> dict[Any, Stamps]:
        """Return the stamps of every row there is, the soft-deleted ones included."""
        rows = model._base_manager.values_list("pk", self.deleted[0], *self.fields)
        return {pk: stamps for pk, *stamps in rows}

    def records(self, path: Path) -> bool:
        """Tell whether the path is the package's business."""
        return bool(self.fields) or path.kind == "deleted"

    def count(self, path: Path, before: dict[Any, Stamps], after: dict[Any, Stamps]) -> int:
        """Count the rows whose stamps tell of the write."""
        return sum(self._tells(path, before.get(pk), stamps) for pk, stamps in after.items())

    def _tells(self, path: Path, before: Stamps | None, after: Stamps) -> bool:
        moved = before is None or all(a != b for a, b in zip(before[1:], after[1:], strict=True))
        return moved and (path.kind != "deleted" or self.deleted[1](after[0]))


def is_deleted(status: str) -> bool:
    """Tell whether a status means deleted."""
    return status == "deleted"


RECORDERS = [
    Recorder("handleref", "ours", ("updated", "version"), ("status", is_deleted)),
    # Its version moves with django-reversion only.
    Recorder("django-handleref", "handleref2", ("updated",), ("status", is_deleted)),
    Recorder("django-safedelete", "softdelete", (), ("deleted", bool)),
]


def matrix() -> dict[str, dict[str, str]]:
    """Return, for each path, what each installed package recorded of ten rows."""
    found = [
        recorder for recorder in RECORDERS if apps.is_installed(f"benchmarks.rows.{recorder.label}")
    ]
    return {
        path.name: {recorder.title: walked(recorder, path) for recorder in found} for path in PATHS
    }


def walked(recorder: Recorder, path: Path) -> str:
    """Walk a path and return the number of rows recorded, ``-`` or the error's name."""
    if not recorder.records(path):
        return "-"
    kit = recorder.kit()
    with transaction.atomic():
        rows = path.rows(kit)
        before = recorder.stamps(path.model(kit))
        try:
            with transaction.atomic():
                path.write(rows)
        except (Error, DatabaseError, TypeError, ValueError) as error:
            return type(error).__name__
        count = recorder.count(path, before, recorder.stamps(path.model(kit)))
        transaction.set_rollback(True)
    return str(count)
