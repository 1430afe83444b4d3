"""Events that a program writes itself, and records of when none were written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections, router
from django.utils import timezone

from handleref.events.base import Event
from handleref.events.copying import by_hand, concrete
from handleref.events.models import Suspension
from handleref.events.tracking import event_models
from handleref.triggers.base import NEW
from handleref.triggers.dialects import dialect_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model


def create_event(obj: Model, *, label: str, using: str | None = None) -> Event:
    """Write an event of an object as it is in the database, and return it.

    :param obj: a saved instance of a tracked model; what was not saved of it does not count.
    :param label: a label that one of its trackers has, usually a ``ManualEvent``'s.
    :param using: the alias of the database, by default the object's.
    :raises ValueError: for a label that no tracker has, and for an object without a row.
    """
    model = concrete(type(obj))
    event_model = _labelled(model, label)
    using = using or obj._state.db or router.db_for_write(event_model)
    dialect = dialect_of(connections[using])
    if dialect is None:
        raise ValueError(f"{connections[using].display_name} has no events.")
    key = " AND ".join(f"{dialect.column(NEW, str(f.column))} = %s" for f in model._meta.pk_fields)
    sql = f"{dialect.copying(by_hand(event_model, label), key)} RETURNING hr_id"
    values = obj.pk if isinstance(obj.pk, tuple) else (obj.pk,)
    with connections[using].cursor() as cursor:
        cursor.execute(sql, stored(model, values, using))
        row = cursor.fetchone()
    if row is None:
        raise ValueError(f"{model._meta.label} {obj.pk} has no row, so no event can be written.")
    return event_model._base_manager.using(using).get(hr_id=row[0])


def stored(model: type[Model], key: Iterable[Any], using: str) -> list[Any]:
    """Return a primary key as the database has it, a value per column."""
    fields = zip(model._meta.pk_fields, key, strict=True)
    return [field.get_db_prep_value(value, connections[using]) for field, value in fields]


def _labelled(model: type[Model], label: str) -> type[Event]:
    found = [each for each in event_models(model) if label in each.hr_tracking.labels]
    if not found:
        labels = sorted({name for each in event_models(model) for name in each.hr_tracking.labels})
        known = ", ".join(labels) or "none: it is not tracked"
        raise ValueError(f"{model._meta.label} has no events called {label!r}; it has {known}.")
    return found[0]


def record_suspension(targets: Iterable[str], reason: str, using: str, **_: Any) -> None:
    """Write down that triggers were suspended; a receiver of ``suspended``."""
    if not router.allow_migrate_model(using, Suspension):
        using = router.db_for_write(Suspension)
    Suspension.objects.using(using).create(
        created_at=timezone.now(), targets=" ".join(targets), reason=reason
    )
