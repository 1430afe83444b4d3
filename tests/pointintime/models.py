"""Models whose rows are versions."""

import uuid

from django.db import models

from handleref.pointintime.constraints import CurrentUniqueConstraint
from handleref.pointintime.fields import FrozenForeignKey
from handleref.pointintime.models import PointInTimeModel
from tests.pointintime import relations  # noqa: F401  # more of this app


class Tag(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


class Section(PointInTimeModel):
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


class PointPage(PointInTimeModel):
    """What the contract of versions is tried on; the fields are those of its own Page."""

    KINDS = [("a", "Article"), ("n", "News")]

    title = models.CharField(max_length=50)
    body = models.TextField(default="", blank=True)
    kind = models.CharField(max_length=1, choices=KINDS, default="a")
    price = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    printed = models.DateTimeField(null=True, blank=True)
    extra = models.JSONField(default=dict, blank=True)
    section = models.ForeignKey(Section, models.CASCADE, null=True, blank=True)
    seen = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [CurrentUniqueConstraint(fields=["title"], name="one_current_page_a_title")]

    def __str__(self):
        return self.title


class Article(PointInTimeModel):
    header = models.CharField(max_length=256)
    body = models.TextField(default="", blank=True)

    def __str__(self):
        return self.header


class Note(PointInTimeModel):
    """Its key is known before it is saved."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    text = models.CharField(max_length=50)

    def __str__(self):
        return self.text


class Tariff(PointInTimeModel):
    """What a code costs, and when."""

    code = models.CharField(max_length=20)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    tags = models.ManyToManyField(Tag, blank=True)

    valid_unique = ["code"]

    def __str__(self):
        return f"{self.code}: {self.price}"


class Counter(PointInTimeModel):
    """Nobody overwrites what he has not seen."""

    number = models.IntegerField(default=0)

    optimistic = True

    def __str__(self):
        return str(self.number)


class Citation(models.Model):
    """Stays on the version that it cites."""

    article = FrozenForeignKey(Article)
    article_now = models.ForeignKey(
        Article, models.CASCADE, null=True, related_name="present_citations"
    )

    def __str__(self):
        return f"{self.pk} of {self.article_id}"


class Verdict(PointInTimeModel):
    """A point-in-time row that stays on the version of another."""

    article = FrozenForeignKey(Article, models.CASCADE)
    text = models.CharField(max_length=50, default="")

    def __str__(self):
        return self.text


def free_number():
    """Return a number that no row has as its key."""
    highest = Numbered.records.aggregate(highest=models.Max("number"))["highest"]
    return max(1_000, highest or 0) + 1


class Numbered(PointInTimeModel):
    """Whoever makes one gives it a number; rows that it replaces get one from a function."""

    number = models.IntegerField(primary_key=True, default=free_number)
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name
