"""What is recorded: each tracker becomes a trigger per operation and table."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from handleref.events.base import LONGEST_LABEL
from handleref.events.copying import body, tables
from handleref.triggers.base import (
    NEW,
    OLD,
    Delete,
    Insert,
    Level,
    Operation,
    Refuse,
    Statement,
    Trigger,
    Update,
)
from handleref.triggers.conditions import AnyChange, Change, Declared, declared
from handleref.triggers.indexes import TriggerIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model, Q

    from handleref.events.base import Event

Old: Final = OLD
New: Final = NEW


class Unset:
    """Stands for a condition that was not given; None means: always."""

    def __repr__(self) -> str:
        return "the default"


UNSET: Final = Unset()


class Tracker:
    """Something that is recorded under a label.

    :param label: what its events are called.
    :raises ValueError: without one, or for one that a trigger cannot carry.
    """

    label: ClassVar[str | None] = None

    def __init__(self, label: str | None = None) -> None:
        self.own_label = label or self.label or ""
        if not 0 < len(self.own_label) <= LONGEST_LABEL or "|" in self.own_label:
            raise ValueError(
                f"{type(self).__name__} needs a label of 1 to {LONGEST_LABEL} characters,"
                f" without a bar: {self.own_label!r} is none."
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its events."""
        return (self.own_label,)

    def written(self) -> list[tuple[str, str]]:
        """Return the label and the operation of each kind of event that it records by itself."""
        return []

    def indexes(self, event_model: type[Event]) -> Iterator[TriggerIndex]:
        """Yield its triggers, in their place among the indexes of the event model."""
        return iter(())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.own_label!r})"


class ManualEvent(Tracker):
    """Events that :func:`~handleref.events.recording.create_event` writes; it has no trigger."""


class RowEvent(Tracker):
    """Records a row when a statement writes it.

    :param label: what the events are called.
    :param operation: ``Insert``, ``Update``, ``Delete``, or several joined with ``|``.
    :param row: ``Old`` or ``New``: which side of the row is kept.
    :param condition: a ``Q`` over ``old__…`` and ``new__…``, ``AnyChange(…)`` and its
        kin, a ``Condition("raw SQL")``, or these joined with ``&``, ``|``, ``~``; None
        for always. By default, an update must change a tracked field.
    :param level: ``Row`` or ``Statement``, by default that of ``track()``.
    :raises ValueError: for a row that the operation does not have.
    """

    operation: ClassVar[Operation | None] = None
    row: ClassVar[str | None] = None
    condition: ClassVar[Any] = UNSET
    level: ClassVar[Level | None] = None

    def __init__(
        self,
        label: str | None = None,
        *,
        operation: Operation | None = None,
        row: str | None = None,
        condition: Declared | Q | Unset | None = UNSET,
        level: Level | None = None,
    ) -> None:
        super().__init__(label)
        self.operations = operation or self.operation or Operation(0)
        self.side = row or self.row or ""
        given: Any = self.condition if isinstance(condition, Unset) else condition
        self.when = given if given is None or given is UNSET else declared(given)
        self.at = level or self.level
        self._check()

    def _check(self) -> None:
        if not self.operations or Operation.TRUNCATE in self.operations:
            raise ValueError(f"{self!r} needs an operation: Insert, Update, Delete, or several.")
        if self.side not in {OLD, NEW}:
            raise ValueError(f"{self!r} needs a row, Old or New, not {self.side!r}.")
        absent = {OLD: Insert, NEW: Delete}[self.side]
        if absent in self.operations:
            raise ValueError(f"{self!r}: {absent.word} has no {self.side} row.")
        if not isinstance(self.at, Level | None):
            raise TypeError(f"{self!r}: level is Row or Statement, not {self.at!r}.")
        for operation in self.operations:
            self._check_condition(operation)

    def _check_condition(self, operation: Operation) -> None:
        """Refuse a condition on a row that an operation does not have."""
        condition = self.condition_for(operation)
        absent = {Insert: OLD, Delete: NEW}.get(operation)
        if condition is not None and absent in condition.sides():
            raise ValueError(
                f"{self!r}: its condition {condition!r} asks for the {absent} row, which"
                f" {operation.word} does not have."
            )

    def condition_for(self, operation: Operation) -> Declared | None:
        """Return what must hold for an operation.

        Of several operations, whether something changed is only asked of updates.
        """
        if self.when is UNSET:
            return AnyChange() if operation is Update else None
        if isinstance(self.when, Change) and Update in self.operations and operation is not Update:
            return None
        return None if self.when is None else declared(self.when)

    def written(self) -> list[tuple[str, str]]:
        return [(self.own_label, operation.word) for operation in self.operations]

    def indexes(self, event_model: type[Event]) -> Iterator[TriggerIndex]:
        for operation in self.operations:
            for table in tables(event_model.hr_tracking.model, operation):
                if self._may_hold(event_model, operation, table):
                    name = trigger_name(event_model, table, self.own_label, operation.word)
                    make = partial(self.trigger, event_model, operation, table)
                    yield TriggerIndex(make, name)

    def _may_hold(self, event_model: type[Event], operation: Operation, table: type[Model]) -> bool:
        """Tell whether the condition can hold of a table: it may name fields of another."""
        condition = self.condition_for(operation)
        if condition is None:
            return True
        tracking = event_model.hr_tracking
        return condition.touches(tracking.model, tracking.copied, table)

    def trigger(
        self, event_model: type[Event], operation: Operation, table: type[Model]
    ) -> Trigger:
        """Return the trigger for an operation on a table."""
        tracking = event_model.hr_tracking
        condition = self.condition_for(operation)
        level = self.at or tracking.level or Statement
        return Trigger(
            name=trigger_name(event_model, table, self.own_label, operation.word),
            table=table._meta.db_table,
            operation=operation.word,
            level=str(level.name).lower(),
            condition=None
            if condition is None
            else condition.bind(tracking.model, tracking.copied, table),
            body=body(event_model, table, row=self.side, label=self.own_label),
            keys=tracking.keys(self.own_label),
        )


class InsertEvent(RowEvent):
    """Records rows that are inserted."""

    label = "insert"
    operation = Insert
    row = NEW


class UpdateEvent(RowEvent):
    """Records rows that are changed, as they are afterwards."""

    label = "update"
    operation = Update
    row = NEW


class DeleteEvent(RowEvent):
    """Records rows that are deleted, as they were."""

    label = "delete"
    operation = Delete
    row = OLD


class Snapshot(RowEvent):
    """Records rows that are inserted or changed, both under one label."""

    label = "snapshot"
    operation = Insert | Update
    row = NEW


DEFAULT_TRACKERS: Final = (InsertEvent, UpdateEvent, DeleteEvent)

APPEND_ONLY: Final = "append_only"


def refusals(event_model: type[Event]) -> Iterator[TriggerIndex]:
    """Yield the triggers that let nobody change or delete events."""
    options = event_model._meta
    for operation in (Update, Delete, Operation.TRUNCATE):
        yield TriggerIndex(
            Trigger(
                name=trigger_name(event_model, event_model, APPEND_ONLY, operation.word),
                table=options.db_table,
                timing="before",
                operation=operation.word,
                level="statement" if operation is Operation.TRUNCATE else "row",
                body=Refuse(f"{options.label} is append-only: {operation.word} refused."),
                # By names of its own: whoever suspends an app does not mean its history.
                keys=(f"{options.label_lower}:{APPEND_ONLY}", APPEND_ONLY),
            )
        )


def trigger_name(event_model: type[Event], table: type[Model], label: str, operation: str) -> str:
    """Return what the database calls a trigger: readable, unique, short enough for all."""
    readable = re.sub(r"\W+", "_", label.lower(), flags=re.ASCII).strip("_")[:12]
    whole = f"{event_model._meta.db_table}|{table._meta.db_table}|{label}|{operation}"
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"hr_{readable}_{operation[:3]}_{digest}"
