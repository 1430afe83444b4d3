"""What the files of this room share: which rows are reference rows, and whose."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.db.models import CompositePrimaryKey

from handleref.references.options import HandleRefOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model, QuerySet

# How many keys a query lists at most: SQLite takes no more than 32,766 parameters.
MANY = 10_000
# Values of these types are parameters of a statement and no expressions: asked for in each save()
# of a row that is history, where hasattr() would take its time.
PARAMETERS = frozenset({bool, int, float, str, bytes, type(None), Decimal, UUID, date, datetime})

F = TypeVar("F", bound="Callable[..., Any]")


def alters_data(**attributes: bool) -> Callable[[F], F]:
    """Mark a method as Django marks those that write; templates do not call it."""

    def mark(method: F) -> F:
        vars(method).update(alters_data=True, **attributes)
        return method

    return mark


def is_reference(model: type[Model]) -> bool:
    """Tell whether a model is a ``HandleRefModel``."""
    # django-handleref, which may be installed beside us, gives its models one too.
    return isinstance(getattr(model, "_handleref", None), HandleRefOptions)


def owner(model: type[Model]) -> type[Model]:
    """Return the model whose table has the stamps: a base, with multi-table inheritance."""
    return model._meta.get_field("status").model


@cache
def has_plain_key(model: type[Model]) -> bool:
    """Tell whether rows are saved by one column that is no relation, without a look before."""
    key: Any = model._meta.pk
    composite = isinstance(key, CompositePrimaryKey)
    return not (composite or key.remote_field or model._meta.select_on_save)


def rows_of(model: type[Model], rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the rows as those of a base, a child table or a proxy's model.

    They are matched by the key of the table with the stamps: a child's own key may
    be that of another base.
    """
    if rows.model is model:
        return rows
    key = owner(model)._meta.pk.name
    keys = rows.order_by().values(key)
    return model._base_manager.using(rows.db).filter((f"{key}__in", keys))


def owned(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the rows as those of the table that has the stamps."""
    return rows_of(owner(rows.model), rows)


def keys(rows: QuerySet[Any]) -> list[Any]:
    """Return the primary keys of the rows, each once, whatever joins select them."""
    return list(dict.fromkeys(rows.values_list("pk", flat=True)))
