"""Serializers of point-in-time objects, and of what is asked of them."""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.fields import empty

from handleref.pointintime.base import BOOKKEEPING, end_of_day
from handleref.pointintime.constraints import CurrentUniqueConstraint, ValidUniqueConstraint
from handleref.pointintime.fields import RowIdField
from handleref.pointintime.revert import names_to_take_back
from handleref.references.rest import LOST_PLUS
from handleref.versions.rest.values import described

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date, datetime

    from django.db.models import Model

UNIQUE = (CurrentUniqueConstraint, ValidUniqueConstraint)


class PointInTimeSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """Shows what is kept about a row and takes none of it, whatever ``Meta`` says.

    What the constraints of the model hold is refused with the reason, by field where
    they name fields: current rows that are alike, and times that cross.
    """

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        for name, field in fields.items():
            if (field.source or name) in BOOKKEEPING | {"modified_by_id"}:
                field.read_only, field.write_only = True, False
                field.required, field.default = False, empty
        return fields

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        """Build a field for the object's id like that of the key whose values it has."""
        if not isinstance(model_field, RowIdField):
            return super().build_standard_field(field_name, model_field)
        kind, options = super().build_standard_field(field_name, model_field.key)
        label = {"label": model_field.verbose_name}
        return kind, {n: v for n, v in options.items() if n != "validators"} | label

    def build_relational_field(self, field_name: str, relation_info: Any) -> Any:
        """Let a key that stays on its version take that again, replaced or not."""
        kind, options = super().build_relational_field(field_name, relation_info)
        if getattr(relation_info.model_field, "is_frozen", False) and "queryset" in options:
            options["queryset"] = relation_info.related_model.records
        return kind, options

    def get_unique_together_constraints(self, model: type[Model]) -> Iterator[Any]:
        """Leave out what our own validator asks, or the database alone: which row is whose."""
        found: Any
        for found in super().get_unique_together_constraints(model):
            # The stamps are among the fields or, of current rows, in the condition.
            if not {*found[0], *found[2]} & BOOKKEEPING:
                yield found

    def get_unique_together_validators(self) -> list[Any]:
        return [*super().get_unique_together_validators(), HeldValidator()]


class HeldValidator:
    """Refuses what the constraints of a model of current rows would refuse."""

    requires_context = True

    def __call__(self, values: dict[str, Any], serializer: Any) -> None:
        """Validate the row as it would be.

        :raises ValidationError: by field, where one is meant.
        """
        row = copy(serializer.instance) or serializer.Meta.model()
        columns = {field.name for field in row._meta.concrete_fields}
        for name in values.keys() & columns:
            setattr(row, name, values[name])
        if row.end_at is not None and row.end_at <= (row.start_at or now()):
            text = _("The end must be later than the start.")
            raise serializers.ValidationError({"end_at": [text]})
        for model, constraints in row.get_constraints():
            for constraint in constraints:
                # Which row is whose is no business of a request.
                if isinstance(constraint, UNIQUE) and not BOOKKEEPING & {*constraint.fields}:
                    _validate(constraint, model, row)


def _validate(constraint: Any, model: type[Model], row: Any) -> None:
    try:
        constraint.validate(model, row)
    except ValidationError as error:
        if len(constraint.fields) > 1:
            raise
        by_field = {constraint.fields[0]: error.messages}
        raise serializers.ValidationError(by_field) from error


@cache
def serializer_of(model: type[Model]) -> type[PointInTimeSerializer]:
    """Return a serializer class that shows all fields of a model."""
    meta = type("Meta", (), {"model": model, "fields": "__all__"})
    return type(f"{model.__name__}Serializer", (PointInTimeSerializer,), {"Meta": meta})


@described(
    field={
        "oneOf": [
            {"type": "string", "format": "date-time"},
            {"type": "string", "format": "date"},
        ]
    }
)
class MomentOrDayField(serializers.Field):  # type: ignore[type-arg]  # no generic at run time
    """Takes a datetime, or a date for the end of that day, in ISO 8601.

    What has no offset is in the current time zone.
    """

    default_error_messages = {
        "invalid": _("%(name)s takes a date or datetime in ISO 8601, not “%(value)s”."),
        "range": _("%(name)s is out of range: “%(value)s”."),
    }

    def to_internal_value(self, data: Any) -> datetime:
        """Return the moment in UTC."""
        name = str(self.field_name)
        words = {"name": name, "value": data}
        value = parsed(data.strip()) if isinstance(data, str) else None
        if value is None:
            raise serializers.ValidationError(self.error_messages["invalid"] % words)
        try:
            return end_of_day(value, name)
        except ValueError as error:
            raise serializers.ValidationError(self.error_messages["range"] % words) from error

    def to_representation(self, value: datetime) -> str:
        """Return the moment as a text."""
        return value.isoformat()


def parsed(text: str) -> date | datetime | None:
    """Return the date or datetime that a text in ISO 8601 names, or None."""
    if lost := LOST_PLUS.fullmatch(text):
        text = "+".join(lost.groups())
    try:
        return parse_date(text) or parse_datetime(text)
    except ValueError:
        # Well formed, but no such day or hour.
        return None


class AsOfQuerySerializer(serializers.Serializer[Any]):
    """The two times that a question may name."""

    active_at = MomentOrDayField(
        required=False, help_text=_("Only what is true of this moment; a date means its end.")
    )
    version_at = MomentOrDayField(
        required=False, help_text=_("As it was known at this moment; a date means its end.")
    )


class PointInTimeRollbackSerializer(serializers.Serializer[Any]):
    """How far to go back, and with which fields."""

    time = MomentOrDayField(
        required=False,
        allow_null=True,
        help_text=_("What to go back to; a date means its end. By default the version before."),
    )

    def get_fields(self) -> dict[str, Any]:
        only = _("Names of the fields that go back; by default all.")
        return {
            **super().get_fields(),
            "fields": _names(only, allow_empty=False),
            "exclude": _names(_("Names of fields that do not."), allow_empty=True),
        }

    def to_internal_value(self, data: Any) -> Any:
        values = super().to_internal_value(data)
        errors = {
            name: reasons
            for name in ("fields", "exclude")
            if (reasons := [*self._strangers(values.get(name) or ())])
        }
        if errors:
            raise serializers.ValidationError(errors)
        return values

    def _strangers(self, names: Iterable[str]) -> Iterator[str]:
        """Yield why names are none of columns of the model."""
        model = self.context["view"].get_model_class()
        for name in names:
            try:
                names_to_take_back(model, [name], None)
            except FieldDoesNotExist:
                reason = _("%(model)s has no column called “%(name)s”.")
                yield reason % {"model": model._meta.object_name, "name": name}


def _names(text: Any, *, allow_empty: bool) -> serializers.ListField:
    options: Any = {"required": False, "allow_null": True, "help_text": text}
    return serializers.ListField(child=serializers.CharField(), allow_empty=allow_empty, **options)
