"""Fields as columns of another table: the type stays, what only their own table needs goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import Field

from handleref.triggers.base import Value

if TYPE_CHECKING:
    from django.db.models import Model

# Numbers that a table gives out are plain numbers everywhere else.
AUTOMATIC: Final = {
    models.SmallAutoField: models.SmallIntegerField,
    models.BigAutoField: models.BigIntegerField,
    models.AutoField: models.IntegerField,
}

# Numbers and times: no collation has a say.
STRICT: Final = (
    models.BooleanField,
    models.DateField,
    models.DecimalField,
    models.DurationField,
    models.FloatField,
    models.IntegerField,
    models.TimeField,
)

# What a field says of its own table, or to forms, and what would write by itself.
LEFT_OUT: Final = frozenset(
    {
        "auto_now",
        "auto_now_add",
        "choices",
        "db_default",
        "db_index",
        "db_tablespace",
        "default",
        "error_messages",
        "height_field",
        "limit_choices_to",
        "primary_key",
        "related_name",
        "related_query_name",
        "unique",
        "unique_for_date",
        "unique_for_month",
        "unique_for_year",
        "validators",
        "width_field",
    }
)


def plain(field: Field[Any, Any], **overrides: Any) -> Field[Any, Any]:
    """Return a new field of the same column type that is not bound to a model.

    Numbers given out automatically become plain ones, computed columns those of
    what they compute.

    :param overrides: keyword arguments of the new field.
    """
    if isinstance(field, models.GeneratedField):
        output: Any = field.output_field
        computed = plain(output, null=True, **overrides)
        computed.db_column = computed.db_column or field.db_column
        return computed
    for automatic, number in AUTOMATIC.items():
        if isinstance(field, automatic):
            return number(**{"db_column": field.db_column, "null": field.null} | overrides)
    _, _, args, kwargs = field.deconstruct()
    made = type(field)(*args, **_kept(kwargs) | overrides)
    return django_field(field, **overrides) if made.clone().unique else made


def _kept(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name not in LEFT_OUT}


def django_field(field: Field[Any, Any], **overrides: Any) -> Field[Any, Any]:
    """Return a plain field of the class of Django's that a field is one of.

    For classes with ways of their own: unique whatever one says, or setting times.
    """
    base: Any = next(c for c in type(field).__mro__ if c.__module__.startswith("django."))
    made: Field[Any, Any] = base(**_kept(base.deconstruct(field)[3]) | overrides)
    return made


def column_type(field: Field[Any, Any]) -> Field[Any, Any]:
    """Return a plain field of the type that the column of a field has."""
    found: Any = field
    while found.remote_field is not None:
        found = found.target_field
    return plain(found)


def find(model: type[Model], name: str) -> Field[Any, Any]:
    """Return the field of a model that has the name, or whose column attribute has it.

    :raises ValueError: naming what there is.
    """
    for field in model._meta.concrete_fields:
        if name in {field.name, field.attname} and field.column is not None:
            return field
    known = ", ".join(field.name for field in model._meta.concrete_fields)
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        raise ValueError(f"{model._meta.label} has no field {name!r}: it has {known}.") from None
    raise ValueError(f"{model._meta.label}.{name} has no column: choose from {known}.")


def is_strict(field: Field[Any, Any]) -> bool:
    """Tell whether every database calls only equal values of a field equal."""
    return isinstance(field, STRICT)


def is_compared_as_text(field: Field[Any, Any]) -> bool:
    """Tell whether only the text of a column says that it changed, whatever the database.

    PostgreSQL calls 1 and 1.0 equal in JSON, and a collation of one's own different texts.
    """
    return isinstance(field, models.JSONField) or bool(getattr(field, "db_collation", None))


@dataclass(frozen=True, eq=False)
class Column(Value):
    """A field that a condition names.

    :ivar name: what the condition calls it.
    :ivar column: its column.
    :ivar field: a field of the same type.
    """

    name: str
    column: str
    field: Field[Any, Any]

    @property
    def _key(self) -> tuple[Any, ...]:
        return self.name, self.column, deep(self.field)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Column) and self._key == other._key

    def __hash__(self) -> int:
        return hash((self.name, self.column))


def deep(value: Any) -> Any:
    """Return a value with the fields in it taken apart, so that it can be compared."""
    if isinstance(value, Field):
        return value.deconstruct()[1], [deep(part) for part in value.deconstruct()[2:]]
    if isinstance(value, dict):
        return {name: deep(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [deep(part) for part in value]
    return value
