"""``INSERT … ON CONFLICT UPDATE`` that stamps and counts the rows it updates."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.sql import InsertQuery
from django.db.models.sql.compiler import SQLInsertCompiler

from handleref.references.dialects import greatest, incoming
from handleref.references.expressions import DELETED

if TYPE_CHECKING:
    from collections.abc import Iterator

# Assigned here instead of from the inserted row.
OWN = frozenset({"version", "updated", "status"})


class CountingCompiler(SQLInsertCompiler):
    """Adds our assignments to those that Django writes for a conflict."""

    query: CountingInsertQuery

    # An insert has no options, and may be several statements.
    def as_sql(self) -> list[tuple[str, Any]]:  # type: ignore[override]
        """Return Django's statements, with ours behind the last assignment."""
        suffix = self.connection.ops.on_conflict_suffix_sql(
            self.query.fields,
            self.query.on_conflict,
            (field.column for field in self.query.update_fields),
            (field.column for field in self.query.unique_fields),
        )
        ours = ", ".join(self._assignments())
        longer = f"{suffix}, {ours}" if self.query.update_fields else f"{suffix}{ours}"
        return [(longer.join(sql.rsplit(suffix, 1)), p) for sql, p in super().as_sql()]

    def _assignments(self) -> Iterator[str]:
        options: Any = self.query.get_meta()
        quote = self.connection.ops.quote_name

        def stored(name: str) -> str:
            return f"{quote(options.db_table)}.{quote(options.get_field(name).column)}"

        def new(name: str) -> str:
            return incoming(self.connection, options.get_field(name).column)

        values = {
            "version": f"{stored('version')} + 1",
            "updated": greatest(self.connection, stored("created"), new("updated")),
        }
        if self.query.sets_status:
            values["status"] = (
                f"CASE WHEN {stored('status')} = '{DELETED}'"
                f" THEN {stored('status')} ELSE {new('status')} END"
            )
        for name, value in values.items():
            yield f"{quote(options.get_field(name).column)} = {value}"


class CountingInsertQuery(InsertQuery):
    """An upsert that never brings a soft-deleted row back."""

    on_conflict: Any
    update_fields: list[Any]
    unique_fields: list[Any]

    def __init__(self, *args: Any, update_fields: list[Any], **kwargs: Any) -> None:
        foreign = [field for field in update_fields if field.name not in OWN]
        super().__init__(*args, update_fields=foreign, **kwargs)
        self.sets_status = any(field.name == "status" for field in update_fields)

    def get_compiler(
        self, using: str | None = None, connection: Any = None, elide_empty: bool = True
    ) -> SQLInsertCompiler:
        """Return the database's own insert compiler, with our assignments."""
        connection = connection or connections[using or DEFAULT_DB_ALIAS]
        compiler = _counting(connection.ops.compiler(self.compiler))
        return compiler(self, connection, using, elide_empty)


@cache
def _counting(compiler: type[SQLInsertCompiler]) -> type[SQLInsertCompiler]:
    return type("CountingInsertCompiler", (CountingCompiler, compiler), {})
