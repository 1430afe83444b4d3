"""The door to the admin: everything an ``admin.py`` needs."""

from handleref.pointintime.admin.options import PointInTimeAdmin
from handleref.references.admin.filters import DeletionFilter
from handleref.references.admin.options import HandleRefAdmin
from handleref.stacks.admin import AbstractStackStoreAdmin
from handleref.versions.admin.options import VersionAdmin

__all__ = [
    "AbstractStackStoreAdmin",
    "DeletionFilter",
    "HandleRefAdmin",
    "PointInTimeAdmin",
    "VersionAdmin",
]
