"""Which triggers a database has, which it should have, and how the one becomes the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps as installed_apps
from django.db import DEFAULT_DB_ALIAS, connections, router, transaction

from handleref.triggers.dialects import dialect_of
from handleref.triggers.indexes import TriggerIndex
from handleref.triggers.suspension import key_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from django.apps.registry import Apps
    from django.db.models import Model

    from handleref.triggers.base import Trigger
    from handleref.triggers.dialects.base import Dialect
    from handleref.triggers.dialects.values import Installed
    from handleref.triggers.suspension import Target

INSTALLED: Final = "installed"
DISABLED: Final = "disabled"
MISSING: Final = "missing"
OUTDATED: Final = "outdated"
ORPHANED: Final = "orphaned"
WAITING: Final = "waiting"


@dataclass(frozen=True)
class Status:
    """What has become of a trigger in a database.

    :ivar name: what the database calls it.
    :ivar table: the table that it watches.
    :ivar state: ``"installed"``; ``"disabled"``; ``"missing"``; ``"outdated"``: it is not
        what the code declares; ``"orphaned"``: nothing declares it; ``"waiting"``: its
        tables, or columns of them, are not there.
    :ivar model: the label of the model that declares it, or None for an orphan.
    :ivar trigger: the declared trigger, or None for an orphan.
    """

    name: str
    table: str
    state: str
    model: str | None = None
    trigger: Trigger | None = None


def declared(
    using: str, apps: Apps = installed_apps, targets: Collection[Target] = ()
) -> dict[Trigger, type[Model]]:
    """Return the triggers that models declare for a database, with those models.

    :param apps: whose models; those of a migration, too.
    :param targets: only the triggers that :class:`~handleref.triggers.suspension.suspend`
        would suspend for these, or that event models among them declare; by default all.
    """
    dialect = dialect_of(connections[using])
    names = {key_of(target) for target in targets}
    return {
        index.trigger: model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
        if router.allow_migrate_model(using, model)
        for index in model._meta.indexes
        if isinstance(index, TriggerIndex)
        if dialect is not None and dialect.supports(index.trigger)
        if not names or names & {*index.trigger.keys, *_names(model)}
    }


def _names(model: type[Model]) -> tuple[str, str]:
    return model._meta.app_label, model._meta.label_lower


def status(using: str = DEFAULT_DB_ALIAS, targets: Collection[Target] = ()) -> list[Status]:
    """Return what has become of each trigger, declared or found, sorted by table and name.

    :param using: the alias of the database.
    :param targets: as in :func:`declared`; orphans are nobody's.
    """
    dialect = dialect_of(connections[using])
    if dialect is None:
        return []
    wanted = declared(using, targets=targets)
    found = {(each.name, each.table): each for each in dialect.installed()}
    rows = [
        Status(
            trigger.name,
            trigger.table,
            _state(dialect, trigger, found.pop((trigger.name, trigger.table), None)),
            model._meta.label,
            trigger,
        )
        for trigger, model in wanted.items()
    ]
    if not targets:
        rows += [Status(each.name, each.table, ORPHANED) for each in found.values()]
    return sorted(rows, key=lambda row: (row.table, row.name))


def _state(dialect: Dialect, trigger: Trigger, found: Installed | None) -> str:
    if found is None:
        return MISSING if dialect.has_columns(trigger) else WAITING
    if found.fingerprint != dialect.fingerprint(trigger):
        return OUTDATED
    return INSTALLED if found.enabled else DISABLED


def install(using: str = DEFAULT_DB_ALIAS, targets: Collection[Target] = ()) -> list[Status]:
    """Create the triggers that are missing, and bring outdated ones up to date.

    :returns: what was done; a trigger that is disabled stays so.
    """
    todo = [row for row in status(using, targets) if row.state in {MISSING, OUTDATED}]
    _each(using, todo, _creation)
    return todo


def uninstall(using: str = DEFAULT_DB_ALIAS, targets: Collection[Target] = ()) -> list[Status]:
    """Remove triggers that are declared, with their functions, and return what was there."""
    there = {INSTALLED, OUTDATED, DISABLED}
    todo = [row for row in status(using, targets) if row.state in there]
    _each(using, todo, _removal)
    return todo


def enable(using: str = DEFAULT_DB_ALIAS, targets: Collection[Target] = ()) -> list[Status]:
    """Switch on the triggers that are disabled, and return them."""
    todo = [row for row in status(using, targets) if row.state == DISABLED]
    _each(using, todo, lambda dialect, row: dialect.switch(_of(row), enabled=True))
    return todo


def disable(using: str = DEFAULT_DB_ALIAS, targets: Collection[Target] = ()) -> list[Status]:
    """Switch off triggers for every program that writes, until :func:`enable`; return them."""
    todo = [row for row in status(using, targets) if row.state == INSTALLED]
    _each(using, todo, lambda dialect, row: dialect.switch(_of(row), enabled=False))
    return todo


def prune(using: str = DEFAULT_DB_ALIAS) -> list[Status]:
    """Remove the triggers and functions of ours that nothing declares, and return them."""
    todo = [row for row in status(using) if row.state == ORPHANED]
    _each(using, todo, _removal)
    return todo


def script(using: str = DEFAULT_DB_ALIAS, targets: Collection[Target] = ()) -> Iterator[str]:
    """Yield the statements that an administrator would run to install every trigger."""
    dialect = dialect_of(connections[using])
    if dialect is not None:
        for trigger in declared(using, targets=targets):
            yield from dialect.create(trigger)


def _of(row: Any) -> Trigger:
    """Return the trigger of a row that is no orphan."""
    trigger: Trigger = row.trigger
    return trigger


def _creation(dialect: Dialect, row: Status) -> list[str]:
    return dialect.create(_of(row))


def _removal(dialect: Dialect, row: Status) -> list[str]:
    return dialect.drop(row.name, row.table)


def _each(using: str, rows: Iterable[Status], statements: Any) -> None:
    """Run the statements for each row, all or, where the database can, none."""
    dialect = dialect_of(connections[using])
    if dialect is None:
        return
    with transaction.atomic(using):
        for row in rows:
            run(dialect, statements(dialect, row))


def run(dialect: Dialect, statements: Iterable[str]) -> None:
    """Run statements as they are, percent signs and all."""
    with dialect.connection.cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)
