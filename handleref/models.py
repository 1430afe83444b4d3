"""The door to the models: everything a ``models.py`` needs."""

from handleref.pointintime.constraints import CurrentUniqueConstraint, ValidUniqueConstraint
from handleref.pointintime.fields import (
    CurrentManyToManyField,
    CurrentOneToOneField,
    FrozenForeignKey,
)
from handleref.pointintime.managers import PointInTimeManager, PointInTimeQuerySet
from handleref.pointintime.models import PointInTimeModel
from handleref.pointintime.signals import purged, rolled_back
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
from handleref.stacks.constraints import LatestUniqueConstraint
from handleref.stacks.fields import LatestForeignKey
from handleref.stacks.models import AbstractStackModel

__all__ = [
    "AbstractStackModel",
    "CreatedDateTimeField",
    "CurrentManyToManyField",
    "CurrentOneToOneField",
    "CurrentUniqueConstraint",
    "FrozenForeignKey",
    "HandleRefManager",
    "HandleRefModel",
    "HandleRefQuerySet",
    "LatestForeignKey",
    "LatestUniqueConstraint",
    "LiveUniqueConstraint",
    "PointInTimeManager",
    "PointInTimeModel",
    "PointInTimeQuerySet",
    "Status",
    "StatusField",
    "UpdatedDateTimeField",
    "ValidUniqueConstraint",
    "VersionField",
    "live",
    "purged",
    "register_cursor",
    "resolve",
    "restored",
    "rolled_back",
    "rows_written",
    "soft_deleted",
    "split_ref",
]
