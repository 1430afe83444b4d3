"""Plain Django, the same again for the control, and without the columns."""

from django.db import models

from benchmarks.rows.columns import Business, Located, Stamps


class Row(Business, Stamps):
    """The same columns and indexes as ours, with Django's own stamps."""


class Twin(Business, Stamps):
    """The same as ``Row``: what is measured between them is noise."""


class Bare(Business):
    """Without the columns, to tell what they cost by themselves."""


class Folder(models.Model):
    """What rows refer to: a plain parent for the matrix."""


class Place(Located, Stamps):
    """A row whose history is kept by django-reversion alone."""


class TwinPlace(Located, Stamps):
    """The same as ``Place``, for the control."""
