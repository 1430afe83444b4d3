"""``VersionAdmin``: the admin class of a model whose versions are kept."""

from __future__ import annotations

import json
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.core import checks
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.functional import lazy
from django.utils.translation import gettext as _

from handleref.exceptions import KeeperError
from handleref.versions.admin import pages, taking
from handleref.versions.admin.finding import address, all_versions
from handleref.versions.registry import keeper_of
from handleref.versions.revert import fields_to_take_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager

    from django.db.models import Field, Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from handleref.versions.diff import Hook
    from handleref.versions.history import History
    from handleref.versions.keepers import Keeper


class VersionAdmin(ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """Shows the history of objects, goes back in it, and recovers what was deleted.

    Every change made in this admin becomes a version by its user.

    :cvar keeper: the name of the keeper, where the model has several.
    :cvar diff_hooks: by field name or class, see :class:`~handleref.versions.Diff`;
        what they leave out no page shows.
    :cvar history_per_page: how many versions, or deleted objects, a page lists.
    """

    keeper: ClassVar[str | None] = None
    diff_hooks: ClassVar[Mapping[str | type[Field[Any, Any]], Hook]] = {}
    history_per_page: ClassVar[int] = 25

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        return [*super().check(**kwargs), *check_keeper(self)]

    def keeper_of_versions(self) -> Keeper:
        """Return who keeps the versions of the model."""
        return keeper_of(self.model, self.keeper)

    # Who may do what

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.keeper_of_versions().deletes and super().has_delete_permission(request, obj)

    def has_revert_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether the user may take back fields and roll back: who may change.

        Of an object that is gone nothing can be taken back.
        """
        return obj is not None and self.has_change_permission(request, obj)

    def get_kept_fields(self, request: HttpRequest, obj: Model) -> frozenset[str]:
        """Return the names of the fields that the user may not take back one by one.

        By default those that the form only shows.
        """
        takeable = fields_to_take_back(self.keeper_of_versions(), self.model)
        return takeable & {*self.get_readonly_fields(request, obj)}

    def has_recover_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether the user may bring back what is deleted: who may see it and add.

        :param obj: None for an object that is gone, and for the list of them.
        """
        return self.has_view_permission(request, obj) and self.has_add_permission(request)

    def get_deleted_versions(self, request: HttpRequest) -> History:
        """Return the last versions of the deleted objects that the user may know of."""
        return all_versions(self).deleted()

    # Recording

    def recording(self, request: HttpRequest) -> AbstractContextManager[Any]:
        """Return the block in which the request's changes become versions."""
        user = request.user if request.user.is_authenticated else None
        comments = _comments(request)
        said = lazy(lambda: " ".join(dict.fromkeys(comments)), str)()
        return self.keeper_of_versions().recording(user, said)

    def comment_on(self, request: HttpRequest, text: str) -> None:
        """Let the versions that the request makes say why; several texts are joined."""
        _comments(request).append(str(text))

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self.comment_on(request, _told(message))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self.comment_on(request, _told(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        self.comment_on(request, _("Deleted."))
        return super().log_deletions(request, queryset)

    # What an admin that soft-deletes has besides, and calls.

    def log_restorations(self, request: HttpRequest, objects: Iterable[Model]) -> None:
        """Log that the objects were restored, if the admin does that."""
        self.comment_on(request, _("Restored."))
        _call(super(), "log_restorations", request, objects)

    def log_hard_deletions(self, request: HttpRequest, objects: Iterable[Model]) -> None:
        """Log that the objects will be deleted for good, if the admin does that."""
        self.comment_on(request, _("Deleted for good."))
        _call(super(), "log_hard_deletions", request, objects)

    # The pages

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, f"{self.opts.app_label}_{self.opts.model_name}"
        one = "<path:object_id>/history"
        return [
            path("deleted/", view(self.deleted_view), name=f"{name}_deleted"),
            path("deleted/<version_id>/", view(self.recover_view), name=f"{name}_recover"),
            path(f"{one}/compare/", view(self.compare_view), name=f"{name}_compare"),
            path(f"{one}/revert/", view(self.revert_view), name=f"{name}_revert"),
            path(
                f"{one}/<version_id>/rollback/", view(self.rollback_view), name=f"{name}_rollback"
            ),
            path(f"{one}/<version_id>/", view(self.version_view), name=f"{name}_version"),
            *(self._recorded(pattern) for pattern in super().get_urls()),
        ]

    def _recorded(self, pattern: URLPattern) -> URLPattern:
        """Let what a page of the stock admin changes be recorded."""
        view: Callable[..., HttpResponse] = pattern.callback

        @wraps(view)
        def record(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method != "POST":
                return view(request, *args, **kwargs)
            with self.recording(request):
                return view(request, *args, **kwargs)

        pattern.callback = record
        return pattern

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Show the versions of an object, in place of the stock page."""
        context = pages.history_page(self, request, object_id) | (extra_context or {})
        return self.render_version_page(request, "history", context)

    def version_view(self, request: HttpRequest, object_id: str, version_id: str) -> HttpResponse:
        """Show one version."""
        context = pages.version_page(self, request, object_id, version_id)
        return self.render_version_page(request, "version", context)

    def compare_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what changed between the versions ``?from=`` and ``?to=``."""
        context = pages.compare_page(self, request, object_id)
        return self.render_version_page(request, "compare", context)

    def revert_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take back fields: each ``take-<field>`` names the version that has its value."""
        way = taking.revert(self, request, object_id)
        return taking.Confirmation(self, request, way).respond("revert")

    def rollback_view(self, request: HttpRequest, object_id: str, version_id: str) -> HttpResponse:
        """Take back all fields from one version."""
        way = taking.rollback(self, request, object_id, version_id)
        return taking.Confirmation(self, request, way).respond("rollback")

    def deleted_view(self, request: HttpRequest) -> HttpResponse:
        """List the deleted objects."""
        return self.render_version_page(request, "deleted", pages.deleted_page(self, request))

    def recover_view(self, request: HttpRequest, version_id: str) -> HttpResponse:
        """Bring back a deleted object as it was in one version."""
        way = taking.recover(self, request, version_id)
        return taking.Confirmation(self, request, way).respond("recover")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        page = super().changelist_view(request, extra_context)
        if isinstance(page, TemplateResponse) and "cl" in (page.context_data or {}):
            self._add_recover_link(request, page)
        return page

    def _add_recover_link(self, request: HttpRequest, page: TemplateResponse) -> None:
        context: Any = page.context_data
        if context["cl"].is_popup or not self.has_recover_permission(request):
            return
        context["deleted_url"] = address(self, "deleted")
        context["versions_stock_template"] = page.resolve_template(page.template_name)
        page.template_name = "handleref/admin/versions/change_list.html"

    def render_version_page(
        self, request: HttpRequest, name: str, context: dict[str, Any], *, status: int = 200
    ) -> TemplateResponse:
        """Return a page; a project may have a template of its own, for one model or an app."""
        app, model = self.opts.app_label, self.opts.model_name
        templates: Any = [
            f"admin/{app}/{model}/versions/{name}.html",
            f"admin/{app}/versions/{name}.html",
            f"handleref/admin/versions/{name}.html",
        ]
        if name == "history" and self.object_history_template:
            templates = self.object_history_template
        return TemplateResponse(request, templates, context, status=status)


def check_keeper(admin: VersionAdmin) -> list[checks.CheckMessage]:
    """Check that somebody keeps the versions that an admin is to show."""
    try:
        admin.keeper_of_versions()
    except KeeperError as error:
        hint = "Let one keep them, name it as in keeper = 'revisions', or use another admin class."
        return [checks.Error(str(error), hint=hint, obj=type(admin), id="handleref.E014")]
    return []


def _comments(request: HttpRequest) -> list[str]:
    comments: list[str] = vars(request).setdefault("handleref_comments", [])
    return comments


def _told(message: Any) -> str:
    """Return what the stock history would say of a change."""
    text = message if isinstance(message, str) else json.dumps(message)
    return str(LogEntry(change_message=text).get_change_message())


def _call(parent: Any, name: str, *args: Any) -> None:
    if hasattr(parent, name):
        getattr(parent, name)(*args)
