"""What taking a reference row back to an earlier state must see to, whoever kept that."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from django.db import router

from handleref.references.base import is_reference
from handleref.references.deletion import refuse_deleted_parents
from handleref.references.expressions import DELETED
from handleref.references.fields import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.db.models import Model

# What every write moves, and what only accompanies a change of status.
STAMPS: Final = frozenset({"created", "updated", "version", "deletion", "former_status"})


@cache
def stamp_fields(model: type[Model]) -> frozenset[str]:
    """Return the names of the fields that tell of a write rather than of the object."""
    own = STAMPS if is_reference(model) else frozenset()
    fields = model._meta.concrete_fields
    return own | {field.name for field in fields if getattr(field, "auto_now", False)}


def is_soft_deleted(model: type[Model], data: Mapping[str, Any]) -> bool:
    """Tell whether values by field name are those of a soft-deleted row."""
    return is_reference(model) and data.get("status") == DELETED


class ReferenceRules:
    """What keepers of versions answer alike: the rules of reference rows, and of plain ones.

    To be inherited from before ``handleref.versions.Keeper``, whose methods these are.
    """

    def stamp_fields(self, model: type[Model]) -> frozenset[str]:
        return stamp_fields(model)

    def values_for(self, version: Any, values: dict[str, Any], *, deleted: bool) -> dict[str, Any]:
        if not is_reference(version.model) or "status" not in values:
            return values
        if deleted:
            return {**values, "status": DELETED}
        if values["status"] == DELETED:
            return {**values, "status": version.data.get("former_status") or Status.OK.value}
        return values

    def check_restorable(self, obj: Model) -> None:
        if is_reference(type(obj)):
            refuse_deleted_parents(obj, obj._state.db or router.db_for_write(type(obj)))

    def undelete(self, obj: Model) -> None:
        reference: Any = obj
        reference.restore()

    def insert(self, obj: Model, version: Any) -> None:
        if "created" in version.data and is_reference(type(obj)):
            vars(obj)["created"] = version.data["created"]
        obj.save(force_insert=True)
        # What saving a new row sets anew.
        later = dict(_carried_on(type(obj), version.data))
        if later:
            rows = type(obj)._base_manager.using(obj._state.db)
            rows.filter(pk=obj.pk).update(**later)


def _carried_on(model: type[Model], data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if is_reference(model) and isinstance(data.get("version"), int):
        yield "version", data["version"] + 1
    for field in model._meta.concrete_fields:
        if getattr(field, "auto_now_add", False) and field.name in data:
            yield field.name, data[field.name]
