"""Triggers in the words of each database; nothing else in the package speaks them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from handleref.triggers.dialects.base import Dialect

VENDORS = ("postgresql", "sqlite", "mysql")


def dialect_of(connection: BaseDatabaseWrapper) -> Dialect | None:
    """Return the dialect of a connection, or None for a database that has none here."""
    if connection.vendor not in VENDORS:
        return None
    module = import_module(f"handleref.triggers.dialects.{connection.vendor}")
    dialect: Dialect = module.DIALECT(connection)
    return dialect
