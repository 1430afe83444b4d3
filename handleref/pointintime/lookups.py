"""Lookups of frozen keys by instances: an instance stands for the version that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Model, Q
from django.db.models.fields.related_lookups import RelatedExact, RelatedIn
from django.db.models.sql import Query

from handleref.pointintime.base import all_rows
from handleref.pointintime.expressions import VersionKey
from handleref.pointintime.joins import name_rows

if TYPE_CHECKING:
    from collections.abc import Iterable


def version_of(obj: Any) -> tuple[Any, int] | None:
    """Return which version of which object an instance is, if it is under the object's key.

    A replaced row, under a key of its own, stays where it is.
    """
    held = vars(obj)
    row_id, version = held.get("row_id"), held.get("row_version")
    known = row_id is not None and version is not None and row_id == obj.pk
    return (row_id, version) if known else None


def versions(instances: Iterable[Any]) -> Q:
    """Return the condition that a row is the version that one of the instances is."""
    keys: list[Any] = []
    found: dict[int, list[Any]] = {}
    for obj in instances:
        if (version := version_of(obj)) is None:
            keys.append(obj.pk)
        else:
            found.setdefault(version[1], []).append(version[0])
    condition = Q(pk__in=keys)
    for number, row_ids in found.items():
        condition |= Q(row_version=number, row_id__in=row_ids)
    return condition


class FrozenExact(RelatedExact):
    """``filter(article=article)``: frozen on just that version."""

    def get_prep_lookup(self) -> Any:
        """Return what finds the key of the instance's version by now."""
        rhs: Any = self.rhs
        if is_frozen(self.lhs) and isinstance(rhs, Model) and (version := version_of(rhs)):
            model: Any = rhs._meta.concrete_model
            return VersionKey(model, *version)
        return super().get_prep_lookup()


class FrozenIn(RelatedIn):
    """``filter(article__in=articles)``: frozen on just those versions."""

    def get_prep_lookup(self) -> Any:
        """Return a query for the keys of the instances' versions by now."""
        rhs: Any = self.rhs
        if is_frozen(self.lhs) and self.rhs_is_direct_value():
            rhs = [*rhs]
            instances = [value for value in rhs if isinstance(value, Model)]
            if any(map(version_of, instances)):
                others = [value for value in rhs if not isinstance(value, Model)]
                condition = versions(instances) | Q(pk__in=others)
                model: Any = self.lhs.output_field.related_model._meta.concrete_model
                self.rhs = all_rows(model).filter(condition).values("pk").query
        prepared = super().get_prep_lookup()
        if is_frozen(self.lhs) and isinstance(prepared, Query):
            name_rows(prepared)
        return prepared


def is_frozen(column: Any) -> bool:
    """Tell whether a column is a frozen key, and not the way back along one."""
    return getattr(column.output_field, "is_frozen", False)
