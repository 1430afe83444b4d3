"""Who writes, and why: told to the triggers for the length of a block."""

from __future__ import annotations

import uuid
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections, router
from django.db.models import Exists, OuterRef
from django.utils import timezone

from handleref.blocks import Block
from handleref.events.copying import by_hand
from handleref.events.history import (
    kept_in,
    kept_models,
    link_key,
    link_models,
    refers_to_context,
    rows_of,
)
from handleref.events.models import Context
from handleref.events.registry import all_event_models
from handleref.triggers.base import NEW
from handleref.triggers.dialects import dialect_of
from handleref.triggers.dialects.values import CONTEXT
from handleref.triggers.session import begin, end, writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.models import Field, Model, QuerySet
    from django.utils.functional import Promise

    from handleref.events.base import Event

# How many tables one statement asks; every database takes as many columns.
MANY: Final = 500
# Under which name a context keeps what its writes took back, by event model and object.
REVERTED: Final = "hr_reverted"


@dataclass(frozen=True, eq=False)
class Opened:
    """A block that is open.

    :ivar id: the key of its context, which is written when the block ends.
    :ivar aliases: the databases whose triggers are told of it.
    :ivar outer: the block around it.
    :ivar written: the databases that were written to; shared with tasks born inside.
    :ivar reverted: the version that an object took back, by event model and key.
    """

    user_id: Any
    comment: str | Promise
    aliases: tuple[str, ...]
    outer: Opened | None
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    written: set[str] = field(default_factory=set)
    reverted: dict[str, dict[str, Any]] = field(default_factory=dict)


# Immutable and linked, innermost first.
_opened: ContextVar[Opened | None] = ContextVar("handleref_context", default=None)


def current() -> Opened | None:
    """Return the innermost block that is open in this thread or task, or None."""
    return _opened.get()


class context(Block):  # noqa: N801 - written like a function, as `atomic` is
    """Let events written inside know who wrote, and why.

    A context manager and a decorator, async too. Blocks nest: each has a context of its
    own, and says what its outer one says where it is not told. A context is written at
    the end, in each database with an event that refers to it.

    :param user: who writes; one without a key, such as an anonymous one, is nobody.
    :param comment: what is to be said of it; a lazy text is read when the block ends.
    :param using: the alias of the one database that is meant, by default all.
    :raises TypeError: for a user that is none.
    :raises ValueError: for a database that there is not.
    """

    def __init__(
        self, *, user: Any = None, comment: str | Promise = "", using: str | None = None
    ) -> None:
        if user is not None and not hasattr(user, "pk"):
            raise TypeError(f"user is a user or None, not {user!r}.")
        if using is not None and using not in connections:
            raise ValueError(f"There is no database {using!r}.")
        self.user = user
        self.comment = comment
        self.using = using

    def __enter__(self) -> Self:
        outer = _opened.get()
        key = getattr(self.user, "pk", None)
        opened = Opened(
            user_id=outer.user_id if key is None and outer else key,
            comment=outer.comment if not self.comment and outer else self.comment,
            aliases=(self.using,) if self.using else tuple(connections),
            outer=outer,
        )
        _opened.set(opened)
        for alias in opened.aliases:
            # Every database reads a UUID without hyphens, and SQLite keeps it so.
            begin(alias, **{CONTEXT: opened.id.hex})
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
        """Write what the block leaves behind; after an error as far as that can be."""
        opened = _opened.get()
        if opened is None or not opened.written:
            return
        if not failed:
            finish(opened)
            return
        # What was written before the error may stay, and nothing may hide the error.
        with suppress(DatabaseError):
            finish(opened)

    def _close(self) -> None:
        opened = _opened.get()
        if opened is not None:
            for _ in opened.aliases:
                end()
            _opened.set(opened.outer)


def note_write(using: str, **_: Any) -> None:
    """Note that a database is written to in the open block; a receiver of ``writing``."""
    opened = _opened.get()
    while opened is not None and using not in opened.aliases:
        opened = opened.outer
    if opened is not None:
        opened.written.add(using)


writing.connect(note_write, dispatch_uid="handleref.events.context")


def finish(opened: Opened) -> None:
    """Write the context of a block, with what only its end can tell."""
    # PostgreSQL keeps no NUL, and no comment may make a write fail.
    comment = str(opened.comment).replace("\0", "")
    for using in sorted(opened.written):
        if connections[using].needs_rollback:
            continue
        found = referring(opened.id, using)
        for events in found:
            touch_owners(events, opened.id, using)
        if found:
            Context(
                id=opened.id,
                created_at=timezone.now(),
                user_id=opened.user_id,
                comment=comment,
                metadata={REVERTED: opened.reverted} if opened.reverted else {},
            ).save(using=using, force_insert=True)


def referring(context_id: uuid.UUID, using: str) -> list[type[Event]]:
    """Return the event models that have events of a context; one query, whatever they are."""
    models = [
        each
        for each in all_event_models()
        if refers_to_context(each) and router.allow_migrate_model(using, each)
    ]
    found: list[type[Event]] = []
    for start in range(0, len(models), MANY):
        found += _referring(models[start : start + MANY], context_id, using)
    return found


def _referring(
    models: Sequence[type[Event]], context_id: uuid.UUID, using: str
) -> Iterator[type[Event]]:
    connection = connections[using]
    quote = connection.ops.quote_name
    # By hand: to have Django write this at the end of each block takes ten times as long.
    asked = ", ".join(
        f"CASE WHEN EXISTS (SELECT 1 FROM {quote(model._meta.db_table)}"  # noqa: S608 - a table
        " WHERE hr_context_id = %s) THEN 1 ELSE 0 END"
        for model in models
    )
    stored = Context._meta.pk.get_db_prep_value(context_id, connection)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {asked}", [stored] * len(models))
        flags = cursor.fetchone()
    return (model for model, flag in zip(models, flags, strict=True) if flag)


def _of_context(events: type[Event], context_id: uuid.UUID, using: str) -> QuerySet[Any]:
    return rows_of(events).using(using).filter(hr_context_id=context_id)


def _compiled(rows: QuerySet[Any, Any]) -> tuple[str, Sequence[Any]]:
    sql, params = rows.query.get_compiler(using=rows.db).as_sql()
    return sql, params


def touch_owners(events: type[Event], context_id: uuid.UUID, using: str) -> None:
    """Write an event of each object of which a block changed nothing but links.

    :param events: the event model of a many-to-many field; any other has no owners.
    """
    for model in kept_models() if events.hr_tracking.owner else ():
        for many, linked in link_models(model).items():
            if linked is events:
                _touch(model, link_key(model, events), events, (many.name, context_id, using))


def _touch(
    model: type[Model],
    key: Field[Any, Any],
    events: type[Event],
    block: tuple[str, uuid.UUID, str],
) -> None:
    label, context_id, using = block
    own, dialect = kept_in(model), dialect_of(connections[using])
    if own is None or dialect is None:
        return
    known = _of_context(own, context_id, using).filter(hr_obj_id=OuterRef("hr_obj_id"))
    changed = _of_context(events, context_id, using).filter(~Exists(known))
    query, params = _compiled(changed.values("hr_obj_id"))
    sql = dialect.copying(
        by_hand(own, label), f"{dialect.column(NEW, str(key.column))} IN ({query})"
    )
    with connections[using].cursor() as cursor:
        cursor.execute(sql, params)
