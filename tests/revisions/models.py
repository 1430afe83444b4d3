"""The models of the revisions tests: small, and one for each shape."""

from uuid import uuid4

import reversion
from django.db import models
from django.db.models.functions import Length

from handleref.models import HandleRefModel

# Those of Django 6.1; the others do the same, and tell of it.
DB_CASCADE = getattr(models, "DB_CASCADE", models.CASCADE)
DB_SET_NULL = getattr(models, "DB_SET_NULL", models.SET_NULL)


class ByName(models.QuerySet):
    def get_by_natural_key(self, name):
        return self.get(name=name)


class Tag(HandleRefModel):
    name = models.CharField(max_length=20)

    def __str__(self):
        return self.name


class City(HandleRefModel):
    """The model of the django-handleref README, and one field of each kind."""

    name = models.CharField(max_length=100, default="")
    number = models.IntegerField(default=0)
    price = models.DecimalField(max_digits=20, decimal_places=6, default=0)
    moment = models.DateTimeField(null=True)
    span = models.DurationField(null=True)
    extra = models.JSONField(default=dict)
    tags = models.ManyToManyField(Tag, related_name="cities")
    twins = models.ManyToManyField("self")

    def __str__(self):
        return self.name


class Ticket(models.Model):
    """What a project keeps of a revision, as ``reversion.add_meta()`` writes it."""

    revision = models.ForeignKey("reversion.Revision", models.CASCADE)
    number = models.IntegerField(default=0)


class Realm(HandleRefModel):
    """Takes its provinces along."""

    name = models.CharField(max_length=100)

    class HandleRef:
        delete_cascade = ["provinces"]

    def __str__(self):
        return self.name


class Province(HandleRefModel):
    """Its name asks for its realm's."""

    realm = models.ForeignKey(Realm, models.SET_NULL, null=True, related_name="provinces")
    name = models.CharField(max_length=100, default="")

    def __str__(self):
        return f"{self.name}, {self.realm}"


class Venue(HandleRefModel):
    name = models.CharField(max_length=100)
    tags = models.ManyToManyField(Tag, related_name="venues")


class Hall(Venue):
    seats = models.IntegerField(default=0)


class Arena(Hall):
    roof = models.BooleanField(default=False)


class Building(models.Model):
    """A plain base with a key of its own."""

    building_id = models.BigAutoField(primary_key=True)
    floors = models.IntegerField(default=1)


class Museum(Building, HandleRefModel):
    name = models.CharField(max_length=100)


class Secret(HandleRefModel):
    """Opted out."""

    class HandleRef:
        revisions = False


class Lot(HandleRefModel):
    """A composite key, and nothing else to name a row by."""

    pk = models.CompositePrimaryKey("left", "right")
    left = models.IntegerField()
    right = models.IntegerField()


class Parcel(HandleRefModel):
    """A composite key, and a field to name a row by."""

    pk = models.CompositePrimaryKey("left", "right")
    left = models.IntegerField()
    right = models.IntegerField()
    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=20, default="")

    class HandleRef:
        revisions = {"object_id_field": "code"}


class Quiet(HandleRefModel):
    """Has versions only of what changed, and not of everything."""

    name = models.CharField(max_length=20)
    password = models.CharField(max_length=20)

    class HandleRef:
        revisions = {"ignore_duplicates": True, "exclude": ["password"]}


@reversion.register(fields=["name"])
class Chosen(HandleRefModel):
    """Registered by hand, in another way than we would."""

    name = models.CharField(max_length=20)
    number = models.IntegerField(default=0)


@reversion.register()
class Memo(models.Model):
    """A plain model of reversion's."""

    text = models.CharField(max_length=20)
    moment = models.DateTimeField(null=True)


class Team(HandleRefModel):
    """Follows forwards, back, and by a method."""

    name = models.CharField(max_length=20)
    memo = models.ForeignKey(Memo, models.CASCADE, null=True)
    tags = models.ManyToManyField(Tag)

    class HandleRef:
        revisions = {"follow": ["memo", "players", "first_player", "captain"]}

    @property
    def first_player(self):
        return self.players.order_by("pk").first()


class Player(HandleRefModel):
    team = models.ForeignKey(Team, models.CASCADE, null=True, related_name="players")
    name = models.CharField(max_length=20)


class Captain(HandleRefModel):
    team = models.OneToOneField(Team, models.CASCADE, related_name="captain")


class Owner(models.Model):
    """A plain parent, whose deletion really deletes."""


class Pet(HandleRefModel):
    owner = models.ForeignKey(Owner, models.CASCADE, null=True, related_name="pets")
    name = models.CharField(max_length=20)
    tags = models.ManyToManyField(Tag)


class LoudPet(Pet):
    class Meta:
        proxy = True


class Leaflet(HandleRefModel):
    """Kept in another format than JSON."""

    name = models.CharField(max_length=20)
    moment = models.DateTimeField(null=True)
    tags = models.ManyToManyField(Tag)

    class HandleRef:
        revisions = {"format": "xml"}


class Measured(HandleRefModel):
    """Has a column that the database computes."""

    name = models.CharField(max_length=20)
    size = models.GeneratedField(
        expression=Length("name"), output_field=models.IntegerField(), db_persist=True
    )


class Unmarked(HandleRefModel):
    """Its versions do not tell whether it was deleted."""

    name = models.CharField(max_length=20)

    class HandleRef:
        revisions = {"exclude": ["status"]}


class Ingredient(models.Model):
    """Is named by its name and not by its key."""

    name = models.CharField(max_length=20, unique=True)

    objects = models.Manager.from_queryset(ByName)()

    def natural_key(self):
        return (self.name,)


class Recipe(HandleRefModel):
    base = models.ForeignKey(Ingredient, models.SET_NULL, null=True)

    class HandleRef:
        revisions = {"use_natural_foreign_keys": True}


class Shelf(models.Model):
    """A plain parent, whose children the database deletes by itself, where it can."""


class Book(HandleRefModel):
    code = models.CharField(max_length=20, unique=True)
    shelf = models.ForeignKey(Shelf, DB_CASCADE, null=True, related_name="+")
    sequel_of = models.ForeignKey("self", DB_CASCADE, null=True, related_name="+")


class Gloss(HandleRefModel):
    book = models.ForeignKey(Book, DB_CASCADE, to_field="code", related_name="+")


class Bookmark(HandleRefModel):
    book = models.ForeignKey(Book, DB_SET_NULL, null=True, related_name="+")


class ProxyShelf(Shelf):
    class Meta:
        proxy = True


class ProxyBook(Book):
    class Meta:
        proxy = True


class ProxyTag(Tag):
    class Meta:
        proxy = True


class Pamphlet(HandleRefModel):
    """Points at proxies, as far as Django lets it."""

    shelf = models.ForeignKey(ProxyShelf, DB_CASCADE, null=True, related_name="+")
    book = models.ForeignKey(ProxyBook, DB_CASCADE, null=True, related_name="+")


class Poster(HandleRefModel):
    tags = models.ManyToManyField(ProxyTag)


class Stamp(models.Model):
    """Nobody keeps it, and nothing hangs on it."""

    shelf = models.ForeignKey(Shelf, DB_CASCADE, related_name="+")


class Token(HandleRefModel):
    """A key that some databases give back as a text."""

    id = models.UUIDField(primary_key=True, default=uuid4)
    code = models.CharField(max_length=20, unique=True)


class Pass(HandleRefModel):
    """Such a key in two columns."""

    pk = models.CompositePrimaryKey("holder", "number")
    holder = models.UUIDField(default=uuid4)
    number = models.IntegerField(default=1)
    code = models.CharField(max_length=20, unique=True)

    class HandleRef:
        revisions = {"object_id_field": "code"}
