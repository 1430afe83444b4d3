"""Checks of what a database has, and of what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Warning
from django.db import connections

from handleref.triggers.base import Refuse
from handleref.triggers.dialects import dialect_of
from handleref.triggers.installation import (
    DISABLED,
    MISSING,
    ORPHANED,
    OUTDATED,
    Status,
    declared,
    status,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.db.models import Model

    from handleref.triggers.dialects.base import Dialect


def check_installed(databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Compare the triggers that each database has with those that it should have.

    Nothing found is an error: ``migrate`` runs these checks first, would refuse to go on, and
    is what mends most of it.
    """
    found: list[CheckMessage] = []
    for using in databases or ():
        dialect = dialect_of(connections[using])
        if dialect is not None and not dialect.sees_triggers():
            found.append(_unseen(using))
        elif dialect is not None:
            rows = status(using)
            found += _check_rights(dialect, rows)
            found += _check_states(using, rows)
            found += _check_replace(dialect, rows)
            found += _check_time_zones(dialect, rows)
    return found


def _unseen(using: str) -> CheckMessage:
    return Warning(
        f"The user of {using!r} may not see triggers, so nobody knows whether they are there.",
        hint="Ask as a user with the privilege TRIGGER, the one who migrates.",
        obj=using,
        id="handleref.W018",
    )


def _check_states(using: str, rows: Sequence[Status]) -> Iterator[CheckMessage]:
    def named(state: str) -> str:
        return ", ".join(f"{row.name} on {row.table}" for row in rows if row.state == state)

    option = f" --database {using}"
    if names := named(MISSING):
        yield Warning(
            f"Triggers are missing in {using!r}, so changes go unrecorded: {names}.",
            hint=f"manage.py handleref_triggers install{option}",
            obj=using,
            id="handleref.W014",
        )
    if names := named(OUTDATED):
        yield Warning(
            f"Triggers in {using!r} are not those that the code declares: {names}.",
            hint=f"manage.py migrate{option}, or manage.py handleref_triggers install{option}",
            obj=using,
            id="handleref.W015",
        )
    if names := named(DISABLED):
        yield Warning(
            f"Triggers are disabled in {using!r}, so changes go unrecorded: {names}.",
            hint=f"manage.py handleref_triggers enable{option}",
            obj=using,
            id="handleref.W007",
        )
    if names := named(ORPHANED):
        yield Warning(
            f"Nothing declares these triggers in {using!r}: {names}.",
            hint=f"manage.py handleref_triggers prune{option}",
            obj=using,
            id="handleref.W008",
        )


def _check_rights(dialect: Dialect, rows: Sequence[Status]) -> Iterator[CheckMessage]:
    """Name the two ways out where the server lets this user create no triggers."""
    if any(row.state in {MISSING, OUTDATED} for row in rows) and dialect.lacks_rights():
        using = dialect.connection.alias
        yield Warning(
            f"The server of {using!r} writes a binary log and lets no ordinary user create"
            " triggers.",
            hint=(
                "Either set log_bin_trust_function_creators = 1 on the server, and run"
                f" manage.py handleref_triggers install --database {using}; or let an"
                f" administrator run what manage.py handleref_triggers sql --database {using}"
                " prints."
            ),
            obj=using,
            id="handleref.W016",
        )


def _check_replace(dialect: Dialect, rows: Sequence[Status]) -> Iterator[CheckMessage]:
    if any(row.trigger for row in rows) and dialect.hides_replaced_rows():
        yield Warning(
            f"In {dialect.connection.alias!r}, REPLACE deletes rows without running triggers.",
            hint=(
                "Add PRAGMA recursive_triggers = ON to OPTIONS['init_command'], or silence"
                " this warning: Django itself never uses REPLACE."
            ),
            obj=dialect.connection.alias,
            id="handleref.W009",
        )


def _check_time_zones(dialect: Dialect, rows: Sequence[Status]) -> Iterator[CheckMessage]:
    if any(row.trigger for row in rows) and dialect.lacks_time_zones():
        zone, using = dialect.connection.timezone_name, dialect.connection.alias
        yield Warning(
            f"{using!r} cannot tell the time in its zone {zone}, in which Django reads it: events"
            " there have another.",
            hint=(
                "Leave TIME_ZONE out of DATABASES; on MariaDB, you can load the time zones:"
                " mariadb-tzinfo-to-sql /usr/share/zoneinfo | mariadb -u root mysql"
            ),
            obj=using,
            id="handleref.W017",
        )


def check_declared(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Tell what triggers ask for that their database does not have."""
    found: list[CheckMessage] = []
    for using in connections:
        dialect = dialect_of(connections[using])
        if dialect is not None:
            for trigger, model in declared(using).items():
                refuses = isinstance(trigger.body, Refuse) and trigger.operation == "delete"
                if refuses and is_checked(model, app_configs):
                    found += _check_truncate(dialect, model)
    return found


def is_checked(model: type[Model], app_configs: Any) -> bool:
    """Tell whether a model is of the apps that are checked; None for all."""
    return app_configs is None or model._meta.app_config in app_configs


def _check_truncate(dialect: Dialect, model: Any) -> Iterator[CheckMessage]:
    if not dialect.features.truncate and dialect.features.truncates:
        yield Warning(
            f"{dialect.title} has no triggers for TRUNCATE, which empties {model._meta.label}"
            " although it is append-only.",
            hint="Let no user but an administrator DROP that table, or silence this warning.",
            obj=model,
            id="handleref.W010",
        )
