"""What happens to triggers around ``migrate``.

Migrations create and remove them; here is what they cannot see to: triggers that
outlive the table they write, and, on SQLite, tables that are rebuilt under them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django.apps import apps as installed_apps
from django.db import DatabaseError, connections, transaction
from django.db.migrations.operations import CreateModel, DeleteModel

from handleref.triggers.dialects import dialect_of
from handleref.triggers.installation import declared, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.apps.registry import Apps

    from handleref.triggers.base import Trigger
    from handleref.triggers.dialects.base import Dialect, Installed

    Plan = list[tuple[Any, bool]]


def take_down(using: str, plan: Plan = (), apps: Apps = installed_apps, **_: Any) -> None:  # type: ignore[assignment]
    """Remove the triggers that the plan would trip over; a receiver of ``pre_migrate``.

    Those whose event table the plan deletes; on SQLite all, since it rebuilds tables.
    """
    dialect = dialect_of(connections[using])
    if dialect is None or not plan:
        return
    found = dialect.installed()
    if dialect.features.survives_rebuild:
        doomed = {*_deleted_tables(plan, apps)}
        found = [each for each in found if each.into in doomed]
    _remove(dialect, found)


def _deleted_tables(plan: Plan, apps: Apps) -> Iterator[str]:
    """Yield the tables of the models that a plan deletes, as they are called before it."""
    for migration, backwards in plan:
        kind = CreateModel if backwards else DeleteModel
        for operation in migration.operations:
            if isinstance(operation, kind):
                try:
                    model = apps.get_model(migration.app_label, operation.name)
                except LookupError:
                    # Created and deleted within the plan.
                    continue
                yield model._meta.db_table


def mend(using: str, apps: Apps = installed_apps, **_: Any) -> None:
    """Install what the models as migrated declare; a receiver of ``post_migrate``.

    Triggers whose event table is not in the database go, with their functions: by the code
    alone they would come back after ``migrate app zero``.
    """
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


def _remove(dialect: Dialect, found: list[Installed]) -> None:
    with transaction.atomic(dialect.connection.alias):
        for each in found:
            run(dialect, dialect.drop(each.name, each.table))
