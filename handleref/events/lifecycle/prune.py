"""Events that nobody will ask for any more, removed through a door that is recorded."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from django.db import router, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from handleref.commands import ignore
from handleref.events.lifecycle.backfill import BATCH
from handleref.events.trackers import APPEND_ONLY
from handleref.triggers.suspension import suspend

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from django.db.models import QuerySet

    from handleref.commands import Tick
    from handleref.events.base import Event


def prune(
    event_model: type[Event],
    *,
    older_than: timedelta,
    reason: str = "",
    using: str | None = None,
    batch_size: int = BATCH,
    dry_run: bool = False,
    tick: Tick = ignore,
) -> int:
    """Remove events that are older, but for the newest of each object, and return how many.

    Each batch is a transaction of its own. The only way to remove events that are
    append-only; it leaves a record of when and why.

    :param older_than: the age that events must have to go, not negative.
    :param reason: why; kept with the record.
    :param using: the alias of the database, by default the router's.
    :param batch_size: how many events a transaction removes, at least 1.
    :param dry_run: whether to write nothing, and return what would be removed.
    :param tick: called with the number of events just removed.
    :raises ValueError: for a negative age or a batch of no rows.
    """
    if batch_size < 1 or older_than.total_seconds() < 0:
        raise ValueError(f"Neither may be less: older_than={older_than}, batch_size={batch_size}.")
    using = using or router.db_for_write(event_model)
    old = _old(event_model._base_manager.using(using), timezone.now() - older_than)
    if dry_run:
        return old.count()
    removed = 0
    door = _door(event_model, reason, using)
    while keys := [*old.order_by("hr_id").values_list("hr_id", flat=True)[:batch_size]]:
        with transaction.atomic(using), door:
            event_model._base_manager.using(using).filter(hr_id__in=keys).delete()
        removed += len(keys)
        tick(len(keys))
    return removed


def _door(event_model: type[Event], reason: str, using: str) -> AbstractContextManager[Any]:
    """Return the block in which events can be deleted, each time with a record of it."""
    if not event_model.hr_tracking.append_only:
        return nullcontext()
    return suspend(f"{event_model._meta.label}:{APPEND_ONLY}", reason=reason, using=using)


def _old(events: QuerySet[Any], before: Any) -> QuerySet[Any]:
    """Narrow events to those from before a moment that are not the newest of their object."""
    old = events.filter(hr_created_at__lt=before)
    names = {field.name for field in events.model._meta.local_fields}
    model = events.model.hr_tracking.model
    keys = ["hr_obj"] if "hr_obj" in names else [key.name for key in model._meta.pk_fields]
    if not {*keys} <= names:
        return old
    same = Q(**{key: OuterRef(key) for key in keys})
    return old.filter(Exists(events.filter(same, hr_id__gt=OuterRef("hr_id"))))
