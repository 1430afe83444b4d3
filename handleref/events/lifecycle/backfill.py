"""First events of rows that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db import connections, router, transaction

from handleref.commands import ignore
from handleref.events.copying import by_hand, concrete
from handleref.events.recording import stored
from handleref.triggers.base import NEW
from handleref.triggers.dialects import dialect_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

    from handleref.commands import Tick
    from handleref.events.base import Event
    from handleref.triggers.dialects.base import Dialect

    Key = tuple[Any, ...]

BACKFILL: Final = "backfill"
BATCH: Final = 5_000


def backfill(
    event_model: type[Event],
    *,
    using: str | None = None,
    batch_size: int = BATCH,
    label: str = BACKFILL,
    tick: Tick = ignore,
) -> int:
    """Write an event for each tracked row that has none, and return how many.

    Each batch is a statement and a transaction of its own: after an interruption, call
    it again and it goes on. Rows stay as they are, and are locked while copied.

    :param using: the alias of the database, by default the router's.
    :param batch_size: how many rows a transaction takes, at least 1.
    :param label: what the events are called.
    :param tick: called with the number of rows just looked at.
    :raises ValueError: where events do not tell which row they are of.
    """
    if batch_size < 1:
        raise ValueError(f"A batch of {batch_size:,} rows; choose at least 1.")
    model = concrete(event_model.hr_tracking.model)
    using = using or router.db_for_write(model)
    dialect = dialect_of(connections[using])
    if dialect is None:
        raise ValueError(f"{connections[using].display_name} has no events.")
    sql = _statement(dialect, event_model, label)
    written = 0
    for first, last, size in _batches(model, using, batch_size):
        with transaction.atomic(using):
            _lock(model, using, first, last)
            with connections[using].cursor() as cursor:
                cursor.execute(sql, [*stored(model, first, using), *stored(model, last, using)])
                written += cursor.rowcount
        tick(size)
    return written


def _batches(model: type[Model], using: str, size: int) -> Iterator[tuple[Key, Key, int]]:
    """Yield the first and the last key of some rows at a time, and how many they are."""
    rows = model._base_manager.using(using).order_by("pk")
    names = [field.attname for field in model._meta.pk_fields]
    page = [*rows.values_list(*names)[:size]]
    while page:
        yield page[0], page[-1], len(page)
        key = page[-1] if len(names) > 1 else page[-1][0]
        page = [*rows.filter(pk__gt=key).values_list(*names)[:size]]


def _lock(model: type[Model], using: str, first: Key, last: Key) -> None:
    """Wait for whoever writes the rows of a batch, so that their events are seen."""
    one = len(first) == 1
    bounds = {"pk__gte": first[0] if one else first, "pk__lte": last[0] if one else last}
    rows = model._base_manager.using(using).filter(**bounds).order_by("pk")
    for _ in rows.select_for_update().values_list("pk"):
        pass


def _statement(dialect: Dialect, event_model: type[Event], label: str) -> str:
    """Return the statement that copies those rows between two keys that have no event."""
    model = concrete(event_model.hr_tracking.model)
    key = ", ".join(dialect.column(NEW, str(field.column)) for field in model._meta.pk_fields)
    marks = ", ".join(["%s"] * len(model._meta.pk_fields))
    events = dialect.name(event_model._meta.db_table)
    same = " AND ".join(
        f"{events}.{dialect.name(into)} = {dialect.column(NEW, column)}"
        for into, column in _identity(event_model)
    )
    return dialect.copying(
        by_hand(event_model, label),
        f"({key}) >= ({marks}) AND ({key}) <= ({marks})"
        f" AND NOT EXISTS (SELECT 1 FROM {events} WHERE {same}) ORDER BY {key}",
    )


def _identity(event_model: type[Event]) -> list[tuple[str, str]]:
    """Return the columns by which an event tells its row, with those of the row.

    :raises ValueError: when it does not.
    """
    tracking = event_model.hr_tracking
    model = concrete(tracking.model)
    names = {field.name: field for field in event_model._meta.local_fields}
    keys = model._meta.pk_fields
    found: list[tuple[Any, Any]] = [(names[key.name], key) for key in keys if key.name in names]
    if tracking.owner:
        # Its index begins with the owner.
        found.insert(0, (names["hr_obj"], model._meta.get_field(tracking.owner)))
    elif "hr_obj" in names:
        found = [(names["hr_obj"], keys[0])]
    elif len(found) < len(keys):
        raise ValueError(
            f"{event_model._meta.label} has neither hr_obj nor the primary key of"
            f" {model._meta.label}, so it cannot be told which rows have an event."
        )
    return [(str(into.column), str(key.column)) for into, key in found]
