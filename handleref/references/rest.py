"""Serializer and filter of reference models for Django REST framework."""

from __future__ import annotations

import re
from copy import copy
from typing import TYPE_CHECKING, Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.fields import empty
from rest_framework.filters import BaseFilterBackend
from rest_framework.serializers import ModelSerializer

from handleref.exceptions import RowDeletedError
from handleref.moments import moment
from handleref.references.constraints import ALIVE, LiveUniqueConstraint
from handleref.references.expressions import DELETED
from handleref.references.fields import live
from handleref.references.since import since_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django.db.models import Model, QuerySet
    from rest_framework.fields import Field
    from rest_framework.request import Request
    from rest_framework.views import APIView

KEPT = frozenset({"created", "updated", "version", "deletion", "former_status"})

UNIX_SECONDS = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
# A plus sign that was not quoted arrives as a space: "…T10:00:00 02:00".
LOST_PLUS = re.compile(r"(\d{4}-?\d\d-?\d\d[T ]\d\d\S*) (\d\d(?::?\d\d)?)", re.ASCII)
FLAGS = {"1": True, "true": True, "0": False, "false": False}


class HandleRefSerializer(ModelSerializer):  # type: ignore[type-arg]  # no generic at run time
    """Shows the stamps of a row and takes none of them, whatever ``Meta`` says.

    ``handle`` may be among ``Meta.fields``. A status does not become "deleted",
    nor does that of a deleted row change: such a request is refused with the reason.
    """

    def get_fields(self) -> dict[str, Field[Any, Any, Any, Any]]:
        fields: dict[str, Field[Any, Any, Any, Any]] = super().get_fields()
        for name, field in fields.items():
            if (field.source or name) in KEPT:
                field.read_only, field.write_only = True, False
                field.required, field.default = False, empty
        return fields

    def get_unique_together_constraints(self, model: type[Model]) -> Iterator[Any]:
        """Leave out uniqueness among live rows, for which DRF would require the status."""
        found: Any
        for found in super().get_unique_together_constraints(model):
            if ALIVE not in found:
                yield found

    def get_unique_together_validators(self) -> list[Any]:
        return [*super().get_unique_together_validators(), LiveUniqueValidator()]

    def to_internal_value(self, data: Any) -> Any:
        values = super().to_internal_value(data)
        # Here, where no validate() of a subclass forgets it.
        if "status" in values:
            self._check_status(values["status"])
        return values

    def save(self, **kwargs: Any) -> Any:
        """Save; a row that was deleted meanwhile is refused like any bad request."""
        try:
            return super().save(**kwargs)
        except RowDeletedError as error:
            raise ValidationError({"status": [str(error)]}) from error

    def _check_status(self, status: str) -> None:
        former = getattr(self.instance, "status", None)
        if former == DELETED != status:
            text = _("The row is deleted; only restoring it changes its status.")
        elif status == DELETED != former:
            text = _("A status cannot be set to “deleted”; delete the row instead.")
        else:
            return
        raise ValidationError({"status": [text]})


class LiveUniqueValidator:
    """Refuses what a live row has already, where a constraint says so."""

    requires_context = True

    def __call__(self, values: dict[str, Any], serializer: ModelSerializer[Any]) -> None:
        """Validate the row as it would be, by the model's own constraints.

        :raises django.core.exceptions.ValidationError: with the constraint's message.
        """
        blank: Any = serializer.Meta.model
        row = copy(serializer.instance) or blank()
        for model, constraints in row.get_constraints():
            for constraint in constraints:
                if isinstance(constraint, LiveUniqueConstraint):
                    for name in {"status", *constraint.fields} & values.keys():
                        setattr(row, name, values[name])
                    constraint.validate(model, row)


class SinceFilter(BaseFilterBackend):
    """Narrows a list to the rows changed strictly later than ``?since=``.

    ``since`` is unix seconds, or a date or datetime in ISO 8601, without an
    offset in the current time zone. Soft-deleted rows are left out, here and on
    the pages of single rows, unless ``?deleted=1`` asks for them.
    """

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        given = request.query_params
        if not parse_flag("deleted", given.get("deleted", "0")):
            queryset = queryset.filter(live())
        if "since" in given:
            queryset = since_timestamp(queryset, parse_moment("since", given["since"]))
        return queryset

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Return the two parameters in the words of OpenAPI."""
        since = _(
            "Only rows changed strictly later: unix seconds, or a date or datetime in ISO 8601."
        )
        deleted = _("Whether to include soft-deleted rows.")
        return [
            _parameter("since", since, {"type": "string"}),
            _parameter("deleted", deleted, {"type": "boolean", "default": False}),
        ]


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }


def parse_flag(name: str, text: str) -> bool:
    """Return what a parameter says: 1 or true, 0 or false.

    :raises ValidationError: for anything else.
    """
    if (flag := FLAGS.get(text.strip().lower())) is None:
        reason = _("%(name)s takes 1, 0, true or false, not “%(value)s”.")
        raise ValidationError({name: [reason % {"name": name, "value": text}]})
    return flag


def parse_moment(name: str, text: str) -> datetime:
    """Return the moment that a parameter names, in UTC.

    :raises ValidationError: when it names none, or one that is out of range.
    """
    if (value := _moment(text.strip())) is None:
        reason = _(
            "%(name)s takes unix seconds, or a date or datetime in ISO 8601, not “%(value)s”."
        )
        raise ValidationError({name: [reason % {"name": name, "value": text}]})
    try:
        return moment(value, name)
    except ValueError as error:
        reason = _("%(name)s is out of range: “%(value)s”.")
        raise ValidationError({name: [reason % {"name": name, "value": text}]}) from error


def _moment(text: str) -> datetime | float | None:
    if UNIX_SECONDS.fullmatch(text):
        return float(text)
    if lost := LOST_PLUS.fullmatch(text):
        text = "+".join(lost.groups())
    try:
        return parse_datetime(text)
    except ValueError:
        # Well formed, but no such day or hour.
        return None
