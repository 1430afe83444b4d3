"""The indexes by which rows of the present, and of a moment, are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Index, Q

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.backends.ddl_references import Statement
    from django.db.models import Model

CURRENT = Q(replaced_at__isnull=True)


class CurrentIndex(Index):
    """An index of current rows alone, where a database has such; elsewhere they come first in it.

    A whole one leads SQLite astray: by its statistics few rows have the same ``replaced_at``,
    and that most have none at all it does not know.
    """

    def create_sql(
        self,
        model: type[Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        **kw: Any,
    ) -> Statement:
        """Return the SQL that creates the index."""
        # Not given to Django as a condition: for MariaDB it would warn of each such index.
        fields, condition = [*self.fields], CURRENT
        if schema_editor.connection.features.supports_partial_indexes:
            index = Index(fields=fields, name=self.name, condition=condition)
        else:
            index = Index(fields=["replaced_at", *fields], name=self.name)
        return index.create_sql(model, schema_editor, using, **kw)
