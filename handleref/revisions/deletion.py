"""What rows were that are deleted for good."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.db import models

from handleref.revisions import base
from handleref.revisions.snapshots import parts, snapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model

    from handleref.revisions.log import Group

# What the database does by itself, with no word to Django; since Django 6.1.
TAKES_ALONG = getattr(models, "DB_CASCADE", None)
CHANGES = (getattr(models, "DB_SET_NULL", None), getattr(models, "DB_SET_DEFAULT", None))


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
            self._look_ahead()
            for model, keys in self._waiting.items():
                self._look(model, keys)
                self._look_at_links(model, keys)
        return execute(*statement)

    def _look_ahead(self) -> None:
        """Take into view what the database will take along, and note what it will change."""
        waiting = [(model, [*keys]) for model, keys in self._waiting.items()]
        while waiting:
            model, keys = waiting.pop()
            for field in left_to_the_database(model) if keys else ():
                child: Any = field.model
                if field.remote_field.on_delete == TAKES_ALONG:
                    if base.is_tracked(child) or any(left_to_the_database(child)):
                        waiting.append((child, self._take_more(child, self._pointing(field, keys))))
                elif base.is_tracked(child):
                    self._note(child, self._pointing(field, keys))

    def _take_more(self, model: type[Model], keys: Iterable[Any]) -> list[Any]:
        """Take rows into view and return the keys of those that were not."""
        seen = self._waiting[model]
        new = [key for key in keys if key not in seen]
        seen.update(dict.fromkeys(new))
        return new

    def _pointing(self, field: Any, keys: Iterable[Any]) -> list[Any]:
        """Return the keys of the rows whose foreign key points at rows with the keys."""
        rows = field.model._base_manager.using(self.connection.alias).order_by()
        return [
            key
            for part in parts(field.related_model, keys)
            for key in rows.filter((f"{field.name}__pk__in", part)).values_list("pk", flat=True)
        ]

    def _look(self, model: type[Model], keys: Iterable[Any]) -> None:
        if base.is_tracked(model):
            rows = {row.key: row for row in snapshots((model, self.connection.alias), keys)}
            for group in self.groups:
                group.deleted[model].update(rows)

    def _look_at_links(self, model: type[Model], keys: Iterable[Any]) -> None:
        """Note the rows that lose a many-to-many link: no signal tells of them."""
        for relation in relations_to(model):
            field = relation.field
            if relation.many_to_many and base.is_tracked(field.model):
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


def is_left_to_the_database(field: Any) -> bool:
    """Tell whether the database itself sees to the row when what it points at is deleted."""
    on_delete = getattr(field.remote_field, "on_delete", None)
    return on_delete is not None and on_delete in (TAKES_ALONG, *CHANGES)


def relations_to(model: type[Model]) -> Iterator[Any]:
    """Yield the relations of others to a model, or to a proxy of it."""
    for relation in model._meta.get_fields(include_hidden=True):
        points_here = relation.auto_created and not relation.concrete
        if points_here and relation.model._meta.concrete_model is model:
            yield relation


def left_to_the_database(model: type[Model]) -> Iterator[Any]:
    """Yield the foreign keys to a model that the database looks after."""
    for relation in relations_to(model):
        if is_left_to_the_database(relation.field):
            yield relation.field


def deleters(model: type[Model]) -> set[type[Model]]:
    """Return the models whose deletion makes the database delete or change a model's rows."""
    found: set[type[Model]] = set()
    waiting = [model]
    while waiting:
        for field in waiting.pop()._meta.concrete_fields:
            if is_left_to_the_database(field):
                parent: Any = field.related_model._meta.concrete_model  # type: ignore[union-attr]
                waiting += [parent] if parent not in found else []
                found.add(parent)
    return found
