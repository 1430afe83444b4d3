"""Tables and joins of queries that look at a moment, or at the present.

In the past a table stands for the rows that held then, under the keys of their objects: so
whatever leads to a row by its object's key leads to the row of that moment.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from django.db.models.expressions import Col
from django.db.models.sql.datastructures import BaseTable, Join

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model
    from django.db.models.sql.compiler import SQLCompiler

SQL = tuple[str, list[Any]]

# What the key of a row itself is called where that of its object has taken its place.
ROW_KEY = "hr_row"

_texts: dict[tuple[type[Model], str, bool], str] = {}


def moment_of(query: Any) -> datetime | None:
    """Return the moment at which a query looks, or None for the present."""
    # Django lets a query go on as one of its own classes, to write or as a part of another.
    return getattr(query, "moment", None)


def keeps_versions(model: type[Model], table: str) -> bool:
    """Tell whether the rows of a table, and not of one that a model inherits, are versions."""
    own = model._meta.db_table == table
    return own and any(hasattr(f, "names_object") for f in model._meta.local_concrete_fields)


def rows_of(model: type[Model], moment: datetime | None, connection: Any) -> SQL:
    """Return a subquery for the rows of a moment under their objects' keys, or the current rows."""
    named = (model, connection.vendor, moment is not None)
    text = _texts.get(named)
    if text is None:
        made = _current_rows if moment is None else _past_rows
        text = _texts[named] = made(model, connection.ops.quote_name)
    if moment is None:
        return text, []
    created: Any = model._meta.get_field("created_at")
    return text, [created.get_db_prep_value(moment, connection)] * 2


def _columns(model: type[Model], quote: Any) -> dict[str, str]:
    return {field.name: quote(field.column) for field in model._meta.local_concrete_fields}


def _current_rows(model: type[Model], quote: Any) -> str:
    columns = _columns(model, quote)
    return (
        f"(SELECT {', '.join(columns.values())} FROM {quote(model._meta.db_table)}"
        f" WHERE {columns['replaced_at']} IS NULL)"
    )


def _past_rows(model: type[Model], quote: Any) -> str:
    columns = _columns(model, quote)
    key = columns.pop(model._meta.pk.name)
    created, replaced = columns["created_at"], columns["replaced_at"]
    keys = f"{columns['row_id']} AS {key}, {key} AS {quote(ROW_KEY)}"
    return (
        f"(SELECT {keys}, {', '.join(columns.values())} FROM {quote(model._meta.db_table)}"
        f" WHERE {created} <= %s AND ({replaced} > %s OR {replaced} IS NULL))"
    )


def name_rows(query: Any) -> None:
    """Let a query select the keys of rows themselves where it selects those of past objects."""
    query.select = tuple(_row_key(query, column) for column in query.select)


def _row_key(query: Any, column: Any) -> Any:
    table = query.alias_map.get(getattr(column, "alias", None))
    past = isinstance(table, PointInTimeJoin | PointInTimeTable) and table.shows(query)
    if not past or not column.target.primary_key:
        return column
    target = copy(column.target)
    target.column = ROW_KEY
    return Col(column.alias, target, column.output_field)


def in_place_of(table: Join | BaseTable, rows: SQL, clause: SQL, connection: Any) -> SQL:
    """Return a clause with a subquery instead of its table, called as the table was."""
    name = connection.ops.quote_name(table.table_name)
    before, after = clause[0].split(name, 1)
    alias = f" {name}" if table.table_alias == table.table_name else ""
    return f"{before}{rows[0]}{alias}{after}", [*rows[1], *clause[1]]


class PointInTimeJoin(Join):
    """A join to the current rows of a table, or to those of the query's moment.

    Where a key leads to its row the present needs no condition: the row keeps that key.
    """

    # Pairs of fields: of the table that is joined from, and of the one that is joined.
    join_fields: tuple[tuple[Any, Any], ...]

    @property
    def model(self) -> type[Model]:
        """The model that is joined."""
        model: type[Model] = self.join_fields[0][1].model
        return model

    @property
    def leads_to_versions(self) -> bool:
        """Whether the rows that are joined are versions."""
        return keeps_versions(self.model, self.table_name)

    @property
    def from_version(self) -> bool:
        """Whether it follows a key that stays on its version, backwards."""
        frozen: bool = getattr(getattr(self.join_field, "field", None), "is_frozen", False)
        return frozen

    def shows(self, query: Any) -> datetime | None:
        """Return the moment whose rows stand for the table, if any."""
        if moment_of(query) is None or getattr(self.join_field, "is_frozen", False):
            return None
        return moment_of(query) if self.leads_to_versions else None

    def shows_current(self, query: Any) -> bool:
        """Tell whether the table stands for its current rows."""
        by_key = all(there.primary_key for _here, there in self.join_fields)
        return moment_of(query) is None and not by_key and self.leads_to_versions

    # The stubs have other types for the parts of a query.
    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:  # type: ignore[override]
        """Return the clause, with the rows that the query looks at."""
        join = self._from_row_key(compiler.query) if self.from_version else self
        sql, params = super(PointInTimeJoin, join).as_sql(compiler, connection)
        if moment := self.shows(compiler.query):
            rows = rows_of(self.model, moment, connection)
            return in_place_of(self, rows, (sql, [*params]), connection)
        if self.shows_current(compiler.query):
            replaced: Any = self.model._meta.get_field("replaced_at")
            column, _none = compiler.compile(replaced.get_col(self.table_alias))
            sql = f"{sql[:-1]} AND {column} IS NULL)"
        return sql, [*params]

    def _from_row_key(self, query: Any) -> Self:
        """Return the join with the key of the row itself, which is elsewhere in the past."""
        parent = query.alias_map[self.parent_alias]
        if not isinstance(parent, PointInTimeJoin | PointInTimeTable) or not parent.shows(query):
            return self
        join: Any = self.relabeled_clone({})
        join.join_fields = tuple((copy(here), there) for here, there in self.join_fields)
        for here, _there in join.join_fields:
            here.column = ROW_KEY
        return join  # type: ignore[no-any-return]


class PointInTimeTable(BaseTable):
    """The first table of a query: its own, or one whose join Django has cut off.

    :ivar join: that join.
    """

    join: PointInTimeJoin | None = None

    def relabeled_clone(self, change_map: dict[str | None, str]) -> Self:
        """Return a copy under another alias."""
        clone: Any = super().relabeled_clone(change_map)
        clone.join = self.join
        return clone  # type: ignore[no-any-return]

    def shows(self, query: Any) -> datetime | None:
        """Return the moment whose rows stand for the table, if any."""
        if self.join is not None:
            return self.join.shows(query)
        if moment_of(query) is None or getattr(query, "every_row", False):
            return None
        return moment_of(query) if keeps_versions(self._own(query), self.table_name) else None

    def _own(self, query: Any) -> type[Model]:
        model: type[Model] = query.model._meta.concrete_model
        return self.join.model if self.join else model

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:  # type: ignore[override]
        """Return the table, or the rows that the query looks at."""
        query = compiler.query
        sql, params = super().as_sql(compiler, connection)
        moment = self.shows(query)
        if moment or (self.join and self.join.shows_current(query)):
            rows = rows_of(self._own(query), moment, connection)
            return in_place_of(self, rows, (sql, [*params]), connection)
        return sql, [*params]
