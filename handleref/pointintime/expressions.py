"""SQL for the keys of versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Expression

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

SQL = tuple[str, tuple[Any, ...]]


class VersionKey(Expression):
    """The primary key of the row that is a version of an object, wherever it is by now.

    :param model: a point-in-time model.
    :param row_id, row_version: which version of which object.
    :param otherwise: the key where there is no such version; NULL by default.
    """

    contains_aggregate = False
    contains_over_clause = False
    contains_column_references = False

    def __init__(
        self, model: type[Any], row_id: Any, row_version: int, otherwise: Any = None
    ) -> None:
        super().__init__(output_field=model._meta.pk)
        self.model = model
        self.row_id = row_id
        self.row_version = row_version
        self.otherwise = otherwise

    def resolve_expression(self, *args: Any, **kwargs: Any) -> VersionKey:
        """Return the expression itself: it refers to nothing of the query."""
        return self

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> SQL:
        """Return a subquery, which a query of the same table may have too."""
        options: Any = self.model._meta
        quote = connection.ops.quote_name
        key, row_id, version = (
            quote(options.get_field(name).column)
            for name in (options.pk.name, "row_id", "row_version")
        )
        of, params = self._literal(self.row_id, connection)
        # MariaDB refuses to look into the table that it writes, unless in a subquery of one.
        sql = (
            f"(SELECT {key} FROM (SELECT {key} FROM {quote(options.db_table)}"
            f" WHERE {row_id} = {of} AND {version} = {int(self.row_version)} LIMIT 1) hr_version)"
        )
        if self.otherwise is None:
            return sql, params
        otherwise, more = self._literal(self.otherwise, connection)
        return f"COALESCE({sql}, {otherwise})", (*params, *more)

    def _literal(self, key: Any, connection: BaseDatabaseWrapper) -> SQL:
        """Return a key for SQL; a number as it is: Django counts one parameter for a value."""
        value = self.model._meta.pk.get_db_prep_value(key, connection)
        return (str(value), ()) if type(value) is int else ("%s", (value,))


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
