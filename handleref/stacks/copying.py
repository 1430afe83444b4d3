"""The statements that write versions: by hand where Django would take longer, or has none."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import AutoField, Field, Value

from handleref.stacks.base import BOOKKEEPING, all_rows
from handleref.stacks.locking import parts
from handleref.versions.state import many_to_many

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model, QuerySet
    from django.db.models.sql import UpdateQuery


class Table:
    """The table of a stack, and those of the many-to-many fields whose rows are only pairs."""

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.key: Any = model._meta.pk
        fields = model._meta.local_concrete_fields
        self.fields = [f for f in fields if not getattr(f, "generated", False)]

    @cached_property
    def makes_keys(self) -> bool:
        """Whether the database makes the keys."""
        made = self.key.has_db_default() and not self.key.has_default()
        return made or isinstance(self.key, AutoField)

    @cached_property
    def inserted(self) -> list[Field[Any, Any]]:
        """The fields that are written into a new row."""
        return [f for f in self.fields if not (self.makes_keys and f is self.key)]

    @cached_property
    def told(self) -> list[Field[Any, Any]]:
        """The fields of the object, of which some want to be told before they are saved."""
        return [f for f in self.fields if f.name not in BOOKKEEPING and f is not self.key]

    @cached_property
    def telling(self) -> list[Field[Any, Any]]:
        """Those that do: Django's own way is to give the value as it is."""
        return [f for f in self.told if type(f).pre_save is not Field.pre_save]

    def tell(self, obj: Any, fields: Sequence[Any] | None = None) -> None:
        """Let fields know that an instance is saved, as Django does: ``auto_now`` is one.

        :param fields: which of them, by default all.
        """
        for field in self.telling:
            if fields is None or field in fields:
                value: Any = field.pre_save(obj, obj._state.adding)
                if value is not getattr(obj, field.attname):
                    setattr(obj, field.attname, value)

    @cached_property
    def links(self) -> list[tuple[str, str, str]]:
        """The tables of links, each with the columns of the owner and of the other side.

        A relation to the model itself that goes both ways has two rows for each link.
        """
        found = []
        for field in many_to_many(self.model):
            many: Any = field
            table = many.remote_field.through._meta.db_table
            own, other = many.m2m_column_name(), many.m2m_reverse_name()
            found.append((table, own, other))
            if getattr(many.remote_field, "symmetrical", False):
                found.append((table, other, own))
        return found

    def insert(self, objs: Iterable[Any], using: str) -> None:
        """Insert rows with the values that instances hold.

        One that was saved before gets a key of its own.
        """
        keyed: list[Any] = []
        others: list[Any] = []
        for obj in objs:
            if not obj._state.adding:
                setattr(obj, self.key.attname, None if self.makes_keys else self.key.get_default())
            (others if obj.pk is None else keyed).append(obj)
        self._insert(keyed, self.fields, using)
        self._insert(others, self.inserted, using)

    def _insert(self, objs: Sequence[Any], fields: Sequence[Any], using: str) -> None:
        rows: Any = all_rows(self.model, using)
        returned = list(self.model._meta.db_returning_fields)
        size = max(connections[using].ops.bulk_batch_size(fields, objs), 1)
        for start in range(0, len(objs), size):
            part = objs[start : start + size]
            made = rows._insert(  # noqa: SLF001 - Django's, without its own numbering of rows
                part, fields=fields, returning_fields=returned, using=using, raw=True
            )
            for obj, values in zip(part, made, strict=False):
                for field, value in zip(returned, values, strict=False):
                    setattr(obj, field.attname, value)
                obj._state.adding, obj._state.db = False, using

    def copy(self, query: UpdateQuery, keys: list[Any], using: str) -> None:
        """Insert a row for each of the rows with the keys, the values of an update in it."""
        compiler: Any = query.get_compiler(using)
        quote = connections[using].ops.quote_name
        table = quote(self.model._meta.db_table)
        columns, texts = [], []
        params: list[Any] = []
        given = {field: value for field, _model, value in query.values}  # type: ignore[attr-defined]
        for field in self.inserted:
            sql, values = f"{table}.{quote(str(field.column))}", ()
            if field in given:
                sql, values = compiler.compile(_resolved(query, field, given[field]))
            columns.append(quote(str(field.column)))
            texts.append(sql)
            params += values
        marks = ", ".join(["%s"] * len(keys))
        params += [self.key.get_db_prep_value(key, connections[using]) for key in keys]
        with connections[using].cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(columns)})"  # noqa: S608 - names of the model's own
                f" SELECT {', '.join(texts)} FROM {table}"
                f" WHERE {table}.{quote(self.key.column)} IN ({marks})",
                params,
            )

    def carry(self, using: str, source: Any, target: Any) -> None:
        """Let a version have the links that another one has."""
        if not self.links or source is None:
            return
        connection = connections[using]
        values = [self.key.get_db_prep_value(key, connection) for key in (target, source)]
        with connection.cursor() as cursor:
            for table, own, other in self._quoted_links(connection):
                cursor.execute(
                    f"INSERT INTO {table} ({own}, {other})"  # noqa: S608 - names of the model's own
                    f" SELECT %s, {other} FROM {table} WHERE {own} = %s",
                    values,
                )

    def carry_on(self, using: str, keys: Iterable[Any]) -> None:
        """Let all versions that follow have the links of these."""
        connection = connections[using]
        quote = connection.ops.quote_name
        fields: Any = map(self.model._meta.get_field, ("stack_group_uuid", "stack_number"))
        key, group, number = (quote(field.column) for field in (self.key, *fields))
        rows = quote(self.model._meta.db_table)
        for part in parts(keys) if self.links else ():
            marks = ", ".join(["%s"] * len(part))
            values = [self.key.get_db_prep_value(each, connection) for each in part]
            with connection.cursor() as cursor:
                for table, own, other in self._quoted_links(connection):
                    cursor.execute(
                        f"INSERT INTO {table} ({own}, {other})"  # noqa: S608 - names of the model's own
                        f" SELECT hr_new.{key}, hr_link.{other} FROM {table} hr_link"
                        f" JOIN {rows} hr_old ON hr_old.{key} = hr_link.{own}"
                        f" JOIN {rows} hr_new ON hr_new.{group} = hr_old.{group}"
                        f" AND hr_new.{number} > hr_old.{number}"
                        f" WHERE hr_old.{key} IN ({marks})",
                        values,
                    )

    def _quoted_links(self, connection: BaseDatabaseWrapper) -> Iterator[tuple[str, str, str]]:
        for table, own, other in self.links:
            quoted = map(connection.ops.quote_name, (table, own, other))
            yield tuple(quoted)  # type: ignore[misc]


def _resolved(query: UpdateQuery, field: Any, value: Any) -> Any:
    """Return a value of an update as an expression, as Django's update would take it."""
    if hasattr(value, "resolve_expression"):
        return value
    if hasattr(value, "prepare_database_save"):
        value = value.prepare_database_save(field)
    return Value(value, field).resolve_expression(query, allow_joins=False, for_save=True)


@cache
def table_of(model: type[Model]) -> Table:
    """Return the table of a stack, of whose statements some are kept."""
    concrete: Any = model._meta.concrete_model
    return Table(concrete)


def evaluated(rows: QuerySet[Any], expressions: Mapping[str, Any]) -> Any:
    """Return one row, with the values of expressions in it as ``hr_<attname>``."""
    return rows.annotate(**{f"hr_{name}": value for name, value in expressions.items()}).get()
