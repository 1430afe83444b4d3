"""The rows of an object as a picture: when each was known across, when it was true up."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from django.contrib.admin.views.main import PAGE_VAR
from django.utils.formats import date_format
from django.utils.timezone import is_naive, localtime, now
from django.utils.translation import gettext as _

from handleref.pointintime.admin.filters import VERSION_AT
from handleref.pointintime.admin.finding import about_context, address, machine, when
from handleref.pointintime.history import span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest

    from handleref.pointintime.admin.finding import Subject
    from handleref.pointintime.history import Span

PER_PAGE = 50
# In units of the picture: what is drawn in, around it, and no closer than.
WIDTH, HEIGHT = 640, 240
LEFT, TOP, RIGHT, BOTTOM = 150, 24, 12, 40
ACROSS, UP, OPEN = 26, 18, 26
# How far apart what is written at least is.
TEXT_ACROSS, TEXT_UP = 136, 14


class Scale:
    """Places of moments, as far apart as they are, but with room for the shortest time."""

    def __init__(self, moments: Iterable[datetime], size: float, least: float) -> None:
        self.moments = sorted({*moments})
        steps = [(b - a).total_seconds() for a, b in pairwise(self.moments)]
        self.size = max(size, 1.5 * least * len(steps))
        room, total = self.size - least * len(steps), sum(steps)
        self.places = [0.0]
        for step in steps:
            self.places.append(self.places[-1] + least + room * step / total)

    def __call__(self, moment: datetime) -> float:
        """Return the place of a moment, which is one of those that the scale is made of."""
        return self.places[bisect_left(self.moments, moment)]


@dataclass(frozen=True)
class Tick:
    """A moment at the edge of the picture.

    :ivar text: what is written there, empty where there is no room.
    :ivar anchor: which end of the text is at the place.
    """

    place: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Box:
    """A row in the picture.

    :ivar kind: ``"current"``, ``"replaced"`` or ``"deleted"``.
    :ivar is_open: whether it is true without end.
    :ivar text: what it says of itself.
    """

    number: int
    kind: str
    x: float
    y: float
    width: float
    height: float
    is_open: bool
    text: str

    @property
    def middle(self) -> tuple[float, float]:
        """Where its number is written."""
        return self.x + self.width / 2, self.y + self.height / 2


class Picture:
    """Rows of one object, as rectangles of two times.

    :param spans: the rows.
    :param present: the moment up to which current rows are known.
    """

    def __init__(self, spans: Sequence[Span], present: datetime) -> None:
        self.known = Scale(
            [m for s in spans for m in (s.known.start, s.known.end or present)], WIDTH, ACROSS
        )
        ends = [s.valid.end for s in spans if s.valid.end]
        self.valid = Scale([*(s.valid.start for s in spans), *ends], HEIGHT - OPEN, UP)
        self.present = present
        self.bottom = TOP + OPEN + self.valid.size
        self.right = LEFT + self.known.size
        self.left, self.top = LEFT, TOP
        self.width, self.height = self.right + RIGHT, self.bottom + BOTTOM
        self.boxes = [self._box(each) for each in spans]

    def _box(self, each: Span) -> Box:
        x = LEFT + self.known(each.known.start)
        right = LEFT + self.known(each.known.end or self.present)
        low = self.bottom - self.valid(each.valid.start)
        high = self.bottom - self.valid(each.valid.end) if each.valid.end else TOP
        return Box(
            number=each.row.row_version,
            kind=kind_of(each.row),
            x=x,
            y=high,
            width=right - x,
            height=low - high,
            is_open=each.valid.end is None,
            text=told(each),
        )

    @property
    def is_short(self) -> bool:
        """Whether it is as wide as if there were few rows, and may shrink a bit."""
        return self.known.size == WIDTH

    def across(self) -> list[Tick]:
        """Return the moments below the picture; the first and the last one are written there."""
        half, end = TEXT_ACROSS / 2, self.known.size - TEXT_ACROSS
        ticks: list[Tick] = []
        taken = 0.0
        for moment, place in zip(self.known.moments, self.known.places, strict=True):
            text, anchor = self._name(moment), "middle"
            if not ticks:
                anchor, taken = "start", float(TEXT_ACROSS)
            elif moment == self.known.moments[-1]:
                anchor = "end"
            elif taken <= place - half and place + half <= end:
                taken = place + half
            else:
                text = ""
            ticks.append(Tick(LEFT + place, text, anchor))
        return ticks

    def up(self) -> list[Tick]:
        """Return the moments beside the picture, and what stands for no end."""
        ticks: list[Tick] = []
        last = -float(TEXT_UP)
        for moment, place in zip(self.valid.moments, self.valid.places, strict=True):
            text = ""
            if place - last >= TEXT_UP:
                text, last = short(moment), place
            ticks.append(Tick(self.bottom - place, text))
        if any(box.is_open for box in self.boxes):
            ticks.append(Tick(TOP, _("no end")))
        return ticks

    def _name(self, moment: datetime) -> str:
        return _("now") if moment == self.present else short(moment)


def kind_of(row: Any) -> str:
    """Return what a row is: the current one, one that was replaced, or the last one."""
    if row.replaced_at is None:
        return "current"
    return "deleted" if row.pk == row.row_id else "replaced"


def short(moment: datetime) -> str:
    """Return a moment in few letters."""
    return date_format(moment if is_naive(moment) else localtime(moment), "SHORT_DATETIME_FORMAT")


def told(each: Span) -> str:
    """Return what the picture tells of a row."""
    words = {
        "number": each.row.row_version,
        "known": when(each.known.start),
        "replaced": when(each.known.end) or _("now"),
        "start": when(each.valid.start),
        "end": when(each.valid.end) or _("no end"),
    }
    return (
        _("Version %(number)s: known %(known)s to %(replaced)s, true %(start)s to %(end)s") % words
    )


@dataclass(frozen=True)
class Line:
    """A row in the table below the picture, with the same facts.

    :ivar url: the object as it was then.
    :ivar back_url: the page that goes back to it, or an empty text.
    """

    number: int
    kind: str
    times: list[tuple[str, str, str]]
    user: str
    comment: str
    url: str
    back_url: str = ""


def timeline_page(
    admin: ModelAdmin[Any], request: HttpRequest, about: Subject, *, may_go_back: bool
) -> dict[str, Any]:
    """Return what the page of an object's timeline shows."""
    # Newest first, as the history has them.
    rows: Any = about.rows.select_related("modified_by").order_by("-row_version")
    paginator = admin.get_paginator(request, rows, PER_PAGE)
    page = paginator.get_page(request.GET.get(PAGE_VAR, 1))
    spans = [span(row) for row in page.object_list]
    # A row may have been written later than the clock says.
    present = max([now(), *(m for s in spans for m in (s.known.start, s.known.end) if m)])
    return {
        **about_context(admin, request, about, _("Timeline")),
        "title": _("Timeline: %s") % about.name,
        "picture": Picture(spans, present),
        "lines": [_line(admin, about, each, may_go_back=may_go_back) for each in spans],
        "page": page,
        "page_range": [*paginator.get_elided_page_range(page.number)],
        "page_var": PAGE_VAR,
        "page_query": "",
    }


def _line(admin: ModelAdmin[Any], about: Subject, each: Span, *, may_go_back: bool) -> Line:
    row = each.row
    created = machine(row.created_at)
    back = may_go_back and kind_of(row) == "replaced"
    labels = (_("Known from"), _("Known until"), _("True from"), _("True until"))
    moments = (each.known.start, each.known.end, each.valid.start, each.valid.end)
    return Line(
        number=row.row_version,
        kind=kind_of(row),
        times=[(label, machine(m), when(m)) for label, m in zip(labels, moments, strict=True)],
        user=str(row.modified_by.get_username()) if row.modified_by else "",
        comment=row.change_comment,
        url=address(admin, "change", about.key, **{VERSION_AT: created}),
        back_url=address(admin, "rollback_to", about.key, time=created) if back else "",
    )
