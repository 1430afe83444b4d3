"""What keepers ask of versions that are rows of the model itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import CharField, F, JSONField, Q, TextField, Window
from django.db.models.functions import Lag, RowNumber

from handleref.versions.dialects import Differ

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.db.models import Field, Model, QuerySet

    from handleref.versions.keepers import Keeper


def differing(
    keeper: Keeper, rows: QuerySet[Any], everything: QuerySet[Any], field: Field[Any, Any]
) -> QuerySet[Any]:
    """Narrow rows to those with another value of a field than the row before; first have none.

    :param everything: the rows of all versions, among which the one before is.

    By windows: MariaDB, asked for each row's previous one, reads all that are newer.
    """
    window: dict[str, Any] = {
        "partition_by": F(keeper.object_id),
        "order_by": F(keeper.order).asc(),
    }
    of_same_objects = (f"{keeper.object_id}__in", rows.order_by().values(keeper.object_id))
    compared = (
        everything.filter(of_same_objects)
        .order_by()
        .annotate(
            hr_place=Window(RowNumber(), **window),
            hr_before=Window(Lag(F(field.attname)), **window),
        )
        .filter(Differ(F("hr_before"), F(field.attname), as_text=_is_loose(field)))
        .filter(hr_place__gt=1)
    )
    return rows.filter(pk__in=compared.values("pk"))


def _is_loose(field: Field[Any, Any]) -> bool:
    """Tell whether to compare texts: JSON calls 1 and 1.0 equal, types of one's own may nothing."""
    collated = bool(getattr(field, "db_collation", None))
    return isinstance(field, JSONField) or collated or not _is_djangos(field)


def _is_djangos(field: Field[Any, Any]) -> bool:
    return type(field).__module__.startswith("django.")


def named_like(rows: QuerySet[Any], text: str, *, without: Collection[str] = ()) -> QuerySet[Any]:
    """Narrow rows to those with the text in a field that may name an object.

    :param without: the names of fields that name none.
    """
    found = Q()
    for name in _naming(rows.model, without):
        found |= Q((f"{name}__icontains", text))
    return rows.filter(found) if found else rows.none()


def _naming(model: type[Model], without: Collection[str]) -> list[str]:
    """Return the fields of short texts without choices; of long ones, where there is no other."""
    fields = [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, CharField | TextField) and not field.choices
        if field.name not in without
    ]
    short = [field.name for field in fields if isinstance(field, CharField)]
    return short or [field.name for field in fields]
