"""Django's lookups on the two rows that a trigger sees."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from django.db.models import Expression, F, Q
from django.db.models.constants import LOOKUP_SEP
from django.db.models.sql import Query

from handleref.triggers.base import NEW, OLD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.models import Field
    from django.db.models.sql.compiler import SQLCompiler

    from handleref.triggers.dialects.bodies import Bodies
    from handleref.triggers.fields import Column


class RowColumn(Expression):
    """A column of ``OLD`` or ``NEW``."""

    def __init__(self, side: str, column: str, output_field: Field[Any, Any]) -> None:
        super().__init__(output_field=output_field)
        self.side = side
        self.column = column

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, tuple[()]]:
        return f"{self.side.upper()}.{connection.ops.quote_name(self.column)}", ()


def split(name: str) -> tuple[str, str, list[str]]:
    """Return the side, the field and the lookups of a name such as ``old__price__gt``.

    :raises ValueError: when it does not begin with a side.
    """
    side, *rest = name.split(LOOKUP_SEP)
    if side not in {OLD, NEW} or not rest:
        raise ValueError(f"A condition names old__… or new__…, not {name!r}.")
    return side, rest[0], rest[1:]


def references(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the side and the field of each reference in a lookup."""
    yield split(name)[:2]
    yield from references_in(value)


def references_in(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the side and the field of each ``F()`` in a value."""
    if isinstance(value, F):
        yield split(named(value))[:2]
    elif isinstance(value, Q):
        raise TypeError(f"A value of a condition cannot hold a Q: {value!r}.")
    elif isinstance(value, list | tuple):
        for part in value:
            yield from references_in(part)
    elif hasattr(value, "get_source_expressions"):
        for part in value.get_source_expressions():
            yield from references_in(part)


def named(reference: F) -> str:
    """Return what an ``F()`` refers to."""
    name: str = vars(reference)["name"]
    return name


def compile_lookup(name: str, value: Any, fields: Sequence[Column], dialect: Bodies) -> str:
    """Return a lookup as SQL, its values written by the rules of the database."""
    query = Query(None)
    known = {field.name: field for field in fields}
    side, field, lookups = split(name)
    left = _column(known, side, field)
    right: Any = query.resolve_lookup_value(_resolved(value, known), None, allow_joins=False)
    condition = query.build_lookup(lookups or ["exact"], left, right)
    compiler = query.get_compiler(connection=dialect.connection)
    sql, params = compiler.compile(condition)
    dialect.check_expression(sql)
    return str(sql % tuple(dialect.literal(param) for param in params))


def _column(known: dict[str, Column], side: str, name: str) -> RowColumn:
    found = known[name]
    return RowColumn(side, found.column, found.field)


def _resolved(value: Any, known: dict[str, Column]) -> Any:
    """Return a value with each ``F()`` in it replaced by the column of the row."""
    if isinstance(value, F):
        side, name, transforms = split(named(value))
        column: Any = _column(known, side, name)
        for transform in transforms:
            column = Query(None).try_transform(column, transform)
        return column
    if isinstance(value, list | tuple):
        return type(value)(_resolved(part, known) for part in value)
    if hasattr(value, "get_source_expressions"):
        value = copy.copy(value)
        value.set_source_expressions(
            [_resolved(part, known) for part in value.get_source_expressions()]
        )
    return value
