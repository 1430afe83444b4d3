"""``PointInTimeAdmin``: the admin class of a model whose rows are versions."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from handleref.pointintime.admin.filters import VERSION_AT, AsOfFilter, exactly, moments_in
from handleref.pointintime.admin.finding import Subject, address, subject, when
from handleref.pointintime.admin.taking import Purging, RollingBack
from handleref.pointintime.admin.timeline import timeline_page
from handleref.pointintime.admin.widgets import exact
from handleref.pointintime.installation import PURGE, ROLLBACK
from handleref.pointintime.portions import PERIOD
from handleref.pointintime.recording import recording
from handleref.versions.as_of import as_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from django.contrib.admin.views.main import ChangeList
    from django.db.models import Field, Model
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    Base = ChangeList
else:
    Base = object

# The pages that show objects as of a moment.
LOOKING = ("changelist", "change")
# How many of the objects to be deleted a page lists.
LISTED = 100


class PastLinks(Base):
    """Leads from a list of the past to the objects as they were.

    :cvar at: the moment, as the address of the list has it.
    """

    at: ClassVar[str] = ""

    def url_for_result(self, result: Any) -> str:
        """Return the address of the object at the moment of the list."""
        return address(self.model_admin, "change", result.pk, **{VERSION_AT: self.at})


class PointInTimeAdmin(ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """Lists objects as they are, and with its filter as they were; draws their timelines.

    What is saved is by the user of the request, and a deletion closes the row. To roll back
    and to purge take the permissions ``rollback_<model>`` and ``purge_<model>``.
    """

    delete_selected_confirmation_template = (
        "handleref/admin/pointintime/delete_selected_confirmation.html"
    )

    class Media:
        css = {"all": ["handleref/admin/pointintime.css"]}

    # Who may do what

    def has_rollback_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether the user may roll back: ``rollback_<model>``."""
        return self._has(request, ROLLBACK)

    def has_purge_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether the user may purge: ``purge_<model>``."""
        return self._has(request, PURGE)

    def _has(self, request: HttpRequest, verb: str) -> bool:
        codename = get_permission_codename(verb, self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    # The past is only read.

    def has_add_permission(self, request: HttpRequest) -> bool:
        return past_of(request) is None and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return past_of(request) is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return past_of(request) is None and super().has_delete_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        # Who may change an object may see it, in the past as well.
        return super().has_view_permission(request, obj) or super().has_change_permission(
            request, obj
        )

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        if past_of(request) is not None:
            return {}
        # Django 6.1 looks for the parameter by its name; earlier ones have none.
        where = () if action_location is None else (action_location,)
        actions: dict[str, Any] = super().get_actions(request, *where)
        return actions

    # The change list

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = super().get_list_filter(request)
        return filters if AsOfFilter in filters else [AsOfFilter, *filters]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        kind: Any = super().get_changelist(request, **kwargs)
        if past_of(request) is None:
            return kind  # type: ignore[no-any-return]
        return type(PastLinks.__name__, (PastLinks, kind), {"at": exactly(request.GET, VERSION_AT)})

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if past := past_of(request):
            extra_context = {"subtitle": _as_known(past), **(extra_context or {})}
        return super().changelist_view(request, extra_context)

    # The pages of one object

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, f"{self.opts.app_label}_{self.opts.model_name}"
        one = "<path:object_id>/timeline"
        return [
            path(f"{one}/rollback/", view(self.rollback_to_view), name=f"{name}_rollback_to"),
            path(f"{one}/purge/", view(self.purge_view), name=f"{name}_purge"),
            path(f"{one}/", view(self.timeline_view), name=f"{name}_timeline"),
            *(self._timed(pattern, name) for pattern in super().get_urls()),
        ]

    def _timed(self, pattern: URLPattern, name: str) -> URLPattern:
        """Let a page of the stock admin look at the moment asked for, or write as the user."""
        view: Callable[..., HttpResponse] = pattern.callback
        looks = pattern.name in {f"{name}_{page}" for page in LOOKING}

        @wraps(view)
        def respond(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                moment = moments_in(request).get(VERSION_AT) if looks else None
            except ValueError as error:
                self.message_user(request, str(error), messages.ERROR)
                return HttpResponseRedirect(request.path)
            if moment is None:
                with recording(request.user):
                    return view(request, *args, **kwargs)
            vars(request)["handleref_past"] = moment
            with as_of(moment):
                page = view(request, *args, **kwargs)
                # Much is read only while it is written down.
                return page.render() if isinstance(page, TemplateResponse) else page

        pattern.callback = respond
        return pattern

    def timeline_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Draw the rows of an object, and list them."""
        about = subject(self, request, object_id)
        may = self.has_rollback_permission(request, about.row)
        context = timeline_page(self, request, about, may_go_back=may)
        context |= self._ways(request, about)
        return TemplateResponse(request, "handleref/admin/pointintime/timeline.html", context)

    def rollback_to_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take an object back to what it was, ``?time=`` or before its last change."""
        about = subject(self, request, object_id)
        if not self.has_rollback_permission(request, about.row):
            raise PermissionDenied
        return RollingBack(self, request, about).respond()

    def purge_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Really delete an object, once that is confirmed."""
        about = subject(self, request, object_id)
        if not self.has_purge_permission(request, about.row):
            raise PermissionDenied
        return Purging(self, request, about).respond()

    def _ways(self, request: HttpRequest, about: Subject) -> dict[str, str]:
        """Return the addresses of the pages that forget, as far as the user may."""
        ways = {}
        if self.has_rollback_permission(request, about.row):
            ways["rollback_url"] = address(self, "rollback_to", about.key)
        if self.has_purge_permission(request, about.row):
            ways["purge_url"] = address(self, "purge", about.key)
        return ways

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        page = super().render_change_form(request, context, *args, **kwargs)
        obj = context.get("original")
        if obj is None or not isinstance(page, TemplateResponse):
            return page
        past = past_of(request)
        more: Any = page.context_data
        more["timeline_url"] = address(self, "timeline", obj.pk)
        more["past"] = past and _as_known(past)
        return dress(page, "handleref/admin/pointintime/change_form.html")

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        return exact(field) if db_field.name in PERIOD else field

    # Deleting

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Summarise what a deletion closes: the objects, and nothing that leads to them."""
        names = self.opts.verbose_name, self.opts.verbose_name_plural
        count = len(objs) if isinstance(objs, list) else objs.count()
        listed = [f"{capfirst(names[0])}: {obj}" for obj in objs[:LISTED]]
        if count > LISTED:
            more = {"count": count - LISTED, "items": names[1]}
            listed.append(_("… and %(count)s more %(items)s") % more)
        lacking = set() if self.has_delete_permission(request) else {names[0]}
        return listed, {str(names[1]): count}, lacking, []

    def render_delete_form(self, request: HttpRequest, context: Any) -> HttpResponse:
        page = super().render_delete_form(request, context)
        return dress(page, "handleref/admin/pointintime/delete_confirmation.html")


def past_of(request: HttpRequest) -> datetime | None:
    """Return the past moment at which a request looks, or None for the present."""
    return vars(request).get("handleref_past")


def _as_known(moment: datetime) -> str:
    return _("As it was known: %s") % when(moment)


def dress(page: HttpResponse, template: str) -> HttpResponse:
    """Let a template of ours extend the one that was chosen for the page.

    Beside another admin class that does the same.
    """
    if isinstance(page, TemplateResponse):
        context: Any = page.context_data
        context["pointintime_stock_template"] = page.resolve_template(page.template_name)
        page.template_name = template
    return page
