"""Versions that go for good, and what keeps their stack sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import CASCADE, DO_NOTHING, Exists, OuterRef, QuerySet

from handleref.exceptions import LatestTakenError
from handleref.stacks.base import all_rows
from handleref.stacks.constraints import LatestUniqueConstraint
from handleref.stacks.dialects import become_writer
from handleref.stacks.locking import hold_stacks, parts
from handleref.versions.as_of import refuse_writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model
    from django.db.models.deletion import Collector

    Deleted = tuple[int, dict[str, int]]


class WithTheStack:
    """An ``on_delete`` that is asked once no version of the stack is left.

    It equals the one that it asks, which is what migrations write down.
    """

    def __init__(self, on_delete: Callable[..., Any]) -> None:
        self.on_delete = on_delete
        self.lazy_sub_objs = getattr(on_delete, "lazy_sub_objs", False)
        self.__name__ = getattr(on_delete, "__name__", type(on_delete).__name__)

    @classmethod
    def of(cls, on_delete: Any) -> Any:
        """Return such an ``on_delete``; one that does nothing stays as it is."""
        if on_delete is DO_NOTHING or not callable(on_delete):
            return on_delete
        return on_delete if isinstance(on_delete, cls) else cls(on_delete)

    @classmethod
    def original(cls, on_delete: Any) -> Any:
        """Return what was given."""
        return on_delete.on_delete if isinstance(on_delete, cls) else on_delete

    def __call__(
        self, collector: Collector, field: Any, sub_objs: QuerySet[Any], using: str
    ) -> None:
        """Do with the rows whose stack is deleted as a whole what is to be done."""
        gone = _gone(collector, field, sub_objs, using)
        if gone:
            rows = sub_objs.filter((f"{field.attname}__in", gone))
            self.on_delete(collector, field, rows, using)

    def __eq__(self, other: object) -> bool:
        return bool(self.on_delete == self.original(other))

    def __hash__(self) -> int:
        return hash(self.on_delete)


def _gone(collector: Collector, field: Any, sub_objs: QuerySet[Any], using: str) -> set[Any]:
    """Return the stacks, of those that rows refer to, of which all versions are to be deleted."""
    groups = set(sub_objs.order_by().values_list(field.attname, flat=True).distinct())
    stack = field.remote_field.model._meta.concrete_model
    doomed = {
        obj.pk
        for model, objs in collector.data.items()
        if model._meta.concrete_model is stack
        for obj in objs
    }
    rows = all_rows(stack, using).filter(stack_group_uuid__in=groups)
    staying = {
        group for group, pk in rows.values_list("stack_group_uuid", "pk") if pk not in doomed
    }
    return groups - staying


def refusal(model: type[Model]) -> str:
    """Return why versions are not deleted by ``delete()``, and what does it."""
    return (
        f"{model._meta.label} keeps its versions: delete() is not available."
        " Use force_delete(), which deletes rows for good."
    )


def force_delete(rows: QuerySet[Any], delete: Callable[[], Deleted]) -> Deleted:
    """Delete versions in a transaction, and mark the ones before them as the latest.

    :param rows: the versions.
    :param delete: deletes them.
    :raises LatestTakenError: if another stack has a unique value of what would be the latest.
    """
    refuse_writing(rows.model._meta.label)
    groups = rows.order_by().values_list("stack_group_uuid", flat=True).distinct()
    with transaction.atomic(using=rows.db):
        become_writer(rows.model, rows.db)
        found = [*groups]
        hold_stacks(rows.model, groups.filter(stack_latest=True), rows.db)
        refuse_taken(rows)
        result = delete()
        promote(rows.model, found, rows.db)
    return result


def refuse_taken(rows: QuerySet[Any]) -> None:
    """Refuse to delete versions if those before them cannot be the latest any more.

    :raises LatestTakenError: naming the first of them.
    """
    model: Any = rows.model._meta.concrete_model
    unique = [c for c in model._meta.constraints if isinstance(c, LatestUniqueConstraint)]
    if not unique:
        return
    doomed = {*rows.order_by().values_list("pk", flat=True)}
    latest = rows.order_by().filter(stack_latest=True)
    groups = {*latest.values_list("stack_group_uuid", flat=True)}
    heirs: dict[Any, Any] = {}
    for part in parts(groups):
        versions = all_rows(model, rows.db).filter(stack_group_uuid__in=part)
        found = versions.order_by("stack_number").values_list("stack_group_uuid", "pk")
        # The last one of each stack.
        heirs |= {group: key for group, key in found if key not in doomed}
    for constraint in unique:
        for keys in parts(heirs.values()):
            constraint.refuse_taken(model, keys, doomed, rows.db)


def promote(model: type[Model], groups: list[Any], using: str) -> None:
    """Mark the last version of each stack that has no latest one any more."""
    everything = all_rows(model, using)
    same = everything.filter(stack_group_uuid=OuterRef("stack_group_uuid"))
    for part in parts(groups):
        headless = everything.filter(
            ~Exists(same.filter(stack_latest=True)),
            ~Exists(same.filter(stack_number__gt=OuterRef("stack_number"))),
            stack_group_uuid__in=part,
            stack_number__isnull=False,
        )
        # Asked first: MariaDB would look at its own table for each row that it updates.
        while keys := [*headless.values_list("pk", flat=True)]:
            # Fewer, if somebody deletes one of them just now: then the one before is meant.
            if _marked(everything.filter(pk__in=keys)) == len(keys):
                break


def _marked(rows: QuerySet[Any]) -> int:
    """Mark versions as the latest, and return how many there were."""
    try:
        return rows.update(stack_latest=True)
    except IntegrityError as error:
        raise LatestTakenError(
            f"A version of {rows.model._meta.label} cannot be the latest again, since the"
            f" database refuses it: {error}"
        ) from error


def may_cascade(model: type[Model]) -> bool:
    """Tell whether single versions may go with rows that they refer to."""
    fields: list[Any] = [*model._meta.local_fields, *model._meta.private_fields]
    relations = [field.remote_field for field in fields if field.is_relation]
    return any(rel is None or getattr(rel, "on_delete", CASCADE) is CASCADE for rel in relations)


def promote_one(
    sender: type[Model], instance: Any, using: str, origin: Any = None, **_: Any
) -> None:
    """Mark the version before one that went with a row it referred to; a ``post_delete`` receiver.

    What the stack itself deletes, it sees to as a whole.
    """
    begun: Any = origin.model if isinstance(origin, QuerySet) else type(origin)
    concrete = getattr(begun, "_meta", None) and begun._meta.concrete_model
    if concrete is not sender._meta.concrete_model:
        promote(sender, [instance.stack_group_uuid], using)
