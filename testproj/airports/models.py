"""Countries, their airports, and the notes that users write on them; and rows that are history."""

from django.conf import settings
from django.db import models

from handleref.events.tracking import track
from handleref.models import AbstractStackModel, HandleRefModel
from handleref.pointintime.models import PointInTimeModel


class Country(HandleRefModel):
    """A country, by its code of ISO 3166; its airports are deleted with it."""

    code = models.CharField("code", max_length=2, primary_key=True)
    name = models.CharField("name", max_length=80)

    class Meta:
        verbose_name_plural = "countries"

    class HandleRef:
        delete_cascade = ["airports"]

    def __str__(self) -> str:
        return self.name


@track()
class Airport(HandleRefModel):
    """An airport or landing strip; its notes are deleted with it."""

    # Among deleted rows too, so no LiveUniqueConstraint: what comes back is the
    # row that went, and is restored with its history and its notes.
    icao = models.CharField("ICAO code", max_length=4, unique=True)
    iata = models.CharField("IATA code", max_length=3, blank=True)
    name = models.CharField("name", max_length=100)
    city = models.CharField("city", max_length=80, blank=True)
    subdivision = models.CharField("subdivision", max_length=80, blank=True)
    country = models.ForeignKey(
        Country, models.CASCADE, related_name="airports", verbose_name="country"
    )
    elevation = models.DecimalField("elevation in feet", max_digits=7, decimal_places=2)
    # With fewer decimals, most changes between two releases would not show.
    latitude = models.DecimalField("latitude", max_digits=8, decimal_places=6)
    longitude = models.DecimalField("longitude", max_digits=9, decimal_places=6)
    time_zone = models.CharField("time zone", max_length=40)
    local_code = models.CharField("local code", max_length=8, blank=True)

    class HandleRef:
        delete_cascade = ["notes"]
        # Events are kept as well; history() is to tell what django-reversion has.
        keeper = "revisions"

    def __str__(self) -> str:
        return f"{self.icao} {self.name}"


class Note(HandleRefModel):
    """What a user has to say about an airport."""

    airport = models.ForeignKey(
        Airport, models.CASCADE, related_name="notes", verbose_name="airport"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="airport_notes",
        verbose_name="author",
    )
    text = models.TextField("text")

    def __str__(self) -> str:
        return self.text


class Position(PointInTimeModel):
    """Where an airport is, as the releases say: what was known, and when it was true."""

    icao = models.CharField("ICAO code", max_length=4, db_index=True)
    name = models.CharField("name", max_length=100)
    elevation = models.DecimalField("elevation in feet", max_digits=7, decimal_places=2)
    latitude = models.DecimalField("latitude", max_digits=8, decimal_places=6)
    longitude = models.DecimalField("longitude", max_digits=9, decimal_places=6)

    def __str__(self) -> str:
        return f"{self.icao} {self.name}"


class Notice(AbstractStackModel):
    """What airmen must know of an airport; each issue of a notice is a row."""

    icao = models.CharField("ICAO code", max_length=4, db_index=True)
    text = models.TextField("text")

    def __str__(self) -> str:
        return f"{self.icao}: {self.text}"
