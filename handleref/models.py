"""The door to the models: everything a ``models.py`` needs."""

from handleref.references.constraints import LiveUniqueConstraint
from handleref.references.fields import (
    CreatedDateTimeField,
    Status,
    StatusField,
    UpdatedDateTimeField,
    VersionField,
    live,
)
from handleref.references.handles import resolve, split_ref
from handleref.references.managers import HandleRefManager, HandleRefQuerySet
from handleref.references.models import HandleRefModel
from handleref.references.registry import register_cursor
from handleref.references.signals import restored, rows_written, soft_deleted

__all__ = [
    "CreatedDateTimeField",
    "HandleRefManager",
    "HandleRefModel",
    "HandleRefQuerySet",
    "LiveUniqueConstraint",
    "Status",
    "StatusField",
    "UpdatedDateTimeField",
    "VersionField",
    "live",
    "register_cursor",
    "resolve",
    "restored",
    "rows_written",
    "soft_deleted",
    "split_ref",
]
