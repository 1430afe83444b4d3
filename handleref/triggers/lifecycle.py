"""What happens to triggers around ``migrate``.

Migrations create and remove them; here is what they cannot see to: triggers that outlive
what they name, and, on SQLite, tables that are rebuilt under them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django.apps import apps as installed_apps
from django.db import DatabaseError, connections, transaction

from handleref.triggers.dialects import dialect_of
from handleref.triggers.installation import declared, run

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from django.apps.registry import Apps

    from handleref.triggers.base import Trigger
    from handleref.triggers.dialects.base import Dialect
    from handleref.triggers.dialects.values import Installed, Loss


class Keeper:
    """Takes triggers away together with what they name, and puts back those of rebuilt tables.

    An execute wrapper that stays for a run of ``migrate``. What it does belongs to the
    transaction of the migration: one that fails leaves the triggers as they were.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        # The table that was dropped last, its columns, and the triggers that went with it.
        self.rebuilt: tuple[str, set[str], list[Installed]] | None = None

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: Any, context: Any
    ) -> Any:
        loss = self.dialect.lost_in_migration(str(sql))
        if loss is not None:
            self._take_down(loss)
        result = execute(sql, params, many, context)
        run(self.dialect, self.dialect.changed_in_migration(str(sql)))
        if self.rebuilt is not None and str(sql).startswith("ALTER TABLE"):
            self._put_back(*self.rebuilt)
        return result

    def _take_down(self, loss: Loss) -> None:
        found = [each for each in self.dialect.installed() if self.dialect.names(each, loss)]
        _remove(self.dialect, found)
        run(self.dialect, self.dialect.freed_in_migration(loss))
        if not self.dialect.features.survives_rebuild and not loss.column:
            self.rebuilt = loss.table, self.dialect.columns_of(loss.table), found

    def _put_back(self, table: str, columns: set[str], found: Collection[Installed]) -> None:
        """Put back the triggers of a table as soon as it is there again, but for lost columns."""
        now = self.dialect.columns_of(table)
        if now:
            self.rebuilt = None
            gone = [self.dialect.name(column) for column in columns - now]
            kept = [each.text for each in found if not any(name in each.text for name in gone)]
            run(self.dialect, kept)


def stand_by(using: str, **_: Any) -> None:
    """Keep the triggers of a database while its tables change; receives ``pre_migrate``."""
    stand_down(using)
    connection = connections[using]
    dialect = dialect_of(connection)
    if dialect is not None:
        connection.execute_wrappers.append(Keeper(dialect))


def stand_down(using: str) -> None:
    """Take away the keeper of a database, where there is one."""
    wrappers = connections[using].execute_wrappers
    wrappers[:] = [each for each in wrappers if not isinstance(each, Keeper)]


def mend(using: str, plan: Collection[Any] = (), apps: Apps = installed_apps, **_: Any) -> None:
    """Install what the models as migrated declare; receives ``post_migrate``.

    Triggers whose event table is not in the database go, with their functions: by the code
    alone they would come back after ``migrate app zero``. So do those whose columns went.
    """
    stand_down(using)
    dialect = dialect_of(connections[using])
    if dialect is None:
        return
    tables = dialect.tables()
    found = dialect.installed()
    lost = [each for each in found if not each.table or each.into not in tables]
    _remove(dialect, lost)
    there = {(each.name, each.table): each for each in found if each not in lost}
    for trigger in declared(using, apps):
        each = there.get((trigger.name, trigger.table))
        if each is None or each.fingerprint != dialect.fingerprint(trigger):
            _install(dialect, trigger, enabled=each is None or each.enabled)
        elif plan and not dialect.has_columns(trigger):
            # Its app's migration is still to be made or run, and it would fail at any write.
            _remove(dialect, [each])


def _install(dialect: Dialect, trigger: Trigger, *, enabled: bool) -> None:
    if not dialect.has_columns(trigger):
        return
    try:
        with transaction.atomic(dialect.connection.alias):
            run(dialect, dialect.create(trigger))
            if not enabled:
                run(dialect, dialect.switch(trigger, enabled=False))
    except DatabaseError as error:
        if not dialect.is_refused(error):
            raise
        sys.stderr.write(
            f"{trigger} was not created: {error}."
            " `manage.py check --database` tells the two ways out.\n"
        )


def _remove(dialect: Dialect, found: Iterable[Installed]) -> None:
    for each in found:
        run(dialect, dialect.drop(each.name, each.table))
