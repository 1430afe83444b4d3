"""``manage.py load_airports 20260905``."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from testproj.airports.loading import load
from testproj.airports.models import Airport
from testproj.airports.reading import ReleaseError, find, survey
from testproj.airports.terminal import progress


class Command(BaseCommand):
    """Loads a release, and says in one line what became of the rows."""

    help = (
        "Make the table of airports equal to a release: create what is new, update what"
        " differs, soft-delete what is gone, restore what came back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("release", help="20231230, 20250224, 20260905, or the path of a csv.gz")

    def handle(self, *, release: str, **options: Any) -> None:
        if Airport._meta.db_table not in connection.introspection.table_names():
            raise CommandError("There are no tables yet: python testproj/manage.py migrate")
        try:
            found = survey(find(release))
            with progress(found.rows, self.stdout) as tick:
                summary = load(found, tick)
        except ReleaseError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{release}: {summary}.")
