"""What rows were that are deleted for good."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import reversion

from handleref.revisions import base
from handleref.revisions.snapshots import parts, snapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model

    from handleref.revisions.log import Group


class LastLook:
    """Reads rows that are about to be deleted, right before the next statement.

    ``pre_delete`` tells of one row after the other, of some as they are in memory;
    when the first statement of the deletion comes, all are known and still there,
    with their many-to-many links.
    """

    def __init__(self, connection: BaseDatabaseWrapper, groups: list[Group]) -> None:
        self.connection = connection
        self.groups = groups
        self.is_over = False
        self._waiting: defaultdict[type[Model], dict[Any, None]] = defaultdict(dict)
        # First, where no one who leaves takes it for the own one, which is the last.
        connection.execute_wrappers.insert(0, self)

    def take(self, model: type[Model], key: Any) -> None:
        """Take one more row into view."""
        self._waiting[model][key] = None

    def withdraw(self) -> None:
        """Look no more: the deletion did not come."""
        if not self.is_over:
            self.connection.execute_wrappers.remove(self)
            self.is_over = True

    def __call__(self, execute: Callable[..., Any], *statement: Any) -> Any:
        """Look, once, and execute the statement."""
        self.connection.execute_wrappers.remove(self)
        self.is_over = True
        if not self.connection.needs_rollback:
            for model, keys in self._waiting.items():
                self._look(model, keys)
                self._look_at_links(model, keys)
        return execute(*statement)

    def _look(self, model: type[Model], keys: Iterable[Any]) -> None:
        if reversion.is_registered(model):
            rows = {row.key: row for row in snapshots((model, self.connection.alias), keys)}
            for group in self.groups:
                group.deleted[model].update(rows)

    def _look_at_links(self, model: type[Model], keys: Iterable[Any]) -> None:
        """Note the rows that lose a many-to-many link: no signal tells of them."""
        for relation in model._meta.related_objects:
            field: Any = relation.field
            if relation.many_to_many and relation.model is model and base.is_tracked(field.model):
                through = field.remote_field.through
                for part in parts(model, keys) if through._meta.auto_created else ():
                    self._note(field.model, owners(field, self.connection.alias, part))

    def _note(self, model: type[Model], keys: Iterable[Any]) -> None:
        for group in self.groups:
            group.written[model].update(dict.fromkeys(keys))


def owners(field: Any, using: str, keys: Iterable[Any]) -> list[Any]:
    """Return the keys of the rows whose many-to-many field links to one of the keys."""
    links = field.remote_field.through._base_manager.using(using)
    found = links.filter((f"{field.m2m_reverse_field_name()}__in", keys))
    return [*found.values_list(field.m2m_column_name(), flat=True)]
