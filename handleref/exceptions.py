"""The errors of handleref, under one base."""


class HandleRefError(Exception):
    """Base of every error that handleref raises of its own."""


class RowDeletedError(HandleRefError):
    """A write would bring back a soft-deleted row; only ``restore()`` does that."""


class RowRestoredError(HandleRefError):
    """A stale instance would delete a row again that was restored meanwhile."""


class ParentDeletedError(HandleRefError):
    """A row cannot be restored while a row that it belongs to is deleted."""


class UnknownTagError(HandleRefError, LookupError):
    """A handle names a tag that no installed model has."""
