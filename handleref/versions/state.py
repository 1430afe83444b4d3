"""The values of an object at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from django.db.models import CompositePrimaryKey, Field, FileField, ForeignKey, ManyToManyField

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import Model


class State:
    """The values of one object, by field name.

    :ivar model: the class of the object.
    :ivar data: typed values by field name, as in the model: Decimals exact,
        datetimes aware, a foreign key as the key, a file as its name, a
        many-to-many relation as a tuple of keys. A field that did not exist then
        is not in it; one that exists no more has its raw value; what no longer
        fits the field is a :class:`Misfit`.
    :ivar stamp_fields: names of the fields that every write changes.
    """

    def __init__(
        self,
        model: type[Model],
        data: Mapping[str, Any],
        stamp_fields: frozenset[str] = frozenset(),
    ) -> None:
        self.model = model
        self._data = data
        self._stamp_fields = stamp_fields

    @property
    def data(self) -> Mapping[str, Any]:
        """The values by field name."""
        return self._data

    @property
    def stamp_fields(self) -> frozenset[str]:
        """The names of the fields that every write changes."""
        return self._stamp_fields


class InstanceState(State):
    """The values that an instance holds, its many-to-many relations as the database has them."""

    def __init__(self, obj: Model, stamp_fields: frozenset[str] = frozenset()) -> None:
        fields = fields_of(type(obj))
        held = {name: f for name, f in fields.items() if not _is_still_to_be_generated(obj, f)}
        data = {name: value_of(obj, field) for name, field in held.items()}
        super().__init__(type(obj), data, stamp_fields)


@dataclass(frozen=True)
class Misfit:
    """A recorded value that its field does not take any more.

    :ivar raw: the value as it was recorded.
    """

    raw: Any

    def __str__(self) -> str:
        return str(self.raw)


@cache
def fields_of(model: type[Model]) -> dict[str, Field[Any, Any]]:
    """Return the fields that a version may have, by name and in the model's order.

    Many-to-many relations come last, without those that a model of their own keeps.
    Do not change the dict.
    """
    concrete = [f for f in model._meta.concrete_fields if not isinstance(f, CompositePrimaryKey)]
    return {field.name: field for field in [*concrete, *many_to_many(model)]}


def many_to_many(model: type[Model]) -> list[ManyToManyField[Any, Any]]:
    """Return the many-to-many fields whose rows are only pairs."""
    fields: Any = model._meta.many_to_many
    return [field for field in fields if field.remote_field.through._meta.auto_created]


def _is_still_to_be_generated(obj: Model, field: Field[Any, Any]) -> bool:
    """Tell whether the database has not given a generated field its value yet."""
    generated = getattr(field, "generated", False)
    return generated and obj._state.adding and field.attname not in vars(obj)


def value_of(obj: Model, field: Field[Any, Any]) -> Any:
    """Return the value of an instance's field in the form of :attr:`State.data`."""
    if isinstance(field, ManyToManyField):
        if obj.pk is None:
            return ()
        related = getattr(obj, field.name).order_by("pk")
        return tuple(related.values_list(target_of(field).attname, flat=True))
    value = getattr(obj, field.attname)
    return str(value) if isinstance(field, FileField) else value


def target_of(field: ForeignKey[Any, Any] | ManyToManyField[Any, Any]) -> Field[Any, Any]:
    """Return the field that a relation's values are those of."""
    if isinstance(field, ForeignKey):
        return field.target_field
    related: type[Model] = field.remote_field.model
    return related._meta.pk


def typed_value(field: Field[Any, Any], raw: Any) -> Any:
    """Return a recorded value as the field's Python type, or a :class:`Misfit`."""
    try:
        return _typed(field, raw)
    # to_python() promises ValidationError, and raises what it runs into.
    except Exception:  # noqa: BLE001
        return Misfit(raw)


def _typed(field: Field[Any, Any], raw: Any) -> Any:
    if isinstance(field, ManyToManyField):
        return tuple(sorted(target_of(field).to_python(key) for key in raw))
    if raw is None:
        return None
    if isinstance(field, ForeignKey):
        return field.target_field.to_python(raw)
    value = field.to_python(raw)
    return str(value) if isinstance(field, FileField) else value
