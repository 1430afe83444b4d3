"""The admin of the tests' models: over handleref's own admin class, and over Django's."""

from django.contrib import admin

from handleref.admin import HandleRefAdmin, VersionAdmin
from tests.versions import models


@admin.register(models.Page)
class PageAdmin(VersionAdmin, HandleRefAdmin):
    keeper = "ledger"
    list_display = ["title", "kind"]
    list_editable = ["kind"]
    search_fields = ["title"]
    ordering = ["title"]
    actions = ["shout"]

    @admin.action(description="Shout")
    def shout(self, request, queryset):
        self.comment_on(request, "Shouted.")
        for page in queryset:
            page.title = page.title.upper()
            page.save()


@admin.register(models.Section, models.Wide)
class PlainAdmin(VersionAdmin):
    """Knows nothing of deleted rows."""


admin.site.register(models.Tag)
