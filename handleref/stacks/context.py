"""Who writes versions, and why: said for the length of a block."""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections
from django.utils.functional import Promise

from handleref.blocks import Block
from handleref.stacks.base import all_rows
from handleref.stacks.locking import parts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model

    Written = dict[tuple[type[Model], str], list[Any]]


@dataclass(frozen=True, eq=False)
class Said:
    """What is said of the versions being written.

    :ivar comment: what they say; a lazy text is written when its block ends.
    :ivar outer: what an outer block says.
    :ivar written: the keys of the versions that wait for a lazy comment, by model and
        database; shared with tasks born inside.
    """

    user_id: Any = None
    comment: str | Promise = ""
    outer: Said | None = None
    written: Written = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The comment as far as it is known already."""
        return "" if self.is_late else written_down(self.comment)

    @property
    def is_late(self) -> bool:
        """Whether the comment is known only when the block ends."""
        return isinstance(self.comment, Promise)

    def note(self, model: type[Model], using: str, keys: Iterable[Any]) -> None:
        """Note versions that wait for the comment."""
        self.written.setdefault((model, using), []).extend(keys)


_said: ContextVar[Said | None] = ContextVar("handleref-stacks-recording", default=None)


def said() -> Said:
    """Return what the innermost block says."""
    return _said.get() or Said()


def written_down(comment: str | Promise) -> str:
    """Return a comment as every database keeps it: PostgreSQL knows no NUL."""
    return str(comment).replace("\0", "")


class recording(Block):  # noqa: N801 - written like a function, as `atomic` is
    """Name the user and the reason of every version written inside.

    A context manager and a decorator, async too. Blocks nest; what an inner one does not
    say, the outer one does.

    :param user: becomes ``stack_user``; one without a key, such as an anonymous one, is nobody.
    :param comment: becomes ``stack_comment``; a lazy text is read when the block ends.
    :raises TypeError: for a user that is none.
    """

    def __init__(self, user: Any = None, comment: str | Promise = "") -> None:
        if user is not None and not hasattr(user, "pk"):
            raise TypeError(f"user is a user or None, not {user!r}.")
        self.user = user
        self.comment = comment

    def __enter__(self) -> Self:
        outer = _said.get()
        around = outer or Said()
        user = getattr(self.user, "pk", None)
        # A lazy text may be empty still, and does not mind being asked later.
        comment = self.comment if isinstance(self.comment, Promise) or self.comment else None
        _said.set(
            Said(
                user_id=around.user_id if user is None else user,
                comment=around.comment if comment is None else comment,
                outer=outer,
                written=around.written if comment is None else {},
            )
        )
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._finish(failed=error[:1] != (None,))
        finally:
            self._close()

    async def __aexit__(self, *error: object) -> None:
        try:
            await sync_to_async(self._finish)(failed=error[:1] != (None,))
        finally:
            self._close()

    def _finish(self, *, failed: bool) -> None:
        """Write a lazy comment; after an error as far as that can be."""
        current = said()
        outer = current.outer or Said()
        if current.written is outer.written or not current.written:
            return
        if not failed:
            comment(current)
            return
        # What was written before the error may stay, and nothing may hide the error.
        with suppress(DatabaseError):
            comment(current)

    def _close(self) -> None:
        current = _said.get()
        if current is not None:
            _said.set(current.outer)


def comment(opened: Said) -> None:
    """Let the versions that wait for it have the comment of a block."""
    text = written_down(opened.comment)
    for (model, using), keys in opened.written.items():
        if connections[using].needs_rollback:
            continue
        for part in parts(keys):
            all_rows(model, using).filter(pk__in=part).update(stack_comment=text)
