"""The moment in the past at which a block of code looks."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, NoReturn

from handleref.blocks import Block
from handleref.exceptions import PastIsReadOnlyError
from handleref.moments import moment

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

    from handleref.moments import Moment

# Immutable and linked, innermost first: whoever copies the context copies it all.
_Moments = tuple["datetime", "_Moments | None"]
_moments: ContextVar[_Moments | None] = ContextVar("handleref-as-of", default=None)


class as_of(Block):  # noqa: N801  # written like a function, as `atomic` is
    """Look at the past: a context manager and decorator, async too.

    :param moment: an aware datetime; also a naive one (current time zone), a
        date (its start in the current time zone) or unix seconds.
    :raises TypeError, ValueError: for what is no moment.

    Inside, keepers whose versions are rows show the rows of that moment, and
    saving a model that has a keeper raises
    :class:`~handleref.exceptions.PastIsReadOnlyError`. Blocks nest: the innermost counts.
    """

    def __init__(self, moment_: Moment) -> None:
        self.moment = moment(moment_, "as_of()")

    def __enter__(self) -> Self:
        _moments.set((self.moment, _moments.get()))
        return self

    def __exit__(self, *error: object) -> None:
        current = _moments.get()
        _moments.set(current[1] if current else None)


def current_moment() -> datetime | None:
    """Return the moment of the innermost :class:`as_of` block, or None for the present."""
    current = _moments.get()
    return current[0] if current else None


def refuse_writing(what: str) -> None:
    """Raise inside an :class:`as_of` block; keepers call it before they let rows be written.

    :param what: names the rows for the message, such as ``"airports.Airport 5"``.
    :raises PastIsReadOnlyError: inside a block.
    """
    if (past := current_moment()) is not None:
        _refuse(what, past)


def _refuse(what: str, past: datetime) -> NoReturn:
    raise PastIsReadOnlyError(
        f"{what} cannot be written inside as_of({past.isoformat()}): the past is only"
        " read. Leave the block first."
    )
