"""``manage.py handleref_stacks adopt``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.core.management.base import CommandError
from django.db import connections, router

from handleref.commands import Progress, amount, find_model, number
from handleref.stacks.base import is_stack
from handleref.stacks.lifecycle.adopt import BATCH, adopt, waiting

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

LARGEST: Final = 10_000


class Command(Progress):
    """Numbers the rows of tables that were there before they were stacks."""

    help = "Number the rows of a table that was there before it was a stack."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        command = commands.add_parser(
            "adopt", help="number rows that have no number; may be stopped and run again"
        )
        command.add_argument(
            "labels", metavar="app_label.Model", nargs="+", help="models that are stacks"
        )
        which = command.add_mutually_exclusive_group()
        which.add_argument(
            "--separate", action="store_true", help="each row becomes a stack of its own"
        )
        which.add_argument(
            "--together",
            action="store_true",
            help="rows with one stack_group_uuid are versions, even if it is the only one",
        )
        command.add_argument("--database", choices=[*connections], help="which database")
        command.add_argument(
            "--batch-size",
            metavar="STACKS",
            type=number(1, LARGEST),
            default=BATCH,
            help=f"how many stacks a transaction takes, 1 to {LARGEST:,} (default: {BATCH:,})",
        )

    def handle(self, *, labels: list[str], **options: Any) -> None:
        models = [find_model(label) for label in labels]
        for model in models:
            if not is_stack(model):
                raise CommandError(f"{model._meta.label} is no AbstractStackModel.")
        for model in models:
            self.adopt(model, options)

    def adopt(self, model: Any, options: dict[str, Any]) -> None:
        """Number the rows of one model."""
        using = options["database"] or router.db_for_write(model)
        separate = True if options["separate"] else (False if options["together"] else None)
        name = model._meta.label
        with self.progress(name, waiting(model, using).count()) as tick:
            try:
                done = adopt(
                    model,
                    separate=separate,
                    using=using,
                    batch_size=options["batch_size"],
                    tick=tick,
                )
            except ValueError as error:
                raise CommandError(str(error)) from error
        self.stdout.write(f"{name}: {amount(done, 'row')} numbered.")
