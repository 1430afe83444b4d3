"""The pages to look at: the history, one version, two versions, what was deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.utils.formats import date_format
from django.utils.text import Truncator, capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from handleref.versions.admin.display import LIMIT, Line, lines
from handleref.versions.admin.filters import HistoryFilter
from handleref.versions.admin.finding import Subject, address, subject
from handleref.versions.diff import MISSING, Diff
from handleref.versions.previous import load_previous
from handleref.versions.revert import fields_to_take_back
from handleref.versions.state import Misfit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.http import HttpRequest

    from handleref.versions.admin.options import VersionAdmin
    from handleref.versions.base import Version
    from handleref.versions.history import History

    Context = dict[str, Any]


@dataclass
class Row:
    """One version in a list.

    :ivar url: the page of the version.
    :ivar back_url: the page that goes back to it, or an empty text.
    :ivar lines: what it changed.
    :ivar when: the time it was made, in the language and time zone of the page;
        ``moment`` is the same for machines.
    :ivar user: the name of who made it, or an empty text.
    """

    version: Version
    url: str
    back_url: str = ""
    source_url: str = ""
    lines: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.when, self.moment = when(self.version), localtime(self.version.date).isoformat()
        self.user, self.comment = _name_of(self.version.user), self.version.comment


def when(version: Version) -> str:
    """Return when a version was made, in the language and time zone of the page."""
    return date_format(localtime(version.date), "DATETIME_FORMAT")


def _name_of(user: Any) -> str:
    """Return a user's name for signing in, with the full name if there is one."""
    if user is None:
        return ""
    full_name = getattr(user, "get_full_name", str)()
    return f"{user.get_username()} ({full_name})" if full_name else str(user.get_username())


def history_page(admin: VersionAdmin, request: HttpRequest, object_id: str) -> Context:
    """Return what the page of an object's history shows."""
    about = subject(admin, request, object_id)
    narrowing = HistoryFilter(about.history, request.GET)
    page = paged(admin, request, narrowing.narrowed())
    takeable, back = _takeable(admin, request, about), _way_back(admin, request, about)
    rows = _rows(admin, about, page["page"].object_list, takeable, back)
    return {
        **about_context(admin, request, about),
        **page,
        "back": back,
        "can_take_back": bool(takeable),
        "title": _("Change history: %s") % about.name,
        "filter": narrowing,
        "rows": rows,
        "from_id": rows[:2][-1].version.id if rows else None,
        "compare_url": address(admin, "compare", about.key),
        "crumb": _("History"),
    }


def _rows(
    admin: VersionAdmin,
    about: Subject,
    versions: Iterable[Version],
    takeable: frozenset[str],
    back: str,
) -> list[Row]:
    versions = [*versions]
    load_previous(versions)
    diffs = [_changes(admin, version) for version in versions]
    Diff.label(diffs, about.using)
    rows = [_row(admin, about, version, back) for version in versions]
    for row, diff in zip(rows, diffs, strict=True):
        row.lines = _shown(admin, diff, limit=LIMIT)
        _offer(row.lines, diff, takeable, row.version.previous)
    return rows


def _changes(admin: VersionAdmin, version: Version) -> Diff:
    """Return what a version changed; a first one changed nothing."""
    previous = version.previous
    return Diff(previous, version if previous else None, hooks=admin.diff_hooks)


def _row(admin: VersionAdmin, about: Subject, version: Version, back: str) -> Row:
    row = Row(version, address(admin, "version", about.key, version.id))
    if back:
        keys = [version.id] if back == "recover" else [about.key, version.id]
        row.back_url = address(admin, back, *keys)
    if version.reverted_from is not None:
        row.source_url = address(admin, "version", about.key, version.reverted_from)
    return row


def _way_back(admin: VersionAdmin, request: HttpRequest, about: Subject) -> str:
    """Return which page goes back to a version, or an empty text if the user may not."""
    if about.is_deleted:
        return "recover" if admin.has_recover_permission(request, about.obj) else ""
    return "rollback" if admin.has_revert_permission(request, about.obj) else ""


def _takeable(admin: VersionAdmin, request: HttpRequest, about: Subject) -> frozenset[str]:
    """Return the names of the fields that the user may take back."""
    if about.obj is None or not admin.has_revert_permission(request, about.obj):
        return frozenset()
    fields = fields_to_take_back(about.history.keeper, about.history.model)
    return fields - admin.get_kept_fields(request, about.obj)


def _shown(admin: VersionAdmin, diff: Diff, limit: int | None = None) -> list[Line]:
    return lines(diff, empty=str(admin.get_empty_value_display()), limit=limit)


def _offer(
    shown: list[Line], diff: Diff, takeable: frozenset[str], version: Version | None
) -> None:
    """Let the lines offer the values that their fields had before."""
    for line in shown:
        old = diff[line.name].old
        fits = old is not MISSING and not isinstance(old, Misfit)
        if version is not None and fits and line.name in takeable:
            line.take = version.id


def version_page(
    admin: VersionAdmin, request: HttpRequest, object_id: str, version_id: str
) -> Context:
    """Return what the page of one version shows: each value, and what changed."""
    about = subject(admin, request, object_id)
    version = about.version(version_id)
    changes, values = _changes(admin, version), Diff(None, version, hooks=admin.diff_hooks)
    Diff.label([changes, values], version.using)
    changed = {line.name: line for line in _shown(admin, changes)}
    shown = _shown(admin, values)
    takeable = _takeable(admin, request, about)
    for line in shown:
        line.extra["change"] = changed.pop(line.name, None)
        if line.name in takeable and not isinstance(values[line.name].new, Misfit):
            line.take = version.id
    return {
        **about_context(admin, request, about),
        "title": _("Version: %s") % about.name,
        "row": _row(admin, about, version, _way_back(admin, request, about)),
        "lines": [*shown, *changed.values()],
        "neighbours": _neighbours(admin, about, version),
        "can_take_back": any(line.take is not None for line in shown),
        "crumb": _("Version"),
    }


def _neighbours(admin: VersionAdmin, about: Subject, version: Version) -> list[tuple[str, Row]]:
    named = [(_("Previous version"), version.previous), (_("Next version"), version.next)]
    return [
        (name, Row(other, address(admin, "version", about.key, other.id)))
        for name, other in named
        if other
    ]


def compare_page(admin: VersionAdmin, request: HttpRequest, object_id: str) -> Context:
    """Return what the page of two versions shows: what changed from the older one."""
    about = subject(admin, request, object_id)
    older, newer = _two(about, request)
    diff = Diff(older, newer, hooks=admin.diff_hooks)
    Diff.label([diff], older.using)
    shown, takeable = _shown(admin, diff), _takeable(admin, request, about)
    back = _way_back(admin, request, about)
    _offer(shown, diff, takeable, older)
    for line in shown:
        new = diff[line.name].new
        fits = line.name in takeable and new is not MISSING and not isinstance(new, Misfit)
        line.extra["take_newer"] = newer.id if fits else None
    return {
        **about_context(admin, request, about),
        "title": _("Compare: %s") % about.name,
        "rows": [_row(admin, about, version, back) for version in (older, newer)],
        "lines": shown,
        "can_take_back": bool(takeable and shown),
        "crumb": _("Compare"),
    }


def _two(about: Subject, request: HttpRequest) -> Sequence[Version]:
    """Return the versions that ``from`` and ``to`` name, the older one first."""
    pair = [about.version(request.GET.get(name)) for name in ("from", "to")]
    order = about.history.keeper.order
    return sorted(pair, key=lambda version: getattr(version.row, order))


def deleted_page(admin: VersionAdmin, request: HttpRequest) -> Context:
    """Return what the list of deleted objects shows."""
    if not admin.has_recover_permission(request):
        raise PermissionDenied
    versions, text = admin.get_deleted_versions(request), request.GET.get(SEARCH_VAR, "")
    # PostgreSQL takes no such character.
    text = text.replace("\x00", "").strip()
    page = paged(admin, request, versions.search(text) if text else versions)
    return {
        **context(admin, request),
        **page,
        "title": _("Recover deleted %s") % admin.opts.verbose_name_plural,
        "rows": [
            Row(
                version,
                address(admin, "history", version.object_id),
                address(admin, "recover", version.id),
            )
            for version in page["page"].object_list
        ],
        "search_var": SEARCH_VAR,
        "search_text": text,
        "crumbs": crumbs(admin),
        "crumb": _("Recover deleted"),
    }


def paged(admin: VersionAdmin, request: HttpRequest, versions: History) -> Context:
    """Return one page of a history, and what leads to the others."""
    pages: Any = versions
    paginator = admin.get_paginator(request, pages, admin.history_per_page)
    page = paginator.get_page(request.GET.get(PAGE_VAR, 1))
    query = request.GET.copy()
    query.pop(PAGE_VAR, None)
    return {
        "page": page,
        "page_range": [*paginator.get_elided_page_range(page.number)],
        "page_var": PAGE_VAR,
        "page_query": query.urlencode(),
    }


def context(admin: VersionAdmin, request: HttpRequest) -> Context:
    """Return what every page needs."""
    request.current_app = admin.admin_site.name
    return {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "subtitle": None,
        "media": admin.media,
        "module_name": str(capfirst(admin.opts.verbose_name_plural)),
    }


def about_context(admin: VersionAdmin, request: HttpRequest, about: Subject) -> Context:
    """Return what every page of one object needs."""
    return {
        **context(admin, request),
        "about": about,
        "object": about.obj,
        "history_url": address(admin, "history", about.key),
        "revert_url": address(admin, "revert", about.key),
        "crumbs": crumbs(admin, about),
    }


def crumbs(admin: VersionAdmin, about: Subject | None = None) -> list[tuple[str, str]]:
    """Return the names and addresses of the pages above."""
    path = [(str(capfirst(admin.opts.verbose_name_plural)), address(admin, "changelist"))]
    if about and about.obj is not None:
        path.append((Truncator(about.name).words(18), address(admin, "change", about.key)))
    elif about:
        path.append((_("Recover deleted"), address(admin, "deleted")))
    if about:
        path.append((_("History"), address(admin, "history", about.key)))
    return path
