"""The actions of a view set whose model has versions."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from django.utils.translation import gettext as _
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

from handleref.exceptions import ParentDeletedError, RevertConflictError, RevertError
from handleref.versions.diff import Diff
from handleref.versions.previous import load_previous
from handleref.versions.registry import history as history_of
from handleref.versions.rest import serializers as shapes
from handleref.versions.rest.base import VersionedViewSet
from handleref.versions.rest.questions import (
    answered,
    asked_of,
    found,
    last_of,
    made_by,
    reasons_of,
    version_given,
)
from handleref.versions.rest.values import described
from handleref.versions.reversal import fingerprint
from handleref.versions.revert import Reverter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.models import Model
    from rest_framework.request import Request
    from rest_framework.serializers import Serializer

    from handleref.versions.base import Version
    from handleref.versions.diff import Change
    from handleref.versions.history import History
    from handleref.versions.reversal import Reversal
    from handleref.versions.state import State

REFUSED: dict[int, Any] = {400: {"type": "object", "additionalProperties": {}}}
REVERSED: dict[int, Any] = {
    200: shapes.VersionReversalSerializer,
    409: shapes.VersionConflictSerializer,
    **REFUSED,
}

FORMS: dict[str | None, type[Any]] = {
    "revert": shapes.VersionRevertSerializer,
    "rollback": shapes.VersionRollbackSerializer,
    "restore": shapes.VersionRestoreSerializer,
}


class VersionViewSetMixin(VersionedViewSet):
    """Adds history, comparison and going back to the view set that it stands before.

    :cvar keeper: the name of the keeper, where the model has several.
    :cvar diff_hooks: what becomes of single changes, see :class:`~handleref.versions.Diff`.
    :cvar version_permission_classes: asked at the actions added here, after the view
        set's own, which take a revert and a rollback for a PATCH.

    What the other actions write becomes a version too, by the user of the request.
    Soft-deleted objects have a history here as far as ``get_queryset()`` has them.
    """

    @described(
        parameters=[shapes.HistoryQuerySerializer],
        responses={200: shapes.VersionEntrySerializer(many=True), **REFUSED},
        filters=False,
    )
    @action(detail=True)
    def history(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the versions of the object, newest first."""
        past = self._past(self.get_versioned_object())
        asked = asked_of(shapes.HistoryQuerySerializer, request.query_params)
        past = past.between(asked.get("from"), asked.get("to"))
        if "field" in asked:
            past = past.changing(self._shown_field("field", asked["field"]))
        if "user" in asked:
            past = made_by(past, asked["user"])
        return self._listed(past, shapes.VersionEntrySerializer)

    @described(responses=shapes.VersionDetailSerializer)
    # Not DRF's own pattern, whose type drf-spectacular would look for in the model. What
    # follows a dot is a format, but for a number, with which an id may end.
    @action(detail=True, url_path=r"history/(?P<version_id>[^/]+\.[0-9]+|[^./]+)")
    def version(self, request: Request, version_id: str, *args: Any, **kwargs: Any) -> Response:
        """Show one version of the object."""
        version = found(self._past(self.get_versioned_object()), version_id)
        return answered(shapes.VersionDetailSerializer(self._entry(version)))

    @described(
        parameters=[shapes.CompareQuerySerializer],
        responses={200: shapes.VersionComparisonSerializer, **REFUSED},
    )
    @action(detail=True)
    def compare(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Show what differs between two versions of the object."""
        past = self._past(self.get_versioned_object())
        asked = asked_of(shapes.CompareQuerySerializer, request.query_params)
        a, b = (found(past, asked[name]) for name in ("from", "to"))
        answer = {"from": a.id, "to": b.id, "changes": self._changes(a, b)}
        return answered(shapes.VersionComparisonSerializer(answer))

    @described(
        parameters=[shapes.DeletedQuerySerializer],
        responses={200: shapes.VersionDetailSerializer(many=True), **REFUSED},
        filters=False,
    )
    @action(detail=False)
    def deleted(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the last versions of deleted objects, newest first."""
        asked = asked_of(shapes.DeletedQuerySerializer, request.query_params)
        past = self.filter_deleted(self.get_versions().deleted())
        if "search" in asked:
            past = past.search(asked["search"])
        return self._listed(past, shapes.VersionDetailSerializer, self.visible)

    @described(request=shapes.VersionRevertSerializer, responses=REVERSED)
    @action(detail=True, methods=["post"])
    def revert(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take back some fields, each from a version of its own."""
        obj = self.get_versioned_object()
        asked = asked_of(shapes.VersionRevertSerializer, request.data)
        past, given = self._past(obj), asked["fields"]
        versions = {
            self._shown_field("fields", name): version_given(past, "fields", key)
            for name, key in given.items()
        }
        act = self._guarded(obj, partial(self._reverter().revert_fields, obj, versions))
        return self._answer(past, asked, act)

    @described(request=shapes.VersionRollbackSerializer, responses=REVERSED)
    @action(detail=True, methods=["post"])
    def rollback(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take back all fields from one version."""
        obj = self.get_versioned_object()
        asked = asked_of(shapes.VersionRollbackSerializer, request.data)
        past = self._past(obj)
        version = version_given(past, "version", asked["version"])
        act = self._guarded(obj, partial(self._reverter().rollback, obj, version))
        return self._answer(past, asked, act)

    @described(request=shapes.VersionRestoreSerializer, responses=REVERSED)
    @action(detail=False, methods=["post"])
    def restore(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Bring back a deleted object."""
        asked = asked_of(shapes.VersionRestoreSerializer, request.data)
        version = self._deleted_version(asked)
        reverter = self._reverter(using=version.using)
        return self._answer(version.history, asked, partial(reverter.restore, version))

    # What DRF's own pages and OPTIONS make a form of.
    def get_serializer_class(self) -> type[Any]:
        action = self.action_map.get("post") if self.action == "metadata" else self.action
        return FORMS.get(action) or super().get_serializer_class()

    # Finding

    def _past(self, obj: Model) -> History:
        return history_of(obj, keeper=self.keeper)

    def _deleted_version(self, asked: dict[str, Any]) -> Version:
        """Return the version to bring back, if its object is deleted and for the user to see."""
        name = "version" if "version" in asked else "object"
        past = self.get_versions(asked.get("object"))
        version = past.get(asked["version"]) if name == "version" else last_of(past)
        last = version and self.filter_deleted(version.history.deleted()).first()
        if version is None or last is None or not self.visible([last]):
            raise ValidationError({name: [_("There is no such deleted object.")]})
        if (obj := last.instance) is not None:
            self.check_object_permissions(self.request, obj)
        return version

    # Showing

    @cached_property
    def _shown(self) -> frozenset[str] | None:
        names = self.get_version_fields()
        return None if names is None else frozenset(names)

    def _shown_field(self, name: str, field: str) -> str:
        """Return the name of a field that is shown."""
        if self._shown is None or field in self._shown:
            return field
        reason = _("“%(name)s” is not among the fields that are shown.")
        raise ValidationError({name: [reason % {"name": field}]})

    def _changes(self, a: State | None, b: State | None) -> list[Change]:
        changes = Diff(a, b, hooks=self.diff_hooks).values()
        return [change for change in changes if self._shown is None or change.name in self._shown]

    def _entry(self, version: Version) -> dict[str, Any]:
        """Return what the serializers of a version take; the first one changed nothing."""
        previous, data = version.previous, version.data
        return {
            "version": version,
            "changes": self._changes(previous, version) if previous else [],
            "data": {n: v for n, v in data.items() if self._shown is None or n in self._shown},
        }

    def _listed(
        self,
        past: History,
        serializer: type[Serializer[Any]],
        narrowed: Callable[[Sequence[Version]], Sequence[Version]] = list,
    ) -> Response:
        """Answer with one page of versions, in a number of queries that knows no number of them."""
        rows, paginator = past.rows, self.paginator
        if isinstance(paginator, CursorPagination):
            # The view set's own order is one of objects.
            vars(paginator)["get_ordering"] = lambda *_: rows.query.order_by
        page = self.paginate_queryset(rows)
        versions = [
            past.keeper.version(past.model, row) for row in (rows if page is None else page)
        ]
        load_previous(versions)
        entries = [self._entry(version) for version in narrowed(versions)]
        data = serializer(entries, many=True).data
        return Response(data) if page is None else self.get_paginated_response(data)

    # Going back

    def _reverter(self, **options: Any) -> Reverter:
        return Reverter(
            self.get_version_user(), self.get_version_comment(), keeper=self.keeper, **options
        )

    def _guarded(self, obj: Model, act: Callable[..., Reversal]) -> Callable[..., Reversal]:
        """Return the act, which deletes and restores for those only who may do just that."""

        def guarded(*, dry_run: bool, **options: Any) -> Reversal:
            plan = act(**options, dry_run=True)
            before, after = cast("tuple[State, State]", (plan.a, plan.b))
            was, becomes = map(self.version_keeper.is_deleted, (before, after))
            if becomes and not was:
                self.check_as("destroy", "DELETE", obj)
            if was and not becomes:
                self.check_as("restore", "POST", obj)
            return plan if dry_run else act(**options, expected_state=fingerprint(before))

        return guarded

    def _answer(
        self, past: History, asked: dict[str, Any], act: Callable[..., Reversal]
    ) -> Response:
        """Go back, or tell why not."""
        expected = asked.get("expected_version")
        if expected is not None:
            expected = version_given(past, "expected_version", expected)
        try:
            reversal = act(expected_version=expected, dry_run=asked["dry_run"])
        except RevertConflictError as error:
            return self._conflict(error)
        except (RevertError, ParentDeletedError) as error:
            raise ValidationError(reasons_of(error)) from error
        newest = past.first()
        answer = {
            "object": past.object_id,
            "version": newest and newest.id,
            "changes": self._changes(reversal.a, reversal.b),
        }
        return answered(shapes.VersionReversalSerializer(answer))

    def _conflict(self, error: RevertConflictError) -> Response:
        diff: Any = error.diff
        changes = None if diff is None else self._changes(diff.a, diff.b)
        # The error's own words name fields that may not be shown.
        detail = _("The object has changed since the version that was expected.")
        answer = {"detail": detail, "diff": changes}
        return answered(shapes.VersionConflictSerializer(answer), status=409)
