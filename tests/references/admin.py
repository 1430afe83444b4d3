"""The admin of the tests' models, each registered as plainly as its tests allow."""

from django.contrib import admin
from django.db.models import Count

from handleref.admin import HandleRefAdmin
from handleref.models import live
from tests.references import models


@admin.register(models.Item)
class ItemAdmin(HandleRefAdmin):
    list_display = ["name", "number"]
    list_editable = ["number"]
    search_fields = ["name"]
    ordering = ["name"]
    actions = ["shout"]

    @admin.action(description="Shout")
    def shout(self, request, queryset):
        for item in queryset:
            self.message_user(request, item.name.upper())


@admin.register(models.Org)
class OrgAdmin(HandleRefAdmin):
    """Selects what only some rows of the table have, as users do."""

    list_display = ["name", "number"]

    def get_queryset(self, request):
        number = Count("nets", filter=live("nets"))
        return super().get_queryset(request).only("name", "status").annotate(number=number)

    def number(self, org):
        return org.number


class BranchInline(admin.TabularInline):
    model = models.Branch
    extra = 0


@admin.register(models.Company)
class CompanyAdmin(HandleRefAdmin):
    inlines = [BranchInline]


class DeskAdmin(HandleRefAdmin):
    """Has a rule of its own about which desks may go."""

    def has_delete_permission(self, request, obj=None):
        return (obj is None or obj.pk % 2 == 0) and super().has_delete_permission(request, obj)


admin.site.register(
    [models.Branch, models.Cafe, models.Net, models.Node, models.Seat, models.TextItem],
    HandleRefAdmin,
)
admin.site.register(models.Desk, DeskAdmin)
admin.site.register([models.Folder, models.Memo])
