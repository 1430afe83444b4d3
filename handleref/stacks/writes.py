"""The statements of a ``save()``, as texts that are kept: Django would write them anew."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from django.db import connections, transaction

from handleref.references.base import PARAMETERS
from handleref.references.dialects import fetch_one
from handleref.stacks.dialects import FOLLOW, INSERT, follows_at_once

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from handleref.stacks.copying import Table
    from handleref.stacks.locking import Place


def follows(table: Table, using: str) -> bool:
    """Tell whether one statement can demote a version and insert its successor."""
    connection = connections[using]
    able = follows_at_once(connection) and not table.links
    return able and _by_hand(table, connection.vendor)


def follow(table: Table, obj: Any, place: Place, using: str) -> bool | None:
    """Demote a version and insert its successor, in one statement.

    :param obj: has the values of the successor, and becomes that row.
    :returns: False if the version was not the latest any more; None, and nothing is done, where
        the database is to work out values.
    """
    connection = connections[using]
    key = _new_key(table)
    values = _values(table, obj, key, connection)
    if values is None:
        return None
    fields: Any = (table.key, table.model._meta.get_field("stack_group_uuid"))
    held = zip(fields, (place.pk, obj.stack_group_uuid), strict=True)
    old = [field.get_db_prep_value(value, connection) for field, value in held]
    # In a transaction that is open, nothing goes on after it has failed.
    alone = connection.get_autocommit()
    with nullcontext() if alone else transaction.atomic(using, savepoint=False):
        return _write(table, obj, key, connection, FOLLOW, [*old, *values])


def insert(table: Table, obj: Any, using: str) -> bool:
    """Insert a row with the values of an instance and a key of its own.

    :returns: False, and nothing is done, where Django is to do that.
    """
    connection = connections[using]
    keyed = obj._state.adding and obj.pk is not None
    if keyed or not _by_hand(table, connection.vendor):
        return False
    key = _new_key(table)
    values = _values(table, obj, key, connection)
    return values is not None and _write(table, obj, key, connection, INSERT, values)


def _new_key(table: Table) -> Any:
    """Return a key for a row; None where the database makes it."""
    return None if table.makes_keys else table.key.get_default()


def _values(table: Table, obj: Any, key: Any, connection: BaseDatabaseWrapper) -> list[Any] | None:
    """Return the values of a row as parameters; None if some are more than that."""
    held, values = vars(obj), []
    for field in table.inserted:
        if field is table.key:
            value = key
        elif field.attname in held:
            value = getattr(obj, field.attname)
        else:
            return None
        if type(value) not in PARAMETERS and hasattr(value, "resolve_expression"):
            return None
        values.append(field.get_db_prep_save(value, connection))
    return values


def _write(
    table: Table,
    obj: Any,
    key: Any,
    connection: BaseDatabaseWrapper,
    template: str,
    values: list[Any],
) -> bool:
    """Execute a statement, and let an instance be the row that it inserts, if it does."""
    row = fetch_one(connection, _text(table, connection.vendor, template), values)
    if row is None:
        return False
    # One that was made here is as it was made, not as the database has it.
    setattr(obj, table.key.attname, row[0] if key is None else key)
    obj._state.adding, obj._state.db = False, connection.alias
    return True


@cache
def _by_hand(table: Table, vendor: str) -> bool:
    """Tell whether rows have nothing but parameters in them, and nothing to return but a key."""
    connection = _connection(vendor)
    special = ("get_placeholder", "get_placeholder_sql")
    returned: list[Any] = list(table.model._meta.db_returning_fields)
    column: Any = table.key.cached_col
    read: list[Any] = []
    if table.makes_keys:
        read = [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]
    return (
        not any(hasattr(field, name) for field in table.inserted for name in special)
        and returned in ([], [table.key])
        and not read
        and connection.features.can_return_columns_from_insert
    )


@cache
def _text(table: Table, vendor: str, template: str) -> str:
    quote = _connection(vendor).ops.quote_name
    get: Any = table.model._meta.get_field
    return template.format(
        table=quote(table.model._meta.db_table),
        key=quote(table.key.column),
        group=quote(get("stack_group_uuid").column),
        latest=quote(get("stack_latest").column),
        columns=", ".join(quote(str(field.column)) for field in table.inserted),
        values=", ".join(["%s"] * len(table.inserted)),
    )


def _connection(vendor: str) -> Any:
    return next(each for each in connections.all() if each.vendor == vendor)
