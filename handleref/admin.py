"""The door to the admin: everything an ``admin.py`` needs."""

from handleref.references.admin.filters import DeletionFilter
from handleref.references.admin.options import HandleRefAdmin
from handleref.versions.admin.options import VersionAdmin

__all__ = ["DeletionFilter", "HandleRefAdmin", "VersionAdmin"]
