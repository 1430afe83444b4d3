"""``manage.py handleref_events backfill`` and ``… prune``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.core.management.base import CommandError
from django.db import connections, router

from handleref.commands import Progress, amount, find_models, number
from handleref.events.base import LONGEST_LABEL, Event
from handleref.events.lifecycle.backfill import BACKFILL, BATCH, backfill
from handleref.events.lifecycle.prune import prune
from handleref.events.registry import event_models

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

CENTURY: Final = 36_524
LARGEST: Final = 10_000


class Command(Progress):
    """Writes first events, and removes old ones."""

    help = "Write a first event for rows that have none, or remove old events."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        first = commands.add_parser(
            "backfill",
            help="write a first event for rows that have none; may be stopped and run again",
        )
        first.add_argument("--label", default=BACKFILL, help=f"default: {BACKFILL}")
        old = commands.add_parser("prune", help="remove old events, but for an object's newest")
        old.add_argument(
            "--older-than",
            metavar="DAYS",
            required=True,
            type=number(0, CENTURY),
            help="remove only what is older",
        )
        old.add_argument("--reason", default="", help="why; kept with the record of it")
        old.add_argument("--dry-run", action="store_true", help="report, and write nothing")
        for command in (first, old):
            add_shared(command)

    def handle(self, *, command: str, labels: list[str], **options: Any) -> None:
        for event_model in tracked(labels):
            getattr(self, command)(event_model, options)

    def backfill(self, event_model: type[Event], options: dict[str, Any]) -> None:
        """Write what is missing."""
        label = options["label"]
        if not 0 < len(label) <= LONGEST_LABEL:
            raise CommandError(f"--label takes 1 to {LONGEST_LABEL} characters.")
        model = event_model.hr_tracking.model
        using = options["database"] or router.db_for_write(model)
        rows = model._base_manager.using(using).count()
        name = model._meta.label
        with self.progress(name, rows) as tick:
            written = backfill(
                event_model, using=using, batch_size=options["batch_size"], label=label, tick=tick
            )
        self.stdout.write(f"{name}: {amount(written, 'first event')} written.")

    def prune(self, event_model: type[Event], options: dict[str, Any]) -> None:
        """Remove what is too old."""
        name = event_model._meta.label
        with self.progress(name) as tick:
            removed = prune(
                event_model,
                older_than=timedelta(days=options["older_than"]),
                reason=options["reason"],
                using=options["database"],
                batch_size=options["batch_size"],
                dry_run=options["dry_run"],
                tick=tick,
            )
        self.stdout.write(f"{name}: {amount(removed, 'event')} removed.")
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was written.")


def add_shared(parser: CommandParser) -> None:
    """Declare the arguments that both have."""
    parser.add_argument(
        "labels", metavar="app_label[.Model]", nargs="+", help="tracked models, or their app"
    )
    parser.add_argument("--database", choices=[*connections], help="which database")
    parser.add_argument(
        "--batch-size",
        metavar="ROWS",
        type=number(1, LARGEST),
        default=BATCH,
        help=f"how many rows a transaction takes, 1 to {LARGEST:,} (default: {BATCH:,})",
    )


def tracked(labels: list[str]) -> list[type[Event]]:
    """Return the event models of the models that are named.

    :raises CommandError: for a label that names no tracked model.
    """
    found: dict[type[Event], None] = {}
    for label in labels:
        models = find_models(label)
        events = [each for model in models for each in of(model)]
        if not events:
            raise CommandError(f"{label} is not tracked, so it has no events.")
        found |= dict.fromkeys(events)
    return sorted(found, key=lambda each: each._meta.label)


def of(model: Any) -> list[type[Event]]:
    """Return the event models of a model, or the model itself if it is one."""
    return [model] if issubclass(model, Event) else event_models(model)
