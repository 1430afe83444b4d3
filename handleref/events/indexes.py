"""Indexes of event tables, which are only ever written at their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Index, Q

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.backends.ddl_references import Statement
    from django.db.models import Model


class ClockIndex(Index):
    """An index of the times at which rows were written, one after the other.

    On PostgreSQL of kind BRIN: a note for each stretch of the table instead of an entry
    for each row, which finds stretches of time as well, and costs a write next to nothing.
    """

    def create_sql(
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **_: Any
    ) -> Statement:
        """Return the SQL that creates the index."""
        if schema_editor.connection.vendor == "postgresql":
            using = " USING brin"
        return super().create_sql(model, schema_editor, using)


class SparseIndex(Index):
    """An index of the rows that have a value in its first field.

    Where a database has no partial indexes, it is one of all rows; an ``Index`` with a
    ``condition`` would warn of that in every project.
    """

    def create_sql(
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **_: Any
    ) -> Statement:
        """Return the SQL that creates the index."""
        has_value = Q(**{f"{self.fields[0]}__isnull": False})
        index = Index(fields=self.fields, name=self.name, condition=has_value)
        return index.create_sql(model, schema_editor, using)
