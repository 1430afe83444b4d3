"""What a view set must know to speak of versions: whose they are, and who may see them."""

from __future__ import annotations

from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from django.http import QueryDict
from rest_framework.permissions import SAFE_METHODS
from rest_framework.viewsets import GenericViewSet

from handleref.versions.history import History
from handleref.versions.registry import keeper_of
from handleref.versions.rest.permissions import ACTIONS, Guise, VersionPermissions
from handleref.versions.state import fields_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from django.db.models import Model, QuerySet
    from rest_framework.permissions import BasePermission
    from rest_framework.request import Request

    from handleref.versions.base import Version
    from handleref.versions.diff import Hook
    from handleref.versions.keepers import Keeper


class VersionedViewSet(GenericViewSet):  # type: ignore[type-arg]  # no generic at run time
    """Records what is written, and finds versions for those who may see them."""

    keeper: str | None = None
    diff_hooks: Mapping[str | type[Any], Hook] = {}
    version_permission_classes: Sequence[type[BasePermission]] = [VersionPermissions]

    # What a view set may say otherwise

    def get_version_user(self) -> Any:
        """Return who makes the new versions, or None."""
        user: Any = self.request.user
        return user if user and user.is_authenticated else None

    def get_version_comment(self) -> str:
        """Return what to say of a new version; where that is empty, a revert says what it did."""
        return "" if self.action in ACTIONS else self.action.replace("_", " ").capitalize()

    def get_version_fields(self) -> Collection[str] | None:
        """Return the names of the fields that are shown and taken back; None for all.

        By default those that the serializer of a single object shows.
        """
        with self._taken_for("retrieve"):
            serializer: Any = self.get_serializer_class()(context=self.get_serializer_context())
        shown = {field.source for field in serializer.fields.values() if not field.write_only}
        fields = fields_of(self.model).items()
        return [n for n, f in fields if shown & {n, f.attname, "pk" if f.primary_key else n}]

    def filter_deleted(self, history: History) -> History:
        """Narrow the last versions of deleted objects to those that the user may see.

        Soft-deleted rows that ``get_queryset()`` leaves out are left out in any case;
        but whose an object was that is gone for good, its versions alone can tell.
        """
        return history

    # Recording

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.action and self.action not in ACTIONS and request.method not in SAFE_METHODS:
            method = str(request.method).lower()
            # Where DRF looks for the handler next; within it, an error still is one.
            setattr(self, method, self._recorded(getattr(self, method)))

    def _recorded(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(handler)
        def handle(*args: Any, **kwargs: Any) -> Any:
            comment = self.get_version_comment()
            with self.version_keeper.recording(self.get_version_user(), comment):
                return handler(*args, **kwargs)

        return handle

    # Permissions

    # Not in get_permissions(), which many a view set overrides without asking further.
    def check_permissions(self, request: Request) -> None:
        request = self._meant(request)
        super().check_permissions(request)
        self._check(self._version_permissions(), request)

    def check_object_permissions(self, request: Request, obj: Any) -> None:
        request = self._meant(request)
        super().check_object_permissions(request, obj)
        self._check(self._version_permissions(), request, obj)

    def check_as(self, action: str, method: str, obj: Model) -> None:
        """Check what the request comes to, besides what it is."""
        request = cast("Request", Guise(self.request, method=method))
        ours = self._version_permissions()
        with self._taken_for(action):
            permissions = [*self.get_permissions(), *ours]
            self._check(permissions, request)
            self._check(permissions, request, obj)

    def _version_permissions(self) -> list[BasePermission]:
        """Return what our own actions ask for, besides what the view set does."""
        return [kind() for kind in self.version_permission_classes if self.action in ACTIONS]

    def _check(self, permissions: list[Any], request: Request, *obj: Any) -> None:
        for permission in permissions:
            check = permission.has_object_permission if obj else permission.has_permission
            if not check(request, self, *obj):
                message, code = (getattr(permission, name, None) for name in ("message", "code"))
                self.permission_denied(request, message=message, code=code)

    def _meant(self, request: Request) -> Request:
        """Return the request with the method that its action stands for."""
        method = ACTIONS.get(self.action)
        return cast("Request", Guise(request, method=method)) if method else request

    @contextmanager
    def _taken_for(self, action: str) -> Iterator[None]:
        asked, self.action = self.action, action
        try:
            yield
        finally:
            self.action = asked

    # Finding

    @property
    def model(self) -> type[Model]:
        """The class of the objects."""
        model: type[Model] = self.get_queryset().model
        return model

    @property
    def version_keeper(self) -> Keeper:
        """Who keeps their versions."""
        return keeper_of(self.model, self.keeper)

    def get_versions(self, object_id: Any = None) -> History:
        """Return the versions of one object, or of all."""
        return History(self.version_keeper, self.model, object_id=object_id)

    def get_versioned_object(self) -> Model:
        """Return the object of the address, soft-deleted or not, if the user may see it."""
        with self._everywhere():
            obj: Model = self.get_object()
        return obj

    def visible(self, versions: Sequence[Version]) -> list[Version]:
        """Leave out the versions of rows that are there and not for the user to see."""
        keys = {version: _key(version) for version in versions}
        with self._everywhere():
            seen = self.filter_queryset(self.get_queryset())
        there = self.version_keeper.objects(self.model, seen.db)
        hidden = _among(there, keys.values()) - _among(seen, keys.values())
        return [version for version in versions if keys[version] not in hidden]

    @contextmanager
    def _everywhere(self) -> Iterator[None]:
        """Hide the parameters of the request from the filters: deleted rows are wanted."""
        asked, given = self.request, QueryDict("deleted=1")
        self.request = cast("Request", Guise(asked, query_params=given, GET=given))
        try:
            yield
        finally:
            self.request = asked


def _key(version: Version) -> Any:
    """Return the primary key that the object of a version has or had."""
    field: Any = version.model._meta.pk
    values = [version.data.get(part.name) for part in getattr(field, "fields", [field])]
    return tuple(values) if hasattr(field, "fields") else values[0]


def _among(rows: QuerySet[Any], keys: Iterable[Any]) -> set[Any]:
    return set(rows.filter(pk__in=[*keys]).values_list("pk", flat=True))
