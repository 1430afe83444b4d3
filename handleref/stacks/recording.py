"""A version is written: the latest one is demoted, and its successor inserted."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import router, transaction
from django.db.models import ExpressionWrapper
from django.db.models.expressions import DatabaseDefault
from django.utils import timezone

from handleref.stacks import writes
from handleref.stacks.base import all_rows, is_new, known, own_fields
from handleref.stacks.context import said
from handleref.stacks.copying import Table, evaluated, table_of
from handleref.stacks.locking import Place, demote, demote_row, only
from handleref.versions.diff import same
from handleref.versions.state import value_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from handleref.stacks.context import Said


@contextmanager
def unless_refused(objs: Iterable[Any]) -> Iterator[None]:
    """Let instances be as they were when what is written of them is refused."""
    before = [(vars(obj), vars(obj).copy()) for obj in objs]
    try:
        yield
    except BaseException:
        for held, values in before:
            held.clear()
            held.update(values)
        raise


def begins(obj: Any) -> bool:
    """Tell whether an instance is the first of a stack that nobody else can know of."""
    return bool(obj._state.adding) and is_new(obj.stack_group_uuid)


def joined(objs: Iterable[Any]) -> Iterator[Any]:
    """Yield instances of whose stack there may be versions, or are some before them."""
    begun = set()
    for obj in objs:
        if obj.stack_group_uuid in begun or not begins(obj):
            known(obj.stack_group_uuid)
            yield obj
        begun.add(obj.stack_group_uuid)


def stamp(obj: Any, place: Place | None, moment: datetime, by: Said) -> None:
    """Let an instance be the version that follows, the latest one of its stack."""
    obj.stack_number = place.number + 1 if place else 1
    obj.stack_latest = True
    obj.stack_created_at = max(moment, place.created_at) if place else moment
    obj.stack_user_id = by.user_id
    obj.stack_comment = by.text
    obj.stack_reverted_from = None


def write(obj: Any, using: str, names: Collection[str] | None) -> None:
    """Insert a row with the values of an instance, which becomes the latest version.

    :param names: the fields to take from it, None for all; others stay as they were.
    """
    table = table_of(obj._meta.concrete_model)
    # Read, where it was deferred, before the transaction begins.
    group = obj.stack_group_uuid
    known(group)
    usual, told = _believed(obj, using), False
    with unless_refused([obj]):
        if usual and names is None and writes.follows(table, using) and _is_whole(obj, table):
            table.tell(obj)
            told = True
            stamp(obj, usual, timezone.now(), said())
            followed = writes.follow(table, obj, usual, using)
            if followed:
                wrote(obj, using)
                return
            # Somebody else was faster, unless there are values for the database to work out.
            usual = usual if followed is None else None
        with transaction.atomic(using=using, savepoint=False):
            if usual and not demote_row(table.model, usual.pk, group, using):
                usual = None
            place = usual or demote(table.model, group, using)
            source = _source(obj, table, using, usual, place, whole=names is None)
            _take_over(obj, table, using, place, names, told=told)
            stamp(obj, place, timezone.now(), said())
            if not writes.insert(table, obj, using):
                table.insert([obj], using)
            table.carry(using, source, obj.pk)
            wrote(obj, using)


def _is_whole(obj: Any, table: Table) -> bool:
    """Tell whether an instance has all values, none deferred or to be worked out."""
    held = vars(obj)
    names = [field.attname for field in table.told]
    return all(name in held and not hasattr(held[name], "resolve_expression") for name in names)


def _believed(obj: Any, using: str) -> Place | None:
    """Return the place of an instance that believes to be the latest version."""
    held = vars(obj)
    known = held.get("stack_latest") and {"stack_number", "stack_created_at"} <= held.keys()
    if not known or obj.pk is None or obj._state.db != using:
        return None
    return Place(obj.pk, obj.stack_number, obj.stack_created_at)


def _source(
    obj: Any, table: Table, using: str, usual: Place | None, place: Place | None, *, whole: bool
) -> Any:
    """Return the key of the version whose links are carried on: that which the instance was."""
    if place is None or not table.links:
        return None
    if usual or not whole or obj.pk is None or obj._state.db != using:
        return place.pk
    # What was rolled back is not there.
    there = all_rows(table.model, using).filter(pk=obj.pk).exists()
    return obj.pk if there else place.pk


def _take_over(
    obj: Any,
    table: Table,
    using: str,
    place: Place | None,
    names: Collection[str] | None,
    *,
    told: bool,
) -> None:
    """Let an instance have the values that are to be written."""
    kept = table.told
    if names is not None:
        kept = [f for f in kept if f.name in names or f.attname in names]
    if not told:
        table.tell(obj, kept)
    expressions = expressions_of((field, vars(obj).get(field.attname)) for field in kept)
    if place is None or not (expressions or names is not None):
        return
    before = evaluated(all_rows(table.model, using).filter(pk=place.pk), expressions)
    for name in expressions:
        setattr(obj, name, getattr(before, f"hr_{name}"))
    for field in table.told:
        if field not in kept:
            setattr(obj, field.attname, vars(before)[field.attname])


def expressions_of(values: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """Return those of some fields' values that the database is to work out, by attribute."""
    found: dict[str, Any] = {}
    for field, value in values:
        if hasattr(value, "resolve_expression"):
            default: Any = value if isinstance(value, DatabaseDefault) else None
            expression = default.expression if default else value
            kind = getattr(field, "target_field", field)
            found[field.attname] = ExpressionWrapper(expression, output_field=kind)
    return found


def wrote(obj: Any, using: str) -> None:
    """Let an instance that has become another row ask anew for what refers to it."""
    note(table_of(obj._meta.concrete_model), [obj.pk], using)
    vars(obj).pop("_prefetched_objects_cache", None)
    if not obj._state.fields_cache:
        return
    for relation in obj._meta.related_objects:
        if relation.is_cached(obj):
            relation.delete_cached_value(obj)


def note(table: Table, keys: Iterable[Any], using: str) -> None:
    """Let versions have the comment of the block they are written in once it is known."""
    by = said()
    if by.is_late:
        by.note(table.model, using, keys)


def become_latest(obj: Any, options: Mapping[str, Any]) -> bool:
    """Let an instance be the latest version if nothing differs from it, and tell whether it is.

    :param options: those of ``save()``.
    """
    using = options.get("using") or router.db_for_write(type(obj), instance=obj)
    names = options.get("update_fields")
    rows = all_rows(type(obj), using)
    latest = only(rows.filter(stack_group_uuid=obj.stack_group_uuid, stack_latest=True))
    if latest is None or _differs(obj, latest, names):
        return False
    for field in obj._meta.concrete_fields:
        setattr(obj, field.attname, vars(latest)[field.attname])
    obj._state.db = using
    return True


def _differs(obj: Any, latest: Any, names: Collection[str] | None) -> bool:
    fields = own_fields(obj._meta.concrete_model)
    for field in fields:
        compared = names is None or field.name in names or field.attname in names
        # What is deferred is as it was.
        if (
            compared
            and field.attname in vars(obj)
            and not same(_typed(obj, field), value_of(latest, field))
        ):
            return True
    return False


def _typed(obj: Any, field: Any) -> Any:
    """Return the value of an instance as its field types it; what does not fit is another one."""
    value = value_of(obj, field)
    if value is None or hasattr(value, "resolve_expression"):
        return value
    try:
        return getattr(field, "target_field", field).to_python(value)
    except ValidationError:
        return value
