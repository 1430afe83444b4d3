"""The errors of handleref, under one base."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError


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


class KeeperError(HandleRefError, LookupError):
    """A model has no keeper of that name, or several of which none is named."""


class PastIsReadOnlyError(HandleRefError):
    """A row of a model that keeps versions was to be written inside ``as_of()``."""


class RevertError(HandleRefError):
    """Base of the refusals of a ``Reverter``; nothing was written."""


class RevertConflictError(RevertError):
    """The object has changed since the version that the caller saw.

    :ivar diff: the :class:`~handleref.versions.Diff` from that version to the
        object as it is, or None if that version is not known.
    """

    def __init__(self, message: str, *, diff: object = None) -> None:
        super().__init__(message)
        self.diff = diff


class RevertInvalidError(RevertError, ValidationError):
    """Values to be taken back do not fit the model, or break its rules.

    ``message_dict`` has the reasons by field, as in any ``ValidationError``.
    """


class RowReplacedError(StaleRowError):
    """A write would change a row that was replaced or deleted: what was is only read."""


class RowChangedError(StaleRowError):
    """The row was saved by someone else since the instance was read; nothing was written.

    :ivar expected: the ``row_version`` that the caller saw.
    :ivar found: that of the row.
    """

    def __init__(
        self,
        message: str,
        *,
        instance: object = None,
        expected: object = None,
        found: object = None,
    ) -> None:
        super().__init__(message, instance=instance)
        self.expected = expected
        self.found = found


class RowPurgedError(StaleRowError):
    """The row of a saved instance is not there any more: it was purged, or really deleted."""


class StackNotAdoptedError(HandleRefError):
    """A stack has rows that were there before it was one, and were not numbered yet."""


class LatestTakenError(HandleRefError, IntegrityError):
    """A version cannot be the latest again, since another stack has a unique value of it now.

    :ivar constraint: the name of the constraint, or None if only the database knows.
    :ivar stack: the ``stack_group_uuid`` of the version, or None.
    :ivar other: that of the stack which has the value, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        constraint: str | None = None,
        stack: object = None,
        other: object = None,
    ) -> None:
        super().__init__(message)
        self.constraint = constraint
        self.stack = stack
        self.other = other


class PortionError(HandleRefError, ValueError):
    """A part of its validity is to be corrected in which a row is not valid."""
