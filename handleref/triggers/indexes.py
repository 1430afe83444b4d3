"""A trigger's place in ``Meta.indexes``, where Django's own migrations find it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db.models import Index

from handleref.triggers.base import Trigger
from handleref.triggers.dialects import dialect_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.models import Model

NOTHING = "SELECT 1"


def keys_of_all() -> set[str]:
    """Return every name by which a trigger of the project can be suspended."""
    return {
        key
        for model in apps.get_models(include_auto_created=True)
        for index in model._meta.indexes
        if isinstance(index, TriggerIndex)
        for key in index.trigger.keys
    }


class TriggerIndex(Index):
    """Places a trigger among the indexes of a model, usually that of the table it writes.

    Stock ``makemigrations`` finds it there, ``sqlmigrate`` shows it, and reversing a
    migration reverses it.

    :param trigger: the trigger, or what makes it once all models are loaded.
    :param name: its name, which a trigger that is made later cannot tell yet.
    """

    def __init__(self, trigger: Trigger | Callable[[], Trigger], name: str = "") -> None:
        if isinstance(trigger, Trigger):
            name = trigger.name
        super().__init__(fields=["pk"], name=name)
        # It is on no field: what it reads stands in the trigger.
        self.fields = []
        self.fields_orders = []
        self._trigger = trigger

    @property
    def trigger(self) -> Trigger:
        """The trigger."""
        if not isinstance(self._trigger, Trigger):
            self._trigger = self._trigger()
        return self._trigger

    def deconstruct(self) -> tuple[str, tuple[()], dict[str, Any]]:
        return "handleref.triggers.TriggerIndex", (), {"name": self.name, "trigger": self.trigger}

    def create_sql(  # type: ignore[override]  # Django runs any text
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **_: Any
    ) -> str:
        """Return the SQL that creates the trigger, or nothing where its table is missing."""
        dialect = dialect_of(schema_editor.connection)
        if dialect is None:
            return NOTHING
        return dialect.create_in_migration(self.trigger, schema_editor) or NOTHING

    def remove_sql(
        self, model: type[Model], schema_editor: BaseDatabaseSchemaEditor, **_: Any
    ) -> str:
        """Return the SQL that removes the trigger, if it is there."""
        dialect = dialect_of(schema_editor.connection)
        if dialect is None:
            return NOTHING
        return dialect.drop_in_migration(self.trigger, schema_editor) or NOTHING

    def __repr__(self) -> str:
        return f"<TriggerIndex: {self.name}>"
