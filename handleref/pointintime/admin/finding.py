"""What a page is about, and whether the user may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import router
from django.db.models import F
from django.http import Http404
from django.utils.formats import date_format
from django.utils.text import Truncator, capfirst
from django.utils.timezone import is_naive, localtime
from django.utils.translation import gettext as _

from handleref.pointintime.base import TICK, all_rows
from handleref.versions.admin import finding, pages
from handleref.versions.as_of import as_of

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.admin import ModelAdmin
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

    from handleref.versions.admin.options import VersionAdmin


@dataclass
class Subject:
    """An object whose rows are looked at.

    :ivar row: its current row, or its last one where it is deleted.
    :ivar using: the alias of the database that has its rows.
    """

    model: type[Model]
    row: Any
    using: str

    @property
    def key(self) -> Any:
        """What names it, in its rows and in addresses."""
        return self.row.row_id

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.row)

    @property
    def is_deleted(self) -> bool:
        """Whether it holds no more."""
        return self.row.replaced_at is not None

    @property
    def rows(self) -> QuerySet[Any]:
        """All rows that it has."""
        return all_rows(self.model, self.using).filter(row_id=self.key)


def subject(admin: ModelAdmin[Any], request: HttpRequest, object_id: str) -> Subject:
    """Return what the id names, if the user may see it; a deleted object, if he might then.

    :raises Http404: for an id that no object has or had, or that is none.
    :raises PermissionDenied: without the permission to view.
    """
    key = finding.key_in(object_id)
    obj: Any = admin.get_object(request, key)
    if obj is None and (last := _last_row(admin, key)) is not None:
        with as_of(last.replaced_at - TICK):
            seen = admin.get_object(request, key)
        obj = seen and last
    if obj is None:
        if not admin.has_view_permission(request):
            raise PermissionDenied
        raise Http404
    if not admin.has_view_permission(request, obj):
        raise PermissionDenied
    model: Any = admin.model._meta.concrete_model
    return Subject(model, obj, router.db_for_write(admin.model, instance=obj))


def _last_row(admin: ModelAdmin[Any], key: str) -> Any:
    """Return the row of a deleted object, or None for a key that none has."""
    rows = all_rows(admin.model, router.db_for_write(admin.model))
    try:
        return rows.filter(pk=key, row_id=F("pk"), replaced_at__isnull=False).first()
    except (TypeError, ValueError, OverflowError, ValidationError):
        return None


def address(admin: ModelAdmin[Any], page: str, *args: Any, **query: Any) -> str:
    """Return the address of one of the admin's pages."""
    return finding.address(cast("VersionAdmin", admin), page, *args, **query)


def about_context(
    admin: ModelAdmin[Any], request: HttpRequest, about: Subject, crumb: str
) -> dict[str, Any]:
    """Return what every page of one object needs.

    :param crumb: what the page itself is called.
    """
    timeline = address(admin, "timeline", about.key)
    path = [(str(capfirst(admin.opts.verbose_name_plural)), address(admin, "changelist"))]
    if not about.is_deleted:
        path.append((Truncator(about.name).words(18), address(admin, "change", about.key)))
    return {
        **pages.context(cast("VersionAdmin", admin), request),
        "about": about,
        "object": about.row,
        "timeline_url": timeline,
        "crumbs": [*path, (_("Timeline"), timeline)],
        "crumb": crumb,
    }


def when(moment: datetime | None) -> str:
    """Return a moment in the language and time zone of the page, or an empty text."""
    return date_format(_local(moment), "DATETIME_FORMAT") if moment else ""


def machine(moment: datetime | None) -> str:
    """Return a moment as machines read it, with nothing cut off, or an empty text."""
    return _local(moment).isoformat() if moment else ""


def _local(moment: datetime) -> datetime:
    return moment if is_naive(moment) else localtime(moment)
