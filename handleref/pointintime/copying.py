"""Rows leave the place of the current row: what it was becomes a row of its own.

In this order, in one transaction: lock the current row and read it, then take the time, then
write the new version into the current row, then insert the old one. Whoever takes the time
before the lock has versions that end before they begin; whoever inserts first has two rows
of the same version, at which the constraints refuse.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import AutoField

from handleref.pointintime.base import BOOKKEEPING, STAMPS, TICK, all_rows, frozen_relations
from handleref.pointintime.dialects import become_writer, replacement
from handleref.references.base import PARAMETERS
from handleref.references.dialects import fetch_one

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Field, Model


class Table:
    """The table of a point-in-time model, and the statements that read and copy its rows."""

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.key: Any = model._meta.pk
        self.name = model._meta.db_table
        fields = model._meta.local_concrete_fields
        self.fields = [f for f in fields if not getattr(f, "generated", False)]
        self.place = {field.name: place for place, field in enumerate(self.fields)}
        self._texts: dict[tuple[str, str, tuple[str, ...]], str] = {}

    @cached_property
    def makes_keys(self) -> bool:
        """Whether the database makes the keys."""
        made = self.key.has_db_default() and not self.key.has_default()
        return made or isinstance(self.key, AutoField)

    @cached_property
    def copied(self) -> list[Field[Any, Any]]:
        """The fields that are written into a new row."""
        return [f for f in self.fields if not (self.makes_keys and f is self.key)]

    @cached_property
    def frozen(self) -> list[Any]:
        """The fields that stay on the version they were given."""
        return [field for field in self.fields if getattr(field, "is_frozen", False)]

    def new_key(self, connection: BaseDatabaseWrapper) -> Any:
        """Return a key for a row, as the database takes it; not where that makes them."""
        return self.key.get_db_prep_save(self.key.get_default(), connection)

    def lock(self, connection: BaseDatabaseWrapper, key: Any) -> list[Any] | None:
        """Lock the current row of an object; return its values as the database has them."""
        become_writer(connection, self.name, self.key.column)
        with connection.cursor() as cursor:
            value = self.key.get_db_prep_value(key, connection)
            cursor.execute(self._text("lock", connection), [value])
            row = cursor.fetchone()
        return None if row is None else [*row]

    def insert(
        self, connection: BaseDatabaseWrapper, row: Sequence[Any], *, returning: bool
    ) -> Any:
        """Insert a row, values as the database has them; return its key, if that is asked for."""
        values = list(row)
        place = self.place[self.key.name]
        if self.makes_keys:
            del values[place]
        else:
            values[place] = self.new_key(connection)
        with connection.cursor() as cursor:
            sql = self._text("insert_returning" if returning else "insert", connection)
            cursor.execute(sql, values)
            return cursor.fetchone()[0] if returning else None

    def copy(self, connection: BaseDatabaseWrapper, made: Sequence[tuple[Any, Any]]) -> None:
        """Insert a row for each of the current rows: what they were until they were stamped.

        :param made: their primary keys, and when what they were was created.
        """
        created: Any = self.fields[self.place["created_at"]]
        values: list[Any] = []
        for key, moment in made:
            values.append(self.key.get_db_prep_value(key, connection))
            values.append(created.get_db_prep_save(moment, connection))
            if not self.makes_keys:
                values.append(self.new_key(connection))
        row = f"({', '.join(['%s'] * (2 if self.makes_keys else 3))})"
        sql = self._text("copy", connection).replace("%s", ", ".join([row] * len(made)))
        with connection.cursor() as cursor:
            cursor.execute(sql, values)

    @cached_property
    def bookkeeping(self) -> list[Field[Any, Any]]:
        """The fields that are written with each version."""
        own = BOOKKEEPING - {"replaced_at"}
        return [field for field in self.fields if field.name in own]

    def own(self, stamps: dict[str, Any]) -> list[tuple[Field[Any, Any], Any]]:
        """Return what of the stamps is written, and where."""
        return [(f, stamps[f.attname]) for f in self.bookkeeping if f.attname in stamps]

    @cached_property
    def special(self) -> frozenset[str]:
        """The names of fields whose values are more than parameters."""
        more = ("get_placeholder", "get_placeholder_sql")
        return frozenset(f.name for f in self.fields if any(hasattr(f, name) for name in more))

    def takes(self, values: Any) -> bool:
        """Tell whether values are parameters, of statements that are written by hand."""
        return all(
            (type(value) in PARAMETERS or not _is_expression(value))
            and field.name not in self.special
            for field, value in values
        )

    def update(self, rows: Any, key: Any, values: Any, *returning: Any) -> Any:
        """Write values into the current row, and return what Django's ``_do_update()`` does.

        :param rows: all rows of the model.
        """
        if any(returning) or not self.takes(values):
            column = self.key.get_col(self.name)
            rows.query.where.add(self.key.get_lookup("exact")(column, key), "AND")
            return rows._update([(field, None, value) for field, value in values], *returning)
        # The same without a compiler: half of a save().
        connection = connections[rows.db]
        params = [field.get_db_prep_save(value, connection) for field, value in values]
        params.append(self.key.get_db_prep_value(key, connection))
        with connection.cursor() as cursor:
            columns = tuple(field.column for field, _value in values)
            cursor.execute(self._text("update", connection, columns), params)
            return [()] * cursor.rowcount

    def replace(
        self,
        connection: BaseDatabaseWrapper,
        key: Any,
        values: Any,
        clock: datetime,
        expected: int | None,
    ) -> tuple[Any, int, datetime] | None:
        """Write values into the current row, and what it was into another, in one statement.

        :param clock: what the time is; the version is later than the one before in any case.
        :param expected: the only version that is replaced, or None for any.
        :returns: the key of the copy, and number and time of the new version; None when
            there is no such row.
        """
        columns = tuple(field.column for field, _value in values)
        params = [self.key.get_db_prep_value(key, connection)]
        params += [] if expected is None else [expected]
        params.append(self.stored(connection, "created_at", clock))
        params += [field.get_db_prep_save(value, connection) for field, value in values]
        params += [] if self.makes_keys else [self.new_key(connection)]
        name = "replace" if expected is None else "replace expected"
        if connection.get_autocommit():
            name += " alone"
        row = fetch_one(connection, self._text(name, connection, columns), params)
        return row and (row[0], row[1], self.python(connection, "created_at", row[2]))

    def adopt(self, connection: BaseDatabaseWrapper, key: Any) -> None:
        """Let a row be that of an object of its own."""
        value = self.key.get_db_prep_value(key, connection)
        with connection.cursor() as cursor:
            cursor.execute(self._text("adopt", connection), [value])

    def _text(
        self, name: str, connection: BaseDatabaseWrapper, columns: tuple[str, ...] = ()
    ) -> str:
        known = self._texts.get((name, connection.vendor, columns))
        if known is None:
            known = self._made(name, connection, columns)
            self._texts[name, connection.vendor, columns] = known
        return known

    def _made(self, name: str, connection: BaseDatabaseWrapper, given: Sequence[str]) -> str:
        quote = connection.ops.quote_name
        table, key = quote(self.name), quote(self.key.column)
        if name == "lock":
            columns = ", ".join(quote(str(field.column)) for field in self.fields)
            sql = f"SELECT {columns} FROM {table} WHERE {key} = %s"
            lock = connection.features.has_select_for_update
            return f"{sql} {connection.ops.for_update_sql()}" if lock else sql
        if name == "adopt":
            row_id = quote(str(self.fields[self.place["row_id"]].column))
            return f"UPDATE {table} SET {row_id} = {key} WHERE {key} = %s"
        if name == "update":
            assignments = ", ".join(f"{quote(column)} = %s" for column in given)
            return f"UPDATE {table} SET {assignments} WHERE {key} = %s"
        if name.startswith("replace"):
            stamps = {each: str(self.fields[self.place[each]].column) for each in STAMPS}
            return replacement(
                connection,
                self.name,
                {"key": str(self.key.column), **stamps},
                given,
                [str(field.column) for field in self.copied],
                expected="expected" in name,
                alone="alone" in name,
            )
        columns = ", ".join(quote(str(field.column)) for field in self.copied)
        if name == "copy":
            made = "hr_key, hr_made" if self.makes_keys else "hr_key, hr_made, hr_new"
            copied = ", ".join(self._source(field, connection) for field in self.copied)
            return (
                f"INSERT INTO {table} ({columns}) WITH hr_old ({made}) AS (VALUES %s)"
                f" SELECT {copied} FROM hr_old INNER JOIN {table} ON {table}.{key} = hr_key"
            )
        marks = ", ".join(["%s"] * len(self.copied))
        sql = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
        return f"{sql} RETURNING {key}" if name == "insert_returning" else sql

    def _source(self, field: Any, connection: BaseDatabaseWrapper) -> str:
        """Return where a column of a copy comes from, once the current row was stamped."""
        quote = connection.ops.quote_name

        def column(name: str) -> str:
            return f"{quote(self.name)}.{quote(str(self.fields[self.place[name]].column))}"

        if field is self.key:
            return "hr_new"
        return {
            "row_version": f"{column('row_version')} - 1",
            "created_at": "hr_made",
            "replaced_at": column("created_at"),
        }.get(field.name, column(field.name))

    def stored(self, connection: BaseDatabaseWrapper, name: str, value: Any) -> Any:
        """Return a value for a row as the database takes it."""
        field: Any = self.fields[self.place[name]]
        return field.get_db_prep_save(value, connection)

    def python(self, connection: BaseDatabaseWrapper, name: str, value: Any) -> Any:
        """Return a value of a row as Python has it."""
        field: Any = self.fields[self.place[name]]
        column = field.cached_col
        converters = connection.ops.get_db_converters(column)
        for convert in [*converters, *column.get_db_converters(connection)]:
            value = convert(value, column, connection)
        return value


def _is_expression(value: Any) -> bool:
    return hasattr(value, "as_sql") or hasattr(value, "prepare_database_save")


def later(clock: datetime, *made: datetime) -> datetime:
    """Return a moment that is later than those at which rows were made."""
    return max([clock, *(moment + TICK for moment in made)])


@cache
def table_of(model: Any) -> Table:
    """Return the table of a model."""
    return Table(model)


def follow(model: type[Model], using: str, key: Any, to: Any) -> None:
    """Let the frozen keys that are on a row be on another from now on; a statement for each."""
    for field in frozen_relations(model):
        rows = all_rows(field.model, using).filter(**{field.attname: key})
        rows.update(**{field.attname: to})
