"""The querysets and managers of rows that are versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models import Manager, Model, Q
from django.utils.timezone import now

from handleref.pointintime.as_of import MomentQuerySet
from handleref.pointintime.base import end_of_day
from handleref.pointintime.expressions import HeldAt
from handleref.pointintime.history import timelines
from handleref.pointintime.writes import VersionedWrites

if TYPE_CHECKING:
    from datetime import date, datetime
    from typing import Self

    from handleref.pointintime.history import Span

M = TypeVar("M", bound=Model)


class PointInTimeQuerySet(  # type: ignore[override]  # as_manager() of either will do
    MomentQuerySet[M], VersionedWrites[M]
):
    """Rows of objects as they are, and as they were."""

    def current(self) -> Self:
        """Return the rows that hold now: neither replaced nor deleted.

        Of objects as they were, those are all.
        """
        if self.query.moment and not self.query.every_row:
            return self.all()
        return self.filter(replaced_at__isnull=True)

    def active(self, active_at: date | datetime | None = None) -> Self:
        """Return the rows that are true of a moment: begun, and not ended.

        :param active_at: a datetime (naive: current time zone); a date means the end
            of that day; by default now.
        :raises ValueError: for anything else.
        """
        moment = now() if active_at is None else end_of_day(active_at, "active_at")
        unended = Q(end_at__gt=moment) | Q(end_at__isnull=True)
        return self.filter(unended, start_at__lte=moment)

    def version(self, version_at: date | datetime) -> Self:
        """Return the rows that held at a moment, whatever became of them since.

        :param version_at: a datetime (naive: current time zone); a date means the end
            of that day.
        :raises ValueError: for anything else.
        """
        return self.filter(HeldAt(end_of_day(version_at, "version_at")))

    def timelines(self) -> dict[Any, list[Span]]:
        """Return all rows of the rows' objects, by ``row_id``, as rectangles of two times."""
        return timelines(self.model, self.db, self.values_list("row_id", flat=True))


class RowsManager(Manager.from_queryset(PointInTimeQuerySet)):  # type: ignore[misc]
    """What keys lead to: all rows; inside of ``as_of()`` the objects as they were."""

    use_in_migrations = True

    def get_queryset(self) -> Any:
        """Return the rows."""
        rows = super().get_queryset()
        rows.query.is_base = type(self) is RowsManager
        return rows


class RecordsManager(RowsManager):
    """All rows of a model: those that hold, and those they replaced; in the past as well."""

    def get_queryset(self) -> Any:
        """Return all rows, each under its own key."""
        rows = super().get_queryset()
        rows.query.every_row = True
        return rows


class PointInTimeManager(RowsManager):
    """The objects of a model as they are: their current rows; or as they were."""

    def get_queryset(self) -> Any:
        """Return the current rows, or those of the moment that is looked at."""
        rows = super().get_queryset()
        return rows if rows.query.moment else rows.current()
