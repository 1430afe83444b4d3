"""The indexes by which rows of the present, and of a moment, are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import Index, Q

from handleref.triggers.indexes import NOTHING

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.backends.ddl_references import Statement
    from django.db.models import Model

CURRENT = Q(replaced_at__isnull=True)
REPLACED = Q(replaced_at__isnull=False)


class PartIndex(Index):
    """An index of some rows alone, where a database has such; elsewhere it is of all.

    A whole one leads SQLite astray: by its statistics few rows have the same ``replaced_at``,
    and that most have none at all it does not know.

    :cvar among: the condition on the rows.
    """

    among: ClassVar[Q]

    def of_all(self) -> list[str]:
        """Return the fields of an index of all rows; none where another index will do."""
        raise NotImplementedError

    def create_sql(  # type: ignore[override]  # Django runs any text
        self,
        model: type[Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        **kw: Any,
    ) -> Statement | str:
        """Return the SQL that creates the index."""
        # Not given to Django as a condition: for MariaDB it would warn of each such index.
        if schema_editor.connection.features.supports_partial_indexes:
            index = Index(fields=[*self.fields], name=self.name, condition=self.among)
        elif self.of_all():
            index = Index(fields=self.of_all(), name=self.name)
        else:
            return NOTHING
        return index.create_sql(model, schema_editor, using, **kw)

    def remove_sql(  # type: ignore[override]
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, **kw: Any
    ) -> Statement | str:
        """Return the SQL that removes the index."""
        there = schema_editor.connection.features.supports_partial_indexes or self.of_all()
        return super().remove_sql(model, schema_editor, **kw) if there else NOTHING


class CurrentIndex(PartIndex):
    """An index of current rows."""

    among = CURRENT

    def of_all(self) -> list[str]:
        return ["replaced_at", *self.fields]


class ReplacedIndex(PartIndex):
    """An index of replaced rows by when they were replaced, beside one of current rows."""

    among = REPLACED

    def of_all(self) -> list[str]:
        return []
