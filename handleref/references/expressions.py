"""SQL expressions that count and stamp rows in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Case, CharField, DateTimeField, Expression, Lookup, Value, When
from django.db.models.expressions import Col
from django.db.models.functions import Greatest

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Field, Model
    from django.db.models.sql.compiler import SQLCompiler

DELETED = "deleted"


class Increment(Expression):
    """One more than the column holds, in an ``UPDATE`` of the field's own table.

    It is resolved as it stands: no copy per query, and so next to no cost.
    """

    contains_aggregate = False
    contains_over_clause = False
    contains_column_references = True

    def __init__(self, field: Field[Any, Any]) -> None:
        super().__init__(output_field=field)

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Increment:
        """Return the expression itself: the field carries table and column."""
        return self

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[Any, ...]]:
        """Return ``table.column + 1``; the table also serves upserts."""
        quote = connection.ops.quote_name
        field: Any = self.output_field
        table = field.model._meta.db_table
        return f"{quote(table)}.{quote(field.column)} + 1", ()


class Live(Lookup):
    """``status__live=True``: the row is not soft-deleted.

    A plain comparison, so that it also holds inside joins, where the negated
    condition of ``exclude()`` would mean "has no deleted row at all".
    """

    lookup_name = "live"
    prepare_rhs = False

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[Any, ...]]:
        """Return the comparison of the status with ``deleted``."""
        column, params = compiler.compile(self.lhs)
        return f"{column} {'<>' if self.rhs else '='} %s", (*params, DELETED)


def is_expression(value: Any) -> bool:
    """Tell whether the database is to work a value out."""
    return hasattr(value, "resolve_expression")


def column(model: type[Model], name: str) -> Col:
    """Return a field's column in its own table, resolved."""
    field: Any = model._meta.get_field(name)
    return Col(field.model._meta.db_table, field)


def later(first: Any, second: Any) -> Greatest:
    """Return the later of two moments, values or expressions."""
    moment = DateTimeField()
    values = [v if is_expression(v) else Value(v, moment) for v in (first, second)]
    return Greatest(*values, output_field=moment)


def unless_deleted(model: type[Model], value: Any) -> Case:
    """Return a status to write, but for deleted rows the one that they have."""
    status = column(model, "status")
    given = value if is_expression(value) else Value(value, CharField())
    return Case(When(Live(status, rhs=False), then=status), default=given, output_field=CharField())
