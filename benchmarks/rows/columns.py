"""The columns that every contender's table has, so that only the code differs."""

from django.db import models


class Business(models.Model):
    """What a row is about."""

    name = models.CharField(max_length=100)
    code = models.CharField(max_length=20)
    city = models.CharField(max_length=100)
    number = models.IntegerField(default=0)

    class Meta:
        abstract = True


class Located(Business):
    """What a row is about whose history is kept: with a relation, as most have one."""

    folder = models.ForeignKey("plain.Folder", models.SET_NULL, null=True, related_name="+")

    class Meta:
        abstract = True


class Stamps(models.Model):
    """The columns and indexes of a ``HandleRefModel``, kept as plain Django keeps them."""

    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True, db_index=True)
    status = models.CharField(max_length=255, blank=True, default="ok")
    version = models.IntegerField(default=1, editable=False)
    deletion = models.UUIDField(null=True, default=None, editable=False, db_index=True)
    former_status = models.CharField(max_length=255, null=True, default=None, editable=False)

    class Meta:
        abstract = True


class Entry(models.Model):
    """What the matrix of write paths is walked with; each package adds its ``owner``."""

    name = models.CharField(max_length=100, default="")
    number = models.IntegerField(default=0)
    folder = models.ForeignKey("plain.Folder", models.SET_NULL, null=True, related_name="+")
    binder = models.ForeignKey("plain.Folder", models.CASCADE, null=True, related_name="+")

    class Meta:
        abstract = True
