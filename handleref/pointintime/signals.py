"""What the point-in-time room tells others, since it is about to be forgotten.

``rolled_back`` is sent once per model and operation, inside its transaction and after the
rows went, with ``sender`` (the model), ``using`` (database alias), ``row_ids`` (list of the
objects), ``moment`` (to which they went back, or None: to the version before), ``rows`` (list
of what was forgotten: a dict of values by attribute for each row that vanished, and for each
current row as it was), ``user`` and ``reason``.

``purged`` is sent the same way, without ``moment``; ``rows`` are all rows of the objects.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.dispatch import Signal

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet

rolled_back = Signal()
purged = Signal()

logger = logging.getLogger("handleref.pointintime")


def remembered(signal: Signal, model: type[Model], rows: QuerySet[Any]) -> list[dict[str, Any]]:
    """Return the values of rows before they are forgotten, if someone wants to hear of them."""
    if not signal.has_listeners(model):
        return []
    names = [field.attname for field in model._meta.concrete_fields]
    return [*rows.order_by("row_id", "row_version").values(*names)]


def log(what: str, model: type[Model], objects: int, user: Any, reason: str) -> None:
    """Write down that versions were forgotten."""
    logger.info("%s %d of %s; user: %s, reason: %s", what, objects, model._meta.label, user, reason)
