"""The rows of whoever records changes, all of the same columns."""

from datetime import UTC, datetime
from decimal import Decimal

from django.apps import apps
from django.db import models

from benchmarks.rows.columns import Business, Entry
from handleref.events.tracking import ManualEvent, Row, create_event_model, track

OPENED = datetime(2026, 1, 1, tzinfo=UTC)


class Recorded(Business):
    """What a row is about whose changes are recorded."""

    price = models.DecimalField(max_digits=8, decimal_places=2, default=Decimal("9.99"))
    opened = models.DateTimeField(default=OPENED, db_index=True)

    class Meta:
        abstract = True


class Plain(Recorded):
    """Plain Django, which records nothing."""


class Twin(Recorded):
    """The same as ``Plain``: what is measured between them is noise."""


class HandRow(Recorded):
    """Recorded by triggers for rows that are written by hand."""


class HandStatement(Recorded):
    """Recorded by triggers for statements that are written by hand."""


class HandIdle(Recorded):
    """Has triggers for rows that do nothing: what a database asks for calling one."""


# Their tables of events are the same as ours, only that no trigger of ours writes them.
for by_hand in (HandRow, HandStatement):
    create_event_model(by_hand, ManualEvent("by hand"))


@track(level=Row)
class OurRow(Recorded):
    """Recorded by this package, with triggers for rows."""


@track()
class OurStatement(Recorded):
    """Recorded by this package, with triggers for statements where there are any."""


# The matrix of write paths ----------------------------------------------------------------------


class Owner(models.Model):
    """A parent that takes its entries along."""


@track(level=Row)
class RowItem(Entry):
    """A row for the matrix, with triggers for rows."""

    owner = models.ForeignKey(Owner, models.CASCADE, null=True)


@track()
class StatementItem(Entry):
    """A row for the matrix, with triggers for statements where there are any."""

    owner = models.ForeignKey(Owner, models.CASCADE, null=True)


# The rivals -------------------------------------------------------------------------------------

if apps.is_installed("pghistory"):
    import pghistory
    import pgtrigger

    def tracked(level: pgtrigger.Level) -> pghistory.track:
        """Return django-pghistory's decorator, for the same operations as ours."""
        trackers = (pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())
        return pghistory.track(*trackers, level=level)

    @tracked(pgtrigger.Row)
    class PghistoryRow(Recorded):
        """Recorded by django-pghistory, with triggers for rows."""

    @tracked(pgtrigger.Statement)
    class PghistoryStatement(Recorded):
        """Recorded by django-pghistory, with triggers for statements."""


if apps.is_installed("simple_history"):
    from simple_history.models import HistoricalRecords

    class SimpleHistoryRow(Recorded):
        """Recorded by django-simple-history."""

        history = HistoricalRecords()


if apps.is_installed("auditlog"):

    class AuditlogRow(Recorded):
        """Recorded by django-auditlog."""


if apps.is_installed("easyaudit"):

    class EasyAuditRow(Recorded):
        """Recorded by django-easy-audit."""
