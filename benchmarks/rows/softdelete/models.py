"""The rows of django-safedelete: its own two columns beside everybody's."""

from django.db import models
from safedelete.config import SOFT_DELETE_CASCADE
from safedelete.models import SafeDeleteModel

from benchmarks.rows.columns import Business, Entry, Stamps


class Row(Business, Stamps, SafeDeleteModel):
    """A row of django-safedelete."""


class Owner(SafeDeleteModel):
    """A parent that takes its entries along."""

    _safedelete_policy = SOFT_DELETE_CASCADE


class Item(Entry, SafeDeleteModel):
    """A row for the matrix."""

    owner = models.ForeignKey(Owner, models.CASCADE, null=True)
