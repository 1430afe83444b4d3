"""What a deletion would take, in the form of ``ModelAdmin.get_deleted_objects()``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import NestedObjects, display_for_value, model_ngettext, quote
from django.db import router
from django.db.models import Q, QuerySet
from django.urls import NoReverseMatch, reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from handleref.references.base import owned
from handleref.references.cascade import Reach, reachable
from handleref.references.fields import live

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from django.contrib.admin import AdminSite
    from django.db.models import Model
    from django.http import HttpRequest

    May = Callable[[ModelAdmin[Any], "Rows"], bool]

# The lines to display, the numbers by plural name, the names of the models that
# the user may not delete, and the lines of what stands in the way.
Summary = tuple[list[Any], dict[str, int], set[str], list[Any]]

# How many rows of a model are listed; the others are counted.
LISTED = 100


@dataclass
class Rows:
    """Rows of one model, of which the first are listed.

    :ivar every: yields all of them.
    """

    model: type[Model]
    first: list[Model]
    count: int
    every: Callable[[], Iterable[Model]]


def soft_deletion(
    admin: ModelAdmin[Any], request: HttpRequest, objs: QuerySet[Any] | Sequence[Model]
) -> Summary:
    """Summarise what a soft delete of the objects takes; few queries for each model."""
    keys = objs.order_by().values("pk") if isinstance(objs, QuerySet) else [o.pk for o in objs]
    using = router.db_for_write(admin.model)
    roots = admin.model._base_manager.using(using).filter(live(), pk__in=keys)
    start = owned(roots)
    reach = Reach(reachable(start.model)).walk(start)
    barring: dict[type[Model], list[QuerySet[Any]]] = {}
    for edge, part in reach.protected():
        barring.setdefault(edge.child, []).append(part)
    return _summary(
        admin.admin_site,
        [_read(model, parts) for model, parts in _taken(reach, start, roots).items()],
        [_read(model, parts) for model, parts in barring.items()],
        lambda other, part: _may_delete(other, request, part),
    )


def _taken(
    reach: Reach, start: QuerySet[Any], roots: QuerySet[Any]
) -> dict[type[Model], list[QuerySet[Any]]]:
    """Return the rows taken by model, those to start from as rows of the admin's model."""
    taken = {roots.model: [roots]}
    for model, parts in reach.taken.items():
        # The stamps may be in the table of a base, and the admin's model a proxy.
        doubled = model is start.model and model is not roots.model
        for part in parts:
            if part is not start:
                rows = part.exclude(pk__in=start.values("pk")) if doubled else part
                taken.setdefault(model, []).append(rows)
    return taken


def hard_deletion(admin: ModelAdmin[Any], request: HttpRequest, rows: QuerySet[Any]) -> Summary:
    """Summarise what Django's own collector would really delete with the rows."""
    collector = NestedObjects(using=router.db_for_write(rows.model), origin=rows)
    collector.collect(rows)
    barring: dict[type[Model], set[Model]] = {}
    for row in collector.protected:
        barring.setdefault(type(row), set()).add(row)

    def may(other: ModelAdmin[Any], part: Rows) -> bool:
        allowed = getattr(other, "has_hard_delete_permission", other.has_delete_permission)
        return all(allowed(request, row) for row in part.every())

    return _summary(
        admin.admin_site,
        [_collected(found) for found in collector.model_objs.values()],
        [_collected(found) for found in barring.values()],
        may,
    )


def _summary(site: AdminSite, taken: list[Rows], barring: list[Rows], may: May) -> Summary:
    counts: Counter[str] = Counter()
    lacking = set()
    for part in taken:
        options = part.model._meta
        counts[str(options.verbose_name_plural)] += part.count
        if site.is_registered(part.model) and not may(site.get_model_admin(part.model), part):
            lacking.add(str(options.verbose_name))
    return _lines(site, taken), dict(+counts), lacking, _lines(site, barring)


def _may_delete(admin: ModelAdmin[Any], request: HttpRequest, rows: Rows) -> bool:
    """Ask row by row only an admin that has its own rule; Django's looks at no row."""
    if type(admin).has_delete_permission is ModelAdmin.has_delete_permission:
        return not rows.count or admin.has_delete_permission(request)
    return all(admin.has_delete_permission(request, row) for row in rows.every())


def _read(model: type[Model], parts: list[QuerySet[Any]]) -> Rows:
    """Read the first of the rows, of which several querysets may name the same."""
    rows = parts[0]
    if len(parts) > 1:
        conditions = [Q(pk__in=part.order_by().values("pk")) for part in parts]
        rows = model._base_manager.using(rows.db).filter(reduce(or_, conditions))
    # Names often tell of a parent, which would cost a query each.
    parents = [f.name for f in model._meta.fields if f.remote_field]
    rows = rows.select_related(*parents) if parents else rows.select_related(None)
    rows = rows.order_by("pk")
    first = list(rows[: LISTED + 1])
    count = len(first) if len(first) <= LISTED else rows.count()
    return Rows(model, first[:LISTED], count, rows.iterator)


def _collected(found: set[Any]) -> Rows:
    rows = sorted(found, key=lambda row: row.pk)
    return Rows(type(rows[0]), rows[:LISTED], len(rows), lambda: rows)


def _lines(site: AdminSite, parts: list[Rows]) -> list[Any]:
    return [line for part in parts for line in _lines_of(site, part)]


def _lines_of(site: AdminSite, rows: Rows) -> Iterator[Any]:
    for row in rows.first:
        yield _line(site, row)
    if more := rows.count - len(rows.first):
        yield _("… and %(count)s more %(items)s") % {
            "count": number_format(more, force_grouping=True),
            "items": model_ngettext(rows.model._meta, more),
        }


def _line(site: AdminSite, row: Model) -> str:
    """Return the row's name as Django's own page has it, linked where it has a page."""
    options = row._meta
    kind, name = capfirst(options.verbose_name), display_for_value(str(row), "-")
    page = f"{site.name}:{options.app_label}_{options.model_name}_change"
    try:
        url = reverse(page, args=[quote(row.pk)])
    except NoReverseMatch:
        # No admin, or one that has taken the page away.
        return f"{kind}: {name}"
    return format_html('{}: <a href="{}">{}</a>', kind, url, name)
