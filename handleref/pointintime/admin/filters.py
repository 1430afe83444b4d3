"""The list filter: the objects as they were known, and what was true of a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin import ListFilter
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import is_naive, localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from handleref.pointintime.base import end_of_day

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django.contrib.admin import ModelAdmin
    from django.contrib.admin.views.main import ChangeList
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, QueryDict

VERSION_AT, ACTIVE_AT = "version_at", "active_at"
LABELS = {
    VERSION_AT: gettext_lazy("As known at"),
    ACTIVE_AT: gettext_lazy("True at"),
}
# Ends the name of the field that goes along unseen, with a moment to the microsecond.
EXACT = "_exact"


def moment_in(name: str, text: str) -> datetime | None:
    """Return the moment that a parameter names, or None where it is empty.

    :param text: a date (the end of that day) or datetime (naive: current time zone) in
        ISO 8601.
    :raises ValueError: for anything else, in words for people.
    """
    if not (text := text.strip()):
        return None
    words = {"name": name, "value": text}
    try:
        value = parse_date(text) or parse_datetime(text)
        if value is not None:
            moment = end_of_day(value, name)
            # The pages show it in the time zone of whoever looks.
            for_input(moment)
            return moment
    except (ValueError, OverflowError):
        # Well formed, but out of the calendar.
        pass
    raise ValueError(_("%(name)s takes a date or datetime in ISO 8601, not “%(value)s”.") % words)


def exactly(data: QueryDict, name: str) -> str:
    """Return what is given under a name, with what a field of a form cut off.

    That has no more than seconds, between which there may be versions. What it was filled
    with goes along, and is meant unless somebody typed another moment.
    """
    text, exact = data.get(name, ""), data.get(name + EXACT, "")
    try:
        same = for_input(moment_in(name, text)) == for_input(moment_in(name, exact))
    except ValueError:
        same = False
    return exact if same else text


def moments_in(request: HttpRequest) -> dict[str, datetime]:
    """Return the moments that an address names.

    :raises ValueError: when one of them is none.
    """
    found = {name: moment_in(name, exactly(request.GET, name)) for name in LABELS}
    return {name: moment for name, moment in found.items() if moment}


def for_input(moment: datetime | None) -> str:
    """Return a moment as a field of a form has it, in the current time zone."""
    if moment is None:
        return ""
    local = moment if is_naive(moment) else localtime(moment)
    return f"{local:%Y-%m-%dT%H:%M:%S}"


class AsOfFilter(ListFilter):
    """Shows the objects of a past moment, with ``?version_at=``, and those true of one.

    The admin looks at the moment as a whole, so that what the objects lead to is as it was,
    too; here only ``?active_at=`` is left to be done.
    """

    title = gettext_lazy("time")
    template = "handleref/admin/pointintime/filter.html"

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: ModelAdmin[Any],
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.expected_parameters():
            params.pop(name, None)
        self.moments = moments_in(request)
        self.exact = {name: exactly(request.GET, name) for name in LABELS}
        dropped = {*self.expected_parameters(), PAGE_VAR, ERROR_FLAG}
        self.others = [
            (name, value)
            for name, values in request.GET.lists()
            for value in values
            if name not in dropped
        ]

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[Any]:
        return [*LABELS, *(name + EXACT for name in LABELS)]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield the fields of the form, and what leads back to the present."""
        for name, label in LABELS.items():
            value = for_input(self.moments.get(name))
            exact = {"name": name + EXACT, "value": self.exact[name]}
            yield {"name": name, "label": label, "value": value, "exact": exact}

    @property
    def is_set(self) -> bool:
        """Whether a moment is asked for."""
        return bool(self.moments)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that are true of the moment that is asked for."""
        rows: Any = queryset
        moment = self.moments.get(ACTIVE_AT)
        return rows.active(moment) if moment else rows  # type: ignore[no-any-return]
