"""SQL for the keys of versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Expression, F, Lookup, Q
from django.db.models.sql.compiler import SQLDeleteCompiler, SQLUpdateCompiler

from handleref.pointintime.base import all_rows
from handleref.pointintime.dialects import finds_by_key, key_lock, written_key
from handleref.pointintime.joins import moment_of

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

SQL = tuple[str, tuple[Any, ...]]

VERSION = (
    "(SELECT {key} FROM (SELECT {key} FROM {table}"
    " WHERE {row_id} = {of} AND {version} = {number} LIMIT 1) hr_version)"
)


class VersionKey(Expression):
    """The primary key of the row that is a version of an object, wherever it is by now.

    :param model: a point-in-time model.
    :param row_id, row_version: which version of which object.
    """

    contains_aggregate = False
    contains_over_clause = False
    contains_column_references = False

    def __init__(self, model: type[Any], row_id: Any, row_version: int) -> None:
        super().__init__(output_field=model._meta.pk)
        self.model = model
        self.row_id = row_id
        self.row_version = row_version

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Self:
        """Return the expression itself: it refers to nothing of the query."""
        return self

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        """Return a subquery, which a query of the same table may have too."""
        of, params = self.literal(self.row_id, connection)
        return VERSION.format(of=of, number=int(self.row_version), **self.names(connection)), params

    def names(self, connection: BaseDatabaseWrapper) -> dict[str, str]:
        """Return the names of the table and of its columns, quoted."""
        options: Any = self.model._meta
        quote = connection.ops.quote_name
        return {
            "table": quote(options.db_table),
            "key": quote(options.pk.column),
            "row_id": quote(options.get_field("row_id").column),
            "version": quote(options.get_field("row_version").column),
        }

    def literal(self, key: Any, connection: BaseDatabaseWrapper) -> SQL:
        """Return a key for SQL; a number as it is: Django counts one parameter for a value."""
        value = self.model._meta.pk.get_db_prep_value(key, connection)
        return (str(value), ()) if type(value) is int else ("%s", (value,))


class WrittenKey(VersionKey):
    """The same, as it is written.

    :param otherwise: the key where there is no such version.
    """

    def __init__(self, model: type[Any], row_id: Any, row_version: int, otherwise: Any) -> None:
        super().__init__(model, row_id, row_version)
        self.otherwise = otherwise

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        """Return SQL that locks the row, so that it does not move meanwhile."""
        template = written_key(connection)
        of, params = self.literal(self.row_id, connection)
        otherwise, more = self.literal(self.otherwise, connection)
        sql = template.format(
            of=of,
            number=int(self.row_version),
            lock=key_lock(connection),
            **self.names(connection),
        )
        return f"COALESCE({sql}, {otherwise})", (*params * template.count("{of}"), *more)


class GivenKey(VersionKey):
    """A key that was given by itself, as it is written."""

    def __init__(self, model: type[Any], key: Any) -> None:
        super().__init__(model, key, 0)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        """Return the key; where that would not lock the row, SQL that does."""
        of, params = self.literal(self.row_id, connection)
        lock, names = key_lock(connection), self.names(connection)
        if not lock:
            return of, params
        row = "SELECT {key} FROM {table} WHERE {key} = ".format(**names) + of
        return f"COALESCE(({row}{lock}), {of})", params * 2


class Unread:
    """SQL for a column to be written, which Django does not take for an expression.

    Since 6.0 it reads those back, or lets the attribute be read when it is asked for next:
    a save() would then narrow itself to the other fields.
    """

    def __init__(self, expression: Expression) -> None:
        self.expression = expression

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        """Return the SQL of the expression."""
        sql, params = compiler.compile(self.expression)
        return sql, tuple(params)


class Kept(Expression):
    """What a column holds, in an ``UPDATE`` of its own table."""

    def __init__(self, field: Any) -> None:
        super().__init__(output_field=field)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        """Return the column."""
        field: Any = self.output_field
        return connection.ops.quote_name(field.column), ()


class HeldAt(Lookup):
    """Whether a row held at a moment, whatever became of it since: a condition of a filter.

    A lookup, for MariaDB would be asked of another expression whether it *is true*, and then
    find nothing by an index.

    :param moment: as the project stores moments.
    """

    prepare_rhs = False

    def __init__(self, moment: datetime) -> None:
        unreplaced = Q(replaced_at__gt=moment) | Q(replaced_at__isnull=True)
        self.condition = unreplaced & Q(created_at__lte=moment)
        super().__init__(F("pk"), self.condition)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        """Return the condition, or that a row's key is among those of which it holds."""
        key, held = self.lhs, self.rhs
        if finds_by_key(connection) and _only_reads(compiler) and not moment_of(compiler.query):
            model: Any = compiler.query.model
            rows = all_rows(model, connection.alias).filter(self.condition)
            held = key.output_field.get_lookup("in")(key, rows.values("pk").query)
        sql, params = compiler.compile(held)
        return f"({sql})", tuple(params)


def _only_reads(compiler: SQLCompiler) -> bool:
    """Tell whether a query looks at rows as the transaction sees them, and at their keys too.

    One that locks or writes looks at them as they are by now, and the key that was found may
    have become that of a later version.
    """
    writes = isinstance(compiler, SQLUpdateCompiler | SQLDeleteCompiler)
    return not (writes or compiler.query.select_for_update)
