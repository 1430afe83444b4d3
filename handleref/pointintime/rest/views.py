"""``PointInTimeModelViewSet``: the view set of a model whose rows are versions."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, router, transaction
from django.db.models import ProtectedError, RestrictedError
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotAuthenticated, PermissionDenied
from rest_framework.generics import get_object_or_404
from rest_framework.permissions import SAFE_METHODS, IsAuthenticated
from rest_framework.response import Response
from rest_framework.viewsets import ModelViewSet

from handleref.exceptions import StaleRowError
from handleref.pointintime.base import is_point_in_time
from handleref.pointintime.recording import recording
from handleref.pointintime.rest.permissions import PointInTimePermissions
from handleref.pointintime.rest.serializers import (
    AsOfQuerySerializer,
    PointInTimeRollbackSerializer,
    serializer_of,
)
from handleref.versions.as_of import as_of
from handleref.versions.rest.questions import asked_of
from handleref.versions.rest.values import described

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from django.db.models import Model, QuerySet
    from rest_framework.request import Request

LOOKING = ("GET", "HEAD")
# The actions of a VersionViewSetMixin, which tell all that today's objects ever were.
OF_HISTORY = ("history", "version", "compare", "deleted")
CONFLICT: dict[int, Any] = {
    409: {"type": "object", "properties": {"detail": {"type": "string"}}},
}


class Conflict(APIException):
    """What is asked for does not go together with what became of the rows."""

    status_code = 409
    default_code = "conflict"


class PointInTimeModelViewSet(ModelViewSet):  # type: ignore[type-arg]  # no generic at run time
    """Serves objects as they are, and with ``active_at`` and ``version_at`` as they were.

    :cvar model_class: a point-in-time model. ``filter_queryset()`` narrows its objects, for
        every action; by default the filter backends do.
    :cvar serializer_class: by default one that shows all fields of the model.

    What is written becomes a version by the user of the request. A DELETE lets the object
    hold no more from then on; ``rollback`` and ``purge`` forget, each by a permission of the
    model.
    """

    model_class: ClassVar[type[Model] | None] = None
    permission_classes: Sequence[Any] = (IsAuthenticated, PointInTimePermissions)

    # What a request to look names, once it is known who looks.
    _asked: Mapping[str, Any] = MappingProxyType({})

    # What a view set may say otherwise

    def get_model_class(self) -> Any:
        """Return the model.

        :raises ImproperlyConfigured: when it is none, or no point-in-time model.
        """
        model: Any = self.model_class
        if model is None or not is_point_in_time(model):
            raise ImproperlyConfigured(
                f"{type(self).__name__}.model_class is {model!r}, which is no point-in-time model."
            )
        return model

    def get_queryset(self) -> QuerySet[Any]:
        """Return the objects that the request may reach, at the times that it names."""
        rows = self.get_model_class().objects.all()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()  # type: ignore[no-any-return]
        if active_at := self._asked.get("active_at"):
            rows = rows.active(active_at)
        return self.filter_queryset(rows)

    def get_serializer_class(self) -> type[Any]:
        """Return the class that shows an object; on OPTIONS, what an action takes."""
        if self.action == "metadata" and self.action_map.get("post") == "rollback":
            return PointInTimeRollbackSerializer
        return self.serializer_class or serializer_of(self.get_model_class())

    def get_user(self) -> Any:
        """Return who makes the new versions, or None."""
        user: Any = self.request.user
        return user if user and user.is_authenticated else None

    # Times and users

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        method = str(request.method)
        if method in LOOKING:
            # Later than who may ask at all.
            asked = asked_of(AsOfQuerySerializer, _times(request))
            self._asked = {} if self.action in OF_HISTORY else asked
        if self.action and (method in LOOKING or method not in SAFE_METHODS):
            # Where DRF looks for the handler next; within it, an error still is one.
            setattr(self, method.lower(), self._timed(getattr(self, method.lower())))

    def _timed(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Return the handler at the moment at which it looks, or in the name of the user."""

        @wraps(handler)
        def handle(*args: Any, **kwargs: Any) -> Any:
            with ExitStack() as blocks:
                if moment := self._asked.get("version_at"):
                    blocks.enter_context(as_of(moment))
                elif self.request.method not in LOOKING:
                    blocks.enter_context(recording(self.get_user()))
                    blocks.enter_context(_explained())
                return handler(*args, **kwargs)

        return handle

    # The actions

    def get_object(self) -> Any:
        """Return the object of the address, at the times that the request names.

        Not DRF's own, for which the objects would be filtered twice.
        """
        keyword = self.lookup_url_kwarg or self.lookup_field
        lookup = {self.lookup_field: self.kwargs[keyword]}
        obj = get_object_or_404(self.get_queryset(), **lookup)
        self.check_object_permissions(self.request, obj)
        return obj

    @described(parameters=[AsOfQuerySerializer])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the objects as they are, or were."""
        rows = self.get_queryset()
        page = self.paginate_queryset(rows)
        if page is None:
            return Response(self.get_serializer(rows, many=True).data)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @described(parameters=[AsOfQuerySerializer])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Show an object as it is, or was."""
        return super().retrieve(request, *args, **kwargs)

    @described(request=None, responses={204: None, **CONFLICT})
    @action(detail=True, methods=["delete"])
    def purge(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Really delete the object, with all that it ever was."""
        obj = self.get_object()
        with self._atomic():
            obj.purge(user=self.get_user())
        return Response(status=204)

    # What it answers drf-spectacular finds out, since that is the view set's own business.
    @described(request=PointInTimeRollbackSerializer)
    @action(detail=True, methods=["post"])
    def rollback(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take the object back to what it was; what came after is forgotten.

        Where it was not there then it is purged, for which the user needs that permission too.
        What is not there, or not for the user to see, is not shown.
        """
        obj = self.get_object()
        shape = PointInTimeRollbackSerializer(
            data=request.data, context=self.get_serializer_context()
        )
        shape.is_valid(raise_exception=True)
        asked, key, user = {**shape.validated_data}, obj.pk, self.get_user()
        with self._atomic(), _fitting():
            if time := asked.pop("time", None):
                obj.rollback_to_at(time, **asked, user=user)
            else:
                obj.rollback_latest(**asked, user=user)
            if obj.pk is None:
                # There was none yet, so nothing is left of it.
                self.action = "purge"
                self.check_permissions(request)
        return self._answered(key)

    def _atomic(self) -> Any:
        """Return a block that leaves nothing behind when something stands in the way."""
        return transaction.atomic(using=router.db_for_write(self.get_model_class()))

    def _answered(self, key: Any) -> Response:
        """Show what an object has become, if it is there and for the user to see."""
        try:
            obj = get_object_or_404(self.get_queryset(), pk=key)
            self.check_object_permissions(self.request, obj)
        except (Http404, PermissionDenied, NotAuthenticated):
            return Response(status=204)
        return Response(self.get_serializer(obj).data)


def _times(request: Request) -> dict[str, Any]:
    """Return the parameters that name times, an empty one too."""
    given = request.query_params
    return {name: given[name] for name in ("active_at", "version_at") if name in given}


@contextmanager
def _explained() -> Iterator[None]:
    """Refuse, and say why, what the rows have become meanwhile, or what leads to them."""
    try:
        yield
    except StaleRowError as error:
        raise Conflict(str(error)) from error
    except (ProtectedError, RestrictedError) as error:
        raise Conflict(_in_the_way(error)) from error


@contextmanager
def _fitting() -> Iterator[None]:
    """Refuse what cannot be again, since other objects have its values by now."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict(_("What it was does not go together with what else there is.")) from error


def _in_the_way(error: Any) -> str:
    rows = getattr(error, "protected_objects", None) or error.restricted_objects
    names = sorted({str(row._meta.verbose_name_plural) for row in rows})
    reason = _("Other rows stand in the way: %(names)s.")
    return str(reason % {"names": ", ".join(names)})
