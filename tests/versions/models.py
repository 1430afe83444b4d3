"""What the contract is tried on: a model of every kind of field, and one keeper's own rows."""

from django.conf import settings
from django.db import models

from handleref.events.tracking import track
from handleref.models import HandleRefModel


class Section(HandleRefModel):
    name = models.CharField(max_length=50)

    class HandleRef:
        delete_cascade = True

    def __str__(self):
        return self.name


class Tag(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


@track(m2m=["tags"])
class Page(HandleRefModel):
    KINDS = [("a", "Article"), ("n", "News")]

    title = models.CharField(max_length=50, unique=True)
    body = models.TextField(default="", blank=True)
    kind = models.CharField(max_length=1, choices=KINDS, default="a")
    price = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    printed = models.DateTimeField(null=True, blank=True)
    extra = models.JSONField(default=dict, blank=True)
    section = models.ForeignKey(Section, models.CASCADE, null=True, blank=True)
    tags = models.ManyToManyField(Tag, blank=True)
    seen = models.DateTimeField(auto_now=True)

    def __str__(self):
        return self.title


# Has forty fields, all of which may change at once.
Wide = type(
    "Wide",
    (HandleRefModel,),
    {f"field_{n}": models.CharField(max_length=9, default="") for n in range(40)}
    | {"__module__": __name__},
)


class PageRow(models.Model):
    """A row of the ledger: what a page was, in columns of the same types."""

    page_id = models.BigIntegerField(db_index=True)
    written_at = models.DateTimeField()
    written_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    reason = models.TextField()
    gone = models.BooleanField(default=False)
    changed = models.TextField(default="")
    reverted_from = models.BigIntegerField(null=True)

    created = models.DateTimeField()
    updated = models.DateTimeField()
    status = models.CharField(max_length=255)
    version = models.IntegerField()
    title = models.CharField(max_length=50)
    body = models.TextField()
    kind = models.CharField(max_length=1)
    price = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    printed = models.DateTimeField(null=True)
    extra = models.JSONField()
    section_id = models.BigIntegerField(null=True)
    tags = models.JSONField()
