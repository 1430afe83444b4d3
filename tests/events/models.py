"""Tracked models of every shape."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper

from handleref.events.tracking import (
    AllChange,
    AllDontChange,
    AnyChange,
    AnyDontChange,
    Condition,
    Delete,
    DeleteEvent,
    InsertEvent,
    ManualEvent,
    ObjForeignKey,
    Old,
    Row,
    RowEvent,
    Snapshot,
    Update,
    UpdateEvent,
    track,
)


class Shelf(models.Model):
    name = models.CharField(max_length=50)


class Tag(models.Model):
    name = models.CharField(max_length=50)


@track(ManualEvent("checked"), InsertEvent(), UpdateEvent(), DeleteEvent(), m2m=["tags"])
class Book(models.Model):
    """What most models are like."""

    title = models.CharField(max_length=50, unique=True)
    pages = models.IntegerField(default=0, db_column="Page Count")
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    extra = models.JSONField(default=dict)
    cover = models.FileField(upload_to="covers", blank=True)
    shelf = models.ForeignKey(Shelf, models.CASCADE, null=True)
    sequel_to = models.ForeignKey("self", models.SET_NULL, null=True)
    editor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    tags = models.ManyToManyField(Tag)
    loud = models.GeneratedField(
        expression=Upper("title"), output_field=models.CharField(max_length=50), db_persist=True
    )
    created = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)


@track(level=Row)
class RowBook(models.Model):
    """A book that is watched row by row."""

    title = models.CharField(max_length=50, unique=True)
    pages = models.IntegerField(default=0)


@track(Snapshot())
class Leaf(models.Model):
    """As in the seed."""

    int_field = models.IntegerField()
    text_field = models.TextField()


class Stamped(models.Model):
    note = models.TextField(default="")

    class Meta:
        abstract = True


track(UpdateEvent("noted"))(Stamped)


class Left(Stamped):
    pass


class Right(Stamped):
    other = models.TextField(default="")


@track()
class Place(models.Model):
    name = models.CharField(max_length=50)


@track()
class Restaurant(Place):
    """Has two tables, and one timeline."""

    seats = models.IntegerField(default=0)


class Bistro(Restaurant):
    music = models.CharField(max_length=50, default="")


track()(Bistro)


@track()
class Keyed(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    value = models.IntegerField(default=0)


@track()
class Named(models.Model):
    name = models.CharField(max_length=20, primary_key=True)
    value = models.IntegerField(default=0)


@track()
class Pair(models.Model):
    pk = models.CompositePrimaryKey("left", "right")
    left = models.IntegerField()
    right = models.IntegerField()
    value = models.IntegerField(default=0)


@track()
class Odd(models.Model):
    """Names that must be quoted."""

    order = models.IntegerField(default=0, db_column="Or'der by")
    select = models.TextField(default="", db_column="SELECT")

    class Meta:
        db_table = "odd.Schema's Table"


@track(append_only=True)
class Ledger(models.Model):
    amount = models.IntegerField(default=0)


class Conditional(models.Model):
    a = models.IntegerField(default=0)
    b = models.TextField(default="", null=True)
    c = models.DateTimeField(null=True)
    d = models.JSONField(null=True)


track(
    UpdateEvent("any_a", condition=AnyChange("a")),
    UpdateEvent("all_ab", condition=AllChange("a", "b")),
    UpdateEvent("a_or_b_same", condition=AnyDontChange("a", "b")),
    UpdateEvent("ab_same", condition=AllDontChange("a", "b")),
    UpdateEvent("not_b", condition=AnyChange(exclude=["b"])),
    UpdateEvent("up", condition=Q(new__a__gt=F("old__a"))),
    UpdateEvent("up_by_ten", condition=Q(new__a__gte=F("old__a") + 10)),
    UpdateEvent("literal", condition=Q(new__b="OLD.%s 100% 'q' \\ NEW.")),
    UpdateEvent("contains", condition=Q(new__b__contains="50%_")),
    UpdateEvent("mixed", condition=(AnyChange("a") & Q(new__b="x")) | ~Q(old__b="y")),
    UpdateEvent("reversed", condition=Q(new__b="x") & ~AnyChange("a")),
    UpdateEvent("raw", condition=Condition("NEW.a = 2 * OLD.a")),
    UpdateEvent("isnull", condition=Q(new__b__isnull=True)),
    UpdateEvent("among", condition=Q(new__a__in=[1, 2, 3])),
    UpdateEvent("every", condition=None),
    RowEvent("was", operation=Update | Delete, row=Old),
    InsertEvent("big", condition=Q(new__a__gt=100)),
)(Conditional)


class Twice(models.Model):
    title = models.CharField(max_length=50)
    price = models.IntegerField(default=0)


track(fields=["title"])(Twice)
track(
    UpdateEvent("price", condition=AnyChange("price")),
    fields=["price"],
    model_name="TwicePriceEvent",
    obj_field=ObjForeignKey(related_name="price_events"),
)(Twice)


class Owner(models.Model):
    """Is not tracked, and takes what it owns along."""

    name = models.CharField(max_length=50, default="")


class AbstractPiece(models.Model):
    """Has a column of each kind that is easily recorded wrong."""

    code = models.CharField(max_length=30, unique=True)
    note = models.TextField(null=True)
    count = models.IntegerField(default=0)
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    extra = models.JSONField(default=dict)
    owner = models.ForeignKey(Owner, models.CASCADE, null=True, related_name="+")
    lender = models.ForeignKey(Owner, models.SET_NULL, null=True, related_name="+")
    tags = models.ManyToManyField(Tag, related_name="+")

    class Meta:
        abstract = True


@track(m2m=["tags"])
class Piece(AbstractPiece):
    pass


@track(m2m=["tags"], level=Row)
class RowPiece(AbstractPiece):
    pass


class AbstractPart(models.Model):
    """As the walk of the write paths wants it."""

    name = models.CharField(max_length=50, default="")
    number = models.IntegerField(default=0)
    owner = models.ForeignKey(Owner, models.CASCADE, null=True, related_name="+")
    lender = models.ForeignKey(Owner, models.SET_NULL, null=True, related_name="+")

    class Meta:
        abstract = True


@track()
class Part(AbstractPart):
    pass


@track(level=Row)
class RowPart(AbstractPart):
    pass


@track(UpdateEvent("noted"), UpdateEvent("Noted"))
class Cased(models.Model):
    """Has two trackers whose labels differ by their case."""

    value = models.IntegerField(default=0)
