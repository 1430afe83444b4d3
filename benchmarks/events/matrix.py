"""Which write paths are recorded as events, of ten rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Model

from benchmarks.listeners import listen_alone
from benchmarks.matrix import walked
from tests.references.write_paths import PATHS, Kit, Path

OPERATIONS = {"created": "insert", "changed": "update", "deleted": "delete"}

Events = dict[Any, tuple[Any, str]]


@dataclass(frozen=True)
class Recorder:
    """What triggers of a level record of a write.

    :ivar label: the label of the model that they watch.
    """

    title: str
    label: str

    def kit(self) -> Kit:
        """Return the models that the paths are walked with."""
        item = apps.get_model(self.label)
        return Kit(item, (item, "folder"), (item, "owner"), (item, "binder"))

    def stamps(self, model: type[Model]) -> Events:
        """Return the object and the operation of every event there is."""
        events = apps.get_model(f"{model._meta.label}Event")._base_manager
        return {pk: rest for pk, *rest in events.values_list("pk", "hr_obj_id", "hr_operation")}

    def records(self, path: Path) -> bool:
        """Tell whether the path is the package's business: all are."""
        return True

    def count(self, path: Path, before: Events, after: Events) -> int:
        """Count the rows that have a new event of the right operation."""
        new = [event for pk, event in after.items() if pk not in before]
        return len({row for row, operation in new if operation == OPERATIONS[path.kind]})


RECORDERS = [
    Recorder("triggers for rows", "events.RowItem"),
    Recorder("triggers for statements", "events.StatementItem"),
]


def matrix() -> dict[str, dict[str, str]]:
    """Return, for each path, what was recorded of ten rows."""
    listen_alone("ours")
    return {
        path.name: {recorder.title: walked(recorder, path) for recorder in RECORDERS}
        for path in PATHS
    }
