"""The admin of the airports."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from handleref.admin import (
    AbstractStackStoreAdmin,
    HandleRefAdmin,
    PointInTimeAdmin,
    VersionAdmin,
)
from handleref.models import live
from testproj.airports.models import Airport, Country, Note, Notice, Position


@admin.register(Country)
class CountryAdmin(VersionAdmin, HandleRefAdmin):
    """Countries with the number of their airports."""

    list_display = ("name", "code", "airports", "version", "updated")
    search_fields = ("name", "=code")
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Country]:
        # Without live(), the airports that are gone would be counted too.
        number = Count("airports", filter=live("airports"))
        return super().get_queryset(request).annotate(number=number)

    @admin.display(ordering="number")
    def airports(self, country: Any) -> int:
        """Return the number of the country's airports that are not deleted."""
        return country.number


@admin.register(Airport)
class AirportAdmin(VersionAdmin, HandleRefAdmin):
    """Airports, to be found by their codes and names."""

    list_display = ("icao", "iata", "name", "city", "country", "version", "updated")
    list_select_related = ("country",)
    search_fields = ("=icao", "=iata", "name", "city")
    autocomplete_fields = ("country",)
    ordering = ("icao",)


@admin.register(Note)
class NoteAdmin(VersionAdmin, HandleRefAdmin):
    """Notes, each by the user who wrote it."""

    list_display = ("text", "airport", "author", "version", "updated")
    list_select_related = ("airport", "author")
    search_fields = ("text", "=airport__icao")
    autocomplete_fields = ("airport",)
    readonly_fields = ("author",)
    ordering = ("-updated",)

    def save_model(
        self,
        request: HttpRequest,
        obj: Note,
        form: ModelForm,
        change: bool,  # noqa: FBT001 - Django calls it so
    ) -> None:
        if not change:
            obj.author = request.user
        super().save_model(request, obj, form, change)


@admin.register(Position)
class PositionAdmin(VersionAdmin, PointInTimeAdmin):
    """Positions: as they are, as they were, and their timelines."""

    list_display = ("icao", "name", "elevation", "latitude", "longitude", "start_at", "end_at")
    search_fields = ("=icao", "name")
    ordering = ("icao", "start_at")


@admin.register(Notice)
class NoticeAdmin(AbstractStackStoreAdmin):
    """Notices, each issue of them."""

    list_display = ("icao", "text", "stack_number", "stack_created_at", "only_same_item")
    list_display_links = ("icao",)
    search_fields = ("=icao", "text")
