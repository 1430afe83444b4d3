"""What the references room tells others.

``soft_deleted`` and ``restored`` are sent once per model and operation, inside
its transaction, with ``sender`` (the model), ``using`` (database alias),
``deletion`` (UUID of the delete operation; None when one ``restore()`` undoes
several) and ``queryset`` (the rows).

``rows_written`` is sent after every set-based write, which no ``pre_save``
tells of, with ``sender``, ``using``, ``operation`` ("update", "bulk_create",
"soft_delete", "restore" or "hard_delete"), ``pks`` (list of primary keys,
collected before the write) and ``fields`` (frozenset of names).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db import transaction
from django.dispatch import Signal

from handleref.references.base import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from django.db.models import QuerySet

T = TypeVar("T")


class WhenSignal(Signal):
    """A signal whose receivers may say when they listen.

    Those with a ``when`` are kept in a signal of their own for each ``when``.
    """

    def __init__(self) -> None:
        super().__init__()
        self._on_condition: dict[Callable[[], bool], Signal] = {}

    def connect(
        self,
        receiver: Callable[..., Any],
        sender: object = None,
        weak: bool = True,  # noqa: FBT001, FBT002 - as Django declares it
        dispatch_uid: Hashable | None = None,
        *,
        when: Callable[[], bool] | None = None,
    ) -> None:
        """Connect a receiver as Django does.

        :param when: called before a write and again after it; only while it returns
            True is the receiver a listener.
        """
        if when is None:
            super().connect(receiver, sender, weak, dispatch_uid)
        else:
            signal = self._on_condition.setdefault(when, Signal())
            signal.connect(receiver, sender, weak, dispatch_uid)

    def disconnect(
        self,
        receiver: Callable[..., Any] | None = None,
        sender: object = None,
        dispatch_uid: str | None = None,
    ) -> bool:
        """Disconnect a receiver, whenever it listens, and tell whether it was connected."""
        found = super().disconnect(receiver, sender, dispatch_uid)
        for signal in self._on_condition.values():
            found |= signal.disconnect(receiver, sender, dispatch_uid)
        return found

    def has_listeners(self, sender: Any = None) -> bool:
        """Tell whether someone listens now."""
        return super().has_listeners(sender) or any(
            signal.has_listeners(sender) and when() for when, signal in self._on_condition.items()
        )

    def send(self, sender: Any, **named: Any) -> list[tuple[Callable[..., Any], str | None]]:
        """Send to all who listen now."""
        responses = super().send(sender, **named)
        for when, signal in self._on_condition.items():
            if when():
                responses += signal.send(sender, **named)
        return responses


soft_deleted = Signal()
restored = Signal()
rows_written = WhenSignal()


def write_and_tell(
    rows: QuerySet[Any], operation: str, fields: Iterable[Any], write: Callable[[], T]
) -> T:
    """Write the rows, and tell ``rows_written`` of it if someone listens."""
    if not rows_written.has_listeners(rows.model._meta.concrete_model):
        return write()
    with transaction.atomic(using=rows.db):
        pks = keys(rows)
        result = write()
        tell(rows, operation, pks, fields)
    return result


def tell(rows: QuerySet[Any], operation: str, pks: list[Any], fields: Iterable[Any]) -> None:
    """Send ``rows_written``; a proxy's rows are those of its model."""
    rows_written.send(
        sender=rows.model._meta.concrete_model,
        using=rows.db,
        operation=operation,
        pks=pks,
        fields=frozenset(field.name for field in fields),
    )
