"""The actions on a change list: delete, restore, delete for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import messages
from django.contrib.admin import action, helpers
from django.contrib.admin.actions import delete_selected as stock_delete_selected
from django.contrib.admin.utils import model_ngettext
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import router, transaction
from django.template.response import TemplateResponse
from django.utils.formats import number_format
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from handleref.exceptions import ParentDeletedError
from handleref.references.admin.summary import hard_deletion
from handleref.references.fields import live
from handleref.references.managers import HandleRefQuerySet

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from handleref.references.admin.options import HandleRefAdmin


@action(
    permissions=["delete"],
    description=gettext_lazy("Delete selected %(verbose_name_plural)s"),
)
def delete_selected(
    modeladmin: HandleRefAdmin, request: HttpRequest, queryset: QuerySet[Any]
) -> HttpResponse | None:
    """Soft-delete the selected rows that are live, as Django's action of this name does."""
    rows = queryset.filter(live())
    if not rows.exists():
        text = _("What is selected is deleted already. Nothing was changed.")
        modeladmin.message_user(request, text, messages.WARNING)
        return None
    page = stock_delete_selected(modeladmin, request, rows)
    return page and dress(page, "handleref/admin/delete_selected_confirmation.html")


@action(
    permissions=["restore"],
    description=gettext_lazy("Restore selected %(verbose_name_plural)s"),
)
def restore_selected(
    modeladmin: HandleRefAdmin, request: HttpRequest, queryset: QuerySet[Any]
) -> None:
    """Bring back the selected rows that are deleted, with what their deletions took."""
    rows = reference_rows(queryset.filter(status__live=False))
    objects = list(rows)
    try:
        with transaction.atomic(using=router.db_for_write(modeladmin.model)):
            _total, counts = rows.restore()
            modeladmin.log_restorations(request, objects)
    except (ParentDeletedError, ValidationError) as error:
        for text in getattr(error, "messages", [str(error)]):
            modeladmin.message_user(request, text, messages.ERROR)
        return
    if counts:
        text = _("Restored %(rows)s.") % {"rows": told(counts)}
        modeladmin.message_user(request, text, messages.SUCCESS)
    else:
        text = _("Nothing that is selected is deleted. Nothing was changed.")
        modeladmin.message_user(request, text, messages.WARNING)


@action(
    permissions=["hard_delete"],
    description=gettext_lazy("Delete selected %(verbose_name_plural)s for good"),
)
def hard_delete_selected(
    modeladmin: HandleRefAdmin, request: HttpRequest, queryset: QuerySet[Any]
) -> TemplateResponse | None:
    """Really delete the selected rows, after a page that lists what goes with them."""
    objects, counts, lacking, protected = hard_deletion(modeladmin, request, queryset)
    if request.POST.get("post") and not protected:
        if lacking:
            raise PermissionDenied
        _hard_delete(modeladmin, request, queryset)
        return None
    name = model_ngettext(queryset)
    title = _("Cannot delete %(name)s") % {"name": name} if lacking or protected else ""
    context = {
        **modeladmin.admin_site.each_context(request),
        "stock_template": "admin/delete_selected_confirmation.html",
        "title": title or _("Delete for good"),
        "subtitle": None,
        "objects_name": str(name),
        "deletable_objects": objects,
        "model_count": counts.items(),
        "queryset": queryset,
        "perms_lacking": lacking,
        "protected": protected,
        "opts": modeladmin.opts,
        "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        "media": modeladmin.media,
    }
    request.current_app = modeladmin.admin_site.name
    return TemplateResponse(request, "handleref/admin/hard_delete_confirmation.html", context)


def _hard_delete(modeladmin: HandleRefAdmin, request: HttpRequest, queryset: QuerySet[Any]) -> None:
    with transaction.atomic(using=router.db_for_write(modeladmin.model)):
        modeladmin.log_hard_deletions(request, queryset)
        _total, counts = reference_rows(queryset).delete(hard=True)
    text = _("Deleted %(rows)s for good.") % {"rows": told(counts)}
    modeladmin.message_user(request, text, messages.SUCCESS)


def told(counts: dict[str, int]) -> str:
    """Return the counts by model label as a text: "2 countries and 1,234 airports"."""
    parts = []
    for label, count in counts.items():
        items = model_ngettext(apps.get_model(label)._meta, count)
        parts.append(f"{number_format(count, force_grouping=True)} {items}")
    return get_text_list(parts, _("and"))


def reference_rows(rows: QuerySet[Any]) -> HandleRefQuerySet[Any]:
    """Return the rows as a queryset that soft-deletes, whatever manager they come from."""
    if isinstance(rows, HandleRefQuerySet):
        return rows
    manager: Any = rows.model._base_manager
    found: HandleRefQuerySet[Any] = manager.filter(pk__in=list(rows.values_list("pk", flat=True)))
    return found


def dress(page: HttpResponse, template: str) -> HttpResponse:
    """Let a template of ours extend the one that was chosen for the page.

    That may be Django's or the project's own, for this model or for all; the
    template finds it as ``stock_template``.
    """
    if isinstance(page, TemplateResponse):
        context: Any = page.context_data
        context["stock_template"] = page.resolve_template(page.template_name)
        page.template_name = template
    return page
