"""The app of the airports."""

from django.apps import AppConfig


class AirportsConfig(AppConfig):
    """Countries, their airports, and the notes that users write on them."""

    name = "testproj.airports"
    label = "airports"
    default_auto_field = "django.db.models.BigAutoField"
