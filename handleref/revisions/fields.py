"""The field that holds names of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.lookups import Contains

if TYPE_CHECKING:
    from collections.abc import Iterable

    TextField = models.TextField[Iterable[str] | None, tuple[str, ...] | None]
else:
    TextField = models.TextField


class FieldNamesField(TextField):
    """A tuple of names, stored as ``|name|city|``; find one with the lookup ``has``."""

    def from_db_value(self, value: str | None, *_: Any) -> tuple[str, ...] | None:
        """Return the names that a stored text holds."""
        return self.to_python(value)

    def to_python(self, value: Any) -> tuple[str, ...] | None:
        """Return the names as a tuple, however they were given."""
        if isinstance(value, str):
            return tuple(value.split("|")[1:-1])
        return value if value is None else tuple(value)

    def get_prep_value(self, value: Any) -> Any:
        """Return the names as they are stored."""
        if isinstance(value, list | tuple):
            return "|".join(["", *value, ""])
        return super().get_prep_value(value)

    def value_to_string(self, obj: models.Model) -> Any:
        """Return the names as a serializer writes them."""
        return self.get_prep_value(self.value_from_object(obj))


@FieldNamesField.register_lookup
class Has(Contains):
    """``changed_fields__has="name"``: the name is among the names."""

    lookup_name = "has"
    param_pattern = "%%|%s|%%"

    def get_rhs_op(self, connection: Any, rhs: str) -> str:
        """Return Django's own comparison of ``contains``."""
        operator: str = connection.operators["contains"] % rhs
        return operator
