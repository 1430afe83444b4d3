"""``create_revision()``: the block whose writes become a revision, in an async form too."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from contextlib import contextmanager
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakKeyDictionary

import reversion
from asgiref.sync import sync_to_async
from django.db import connections, router
from reversion.models import Revision

from handleref.revisions import base
from handleref.revisions.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from django.db.backends.base.base import BaseDatabaseWrapper

    from handleref.revisions.base import Frame

    # A block, and the lock that its task holds.
    Opened = tuple[AbstractContextManager[None], asyncio.Lock | None]
    Locks = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]

F = TypeVar("F", bound="Callable[..., Any]")
T = TypeVar("T")

_locks: WeakKeyDictionary[BaseDatabaseWrapper, Locks] = WeakKeyDictionary()


def said_so_far() -> tuple[Any, str, datetime]:
    """Return the user, the comment and the date of the open block."""
    return reversion.get_user(), reversion.get_comment(), reversion.get_date_created()


def say(user: Any, comment: str, date: datetime) -> None:
    """Give the open block a user, a comment and a date."""
    reversion.set_user(user)
    reversion.set_comment(comment)
    reversion.set_date_created(date)


class create_revision:  # noqa: N801 - named as reversion's, whose place it takes
    """Record what is written inside as one revision.

    A context manager, an async context manager, and a decorator of functions and
    coroutine functions. Tasks that are born inside share the block; async blocks of
    other tasks wait, for they would write in the same transaction.

    :param manage_manually: record only what ``reversion.add_to_revision()`` is given.
    :param using: the alias of the database that gets the revision.
    :param atomic: whether the block is one transaction.
    :param user: who makes the change.
    :param comment: what is to be said of it.
    """

    def __init__(
        self,
        manage_manually: bool = False,  # noqa: FBT001, FBT002 - as reversion declares it
        using: str | None = None,
        atomic: bool = True,  # noqa: FBT001, FBT002
        *,
        user: Any = None,
        comment: str = "",
    ) -> None:
        self.manage_manually = manage_manually
        self.using = using
        self.atomic = atomic
        self.user = user
        self.comment = comment
        # By thread or task, for they may share the object.
        self._open: defaultdict[object, list[Opened]] = defaultdict(list)

    @contextmanager
    def _block(self) -> Iterator[None]:
        outer, log = said_so_far() if reversion.is_active() else None, None
        try:
            with reversion.create_revision(self.manage_manually, self.using, self.atomic):
                if self.user is not None:
                    reversion.set_user(self.user)
                if self.comment:
                    reversion.set_comment(self.comment)
                # Before a task is born that would have one of its own.
                log = Log.carried()
                log.current_scopes()
                yield
        except BaseException:
            # Reversion would let the outer block have what was said in this one.
            if outer:
                say(*outer)
            elif log:
                log.leave()
            raise

    def __enter__(self) -> None:
        """Open the block."""
        block = self._block()
        block.__enter__()
        self._open[threading.get_ident()].append((block, None))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the block and write the revision, unless there was an error."""
        self._last(threading.get_ident())[0].__exit__(kind, error, traceback)

    def _last(self, opener: object) -> Opened:
        """Return what was opened last, and forget it."""
        opened = self._open[opener].pop()
        if not self._open[opener]:
            del self._open[opener]
        return opened

    async def __aenter__(self) -> None:
        """Do what :meth:`__enter__` does, once no other task has a block open."""
        lock = None if reversion.is_active() else await self._lock()
        if lock:
            await lock.acquire()
        block = self._block()
        opening = asyncio.ensure_future(sync_to_async(_opened)(block))
        try:
            base.join(await _finished(opening))
        except BaseException as error:
            if not (opening.cancelled() or opening.exception()):
                # We were cancelled, and the block is open.
                base.join(opening.result())
                await _closed(block, type(error), error, None)
            if lock:
                lock.release()
            raise
        self._open[asyncio.current_task()].append((block, lock))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Do what :meth:`__exit__` does, and let the next task in."""
        block, lock = self._last(asyncio.current_task())
        try:
            await _closed(block, kind, error, traceback)
        finally:
            if lock:
                lock.release()

    async def _lock(self) -> asyncio.Lock:
        """Return the lock of the connection that async code of this loop has."""
        alias = self.using or router.db_for_write(Revision)
        connection = await sync_to_async(connections.__getitem__)(alias)
        locks = _locks.setdefault(connection, WeakKeyDictionary())
        return locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())

    def __call__(self, function: F) -> F:
        """Run a function in a block of its own at each call."""

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self._anew():
                return function(*args, **kwargs)

        @wraps(function)
        async def arun(*args: Any, **kwargs: Any) -> Any:
            async with self._anew():
                return await function(*args, **kwargs)

        return cast("F", arun if iscoroutinefunction(function) else run)

    def _anew(self) -> Self:
        return type(self)(
            self.manage_manually,
            self.using,
            self.atomic,
            user=self.user,
            comment=self.comment,
        )


def _opened(block: AbstractContextManager[None]) -> Sequence[Frame]:
    block.__enter__()
    return base.frames()


async def _closed(block: AbstractContextManager[None], *error: Any) -> None:
    """Close a block, with the error of one that failed; such a one raises it again."""
    await _finished(asyncio.ensure_future(sync_to_async(block.__exit__)(*error)))


async def _finished(work: asyncio.Future[T]) -> T:
    """Return what the work returns; when we are cancelled, let it finish nevertheless.

    A thread cannot be stopped, and would open or close the block behind our back.
    """
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
