"""The door to the admin: everything an ``admin.py`` needs."""

from handleref.references.admin.filters import DeletionFilter
from handleref.references.admin.options import HandleRefAdmin

__all__ = ["DeletionFilter", "HandleRefAdmin"]
