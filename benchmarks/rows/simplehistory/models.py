"""The rows of django-simple-history, with everybody's columns and a table of versions."""

from simple_history.models import HistoricalRecords

from benchmarks.rows.columns import Located, Stamps


class Place(Located, Stamps):
    """A row whose every save is kept."""

    history = HistoricalRecords()
