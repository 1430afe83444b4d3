"""Which columns an event takes from where: a model with parents has several tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from handleref.events.base import MANUAL
from handleref.triggers.base import NEW, Copy, Join, Operation, Trigger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

    from handleref.events.base import Event

    # A child, its parent, and the child's field that refers to the parent.
    Link = tuple[type[Model], type[Model], Any]


def tables(model: type[Model], operation: Operation) -> list[type[Model]]:
    """Return the models whose tables are watched for an operation.

    A row begins and ends with that of the model's own table; its parents' are updated
    without it.
    """
    model = concrete(model)
    return [model, *ancestors(model)] if operation is Operation.UPDATE else [model]


def concrete(model: type[Model]) -> type[Model]:
    """Return the model that has the table."""
    found: type[Model] = model._meta.concrete_model  # type: ignore[assignment]
    return found


def ancestors(model: type[Model]) -> list[type[Model]]:
    """Return the parents that have tables of their own."""
    return [parent for parent in model._meta.all_parents if concrete(parent) is parent]


def body(event_model: type[Event], table: type[Model], *, row: str, label: str) -> Copy:
    """Return what a trigger on one of a model's tables copies."""
    tracking = event_model.hr_tracking
    columns = [*_columns(event_model, table)]
    needed = {other for _, _, *others in columns for other in others}
    model = concrete(tracking.model)
    if table is not model:
        # Only those rows of a parent are meant that the model has.
        needed.add(model._meta.db_table)
    return Copy(
        into=event_model._meta.db_table,
        row=row,
        label=label,
        columns=tuple(columns),
        joins=tuple(_joins(model, table, needed)),
        context=any(f.name == "hr_context" for f in event_model._meta.local_fields),
    )


def by_hand(event_model: type[Event], label: str) -> Trigger:
    """Return what copies rows as they are, in the shape of a trigger that is never created."""
    model = concrete(event_model.hr_tracking.model)
    return Trigger(
        name="hr_by_hand",
        table=model._meta.db_table,
        operation=Operation.INSERT.word,
        body=replace(body(event_model, model, row=NEW, label=label), operation=MANUAL),
    )


def _columns(event_model: type[Event], table: type[Model]) -> Iterator[tuple[str, ...]]:
    tracking = event_model.hr_tracking
    names = {field.name: field for field in event_model._meta.concrete_fields}
    if (obj := names.get("hr_obj")) is not None:
        key = tracking.model._meta.get_field(tracking.owner) if tracking.owner else None
        yield _from(obj, key or concrete(tracking.model)._meta.pk, table)
    for field in tracking.copied:
        yield _from(names[field.name], field, table)


def _from(into: Any, field: Any, table: type[Model]) -> tuple[str, ...]:
    source = concrete(field.model)
    pair = (into.column, field.column)
    return pair if source is table else (*pair, source._meta.db_table)


def _joins(model: type[Model], table: type[Model], needed: set[str]) -> Iterator[Join]:
    """Yield the joins that lead from a table to the others that are needed, nearest first."""
    links, known = [*_links(model)], {table}
    wanted = needed - {table._meta.db_table}
    found: list[Join] = []
    while links:
        near = [link for link in links if known & {*link[:2]}]
        for child, parent, field in near:
            links.remove((child, parent, field))
            target = field.target_field
            if child not in known:
                found.append(_join(child, field, parent, target))
            elif parent not in known:
                found.append(_join(parent, target, child, field))
            known |= {child, parent}
    yield from _on_the_way(found, wanted)


def _join(model: type[Model], field: Any, to: type[Model], to_field: Any) -> Join:
    return Join(model._meta.db_table, field.column, to._meta.db_table, to_field.column)


def _on_the_way(joins: list[Join], wanted: set[str]) -> list[Join]:
    """Return the joins that lead to wanted tables, without those that lead nowhere."""
    kept: list[Join] = []
    for join in reversed(joins):
        if join.table in wanted:
            kept.insert(0, join)
            wanted = wanted | {join.to}
    return kept


def _links(model: type[Model]) -> Iterator[Link]:
    for parent, field in model._meta.parents.items():
        if field is not None and concrete(parent) is parent:
            yield model, parent, field
            yield from _links(parent)
