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
    from collections.abc import Callable, Iterable

    from django.db.models import QuerySet

T = TypeVar("T")

soft_deleted = Signal()
restored = Signal()
rows_written = Signal()


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
