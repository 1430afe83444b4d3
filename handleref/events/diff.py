"""Which versions changed a field: each compared with the one before, in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import Lag, RowNumber

from handleref.events.history import key_names, rows_of
from handleref.events.state import owner_name, tracked_links
from handleref.triggers.fields import is_compared_as_text
from handleref.versions.dialects import Differ

if TYPE_CHECKING:
    from handleref.events.base import Event


def versions(event_model: type[Event]) -> QuerySet[Any]:
    """Return the events that are versions: of each object, the last of each block."""
    later = Q(
        *((name, OuterRef(name)) for name in key_names(event_model)),
        hr_context_id=OuterRef("hr_context_id"),
        hr_id__gt=OuterRef("hr_id"),
    )
    # Without a context, none is the same.
    return rows_of(event_model).filter(~Exists(rows_of(event_model).filter(later)))


def changing(rows: QuerySet[Any], field: str) -> QuerySet[Any]:
    """Narrow versions to those that changed a field of their event model, or its links."""
    links = tracked_links(rows.model.hr_tracking.model)
    for many, events in links.items():
        if many.name == field:
            return _linking(rows, events)
    return _differing(rows, field) if field in rows.model.hr_tracking.fields else rows.none()


def _differing(rows: QuerySet[Any], name: str) -> QuerySet[Any]:
    """Compare by windows: MariaDB, asked for each version's previous one, reads all."""
    keys = key_names(rows.model)
    window: dict[str, Any] = {
        "partition_by": [F(key) for key in keys],
        "order_by": F("hr_id").asc(),
    }
    field = rows.model._meta.get_field(name)
    compared = (
        _of_same_objects(versions(rows.model).using(rows.db), rows)
        .annotate(
            hr_place=Window(RowNumber(), **window),
            hr_before=Window(Lag(F(field.attname)), **window),
        )
        .filter(Differ(F("hr_before"), F(field.attname), as_text=_is_loose(field)))
        .filter(hr_place__gt=1)
    )
    return rows.filter(pk__in=compared.values("pk"))


def _is_loose(field: Any) -> bool:
    """Tell whether to compare texts: a type of one's own may have no equality."""
    return is_compared_as_text(field) or not type(field).__module__.startswith("django.")


def _of_same_objects(events: QuerySet[Any], rows: QuerySet[Any]) -> QuerySet[Any]:
    keys = key_names(rows.model)
    if len(keys) > 1:
        return events
    return events.filter((f"{keys[0]}__in", rows.order_by().values(keys[0])))


def _linking(rows: QuerySet[Any], events: type[Event]) -> QuerySet[Any]:
    """Narrow versions to those since whose previous one there were events of links.

    Those of a block belong to the version of the block, all others to the next one; it
    is looked for from the link: MariaDB, asked for each version's previous one, reads all.
    """
    key = owner_name(rows.model, events)
    linked = rows_of(events).using(rows.db)
    following = versions(rows.model).filter(
        (key, OuterRef("hr_obj_id")), hr_created_at__gte=OuterRef("hr_created_at")
    )
    alone = linked.filter(hr_context=None, hr_obj_id__in=rows.order_by().values(key))
    next_ones = alone.annotate(hr_next=Subquery(following.order_by("hr_id").values("hr_id")[:1]))
    of_block = linked.filter(hr_obj_id=OuterRef(key), hr_context_id=OuterRef("hr_context_id"))
    found: QuerySet[Any] = rows.filter(
        Exists(of_block) | Q(pk__in=next_ones.values("hr_next")), Exists(_before(rows))
    )
    return found


def _before(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the versions of the object before a version."""
    same = Q(*((name, OuterRef(name)) for name in key_names(rows.model)))
    return versions(rows.model).filter(same, hr_id__lt=OuterRef("hr_id"))
