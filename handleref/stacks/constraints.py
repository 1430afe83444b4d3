"""Uniqueness among the latest versions of all stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS
from django.db.models import UniqueConstraint

from handleref.stacks.base import all_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import Model

LATEST = "stack_latest"


class LatestUniqueConstraint(UniqueConstraint):
    """Keeps fields unique among the latest versions; old ones keep what they had.

    :param fields: names of fields of a stack.
    :param name: name of the constraint in the database.
    :param options: ``violation_error_code`` and ``violation_error_message``, as in Django.

    A unique index with the mark of the latest version in it, which is NULL in all others.
    """

    def __init__(self, *, fields: Iterable[str], name: str, **options: Any) -> None:
        if strangers := options.keys() - {"violation_error_code", "violation_error_message"}:
            raise TypeError(f"LatestUniqueConstraint takes no {', '.join(sorted(strangers))}.")
        super().__init__(fields=(*fields, LATEST), name=name, **options)

    @property
    def own(self) -> tuple[str, ...]:
        """The fields that are to be unique."""
        return tuple(name for name in self.fields if name != LATEST)

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """Leave out the mark, which the class stands for."""
        path, args, options = super().deconstruct()
        return path, args, {**options, "fields": self.own}

    def validate(
        self,
        model: type[Model],
        instance: Any,
        exclude: Iterable[str] | None = None,
        using: str = DEFAULT_DB_ALIAS,
    ) -> None:
        """Raise a ValidationError that names the fields, for what another stack has."""
        if {*self.own} & {*(exclude or ())}:
            return
        fields: Any = [model._meta.get_field(name) for name in self.own]
        values = {field.attname: getattr(instance, field.attname) for field in fields}
        if None in values.values():
            return
        rows = all_rows(model, using).filter(stack_latest=True, **values)
        if rows.exclude(stack_group_uuid=instance.stack_group_uuid).exists():
            error = self._error(model, instance)
            # As Django has it for a constraint of one field, which this is not quite.
            named = len(self.own) == 1 and getattr(error, "code", None) == "unique"
            raise ValidationError({self.own[0]: error}) if named else error

    def _error(self, model: type[Model], instance: Model) -> ValidationError:
        if self.violation_error_message != self.default_violation_error_message:
            message, code = self.get_violation_error_message(), self.violation_error_code
            return ValidationError(message, code=code)
        return instance.unique_error_message(model, self.own)
