"""The list filter: live rows, deleted rows, or all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _

from handleref.references.fields import live

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.admin import ModelAdmin
    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest


class DeletionFilter(SimpleListFilter):
    """Shows live rows, with ``?deleted=only`` the deleted ones, with ``?deleted=all`` both."""

    title = _("deletion")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[Any, Any]]:
        return [(None, _("Live")), ("only", _("Deleted")), ("all", _("All"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        # Django's own first choice is "All", and the default.
        _first, *choices = super().choices(changelist)
        for (value, _title), choice in zip(self.lookup_choices, choices, strict=True):
            yield {**choice, "selected": self.value() == value}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in {value for value, _title in self.lookup_choices}:
            raise IncorrectLookupParameters
        if self.value() == "all":
            return queryset
        return queryset.filter(status__live=self.value() is None)

    def get_facet_counts(self, pk_attname: str, filtered_qs: QuerySet[Any]) -> dict[str, Any]:
        return {
            "0__c": Count(pk_attname, filter=live()),
            "1__c": Count(pk_attname, filter=Q(status__live=False)),
            "2__c": Count(pk_attname),
        }
