"""``HandleRefAdmin``: the admin class of a reference model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.admin.options import TO_FIELD_VAR
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from handleref.exceptions import RowDeletedError
from handleref.references.admin.actions import (
    delete_selected,
    dress,
    hard_delete_selected,
    reference_rows,
    restore_selected,
)
from handleref.references.admin.filters import DeletionFilter
from handleref.references.admin.forms import LiveRowsFormSet, is_deleted, keep_alive
from handleref.references.admin.summary import soft_deletion
from handleref.references.fields import StatusField
from handleref.references.installation import HARD_DELETE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.admin import AdminSite
    from django.db.models import Field, Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from handleref.references.admin.summary import Summary

STAMPS = ("created", "updated", "version")
ACTIONS = (delete_selected, restore_selected, hard_delete_selected)


class HandleRefAdmin(ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """Shows live rows, soft-deletes them, and brings deleted ones back.

    Who has the permission to delete may restore as well. Deleting for good takes
    the permission ``hard_delete_<model>``.
    """

    def __init__(self, model: type[Model], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        # Here and not in the class, where a subclass with actions would drop ours.
        if self.actions is not None:
            named = {getattr(action, "__name__", action) for action in self.actions}
            ours = [action for action in ACTIONS if action.__name__ not in named]
            self.actions = [*self.actions, *ours]

    # Who may do what

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        # Whoever may change a deleted row would have to restore it first.
        return not is_deleted(obj) and super().has_change_permission(request, obj)

    def has_restore_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether the user may restore: who may take away may bring back."""
        return self.has_delete_permission(request, obj)

    def has_hard_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tell whether the user may delete for good: ``hard_delete_<model>``."""
        codename = get_permission_codename(HARD_DELETE, self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    # The change list

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = super().get_list_filter(request)
        return filters if DeletionFilter in filters else [DeletionFilter, *filters]

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = super().get_list_display(request)
        mixed = self._shown(request) == "all" and "status" not in columns
        return [*columns[:1], "status", *columns[1:]] if mixed else columns

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        # Django 6.1 looks for the parameter by its name; earlier ones have none.
        where = () if action_location is None else (action_location,)
        actions = super().get_actions(request, *where)
        names = set()
        if "delete_selected" not in {name for name, _action in self.admin_site.actions}:
            names.add("delete_selected")
        if self._shown(request) != "all":
            names.add("delete_selected" if self._shown(request) else "restore_selected")
        return {name: action for name, action in actions.items() if name not in names}

    def _shown(self, request: HttpRequest) -> str | None:
        """Return which rows the change list shows: None (live), "only" deleted, or "all"."""
        if DeletionFilter not in self.get_list_filter(request):
            return "all"
        return request.GET.get(DeletionFilter.parameter_name)

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs.setdefault("formset", LiveRowsFormSet)
        return super().get_changelist_formset(request, **kwargs)

    # The form

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return [*fields, *(name for name in STAMPS if name not in fields)]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        fields = super().get_fields(request, obj)
        # A row to be added has no stamps yet, only their defaults.
        return fields if obj else [name for name in fields if name not in STAMPS]

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        return keep_alive(field) if field and isinstance(db_field, StatusField) else field

    # The pages of one object

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, f"{self.opts.app_label}_{self.opts.model_name}"
        restore, hard_delete = require_POST(self.restore_view), self.hard_delete_view
        return [
            path("<path:object_id>/restore/", view(restore), name=f"{name}_restore"),
            path("<path:object_id>/hard-delete/", view(hard_delete), name=f"{name}_hard_delete"),
            *super().get_urls(),
        ]

    def restore_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Restore one object and return to its page."""
        obj = self._object(request, object_id)
        if not self.has_restore_permission(request, obj):
            raise PermissionDenied
        restore_selected(self, request, self.get_queryset(request).filter(pk=obj.pk))
        return self._redirect(request, "change", obj)

    def hard_delete_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Delete one object for good, once that is confirmed, and return to the list."""
        obj = self._object(request, object_id)
        if not self.has_hard_delete_permission(request, obj):
            raise PermissionDenied
        page = hard_delete_selected(self, request, self.get_queryset(request).filter(pk=obj.pk))
        if page is None:
            return self._redirect(request, "changelist")
        context: Any = page.context_data
        context |= {"object": obj, "stock_template": "admin/delete_confirmation.html"}
        return page

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        try:
            return super().change_view(request, object_id, form_url, extra_context)
        except (PermissionDenied, RowDeletedError) as error:
            # The form may have been opened while the row was live.
            obj = self._find(request, object_id)
            stale = is_deleted(obj) and self.has_view_permission(request, obj)
            if isinstance(error, PermissionDenied) and not stale:
                raise
            text = _("The %(name)s “%(obj)s” is deleted. Nothing was saved.")
            return self._explain(request, obj, text)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        obj = self._find(request, object_id)
        if is_deleted(obj) and self.has_delete_permission(request, obj):
            text = _("The %(name)s “%(obj)s” is deleted already. Nothing was changed.")
            return self._explain(request, obj, text)
        return super().delete_view(request, object_id, extra_context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = context.get("original")
        if not is_deleted(obj):
            return super().render_change_form(request, context, *args, **kwargs)
        context |= {
            "show_delete": False,
            "has_restore_permission": self.has_restore_permission(request, obj),
            "has_hard_delete_permission": self.has_hard_delete_permission(request, obj),
        }
        page = super().render_change_form(request, context, *args, **kwargs)
        return dress(page, "handleref/admin/deleted_change_form.html")

    def render_delete_form(self, request: HttpRequest, context: Any) -> HttpResponse:
        page = super().render_delete_form(request, context)
        return dress(page, "handleref/admin/delete_confirmation.html")

    def _find(self, request: HttpRequest, object_id: str) -> Any:
        """Return the object that Django's own views find, or None."""
        to_field = request.POST.get(TO_FIELD_VAR, request.GET.get(TO_FIELD_VAR))
        if to_field and not self.to_field_allowed(request, to_field):
            return None
        return self.get_object(request, unquote(object_id), to_field)

    def _object(self, request: HttpRequest, object_id: str) -> Any:
        if (obj := self.get_object(request, unquote(object_id))) is None:
            raise Http404
        return obj

    def _explain(self, request: HttpRequest, obj: Any, text: str) -> HttpResponse:
        """Say why nothing was done to a deleted object, on its page."""
        names = {"name": self.opts.verbose_name, "obj": obj}
        self.message_user(request, text % names, messages.ERROR)
        return self._redirect(request, "change", obj)

    def _redirect(self, request: HttpRequest, page: str, obj: Any = None) -> HttpResponse:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        keys = [quote(obj.pk)] if obj else []
        url = reverse(name, args=keys, current_app=self.admin_site.name)
        filters: Any = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        return HttpResponseRedirect(add_preserved_filters(filters, url))

    # What is done, and what the history says of it

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Summary:
        return soft_deletion(self, request, objs)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        reference_rows(queryset).delete()

    def log_restorations(self, request: HttpRequest, objects: Iterable[Model]) -> None:
        """Log that the objects were restored."""
        self._log(request, objects, CHANGE, _("Restored."))

    def log_hard_deletions(self, request: HttpRequest, objects: Iterable[Model]) -> None:
        """Log that the objects will be deleted for good; call this before."""
        self._log(request, objects, DELETION, _("Deleted for good."))

    def _log(self, request: HttpRequest, objects: Any, flag: int, text: str) -> None:
        user: Any = request.user
        LogEntry.objects.log_actions(user.pk, objects, flag, change_message=text)
