"""Checks of what trackers ask for, and what changes a database would not record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections, router

from handleref.events.registry import all_event_models
from handleref.triggers.base import Statement
from handleref.triggers.checks import is_checked
from handleref.triggers.dialects import dialect_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from handleref.events.base import Event

# What a foreign key leaves to the database since Django 6.1.
IN_DATABASE = ("DB_CASCADE", "DB_SET_NULL", "DB_SET_DEFAULT")


def check_events(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Check every event model against the databases that it may be in."""
    found: list[CheckMessage] = [*_check_installed()]
    for event_model in all_event_models():
        if not is_checked(event_model, app_configs):
            continue
        for using in connections:
            if router.allow_migrate_model(using, event_model):
                found += _check_vendor(event_model, using)
                found += _check_level(event_model, using)
                found += _check_cascades(event_model, using)
    return found


def _check_installed() -> Iterator[CheckMessage]:
    if not apps.is_installed("handleref"):
        yield Error(
            "handleref.events is installed and handleref is not, which sees to its triggers.",
            hint="Add 'handleref' to INSTALLED_APPS.",
            id="handleref.E015",
        )


def _check_vendor(event_model: type[Event], using: str) -> Iterator[CheckMessage]:
    if dialect_of(connections[using]) is None:
        name = connections[using].display_name
        yield Warning(
            f"{name} gets no triggers, so {event_model._meta.label} stays empty in {using!r}.",
            hint=f"Use PostgreSQL, MariaDB or SQLite; or keep the model out of {using!r}.",
            obj=event_model,
            id="handleref.W011",
        )


def _check_level(event_model: type[Event], using: str) -> Iterator[CheckMessage]:
    dialect, tracking = dialect_of(connections[using]), event_model.hr_tracking
    if dialect is None or dialect.features.statement_level:
        return
    levels = {tracking.level, *(getattr(each, "at", None) for each in tracking.trackers)}
    if Statement in levels:
        yield Warning(
            f"{dialect.title} has no triggers for statements: {event_model._meta.label} is"
            " written row by row, with the same events.",
            hint="Leave level out: statements are the default where a database has them.",
            obj=event_model,
            id="handleref.W012",
        )


def _check_cascades(event_model: type[Event], using: str) -> Iterator[CheckMessage]:
    dialect = dialect_of(connections[using])
    if dialect is None or dialect.features.cascades:
        return
    for field in event_model.hr_tracking.model._meta.local_concrete_fields:
        rule = getattr(field.remote_field, "on_delete", None)
        if getattr(rule, "__name__", type(rule).__name__) in IN_DATABASE:
            yield Warning(
                f"{dialect.title} runs no triggers for what {field} does when its target is"
                " deleted: that goes unrecorded.",
                hint="Let Django do it: on_delete=CASCADE, SET_NULL or SET_DEFAULT.",
                obj=field,
                id="handleref.W013",
            )
