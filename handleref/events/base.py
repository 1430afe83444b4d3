"""What every event model is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.db.models import Field, Model

    from handleref.events.trackers import Tracker

INSERT: Final = "insert"
UPDATE: Final = "update"
DELETE: Final = "delete"
# What create_event() and the backfill write: no statement changed the row.
MANUAL: Final = "manual"
OPERATIONS: Final = [
    (INSERT, _("insert")),
    (UPDATE, _("update")),
    (DELETE, _("delete")),
    (MANUAL, _("manual")),
]

LONGEST_LABEL: Final = 50


@dataclass(frozen=True)
class Tracking:
    """What an event model tracks, and how.

    :ivar model: the model whose table is watched.
    :ivar trackers: what is recorded.
    :ivar fields: the names of the fields that are copied.
    :ivar append_only: whether events can neither be changed nor deleted.
    :ivar level: the level of trackers that name none, or None.
    :ivar subject: whose timeline the events belong to, where that is another model: the
        owner of a many-to-many field whose rows are tracked.
    :ivar owner: the field by which such a row knows its owner.
    :raises ValueError: when two trackers record one operation under one label.
    """

    model: type[Model]
    trackers: tuple[Tracker, ...]
    fields: tuple[str, ...]
    append_only: bool = False
    level: Any = None
    subject: type[Model] | None = None
    owner: str = ""
    labels: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        written = [pair for each in self.trackers for pair in each.written()]
        for label, operation in written:
            if written.count((label, operation)) > 1:
                raise ValueError(
                    f"Two trackers of {self.model._meta.label} record {operation} as {label!r}:"
                    " give one of them another label."
                )
        labels = frozenset(label for each in self.trackers for label in each.labels)
        object.__setattr__(self, "labels", labels)

    def keys(self, label: str) -> tuple[str, ...]:
        """Return the names by which the trigger of a label can be suspended."""
        models = [self.model._meta.concrete_model, self.subject]
        options = [model._meta for model in models if model is not None]
        apps = {each.app_label: None for each in options}
        names = [each.label_lower for each in options]
        return ("*", *apps, *names, *(f"{name}:{label}" for name in names))

    @property
    def copied(self) -> list[Field[Any, Any]]:
        """The fields that are copied, in the model's order."""
        return [f for f in self.model._meta.concrete_fields if f.name in self.fields]


class Event(models.Model):
    """A row as it was when it was written, in columns of the same types.

    Base of the models that ``track()`` makes, and of those that one writes oneself.
    """

    hr_id = models.BigAutoField(primary_key=True)
    hr_created_at = models.DateTimeField(_("date"), editable=False)
    hr_operation = models.CharField(
        _("operation"), max_length=6, choices=OPERATIONS, editable=False
    )
    hr_label = models.CharField(_("label"), max_length=LONGEST_LABEL, editable=False)
    hr_txid = models.BigIntegerField(_("transaction"), null=True, editable=False)

    hr_tracking: ClassVar[Tracking]

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.hr_id}"
