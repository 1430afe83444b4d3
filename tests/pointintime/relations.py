"""Models that lead to each other: plain ones, and those whose rows are versions."""

import uuid

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models

from handleref.pointintime.as_of import MomentManager
from handleref.pointintime.fields import (
    CurrentManyToManyField,
    CurrentOneToOneField,
    FrozenForeignKey,
)
from handleref.pointintime.models import PointInTimeModel


class Town(models.Model):
    """A plain model, whose queries see all rows of those that lead to it."""

    name = models.CharField(max_length=50)

    moments = MomentManager()
    objects = models.Manager()

    class Meta:
        default_manager_name = "objects"

    def __str__(self):
        return self.name


class Author(PointInTimeModel):
    name = models.CharField(max_length=50, db_index=True)
    town = models.ForeignKey(Town, models.PROTECT, null=True)

    def __str__(self):
        return self.name


class Label(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


class Topic(PointInTimeModel):
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


class Book(PointInTimeModel):
    title = models.CharField(max_length=50, db_index=True)
    pages = models.PositiveIntegerField(default=0)
    author = models.ForeignKey(Author, models.CASCADE)
    sequel_to = models.ForeignKey("self", models.SET_NULL, null=True, related_name="sequels")
    topics = CurrentManyToManyField(Topic, through="BookTopic")
    labels = CurrentManyToManyField(Label, through="BookLabel")

    def __str__(self):
        return self.title


class BookTopic(PointInTimeModel):
    book = models.ForeignKey(Book, models.CASCADE)
    topic = models.ForeignKey(Topic, models.CASCADE)


class BookLabel(PointInTimeModel):
    book = models.ForeignKey(Book, models.CASCADE)
    label = models.ForeignKey(Label, models.CASCADE)


class Comment(PointInTimeModel):
    book = models.ForeignKey(Book, models.CASCADE)
    text = models.CharField(max_length=50)

    def __str__(self):
        return self.text


class Stock(models.Model):
    """A plain model that leads to one whose rows are versions."""

    book = models.ForeignKey(Book, models.CASCADE)
    shelf = models.CharField(max_length=50)


class Cover(PointInTimeModel):
    """One for each book at a time."""

    book = CurrentOneToOneField(Book, models.CASCADE)
    colour = models.CharField(max_length=50)

    def __str__(self):
        return self.colour


class Desk(PointInTimeModel):
    """Leads to a plain model, and may lead nowhere."""

    town = CurrentOneToOneField(Town, models.CASCADE, null=True, related_name="desk")


class Barcode(models.Model):
    """A plain model that one row at most leads from to each book."""

    book = CurrentOneToOneField(Book, models.CASCADE)
    code = models.CharField(max_length=50)


class Review(models.Model):
    """A plain model whose key stays on a version."""

    book = FrozenForeignKey(Book)
    other = FrozenForeignKey(Book, models.CASCADE, null=True, related_name="+")
    text = models.CharField(max_length=50)


class Quote(PointInTimeModel):
    """Its rows are versions, and their key stays on one."""

    book = FrozenForeignKey(Book, models.CASCADE, null=True)
    based_on = FrozenForeignKey("self", models.CASCADE, null=True, related_name="derived")
    text = models.CharField(max_length=50)


class Leaf(PointInTimeModel):
    """Its keys are no numbers, and made by Django."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    text = models.CharField(max_length=50)
    marks = GenericRelation("Mark", content_type_field="kind")


class Pin(PointInTimeModel):
    leaf = FrozenForeignKey(Leaf)
    before = FrozenForeignKey("self", null=True)


class Mark(PointInTimeModel):
    """Leads to anything."""

    kind = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.UUIDField()
    target = GenericForeignKey("kind", "object_id")
    text = models.CharField(max_length=50)
