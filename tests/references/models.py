"""The models of the references tests: small, and one for each shape."""

import uuid

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models

from handleref.models import (
    HandleRefManager,
    HandleRefModel,
    HandleRefQuerySet,
    LiveUniqueConstraint,
)


class Item(HandleRefModel):
    """The plainest reference model; its own Meta inherits from none."""

    name = models.CharField(max_length=100, default="")
    number = models.IntegerField(default=0)

    class Meta:
        verbose_name = "item"

    def __str__(self):
        return self.name


class ItemProxy(Item):
    class Meta:
        proxy = True


class UuidItem(HandleRefModel):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=100)


class TextItem(HandleRefModel):
    code = models.CharField(max_length=20, primary_key=True)
    name = models.CharField(max_length=100, default="")

    class HandleRef:
        tag = "text"
        colour = "green"


class Pair(HandleRefModel):
    pk = models.CompositePrimaryKey("left", "right")
    left = models.IntegerField()
    right = models.CharField(max_length=20)
    name = models.CharField(max_length=100, default="")


class ShoutingQuerySet(HandleRefQuerySet):
    def loud(self):
        return self.filter(name__endswith="!")


class Custom(HandleRefModel):
    """A model with a manager built from ours."""

    name = models.CharField(max_length=100, default="")

    objects = HandleRefManager.from_queryset(ShoutingQuerySet)()


class Place(HandleRefModel):
    name = models.CharField(max_length=100)

    class HandleRef:
        tag = "place"
        delete_cascade = True


class Cafe(Place):
    """A child table; the stamps are in the parent's."""

    beans = models.CharField(max_length=100)


class Bistro(Cafe):
    """A child table of a child table."""

    menu = models.CharField(max_length=100)


class Catalogue(models.Model):
    """A plain base with a key of its own."""

    catalogue_id = models.BigAutoField(primary_key=True)


class Exhibit(Catalogue, Place):
    """A child table whose own key is not that of the table with the stamps."""

    class HandleRef:
        delete_cascade = ["loans"]


class Loan(HandleRefModel):
    exhibit = models.ForeignKey(Exhibit, models.SET_NULL, null=True, related_name="loans")


class Table(HandleRefModel):
    cafe = models.ForeignKey(Cafe, on_delete=models.CASCADE)


class Org(HandleRefModel):
    """Cascades by name, as in django-handleref."""

    name = models.CharField(max_length=100)

    class HandleRef:
        tag = "organisation"
        delete_cascade = ["nets", "labels"]

    labels = GenericRelation("references_tests.Label")

    def __str__(self):
        return self.name


class Net(HandleRefModel):
    org = models.ForeignKey(Org, models.SET_NULL, null=True, related_name="nets")
    name = models.CharField(max_length=100)

    class HandleRef:
        delete_cascade = ["ports"]


class Port(HandleRefModel):
    net = models.ForeignKey(Net, models.CASCADE, related_name="ports")
    number = models.IntegerField(default=0)


class Company(HandleRefModel):
    """Cascades as on_delete says."""

    code = models.CharField(max_length=20, unique=True)
    labels = GenericRelation("references_tests.Label")

    class HandleRef:
        delete_cascade = True

    def __str__(self):
        return self.code


class Branch(HandleRefModel):
    company = models.ForeignKey(Company, models.CASCADE, related_name="branches")
    name = models.CharField(max_length=100)


class Desk(HandleRefModel):
    branch = models.ForeignKey(Branch, models.CASCADE, related_name="desks")
    owner = models.ForeignKey(Company, models.CASCADE, to_field="code", null=True)


class Car(HandleRefModel):
    branch = models.ForeignKey(Branch, models.SET_NULL, null=True, related_name="cars")


class Contract(HandleRefModel):
    branch = models.ForeignKey(Branch, models.PROTECT, related_name="contracts")


class Lease(models.Model):
    """A plain row that protects."""

    branch = models.ForeignKey(Branch, models.PROTECT)


class Licence(HandleRefModel):
    branch = models.ForeignKey(Branch, models.RESTRICT)
    company = models.ForeignKey(Company, models.CASCADE)


class Memo(models.Model):
    """A plain child, left alone by a soft delete."""

    branch = models.ForeignKey(Branch, models.CASCADE, related_name="memos")


class Label(HandleRefModel):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=50)
    target = GenericForeignKey()
    text = models.CharField(max_length=20)


class UuidParent(HandleRefModel):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    labels = GenericRelation(Label)

    class HandleRef:
        delete_cascade = True


class Node(HandleRefModel):
    """A tree, or a ring."""

    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")
    name = models.CharField(max_length=20)

    class HandleRef:
        delete_cascade = True


class Seat(HandleRefModel):
    """Unique among live rows."""

    branch = models.ForeignKey(Branch, models.CASCADE, null=True, related_name="seats")
    code = models.CharField(max_length=20)
    row = models.IntegerField(default=0)

    class Meta:
        constraints = [LiveUniqueConstraint(fields=["code", "row"], name="seat_code_row")]


class Folder(models.Model):
    """A plain parent: its deletion really deletes, and SET_NULL is counted."""


class Sheet(HandleRefModel):
    folder = models.ForeignKey(Folder, models.SET_NULL, null=True, related_name="sheets")
    binder = models.ForeignKey(
        Folder, models.CASCADE, null=True, related_name="bound", db_constraint=True
    )


class Stem(HandleRefModel):
    class HandleRef:
        delete_cascade = True


class Leaf(HandleRefModel):
    """Left to the database's own cascade, where Django knows one."""

    stem = models.ForeignKey(Stem, getattr(models, "DB_CASCADE", models.CASCADE))
