"""Uniqueness among the latest versions of all stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS
from django.db.models import OuterRef, Subquery, UniqueConstraint

from handleref.exceptions import LatestTakenError
from handleref.stacks.base import all_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

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

    def refuse_taken(
        self, model: type[Model], keys: Iterable[Any], doomed: Collection[Any], using: str
    ) -> None:
        """Refuse that versions become the latest, if others have their values.

        :param keys: those of the versions.
        :param doomed: the keys of rows that will be gone by then.
        :raises LatestTakenError: for the first of them.
        """
        fields: Any = [model._meta.get_field(name) for name in self.own]
        names = [field.attname for field in fields]
        same = all_rows(model, using).filter(**{name: OuterRef(name) for name in names})
        others = same.exclude(stack_group_uuid=OuterRef("stack_group_uuid"))
        heirs = all_rows(model, using).filter(pk__in=keys).order_by("pk")
        for rivals in (others.filter(stack_latest=True), others.filter(pk__in=keys)):
            rival = rivals.order_by("pk")
            found = heirs.annotate(
                hr_key=Subquery(rival.values("pk")[:1]),
                hr_other=Subquery(rival.values("stack_group_uuid")[:1]),
            ).exclude(hr_key=None)
            columns = ("stack_group_uuid", "stack_number", "hr_key", "hr_other")
            for group, number, key, other in found.values_list(*columns):
                if key not in doomed:
                    raise LatestTakenError(
                        f"Version {number} of the {model._meta.label} {group} cannot be the latest"
                        f" again: {other} has the same {', '.join(self.own)} ({self.name})."
                        " Nothing is deleted; save the one or the other with another value first.",
                        constraint=self.name,
                        stack=group,
                        other=other,
                    )

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
