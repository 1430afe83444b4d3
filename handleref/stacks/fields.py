"""The fields of a stack, and a foreign key that follows its latest version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.db.models.fields.related_descriptors import ForwardManyToOneDescriptor
from django.db.models.lookups import BuiltinLookup, Exact

from handleref.stacks.base import is_stack, known
from handleref.stacks.deletion import WithTheStack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.core.checks import CheckMessage
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Model, QuerySet
    from django.db.models.sql.compiler import SQLCompiler

    # Generic only for type checkers.
    NumberColumn = models.PositiveBigIntegerField[int, int]
    LatestColumn = models.BooleanField[bool | None, bool | None]
    ForeignKey = models.ForeignKey[Any, Any]
    Descriptor = ForwardManyToOneDescriptor[Any]
else:
    NumberColumn = models.PositiveBigIntegerField
    LatestColumn = models.BooleanField
    ForeignKey = models.ForeignKey
    Descriptor = ForwardManyToOneDescriptor


class StackNumberField(NumberColumn):
    """The place of a version in its stack: 1, 2, and so on.

    NULL only in the rows of a table that was not adopted yet.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("null", True)
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    def pre_save(self, model_instance: Model, add: bool) -> Any:
        """Return the number; a row that nobody numbered is the first of a stack.

        As those are that a data migration creates, whose models have no ``save()`` of ours.
        """
        instance: Any = model_instance
        if add:
            known(instance.stack_group_uuid)
        if add and instance.stack_number is None:
            instance.stack_number, instance.stack_latest = 1, True
        return super().pre_save(model_instance, add)


class StackLatestField(LatestColumn):
    """Whether a row is the latest of its stack: True, or NULL for all others.

    NULLs do not collide, so that a unique constraint holds it, on every database.
    """

    marks_latest = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("null", True)
        kwargs.setdefault("default", None)
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)


@StackLatestField.register_lookup
class IsLatest(Exact):
    """``stack_latest = TRUE``, as an index is asked; Django would write ``stack_latest`` alone."""

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, Sequence[Any]]:
        """Return a comparison."""
        return BuiltinLookup.as_sql(self, compiler, connection)


class FollowingRelation(models.ManyToOneRel):
    """The way back: from any version of a stack to the rows whose key is on the stack."""

    def get_extra_restriction(self, alias: str | None, related_alias: str) -> None:
        """Return None: every version joins them, as its manager finds them."""


class FollowingDescriptor(Descriptor):
    """Reads the latest version of the stack that a row's key is on."""

    def get_prefetch_querysets(
        self, instances: Any, querysets: Any = None
    ) -> tuple[QuerySet[Any], Any, Any, bool, str, bool]:
        """Return what Django does, of latest versions only."""
        given = querysets or [self.get_queryset(instance=instances[0])]
        latest = [rows.filter(stack_latest=True) for rows in given]
        found: Any = super().get_prefetch_querysets(instances, latest)
        return found  # type: ignore[no-any-return]

    def __set__(self, instance: Model, value: Model | None) -> None:
        """Put the key on the stack of a version, and keep that if it is the latest."""
        super().__set__(instance, value)
        if value is not None and not value._state.adding and not value.stack_latest:  # type: ignore[attr-defined]
            self.field.delete_cached_value(instance)


class LatestForeignKey(ForeignKey):
    """A foreign key to a stack, which follows the latest version.

    :param to: a model whose rows are versions.
    :param on_delete: as in Django; asked once the last version of the stack is deleted.
    :param options: as for a ForeignKey, but for ``to_field`` and ``db_constraint``.

    The column has the ``stack_group_uuid``. Access, joins, ``select_related()`` and
    prefetching read the latest version; the way back works from every version.
    """

    rel_class = FollowingRelation
    forward_related_accessor_class = FollowingDescriptor

    def __init__(self, to: Any, on_delete: Any, **options: Any) -> None:
        for name in ("to_field", "db_constraint"):
            if name in options:
                raise TypeError(f"LatestForeignKey sets {name} itself: leave it out.")
        self.limits = options.pop("limit_choices_to", None)
        super().__init__(
            to,
            WithTheStack.of(on_delete),
            to_field="stack_group_uuid",
            # No foreign key of the database refers to a column that is not unique.
            db_constraint=False,
            limit_choices_to=_limited(self.limits),
            **options,
        )

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """Leave out what the class stands for."""
        name, path, args, kwargs = super().deconstruct()
        for fixed in ("to_field", "db_constraint", "limit_choices_to"):
            kwargs.pop(fixed, None)
        if self.limits:
            kwargs["limit_choices_to"] = self.limits
        kwargs["on_delete"] = WithTheStack.original(kwargs["on_delete"])
        return name, path, args, kwargs

    def _check_unique_target(self) -> list[CheckMessage]:
        """Take the column of a stack for its target, which is unique among latest versions."""
        model: Any = self.remote_field.model
        unique = isinstance(model, str) or is_stack(model)
        return [] if unique else super()._check_unique_target()  # type: ignore[misc]

    def get_extra_descriptor_filter(self, instance: Model) -> dict[str, Any]:
        """Return the condition on the row that is read."""
        return {"stack_latest": True}

    def get_extra_restriction(self, alias: str | None, related_alias: str) -> Any:
        """Return the condition on the rows that are joined."""
        if alias is None:
            return None
        field: Any = self.remote_field.model._meta.get_field("stack_latest")
        return IsLatest(field.get_col(alias), True)  # noqa: FBT003


def _limited(chosen: Any) -> Any:
    """Return the condition on what may be chosen: latest versions, besides one's own."""
    if callable(chosen):
        return lambda: _limited(chosen())
    if isinstance(chosen, Q):
        return chosen & Q(stack_latest=True)
    return {**(chosen or {}), "stack_latest": True}
