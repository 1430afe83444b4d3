"""``AbstractStackStoreAdmin``: the admin class of a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.admin import SimpleListFilter, display
from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from handleref.stacks.versions import StackKeeper
from handleref.versions.admin.options import VersionAdmin

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse


class OnlyLatestsFilter(SimpleListFilter):
    """Shows latest versions only, with ``?only_latests=YES``."""

    title = gettext_lazy("only latests")
    parameter_name = "only_latests"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[Any, Any]]:
        return [("YES", _("YES (Latests Only)"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(stack_latest=True) if self.value() == "YES" else queryset


class AbstractStackStoreAdmin(VersionAdmin):
    """Lists versions, narrowed to latest ones or to those of one stack, and deletes none.

    Whoever changes a version, old or not, makes a new one. The history page shows all of
    a stack, whichever version it is asked for.
    """

    keeper: ClassVar[str | None] = StackKeeper.name

    list_filter = (OnlyLatestsFilter,)
    list_display = ("key", "stack_group_uuid", "only_same_item")
    list_display_links = ("stack_group_uuid",)
    search_fields = ("pk", "stack_group_uuid")

    @display(description=gettext_lazy("ID"), ordering="pk")
    def key(self, obj: Model) -> Any:
        """Return the primary key of a version, whatever the field is called."""
        return obj.pk

    @display(description=gettext_lazy("stack"))
    def short_stack_group_uuid(self, obj: Any) -> str:
        """Return the first ten digits of what names the stack."""
        short: str = obj.stack_group_uuid.hex[:10]
        return short

    @display(description=gettext_lazy("same item"))
    def only_same_item(self, obj: Any) -> str:
        """Return a link to the list of all versions of the stack."""
        query = {"stack_group_uuid": obj.stack_group_uuid}
        url = self._address("changelist", query=query)
        return format_html('<a href="{}">{}</a>', url, _("only same item"))

    def has_recover_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        # What is deleted for good leaves no version to be recovered from.
        return False

    def response_change(self, request: HttpRequest, obj: Model) -> HttpResponse:
        """Lead to the new version; the address is that of the one it was made from."""
        path, request.path = request.path, self._address("change", quote(str(obj.pk)))
        try:
            return super().response_change(request, obj)
        finally:
            request.path = path

    def _address(self, page: str, *args: str, **options: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=args, current_app=self.admin_site.name, **options)
