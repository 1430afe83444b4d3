"""Checks of what a database lacks for rows that are versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import CheckMessage, Warning
from django.db import connections, router

from handleref.pointintime import dialects
from handleref.pointintime.base import all_rows, is_point_in_time
from handleref.pointintime.constraints import ValidUniqueConstraint
from handleref.pointintime.installation import will_install

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import Model


def check_databases(databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check what each database lacks: an extension, or what rows were to be told.

    Nothing found is an error: ``migrate`` runs these checks first, and is what mends it.
    """
    found: list[CheckMessage] = []
    for using in databases or ():
        models = [m for m in apps.get_models() if _belongs(m, using)]
        found += _check_operators(using, models)
        for model in models:
            if _is_there(model, using):
                found += _check_adopted(using, model)
    return found


def _belongs(model: type[Model], using: str) -> bool:
    """Tell whether a database is to have a table of its own for a point-in-time model."""
    own = is_point_in_time(model) and model._meta.managed and not model._meta.proxy
    return own and router.allow_migrate_model(using, model)


def _is_there(model: type[Model], using: str) -> bool:
    """Tell whether a database has the table of a model, as it should be."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if model._meta.db_table not in connection.introspection.table_names(cursor):
            return False
        found = connection.introspection.get_table_description(cursor, model._meta.db_table)
    return "row_id" in {column.name for column in found}


def _check_operators(using: str, models: Iterable[type[Model]]) -> Iterator[CheckMessage]:
    wanted = [
        model._meta.label
        for model in models
        if any(isinstance(each, ValidUniqueConstraint) for each in model._meta.constraints)
    ]
    connection = connections[using]
    if wanted and dialects.lacks_operators(connection) and not will_install(connection):
        yield Warning(
            f"{using!r} has no extension btree_gist, which valid_unique of {', '.join(wanted)}"
            " needs.",
            hint="Put BtreeGistExtension() of django.contrib.postgres.operations before the"
            " constraint in its migration, or let somebody run CREATE EXTENSION btree_gist.",
            obj=using,
            id="handleref.W024",
        )


def _check_adopted(using: str, model: type[Model]) -> Iterator[CheckMessage]:
    if all_rows(model, using).filter(row_id=None).exists():
        yield Warning(
            f"{model._meta.label} has rows in {using!r} that were there before it was a"
            " PointInTimeModel, and belong to no object yet.",
            hint=f"manage.py handleref_pointintime adopt {model._meta.label} --database {using}",
            obj=model,
            id="handleref.W025",
        )
