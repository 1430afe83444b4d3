"""Many versions at once, in a number of statements that knows no number of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F, Model, Q, QuerySet, Value
from django.db.models.sql import UpdateQuery
from django.db.models.sql.where import WhereNode
from django.utils import timezone

from handleref.references.expressions import later
from handleref.stacks.base import PLACE, all_rows, own_fields
from handleref.stacks.context import said
from handleref.stacks.copying import evaluated, table_of
from handleref.stacks.locking import Place, demote_held, demote_many, hold, parts
from handleref.stacks.recording import expressions_of, joined, note, stamp, unless_refused
from handleref.versions.as_of import refuse_writing
from handleref.versions.dialects import Differ
from handleref.versions.diff import same
from handleref.versions.state import value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from django.db.models import Field

    from handleref.stacks.copying import Table


def update(rows: QuerySet[Any], values: dict[str, Any], *, skip_unchanged: bool) -> int:
    """Write a new version of each stack whose latest version is among the rows.

    :returns: how many.
    :raises ValueError: for a field that numbers versions.
    """
    refuse_writing(rows.model._meta.label)
    _refuse_places(rows.model, values)
    model: Any = rows.model
    table, using = table_of(model), rows.db
    # Refuses what cannot be, whether there are rows or not.
    _updating(rows).add_update_values(values)
    with transaction.atomic(using=using, savepoint=False):
        held = hold(rows.filter(_changing(rows.model, values)) if skip_unchanged else rows)
        demote_held(table.model, held, using)
        keys = [place.pk for place in held.values()]
        for part in parts(keys):
            _copy(table, rows, part, values)
        table.carry_on(using, keys)
        for groups in parts(held) if said().is_late else ():
            made = all_rows(table.model, using).filter(stack_group_uuid__in=groups)
            note(table, made.filter(stack_latest=True).values_list("pk", flat=True), using)
    return len(held)


def _refuse_places(model: type[Model], names: Iterable[str]) -> None:
    key = model._meta.pk.name
    for name in names:
        if name in PLACE or name in {key, "pk"}:
            raise ValueError(
                f"{name} is set by the stack, for each version anew: leave it out, or overwrite"
                " rows as they are with new_version=False."
            )


def _changing(model: type[Model], values: dict[str, Any]) -> Q:
    """Return the condition that a row does not have the values yet."""
    found = Q()
    for name, value in values.items():
        field: Any = model._meta.get_field(name)
        if isinstance(value, Model):
            value = value.prepare_database_save(field)  # noqa: PLW2901
        wanted = value if hasattr(value, "resolve_expression") else Value(value, field)
        found |= Q(Differ(F(field.attname), wanted))
    return found


def _copy(table: Table, rows: QuerySet[Any], keys: list[Any], values: dict[str, Any]) -> None:
    """Write the versions after those with the keys."""
    by = said()
    if not table.makes_keys:
        _copy_by_hand(table, rows, keys, values)
        return
    query = _updating(rows)
    stamps = {
        "stack_number": F("stack_number") + 1,
        "stack_latest": True,
        "stack_created_at": later(F("stack_created_at"), timezone.now()),
        "stack_user": by.user_id,
        "stack_comment": by.text,
        "stack_reverted_from": None,
    }
    query.add_update_values({**stamps, **values})
    table.copy(query, keys, rows.db)


def _updating(rows: QuerySet[Any]) -> Any:
    """Return the query that updates rows."""
    return rows.query.chain(UpdateQuery)


def _copy_by_hand(
    table: Table, rows: QuerySet[Any], keys: list[Any], values: dict[str, Any]
) -> None:
    """Do the same where the keys are made here."""
    fields: dict[str, Any] = {name: table.model._meta.get_field(name) for name in values}
    expressions = expressions_of((fields[name], value) for name, value in values.items())
    named = {f"hr_{name}": expression for name, expression in expressions.items()}
    objs = [*_narrowed(rows, keys).annotate(**named)]
    for obj in objs:
        stamp(obj, Place(obj.pk, obj.stack_number, obj.stack_created_at), timezone.now(), said())
        for name, value in values.items():
            attname = fields[name].attname
            if attname in expressions:
                setattr(obj, attname, getattr(obj, f"hr_{attname}"))
            else:
                setattr(obj, name, value)
    table.insert(objs, rows.db)


def _narrowed(rows: QuerySet[Any], keys: list[Any]) -> QuerySet[Any]:
    """Return whole rows by their keys, with what a query has beside its conditions."""
    if rows._fields is not None:  # type: ignore[attr-defined]
        return all_rows(rows.model, rows.db).filter(pk__in=keys)
    plain = rows.order_by()
    plain.query.where = WhereNode()
    plain.query.select_related = False
    plain.query.clear_deferred_loading()
    return plain.filter(pk__in=keys)


def create(
    objs: Sequence[Any],
    using: str,
    insert: Callable[[list[Any]], Any],
    conflicts: tuple[Any, ...],
) -> None:
    """Insert versions: of new stacks, or the next ones of those that are there.

    :param insert: inserts those that are no rows yet.
    :raises ValueError: for conflicts that versions cannot take.
    """
    joining = [*joined(objs)]
    _refuse_conflicts(joining, *conflicts)
    if not objs:
        return
    table = table_of(objs[0]._meta.concrete_model)
    groups = dict.fromkeys(obj.stack_group_uuid for obj in joining)
    saved = {id(obj): obj.pk for obj in objs if not obj._state.adding}
    with unless_refused(objs):
        places = demote_many(table.model, groups, using)
        _number(objs, places)
        insert([obj for obj in objs if id(obj) not in saved])
        again = [obj for obj in objs if id(obj) in saved]
        for obj in again:
            table.tell(obj)
        table.insert(again, using)
        _carry(table, using, places, again, saved)
        note(table, [obj.pk for obj in objs], using)


def _refuse_conflicts(joining: Collection[Any], ignore: Any, update: Any, *_fields: Any) -> None:
    if update:
        raise ValueError(
            "bulk_create(update_conflicts=True) would overwrite versions: use update(), or"
            " bulk_update()."
        )
    if ignore and joining:
        raise ValueError(
            "bulk_create(ignore_conflicts=True) takes new stacks only: a version that is passed"
            " over would leave its stack without a latest one."
        )


def _number(objs: Iterable[Any], places: dict[Any, Place]) -> None:
    """Let instances be the versions that follow, in the order in which they come."""
    last: dict[Any, Any] = {}
    tips, moment, by = dict(places), timezone.now(), said()
    for obj in objs:
        group = obj.stack_group_uuid
        if group in last:
            last[group].stack_latest = None
        stamp(obj, tips.get(group), moment, by)
        tips[group] = Place(None, obj.stack_number, obj.stack_created_at)
        last[group] = obj


def _carry(
    table: Table,
    using: str,
    places: dict[Any, Place],
    again: Iterable[Any],
    saved: dict[int, Any],
) -> None:
    """Let new versions have the links of those before, or of those that they were."""
    stale = {
        obj.stack_group_uuid
        for obj in again
        if places.get(obj.stack_group_uuid, (None,))[0] != saved[id(obj)]
    }
    table.carry_on(using, [place.pk for group, place in places.items() if group not in stale])
    for obj in again:
        if obj.stack_group_uuid in stale:
            table.carry(using, saved[id(obj)], obj.pk)


def bulk_update(model: type[Model], objs: Sequence[Any], names: Sequence[str], using: str) -> int:
    """Write a new version of each object's stack, with the values of the fields in it.

    :returns: how many.
    :raises ValueError: for objects and fields that cannot be updated.
    """
    refuse_writing(model._meta.label)
    fields = _fields_to_update(model, objs, names)
    table = table_of(model)
    groups = dict.fromkeys(obj.stack_group_uuid for obj in objs)
    with unless_refused(objs), transaction.atomic(using=using, savepoint=False):
        held: dict[Any, Place] = {}
        for part in parts(groups):
            held |= hold(all_rows(table.model, using).filter(stack_group_uuid__in=part))
        rows = _read(table, held, using)
        for obj in objs:
            if row := rows.get(obj.stack_group_uuid):
                _set(row, obj, fields, using)
        if getattr(model, "stack_skip_unchanged", False):
            before = _read(table, held, using)
            rows = {group: row for group, row in rows.items() if _differ(row, before[group])}
        changed = {group: held[group] for group in rows}
        demote_held(table.model, changed, using)
        for group, row in rows.items():
            stamp(row, held[group], timezone.now(), said())
        table.insert([*rows.values()], using)
        table.carry_on(using, [place.pk for place in changed.values()])
        note(table, [row.pk for row in rows.values()], using)
        for obj in objs:
            if row := rows.get(obj.stack_group_uuid):
                _become(obj, row, fields)
    return len(rows)


def _fields_to_update(
    model: type[Model], objs: Iterable[Any], names: Sequence[str]
) -> list[Field[Any, Any]]:
    """Return the fields to update, or refuse as Django does, in its words."""
    if not names:
        raise ValueError("Field names must be given to bulk_update().")
    if not all(obj.pk is not None for obj in objs):
        raise ValueError("All bulk_update() objects must have a primary key set.")
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    if any(not field.concrete or field.many_to_many for field in fields):
        raise ValueError("bulk_update() can only be used with concrete fields.")
    _refuse_places(model, [field.name for field in fields])
    for obj in objs:
        obj._prepare_related_fields_for_save(  # noqa: SLF001 - as Django's own does
            operation_name="bulk_update", fields=fields
        )
    return fields


def _read(table: Table, held: dict[Any, Place], using: str) -> dict[Any, Any]:
    """Return latest versions, which are locked, by stack."""
    rows = all_rows(table.model, using).select_for_update()
    keys = [place.pk for place in held.values()]
    read = (row for part in parts(keys) for row in rows.filter(pk__in=part))
    return {row.stack_group_uuid: row for row in read}


def _set(row: Any, obj: Any, fields: Iterable[Any], using: str) -> None:
    """Give a version the values of an instance; the database works out expressions."""
    given = [(field, getattr(obj, field.attname)) for field in fields]
    expressions = expressions_of(given)
    if expressions:
        locked = all_rows(type(row), using).filter(pk=row.pk).select_for_update()
        before = evaluated(locked, expressions)
    for field, value in given:
        known = field.attname not in expressions
        setattr(row, field.attname, value if known else getattr(before, f"hr_{field.attname}"))


def _differ(row: Any, before: Any) -> bool:
    own = own_fields(row._meta.concrete_model)
    return not all(same(value_of(row, field), value_of(before, field)) for field in own)


def _become(obj: Any, row: Any, fields: Iterable[Any]) -> None:
    """Let an instance be the version that was written for it."""
    for name in (row._meta.pk.attname, *PLACE, "stack_user_id", "stack_comment"):
        setattr(obj, name, getattr(row, name))
    for field in fields:
        setattr(obj, field.attname, getattr(row, field.attname))
