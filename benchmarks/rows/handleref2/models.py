"""The rows of django-handleref, with the columns and indexes that it does not bring."""

from django.db import models
from django_handleref.models import HandleRefModel

from benchmarks.rows.columns import Business, Entry, Located


class Row(Business, HandleRefModel):
    """A row of django-handleref."""

    deletion = models.UUIDField(null=True, default=None, editable=False, db_index=True)
    former_status = models.CharField(max_length=255, null=True, default=None, editable=False)

    class Meta(HandleRefModel.Meta):
        abstract = False
        indexes = [models.Index(fields=["updated"], name="handleref2_updated")]


class Owner(HandleRefModel):
    """A parent that takes its entries along."""

    class HandleRef:
        delete_cascade = ["items"]


class Item(Entry, HandleRefModel):
    """A row for the matrix."""

    owner = models.ForeignKey(Owner, models.CASCADE, null=True, related_name="items")


class Place(Located, HandleRefModel):
    """A row whose history is kept by its bridge to reversion."""

    deletion = models.UUIDField(null=True, default=None, editable=False, db_index=True)
    former_status = models.CharField(max_length=255, null=True, default=None, editable=False)

    class HandleRef:
        # Where our bridge is installed too, it takes these rows for ours.
        revisions = False

    class Meta(HandleRefModel.Meta):
        abstract = False
        indexes = [models.Index(fields=["updated"], name="handleref2_place_updated")]
