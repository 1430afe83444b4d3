"""A fact is changed for a part of its validity: ``FOR PORTION OF``, as SQL:2011 has it."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from handleref.exceptions import PortionError
from handleref.moments import moment
from handleref.pointintime.base import BOOKKEEPING, stored
from handleref.pointintime.locking import hold_objects, holding
from handleref.pointintime.recording import recording

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from django.db.models import Model, QuerySet

    from handleref.moments import Moment

PERIOD = frozenset({"start_at", "end_at"})


def correct(
    rows: QuerySet[Any],
    seen: Any,
    valid: tuple[Moment | None, Moment | None],
    user: Any,
    values: Any,
) -> list[Any]:
    """Change values of an object for a part of its validity.

    :param rows: the current row of the object.
    :param seen: the instance that the caller has.
    :param valid: when the part begins, and when it is over; None for where the object does.
    :returns: the parts in the order of their times.
    """
    _refuse_names(rows.model, values, user)
    start, end = _given(valid[0], "valid_from"), _given(valid[1], "valid_to")
    with holding(hold_objects, rows, [seen], "corrected", savepoint=True):
        obj = rows.get()
        before, after = copy(obj), copy(obj)
        obj.start_at, obj.end_at = _portion(obj, start, end)
        for name, value in values.items():
            setattr(obj, name, value)
        obj.save(user, using=rows.db)
        parts = [obj]
        if before.start_at < obj.start_at:
            before.end_at = obj.start_at
            parts.insert(0, before)
        if obj.end_at is not None and obj.end_at != after.end_at:
            after.start_at = obj.end_at
            parts.append(after)
        with recording.of_one_moment(user, obj.created_at):
            for part in parts:
                if part is not obj:
                    _begin(part, obj, rows.db)
    return parts


def _given(value: Moment | None, name: str) -> datetime | None:
    return None if value is None else stored(moment(value, name))


def _portion(
    obj: Any, start: datetime | None, end: datetime | None
) -> tuple[datetime, datetime | None]:
    """Return the part of an object's validity that lies between two moments."""
    if start is not None and end is not None and start >= end:
        raise PortionError(
            f"valid_from {start.isoformat()} is not before valid_to {end.isoformat()}."
        )
    begun = max(obj.start_at, start or obj.start_at)
    ends = [moment for moment in (obj.end_at, end) if moment is not None]
    over = min(ends, default=None)
    if over is not None and begun >= over:
        until = f"until {obj.end_at.isoformat()}" if obj.end_at else "without end"
        raise PortionError(
            f"{obj._meta.label} {obj.pk} is valid from {obj.start_at.isoformat()} {until}: there is"
            f" nothing of it from {start and start.isoformat()} to {end and end.isoformat()}."
        )
    return begun, over


def _begin(part: Any, obj: Any, using: str) -> None:
    """Let what is left of an object be one of its own, with the same links."""
    part.pk = part._meta.pk.get_default()
    part._state.adding = True
    part.save(force_insert=True, using=using)
    for field in part._meta.many_to_many:
        if field.remote_field.through._meta.auto_created:
            getattr(part, field.name).set(getattr(obj, field.name).all())


def _refuse_names(model: type[Model], values: Mapping[str, Any], user: Any) -> None:
    """Refuse what is no value of an object, and what may be one."""
    key: Any = model._meta.pk
    own = next((field for field in model._meta.concrete_fields if field.name == "user"), None)
    if user is not None and own is not None:
        way = f"correct it as {own.attname}" if own.attname != own.name else "save() changes that"
        raise TypeError(
            f"{model._meta.label} has a field called user: {way}, and name who makes the versions"
            " in a block, with recording(user=…)."
        )
    for name in values:
        if name in PERIOD | BOOKKEEPING | {key.name, key.attname, "pk"}:
            raise ValueError(
                f"{name} of {model._meta.label} is not corrected for a part of its validity:"
                " valid_from and valid_to say which part."
            )
        if name not in {n for f in model._meta.concrete_fields for n in (f.name, f.attname)}:
            raise TypeError(f"{model._meta.label} has no field called {name!r}.")
