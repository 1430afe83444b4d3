"""Models whose rows are stacked versions, and what refers to them."""

import uuid

from django.db import models
from django.db.models.functions import Upper

from handleref.stacks.constraints import LatestUniqueConstraint
from handleref.stacks.fields import LatestForeignKey
from handleref.stacks.managers import StackManager
from handleref.stacks.models import AbstractStackModel
from tests.versions.models import Section, Tag


class StackPage(AbstractStackModel):
    """What the contract of versions is tried on; the fields are those of its own Page."""

    KINDS = [("a", "Article"), ("n", "News")]

    title = models.CharField(max_length=50)
    body = models.TextField(default="", blank=True)
    kind = models.CharField(max_length=1, choices=KINDS, default="a")
    price = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    printed = models.DateTimeField(null=True, blank=True)
    extra = models.JSONField(default=dict, blank=True)
    # Old versions go on saying which section they were in, whatever becomes of it.
    section = models.ForeignKey(
        Section, models.DO_NOTHING, null=True, blank=True, db_constraint=False
    )
    tags = models.ManyToManyField(Tag, blank=True)
    seen = models.DateTimeField(auto_now=True)

    class Meta(AbstractStackModel.Meta):
        constraints = [LatestUniqueConstraint(fields=["title"], name="stack_page_title")]

    def __str__(self):
        return self.title


class MySampleModel(AbstractStackModel):
    """That of the document of django-stackstore-model."""

    title = models.CharField(max_length=50)
    body = models.TextField()


class Counter(AbstractStackModel):
    """As plain as can be, with a Meta that inherits nothing."""

    name = models.CharField(max_length=50)
    count = models.IntegerField(default=0)
    born = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "counter"


class ProxyCounter(Counter):
    class Meta:
        proxy = True


class Note(AbstractStackModel):
    """Its keys are made in Python, in no order."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    text = models.CharField(max_length=50)
    count = models.IntegerField(default=0)
    tags = models.ManyToManyField(Tag)


class Quiet(AbstractStackModel):
    """Makes no versions of what has not changed."""

    stack_skip_unchanged = True

    name = models.CharField(max_length=50, null=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    extra = models.JSONField(default=dict)
    section = models.ForeignKey(Section, models.SET_NULL, null=True)
    seen = models.DateTimeField(auto_now=True)


class News(AbstractStackModel):
    """Has a field that is called as an accessor is."""

    latest = models.CharField(max_length=50)


class PublishedManager(StackManager):
    def get_queryset(self):
        return super().get_queryset().filter(published=True)


class Chapter(AbstractStackModel):
    """Has what is odd: a manager that hides, fields that the database fills, a file."""

    name = models.CharField(max_length=50)
    published = models.BooleanField(default=True)
    shout = models.GeneratedField(
        expression=Upper("name"), output_field=models.CharField(max_length=50), db_persist=True
    )
    pages = models.IntegerField(db_default=7)
    scan = models.FileField(null=True)
    parent = LatestForeignKey("self", models.SET_NULL, null=True, related_name="children")
    author = models.ForeignKey("Author", models.CASCADE, null=True)

    objects = PublishedManager()
    everything = StackManager()


class Author(models.Model):
    name = models.CharField(max_length=50)


class Person(AbstractStackModel):
    """Refers to itself in every way that many-to-many fields have."""

    name = models.CharField(max_length=50)
    friends = models.ManyToManyField("self")
    fans = models.ManyToManyField("self", symmetrical=False, related_name="idols")
    clubs = models.ManyToManyField("Club", through="Membership")


class Club(models.Model):
    name = models.CharField(max_length=50)


class Membership(models.Model):
    """A link that follows the latest version of a person."""

    person = LatestForeignKey(Person, models.CASCADE)
    club = models.ForeignKey(Club, models.CASCADE)


class Comment(models.Model):
    """Stays on the version that it was made for."""

    page = models.ForeignKey(StackPage, models.CASCADE, related_name="comments")


class Link(models.Model):
    """Follows the latest version."""

    name = models.CharField(max_length=50)
    page = LatestForeignKey(StackPage, models.CASCADE, related_name="links")


class Pin(models.Model):
    page = LatestForeignKey(StackPage, models.PROTECT, related_name="pins")


class Bookmark(models.Model):
    name = models.CharField(max_length=50, default="")
    page = LatestForeignKey(
        StackPage, models.SET_NULL, null=True, blank=True, limit_choices_to={"kind": "a"}
    )
