"""What an open block has written so far, and which of it holds at its end."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import reversion
from django.db import DEFAULT_DB_ALIAS, connections

from handleref.revisions import base
from handleref.revisions.base import Luggage
from handleref.revisions.deletion import LastLook
from handleref.revisions.models import Anchor
from handleref.revisions.recording import recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model
    from reversion.models import Version

    from handleref.revisions.base import Source, VersionKey
    from handleref.revisions.recording import Reference
    from handleref.revisions.snapshots import Snapshot


@dataclass(eq=False)
class Group:
    """What was written on one connection under the same savepoints.

    It is a callback of ``on_commit()`` that is never meant to be called: Django
    drops the callbacks of what is rolled back, so those left at the end of the
    block tell which groups hold.
    """

    connection: BaseDatabaseWrapper
    savepoints: list[Any]
    callbacks: list[Any]
    in_transaction: bool
    committed: bool = False
    written: defaultdict[type[Model], dict[Any, None]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    deleted: defaultdict[type[Model], dict[Any, Snapshot]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    reverted: dict[Reference, Any] = field(default_factory=dict)

    @classmethod
    def begun(cls, connection: BaseDatabaseWrapper) -> Group:
        """Return a new group for what is written from now on."""
        group = cls(
            connection,
            [*connection.savepoint_ids],
            connection.run_on_commit,
            connection.in_atomic_block,
        )
        if connection.in_atomic_block:
            connection.on_commit(group)
        else:
            # Each statement commits, or the transaction is nobody's whom Django knows.
            group.committed = True
        return group

    def __call__(self) -> None:
        """Note the commit; Django's test tools also call, before there is one."""
        self.committed = self.committed or not self.connection.in_atomic_block

    def goes_on(self) -> bool:
        """Tell whether nothing was begun, ended or undone since.

        The list of callbacks is another one after each commit and rollback.
        """
        connection = self.connection
        return (
            self.callbacks is connection.run_on_commit
            and self.savepoints == connection.savepoint_ids
            and self.in_transaction == connection.in_atomic_block
        )


@dataclass(eq=False)
class Scope:
    """What was written while an anchor of ours was among the versions of the block.

    Nested blocks for other databases have versions of their own: where the anchor
    is, there belongs what was written.
    """

    anchors: dict[str, VersionKey]
    groups: list[Group] = field(default_factory=list)

    @classmethod
    def anchored(cls) -> Scope:
        """Return a new scope, its anchor among the versions of every database."""
        anchor = Anchor(pk=uuid4().hex)
        reversion.add_to_revision(anchor, model_db=DEFAULT_DB_ALIAS)
        anchors = {}
        for alias, versions in base.frames()[-1].db_versions.items():
            anchors[alias] = base.content_type(Anchor, alias), anchor.pk
            # Reversion looks its content type up, by default in another database.
            versions[anchors[alias]]._state.db = alias
        return cls(anchors)

    def is_in(self, alias: str, versions: dict[VersionKey, Version]) -> bool:
        """Tell whether what was written belongs to these versions of a database."""
        return alias in self.anchors and self.anchors[alias] in versions

    def group(self, connection: BaseDatabaseWrapper) -> Group:
        """Return the group for what is written on a connection now."""
        for group in reversed(self.groups):
            if group.connection is connection:
                if group.goes_on():
                    return group
                break
        self.groups.append(Group.begun(connection))
        return self.groups[-1]


class Log(Luggage):
    """What an open block has written, and what becomes of it.

    :ivar recorded: the versions that databases will have, once that is known.
    """

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.looks: dict[str, LastLook] = {}
        self.recorded: dict[str, list[Version]] = {}

    def groups(self, using: str) -> list[Group]:
        """Return where to note what is now written to a database."""
        connection = connections[using]
        return [scope.group(connection) for scope in self.current_scopes()]

    def current_scopes(self) -> list[Scope]:
        """Return scopes of which each database that the block has versions for is in one."""
        found: list[Scope] = []
        for alias, versions in base.frames()[-1].db_versions.items():
            scope = next((s for s in self.scopes if s.is_in(alias, versions)), None)
            if scope is None:
                scope = Scope.anchored()
                self.scopes.append(scope)
            if scope not in found:
                found.append(scope)
        return found

    def written(self, model: type[Model], using: str, keys: Iterable[Any]) -> None:
        """Note rows that were written."""
        for group in self.groups(using):
            group.written[model].update(dict.fromkeys(keys))

    def mark_reverted(self, reference: Reference, version: Any) -> None:
        """Note from which version an object was reverted."""
        for group in self.groups(reference[1]):
            group.reverted[reference] = version

    def about_to_delete(self, model: type[Model], using: str, key: Any) -> None:
        """Note a row that the next statements will delete."""
        groups = self.groups(using)
        look = self.looks.get(using)
        if look is None or look.is_over or look.groups != groups:
            look = self.looks[using] = LastLook(connections[using], groups)
        look.take(model, key)

    def keeps_something(self) -> bool:
        """Record for the database whose revision is being saved, and tell whether there is any."""
        alias = base.saved_alias()
        versions = base.frames()[-1].db_versions[alias]
        self.recorded[alias] = self.record(alias, versions.values())
        if len(base.frames()) == 1:
            self.leave()
        return bool(self.recorded[alias])

    def record(self, alias: str, given: Iterable[Version]) -> list[Version]:
        """Return the versions of what holds, read from the database.

        :param given: those that reversion has made.
        """
        written: defaultdict[Source, dict[Any, None]] = defaultdict(dict)
        deleted: defaultdict[Source, dict[Any, Snapshot]] = defaultdict(dict)
        reverted: dict[Reference, Any] = {}
        for group in self._holding(alias):
            reverted |= group.reverted
            for model, keys in group.written.items():
                written[model, group.connection.alias].update(keys)
            for model, rows in group.deleted.items():
                written[model, group.connection.alias].update(dict.fromkeys(rows))
                deleted[model, group.connection.alias].update(rows)
        return recorded(alias, given, written, deleted, reverted)

    def _holding(self, alias: str) -> Iterator[Group]:
        """Yield the groups of the database that were not rolled back."""
        versions = base.frames()[-1].db_versions[alias]
        callbacks: list[Any] = [entry for c in self._connections() for entry in c.run_on_commit]
        standing = {entry[1] for entry in callbacks if isinstance(entry[1], Group)}
        for scope in self.scopes:
            if scope.is_in(alias, versions):
                for group in scope.groups:
                    if group.committed or group in standing:
                        yield group

    def _connections(self) -> set[BaseDatabaseWrapper]:
        return {group.connection for scope in self.scopes for group in scope.groups}

    def leave(self) -> None:
        """Leave the callbacks of the connections as they would be without us."""
        ours = {id(group) for scope in self.scopes for group in scope.groups}
        for connection in self._connections():
            callbacks = connection.run_on_commit
            callbacks[:] = [entry for entry in callbacks if id(entry[1]) not in ours]
        for look in self.looks.values():
            look.withdraw()
