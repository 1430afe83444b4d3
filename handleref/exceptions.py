"""The errors of handleref, under one base."""


class HandleRefError(Exception):
    """Base of every error that handleref raises of its own."""


class StaleRowError(HandleRefError):
    """Base of the errors of an instance that does not know what became of its row.

    :ivar instance: the instance that was to be saved, or None.
    """

    def __init__(self, message: str, *, instance: object = None) -> None:
        super().__init__(message)
        self.instance = instance


class RowDeletedError(StaleRowError):
    """A write would bring back a soft-deleted row; only ``restore()`` does that."""


class RowRestoredError(StaleRowError):
    """A stale instance would delete a row again that was restored meanwhile."""


class ParentDeletedError(HandleRefError):
    """A row cannot be restored while a row that it belongs to is deleted."""


class UnknownTagError(HandleRefError, LookupError):
    """A handle names a tag that no installed model has."""
