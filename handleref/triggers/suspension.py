"""Writing without being recorded, on one connection and for one reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Self

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, router
from django.db.models import Model
from django.dispatch import Signal

from handleref.blocks import Block
from handleref.triggers.dialects.values import SUSPENDED
from handleref.triggers.indexes import keys_of_all
from handleref.triggers.session import begin, end, tell_at_once, told

if TYPE_CHECKING:
    from collections.abc import Iterable

Target = type[Model] | str

# Sent when a block begins that is to leave a record, with ``targets``, ``reason`` and ``using``.
suspended = Signal()

ALL: Final = "*"
SEPARATOR: Final = "|"
TARGET: Final = re.compile(r"\w+(\.\w+(:[^|]+)?)?")


def key_of(target: Target) -> str:
    """Return the name by which triggers are suspended.

    :param target: a model, or ``"app"``, ``"app.Model"`` or ``"app.Model:label"``.
    :raises ValueError: for a text that is none of these.
    """
    if not isinstance(target, str):
        return str(target._meta.concrete_model._meta.label_lower)  # type: ignore[union-attr]
    name, colon, label = target.partition(":")
    app, dot, model = name.partition(".")
    if target != ALL and not TARGET.fullmatch(target):
        raise ValueError(
            f'{target!r} names no trackers: give "app", "app.Model" or "app.Model:label".'
        )
    return f"{app}{dot}{model.lower()}{colon}{label}"


class suspend(Block):  # noqa: N801 - written like a function, as `atomic` is
    """Let writes on one connection pass unrecorded while the block lasts.

    A context manager and a decorator, async too; other connections, threads and tasks
    are recorded as ever, and what is rolled back was never suspended.

    :param targets: models, ``"app"``, ``"app.Model"`` or ``"app.Model:label"``; none at
        all means every tracker. ``"append_only"`` lets events be changed and deleted
        that the database protects; ``"*"`` is every tracker beside that.
    :param reason: why; kept with the time and the targets, so that a gap in the history
        explains itself.
    :param using: the alias of the database, by default the one that the first model
        is written to, or the default one.
    :param record: whether the suspension leaves a record.
    :raises ValueError: for a text that names no trackers; on entering, for a target that
        nothing tracks, such as a misspelt one.
    """

    def __init__(
        self, *targets: Target, reason: str = "", using: str | None = None, record: bool = True
    ) -> None:
        self.keys = tuple(key_of(target) for target in targets) or (ALL,)
        models = [target for target in targets if not isinstance(target, str)]
        self.using = using or (router.db_for_write(models[0]) if models else DEFAULT_DB_ALIAS)
        self.reason = reason.replace("\0", "")
        self.record = record

    def __enter__(self) -> Self:
        self._check()
        self._record()
        self._begin()
        return self

    def __exit__(self, *error: object) -> None:
        end()

    async def __aenter__(self) -> Self:
        self._check()
        await sync_to_async(self._record)()
        self._begin()
        return self

    def _check(self) -> None:
        unknown = {*self.keys} - {ALL} - keys_of_all()
        if unknown:
            raise ValueError(f"Nothing tracks {', '.join(sorted(unknown))}.")

    def _record(self) -> None:
        if self.record:
            suspended.send(suspend, targets=self.keys, reason=self.reason, using=self.using)

    def _begin(self) -> None:
        before = told(self.using).get(SUSPENDED, "").split(SEPARATOR)
        begin(self.using, **{SUSPENDED: joined({*before, *self.keys})})
        try:
            # What does not come by Django's cursors, such as COPY, is told beforehand.
            tell_at_once(self.using)
        except BaseException:
            end()
            raise


def joined(keys: Iterable[str]) -> str:
    """Return names as triggers look for them: each between two bars."""
    return SEPARATOR.join(["", *sorted(filter(None, keys)), ""])
