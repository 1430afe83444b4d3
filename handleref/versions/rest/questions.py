"""What a request asks of versions, and why it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as Unfit
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.response import Response
from rest_framework.settings import api_settings

if TYPE_CHECKING:
    from rest_framework.serializers import Serializer

    from handleref.exceptions import ParentDeletedError, RevertError
    from handleref.versions.base import Version
    from handleref.versions.history import History

NOBODY = "none"


def asked_of(kind: type[Serializer[Any]], given: Any) -> dict[str, Any]:
    """Return what was asked, or refuse it."""
    serializer = kind(data=given)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


def answered(serializer: Serializer[Any], status: int = 200) -> Response:
    """Answer with what a serializer shows, of which DRF's own pages take nothing for an object."""
    return Response({**serializer.data}, status=status)


def found(past: History, version_id: str) -> Version:
    """Return the version that an address names."""
    if (version := past.get(version_id)) is None:
        raise NotFound
    return version


def version_given(past: History, name: str, version_id: str) -> Version:
    """Return the version that a body names, for which a reason is due."""
    if (version := past.get(version_id)) is None:
        reason = _("The object has no version “%(id)s”.") % {"id": version_id}
        raise ValidationError({name: [reason]})
    return version


def made_by(past: History, user: str) -> History:
    """Return the versions by the user of a key, which may be anything."""
    try:
        return past.by(None if user == NOBODY else user)
    except (TypeError, ValueError, Unfit) as error:
        reason = _("“%(key)s” is the key of no user.") % {"key": user}
        raise ValidationError({"user": [reason]}) from error


def last_of(past: History) -> Version | None:
    """Return the last version of an object whose key may be anything."""
    try:
        return past.first()
    except (TypeError, ValueError, Unfit):
        return None


def reasons_of(error: RevertError | ParentDeletedError) -> dict[str, list[str]]:
    """Return why something is refused, by field."""
    by_field = getattr(error, "message_dict", {}) if hasattr(error, "error_dict") else {}
    reasons = by_field or {NON_FIELD_ERRORS: getattr(error, "messages", [str(error)])}
    general = reasons.pop(NON_FIELD_ERRORS, None)
    return {**reasons, **({api_settings.NON_FIELD_ERRORS_KEY: general} if general else {})}
