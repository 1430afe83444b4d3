"""This package's rows."""

from django.db import models

from benchmarks.rows.columns import Business, Entry, Located
from handleref.models import HandleRefModel


class Row(Business, HandleRefModel):
    """A reference row."""


class Owner(HandleRefModel):
    """A parent that takes its entries along."""

    class HandleRef:
        delete_cascade = True


class Item(Entry, HandleRefModel):
    """A row for the matrix."""

    owner = models.ForeignKey(Owner, models.CASCADE, null=True)


class Place(Located, HandleRefModel):
    """A row whose history is kept by the bridge."""
