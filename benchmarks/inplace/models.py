"""The rows of whoever keeps history in the same table, all about the same."""

from django.apps import apps
from django.db import models

from benchmarks.rows.columns import Business
from handleref.pointintime.models import PointInTimeModel
from handleref.stacks.models import AbstractStackModel


class Plain(Business):
    """Plain Django, which keeps nothing."""


class Twin(Business):
    """The same as ``Plain``: what is measured between them is noise."""


class Period(Business):
    """Rows with periods that somebody else keeps: what a question about a moment costs at best."""

    row_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    replaced_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["replaced_at", "created_at"], name="inplace_period_then")]


class TwinPeriod(Business):
    """The same as ``Period``: the noise of questions."""

    row_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    replaced_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["replaced_at", "created_at"], name="inplace_twin_then")]


class OurStack(Business, AbstractStackModel):
    """A stack of this package."""


class OurRecord(Business, PointInTimeModel):
    """A point-in-time model of this package."""


if apps.is_installed("stackstore"):
    from stackstore.models import AbstractStackModel as RivalStackModel

    class StackstoreRow(Business, RivalStackModel):
        """A stack of django-stackstore-model."""


if apps.is_installed("pita"):
    from pita.models import PointInTimeModel as RivalRecordModel

    class PitaRow(Business, RivalRecordModel):
        """A point-in-time model of django-pita."""
