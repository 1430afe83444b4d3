"""``manage.py handleref_pointintime adopt``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.core.management.base import CommandError
from django.db import connections, router

from handleref.commands import Progress, amount, find_model, number
from handleref.pointintime.base import is_point_in_time
from handleref.pointintime.lifecycle.adopt import BATCH, adopt, waiting

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

LARGEST: Final = 10_000


class Command(Progress):
    """Makes versions of the rows of tables that were there before."""

    help = "Make versions of the rows of a table that was there before it was point-in-time."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        command = commands.add_parser(
            "adopt", help="adopt rows that are no versions yet; may be stopped and run again"
        )
        command.add_argument(
            "labels", metavar="app_label.Model", nargs="+", help="point-in-time models"
        )
        command.add_argument("--database", choices=[*connections], help="which database")
        command.add_argument("--dry-run", action="store_true", help="report, and write nothing")
        command.add_argument(
            "--batch-size",
            metavar="OBJECTS",
            type=number(1, LARGEST),
            default=BATCH,
            help=f"how many objects a transaction takes, 1 to {LARGEST:,} (default: {BATCH:,})",
        )

    def handle(self, *, labels: list[str], **options: Any) -> None:
        models = [find_model(label) for label in labels]
        for model in models:
            if not is_point_in_time(model):
                raise CommandError(f"{model._meta.label} is no PointInTimeModel.")
        for model in models:
            self.adopt(model, options)
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was written.")

    def adopt(self, model: Any, options: dict[str, Any]) -> None:
        """Adopt the rows of one model."""
        using = options["database"] or router.db_for_write(model)
        name = model._meta.label
        with self.progress(name, waiting(model, using)) as tick:
            try:
                done = adopt(
                    model,
                    using=using,
                    batch_size=options["batch_size"],
                    dry_run=options["dry_run"],
                    tick=tick,
                )
            except ValueError as error:
                raise CommandError(str(error)) from error
        self.stdout.write(f"{name}: {amount(done, 'row')} adopted.")
