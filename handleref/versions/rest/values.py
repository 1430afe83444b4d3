"""Values of fields as JSON has them."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import singledispatch
from typing import TYPE_CHECKING, Any, TypeVar

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from handleref.versions.diff import MISSING
from handleref.versions.state import Misfit

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


@singledispatch
def plain(value: Any) -> Any:
    """Return a value as JSON has it, in the form that DRF gives to its type.

    A Decimal becomes a text, a moment ISO 8601 with its offset, a foreign key its
    key, a many-to-many relation a list of keys, bytes Base64; None stands for a
    field that did not exist as well.
    """
    return str(value)


def moment(value: datetime) -> Any:
    """Return a moment as DRF does; one that its time zone cannot tell in its own."""
    try:
        return serializers.DateTimeField().to_representation(value)
    except ValidationError:
        return value.isoformat()


plain.register(type(None), lambda _: None)
plain.register(type(MISSING), lambda _: None)
plain.register(int, lambda value: value)
plain.register(float, lambda value: value if math.isfinite(value) else str(value))
plain.register(Decimal, lambda value: f"{value:f}")
plain.register(datetime, moment)
plain.register(date, serializers.DateField().to_representation)
plain.register(time, serializers.TimeField().to_representation)
plain.register(timedelta, serializers.DurationField().to_representation)
plain.register(bytes, lambda value: b64encode(value).decode())
plain.register(memoryview, lambda value: b64encode(value).decode())
plain.register(Mapping, lambda value: {str(key): plain(item) for key, item in value.items()})
plain.register(list, lambda value: [plain(item) for item in value])
plain.register(tuple, lambda value: [plain(item) for item in value])
plain.register(Misfit, lambda value: plain(value.raw))


def described(**schema: Any) -> Callable[[T], T]:
    """Describe an action to drf-spectacular, or a field, if that is installed."""
    try:
        from drf_spectacular import utils
    except ImportError:
        return lambda described: described
    extend: Any = utils.extend_schema_field if "field" in schema else utils.extend_schema
    description: Callable[[T], T] = extend(**schema)
    return description


class ValueField(serializers.JSONField):
    """Shows a value of any field."""

    def to_representation(self, value: Any) -> Any:
        return plain(value)


@described(field={"oneOf": [{"type": "integer"}, {"type": "string"}]})
class KeyField(serializers.CharField):
    """Shows and takes a key, whose type is its model's business."""

    def to_representation(self, value: Any) -> Any:
        return plain(value)


class MomentField(serializers.DateTimeField):
    """Refuses what lies outside of the calendar, as DRF does for some time zones only."""

    def enforce_timezone(self, value: datetime) -> Any:
        try:
            return super().enforce_timezone(value)
        except OverflowError:
            self.fail("overflow")
