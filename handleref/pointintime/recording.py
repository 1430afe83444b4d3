"""Who writes versions, and why."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.auth import get_user_model
from django.utils.functional import Promise

from handleref.blocks import Block
from handleref.pointintime.base import all_rows

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

    from django.db.models import Model


class Said(NamedTuple):
    """What is said of the versions being written, and what an outer block says.

    :ivar user: who writes them.
    :ivar comment: why.
    :ivar moment: when objects begin that are parts of one; by default now.
    :ivar written: where versions are noted of which more is said when the block ends.
    """

    user: Any = None
    comment: str | Promise = ""
    moment: datetime | None = None
    written: list[tuple[type[Model], str, datetime, list[Any]]] | None = None
    outer: Said | None = None

    def note(self, model: type[Model], using: str, moment: datetime, row_ids: list[Any]) -> None:
        """Note that versions were written."""
        if self.written is not None:
            self.written.append((model, using, moment, row_ids))


NOTHING = Said()
_said: ContextVar[Said] = ContextVar("handleref-pointintime-recording", default=NOTHING)


class recording(Block):  # noqa: N801  # written like a function, as `atomic` is
    """Name the user and the reason of every version written inside of the block.

    :param user: a saved user; an anonymous one counts as None. ``save(user=…)`` wins.
    :param comment: becomes ``change_comment``; a lazy text is read when the block ends.
    :raises TypeError: for what is no user.

    What an inner block does not say, the outer one does.
    """

    def __init__(self, user: Any = None, comment: str | Promise = "") -> None:
        self.user = checked(user)
        self.comment = comment
        self._moment: datetime | None = None

    @classmethod
    def of_one_moment(cls, user: Any, moment: datetime) -> recording:
        """Return a block in which objects begin at a moment that is now, or was just now."""
        block = cls(user)
        block._moment = moment
        return block

    def __enter__(self) -> Self:
        outer = _said.get()
        said = outer._replace(outer=outer, user=self.user or outer.user)
        if isinstance(self.comment, Promise):
            said = said._replace(comment=self.comment, written=[])
        elif self.comment:
            said = said._replace(comment=self.comment, written=None)
        _said.set(said._replace(moment=self._moment or outer.moment))
        return self

    def __exit__(self, *error: object) -> None:
        block = _said.get()
        _said.set(block.outer or NOTHING)
        if isinstance(self.comment, Promise) and error[0] is None:
            _comment_on(block.written or [], str(self.comment))


def _comment_on(written: list[tuple[type[Model], str, datetime, list[Any]]], comment: str) -> None:
    """Say of versions what is known only now."""
    for model, using, moment, row_ids in written:
        rows = all_rows(model, using).filter(created_at=moment, row_id__in=row_ids)
        rows.exclude(change_comment=comment).update(change_comment=comment)


def said() -> Said:
    """Return what the innermost block says."""
    return _said.get()


def checked(user: Any) -> Any:
    """Return a user, or None for an anonymous one.

    :raises TypeError: for what is no user.
    """
    if user is None or getattr(user, "is_anonymous", False) is True:
        return None
    if not isinstance(user, get_user_model()):
        raise TypeError(
            f"user is {user!r}, which is no {get_user_model()._meta.label}."
            " What Django's save() takes is given by name: save(force_insert=True)."
        )
    return user
