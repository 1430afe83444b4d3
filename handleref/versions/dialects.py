"""What the databases say differently of two values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import BooleanField, Func

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

# Whether two values differ, as triggers tell it: NULL is a value like any other, and a
# collation that calls different texts equal is not asked.
DIFFER = {
    "postgresql": "({0} IS DISTINCT FROM {1})",
    "sqlite": "({0} IS NOT {1} COLLATE BINARY)",
    "mysql": "(NOT ({0} <=> {1} AND BINARY {0} <=> BINARY {1}))",
}
# The same for columns that can only be compared by their text.
DIFFER_AS_TEXT = {**DIFFER, "postgresql": "({0}::text IS DISTINCT FROM {1}::text)"}


class Differ(Func):
    """Whether two expressions have different values, never NULL.

    :param as_text: whether to compare their texts, for types without equality.
    """

    output_field = BooleanField()
    arity = 2

    def __init__(self, *expressions: Any, as_text: bool = False) -> None:
        super().__init__(*expressions)
        self.as_text = as_text

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, list[Any]]:
        """Return the comparison in the words of the database."""
        (first, values), (second, others) = map(compiler.compile, self.source_expressions)
        template = (DIFFER_AS_TEXT if self.as_text else DIFFER)[connection.vendor]
        times = template.count("{0}")
        return template.format(first, second), [*values, *others] * times
