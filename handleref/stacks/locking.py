"""Whose turn it is: the latest version of a stack is demoted before the next one is written.

The row of the latest version is the lock: who is second waits for it, finds that it is not
the latest any more, and goes on to the one that is. So nobody who holds a version may wait for
an older one; and nobody may look for it by another index than the primary key, which MariaDB
would lock first, and have two such writers wait for each other.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections

from handleref.exceptions import StackNotAdoptedError
from handleref.references.base import MANY
from handleref.stacks.base import all_rows
from handleref.stacks.dialects import DEMOTE, become_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from django.db.models import Model, QuerySet


class Place(NamedTuple):
    """The last version of a stack, before which the next one must not be written."""

    pk: Any
    number: int
    created_at: datetime


COLUMNS = ("pk", "stack_number", "stack_created_at")
# Of the versions of a stack that in which they were made, and one that no index has.
ORDER = ("stack_created_at", "stack_number", "pk")


def demote_row(model: type[Model], key: Any, group: Any, using: str) -> bool:
    """Demote a version, and tell whether it was the latest of the stack.

    By hand: to have Django write this takes a fifth of a ``save()``.
    """
    connection, get = connections[using], model._meta.get_field
    fields: Any = (model._meta.pk, get("stack_group_uuid"))
    values = zip(fields, (key, group), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _demotion(model, connection.vendor),
            [field.get_db_prep_value(value, connection) for field, value in values],
        )
        return bool(cursor.rowcount)


@cache
def _demotion(model: Any, vendor: str) -> str:
    options = model._meta
    quote = next(each for each in connections.all() if each.vendor == vendor).ops.quote_name
    names = (options.pk.name, "stack_group_uuid", "stack_latest")
    key, group, latest = (quote(options.get_field(name).column) for name in names)
    return DEMOTE.format(table=quote(options.db_table), key=key, group=group, latest=latest)


def demote(model: type[Model], group: Any, using: str) -> Place | None:
    """Demote the latest version of a stack, whichever that is; None for a stack without versions.

    :raises StackNotAdoptedError: for versions that have no numbers yet.
    """
    become_writer(model, using)
    stack = all_rows(model, using).filter(stack_group_uuid=group)
    before, stuck = None, False
    while True:
        latest = stack.filter(stack_latest=True).values_list(*COLUMNS)
        # A transaction that sees the same again sees nothing newer, unless it locks.
        found = only(latest.select_for_update() if stuck else latest)
        if found is None:
            return _headless(model, group, stack)
        place = Place(*found)
        if demote_row(model, place.pk, group, using):
            return place
        before, stuck = place, place == before


def _headless(model: type[Model], group: Any, stack: QuerySet[Any]) -> Place | None:
    """Return the last version of a stack that has no latest one."""
    found = stack.order_by("-stack_number").values_list(*COLUMNS).first()
    place = found and Place(*found)
    if place and place.number is None:
        raise StackNotAdoptedError(
            f"Versions of the {model._meta.label} {group} have no numbers yet. Nothing is saved;"
            f" run: manage.py handleref_stacks adopt {model._meta.label}"
        )
    return place


def demote_many(model: type[Model], groups: Iterable[Any], using: str) -> dict[Any, Place]:
    """Demote the latest versions of stacks; return the last version of each that has any.

    :raises StackNotAdoptedError: for versions that have no numbers yet.
    """
    places: dict[Any, Place] = {}
    for part in parts(groups):
        held = hold(all_rows(model, using).filter(stack_group_uuid__in=part))
        demote_held(model, held, using)
        headless = all_rows(model, using).filter(
            stack_group_uuid__in=[group for group in part if group not in held]
        )
        for group in set(headless.values_list("stack_group_uuid", flat=True)):
            if place := demote(model, group, using):
                held[group] = place
        places |= held
    return places


def demote_held(model: type[Model], held: dict[Any, Place], using: str) -> None:
    """Demote versions that are locked."""
    for keys in parts(place.pk for place in held.values()):
        all_rows(model, using).filter(pk__in=keys).update(stack_latest=None)


def hold(rows: QuerySet[Any]) -> dict[Any, Place]:
    """Lock the latest versions among the rows; return them by stack.

    In the order of their stacks, which no two writers take the other way round.
    """
    become_writer(rows.model, rows.db)
    latest = looked = rows.filter(stack_latest=True).order_by(*ORDER)
    held: dict[Any, Place] = {}
    before: list[Any] = []
    while True:
        keys = [*dict.fromkeys(looked.values_list("pk", flat=True))]
        for part in parts(keys):
            found = _locked(rows, part)
            held |= {group: Place(*place) for mark, group, *place in found if mark}
        if len(held) == len(keys):
            return held
        # Others were faster. Who sees the same again sees nothing newer, unless it locks.
        if keys == before:
            looked = _lockable(latest).select_for_update()
        before = keys


def hold_stacks(model: type[Model], groups: Iterable[Any], using: str) -> None:
    """Lock all versions of stacks, older ones first."""
    become_writer(model, using)
    for part in parts(groups):
        versions = all_rows(model, using).filter(stack_group_uuid__in=part).order_by(*ORDER)
        held: set[Any] = set()
        while new := [pk for pk in versions.values_list("pk", flat=True) if pk not in held]:
            for keys in parts(new):
                held |= {*keys, *(pk for _mark, _group, pk, *_ in _locked(versions, keys))}


def _locked(rows: QuerySet[Any], keys: list[Any]) -> QuerySet[Any]:
    """Lock rows by their keys alone; what is asked of them no other index has."""
    found = all_rows(rows.model, rows.db).filter(pk__in=keys).order_by(*ORDER)
    return found.select_for_update().values_list("stack_latest", "stack_group_uuid", *COLUMNS)


def locked_one(rows: QuerySet[Any], find: Callable[[QuerySet[Any]], Any]) -> Any:
    """Return the one row that is found, locked; None where others see more than this transaction.

    :param find: finds it among rows, or raises.

    A database that waits for a version finds an old one, and says that there is none.
    """
    become_writer(rows.model, rows.db)
    before = None
    while (found := find(rows)).pk != before:
        before = found.pk
        place = only(_locked(rows, [before]))
        if place and place[0] == found.stack_latest:
            with suppress(rows.model.DoesNotExist):
                return find(rows.filter(pk=before))
    return None


def _lockable(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the same rows in a query of their table alone, as databases lock them."""
    query = rows.query
    alone = len(query.alias_map) <= 1 and query.group_by is None and not query.distinct
    if alone and not query.annotations and not query.extra:
        return rows
    return all_rows(rows.model, rows.db).filter(pk__in=rows.order_by().values("pk"))


def only(rows: QuerySet[Any]) -> Any:
    """Return the one row that there is at most; ``first()`` would order what needs no order."""
    return next(iter(rows), None)


def parts(keys: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield keys, no more at a time than a query takes."""
    keys = [*keys]
    for start in range(0, len(keys), MANY):
        yield keys[start : start + MANY]
