"""What stands on the models for the fields of this room."""

from __future__ import annotations

from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from django.db.models import F, Subquery
from django.db.models.fields.related_descriptors import (  # type: ignore[attr-defined]
    ForeignKeyDeferredAttribute,
    ForwardManyToOneDescriptor,
    ManyToManyDescriptor,
    ReverseManyToOneDescriptor,
    ReverseOneToOneDescriptor,
    _filter_prefetch_queryset,
    create_forward_many_to_many_manager,
    create_reverse_many_to_one_manager,
)

from handleref.pointintime.as_of import MomentQuerySet, looking
from handleref.pointintime.base import all_rows, is_point_in_time
from handleref.pointintime.joins import moment_of
from handleref.pointintime.lookups import version_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import Model, QuerySet

# The version that a frozen key was set to; None where it is not known which.
Version = tuple[Any, int] | None


def given(instance: Model) -> dict[str, Version]:
    """Return to which versions the frozen keys of an instance were set, by attribute."""
    found: dict[str, Version] = vars(instance._state).get("frozen_given", {})
    return found


def note(instance: Model, **versions: Version) -> None:
    """Note that frozen keys of an instance were set."""
    state: Any = instance._state
    # Not in place: copies of an instance share it.
    state.frozen_given = {**given(instance), **versions}


def forget(instance: Model, attname: str) -> None:
    """Take a frozen key for the one that was read."""
    if attname in given(instance):
        kept = {name: version for name, version in given(instance).items() if name != attname}
        vars(instance._state)["frozen_given"] = kept


class FrozenAttribute(ForeignKeyDeferredAttribute):
    """The frozen key itself; notes on the instance when another one is set."""

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        """Return the key; one that was left out is read."""
        left_out = instance is not None and self.field.attname not in vars(instance)
        value = super().__get__(instance, cls)
        if left_out:
            forget(instance, self.field.attname)
        return value

    def __set__(self, instance: Model, value: Any) -> None:
        """Set the key; to the one that it is, as ``refresh_from_db()`` does, says nothing."""
        name = self.field.attname
        changed = vars(instance).get(name, ...) != value
        super().__set__(instance, value)
        if changed and instance._state.adding:
            forget(instance, name)
        elif changed:
            note(instance, **{name: None})


class FrozenDescriptor(ForwardManyToOneDescriptor):  # type: ignore[type-arg]
    """The version that a frozen key is on."""

    def __set__(self, instance: Model, value: Any) -> None:
        """Set the key to the version that an instance is."""
        super().__set__(instance, value)
        if value is not None:
            name, version = self.field.attname, version_of(value)
            note(instance, **{name: version})
            if version and vars(value).get("replaced_at") is not None:
                # Shown as it once was: the row itself has another key.
                row = versions_of(value, value._state.db).values_list("pk", flat=True).first()
                vars(instance)[name] = row or value.pk

    def get_queryset(self, **hints: Any) -> QuerySet[Any]:
        """Return all rows, also where the past is looked at."""
        rows: Any = super().get_queryset(**hints)
        return everything(rows)

    def get_object(self, instance: Model) -> Any:
        """Return the version, also when it was replaced since the instance was read."""
        name, state, rows = (
            self.field.attname,
            instance._state,
            self.get_queryset(instance=instance),
        )
        found = None
        if name not in given(instance) and not state.adding and state.db == rows.db:
            key = versions_of(instance, rows.db, self.field.model).values(name)
            found = rows.filter(pk=Subquery(key[:1])).first()
        if found is None:
            return super().get_object(instance)
        vars(instance)[name] = found.pk
        return found


def everything(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return rows with those of every moment."""
    if isinstance(rows, MomentQuerySet):
        rows.query.look_at(None)
    return rows


def versions_of(obj: Model, using: str | None, model: type[Model] | None = None) -> QuerySet[Any]:
    """Return the row that an instance is, wherever it is by now."""
    model = model or type(obj)
    key = getattr(obj, model._meta.pk.attname)
    if is_point_in_time(model) and (version := version_of(obj)):
        return all_rows(model, using).filter(row_id=version[0], row_version=version[1])
    return all_rows(model, using).filter(pk=key)


class FrozenReverseDescriptor(ReverseManyToOneDescriptor):  # type: ignore[type-arg]
    """The owners whose frozen keys are on a version, and on no other of its object."""

    @cached_property
    def related_manager_cls(self) -> Any:
        """The class of managers of those owners."""
        default: Any = type(self.rel.related_model._default_manager)
        base: Any = create_reverse_many_to_one_manager(default, self.rel)

        class OwnersManager(base):  # type: ignore[misc]
            def get_prefetch_querysets(self, instances: Any, querysets: Any = None) -> Any:
                rows = querysets[0] if querysets else default.get_queryset(self)
                return prefetched(self, instances, rows)

        return OwnersManager


def prefetched(manager: Any, instances: Sequence[Any], rows: Any) -> tuple[Any, ...]:
    """Return what Django's manager does, but matched by version: by key they would be mixed up."""
    field = manager.field
    # As Django does, whose own these are.
    rows._add_hints(instance=instances[0])  # noqa: SLF001
    using = rows._db or manager._db  # noqa: SLF001
    rows = _filter_prefetch_queryset(rows.using(using), field.name, instances)
    rows = rows.annotate(
        hr_row_id=F(f"{field.name}__row_id"), hr_row_version=F(f"{field.name}__row_version")
    )
    of_owner = attrgetter("hr_row_id", "hr_row_version")
    of_version = attrgetter("row_id", "row_version")
    known = {of_version(instance): instance for instance in instances}
    for owner in rows:
        if not field.is_cached(owner):
            field.set_cached_value(owner, known[of_owner(owner)])
    return rows, of_owner, of_version, False, field.remote_field.cache_name, False


class CurrentOneDescriptor(ReverseOneToOneDescriptor):  # type: ignore[type-arg]
    """The one owner whose current row, or that of the moment looked at, leads to an object."""

    def get_queryset(self, **hints: Any) -> QuerySet[Any]:
        """Return the current rows, or those of the moment."""
        rows: Any = super().get_queryset(**hints)
        if is_point_in_time(rows.model) and moment_of(rows.query) is None:
            rows = rows.filter(replaced_at__isnull=True)
        return rows  # type: ignore[no-any-return]


class CurrentManyDescriptor(ManyToManyDescriptor):  # type: ignore[type-arg]
    """What current links, or those of the moment looked at, lead to."""

    @cached_property
    def related_manager_cls(self) -> Any:
        """The class of managers of that."""
        model: Any = self.rel.related_model if self.reverse else self.rel.model
        manager = looking(type(model._default_manager))
        return create_forward_many_to_many_manager(manager, self.rel, reverse=self.reverse)
