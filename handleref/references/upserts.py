"""Inserts that meet rows which are there: they count those that they update, or pass over them."""

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


class NoticingCompiler(SQLInsertCompiler):
    """Gives the rows that were made; Django 5.2 has None for a single one passed over."""

    # The stubs have the signature of a SELECT.
    def execute_sql(self, returning_fields: Any = None) -> list[Any]:  # type: ignore[override]
        """Return what was asked for of each row."""
        rows: Any = super().execute_sql(returning_fields)
        return [row for row in rows if row]

    def apply_converters(self, rows: Any, converters: Any) -> Any:
        """Convert what there is."""
        return super().apply_converters([row for row in rows if row], converters)


class OwnInsertQuery(InsertQuery):
    """An insert by the database's own compiler, with a class of ours in front of it."""

    ours: Any

    def get_compiler(
        self, using: str | None = None, connection: Any = None, elide_empty: bool = True
    ) -> SQLInsertCompiler:
        """Return that compiler."""
        connection = connection or connections[using or DEFAULT_DB_ALIAS]
        compiler: Any = _combined(self.ours, connection.ops.compiler(self.compiler))
        made: SQLInsertCompiler = compiler(self, connection, using, elide_empty)
        return made


@cache
def _combined(ours: Any, compiler: Any) -> type[SQLInsertCompiler]:
    return type(ours.__name__, (ours, compiler), {})


class NoticingInsertQuery(OwnInsertQuery):
    """An insert that passes over conflicts, and tells of the rows it made."""

    ours = NoticingCompiler


class CountingInsertQuery(OwnInsertQuery):
    """An upsert that never brings a soft-deleted row back."""

    ours = CountingCompiler
    on_conflict: Any
    update_fields: list[Any]
    unique_fields: list[Any]

    def __init__(self, *args: Any, update_fields: list[Any], **kwargs: Any) -> None:
        foreign = [field for field in update_fields if field.name not in OWN]
        super().__init__(*args, update_fields=foreign, **kwargs)
        self.sets_status = any(field.name == "status" for field in update_fields)
