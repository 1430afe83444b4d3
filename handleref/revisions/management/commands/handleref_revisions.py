"""``manage.py handleref_revisions initial`` and ``… prune``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from reversion import get_registered_models

from handleref.commands import Progress, amount, find_model, find_models, number
from handleref.references.base import is_reference
from handleref.revisions.lifecycle.base import BATCH, LARGEST
from handleref.revisions.lifecycle.initial import COMMENT, write_first_versions, write_records
from handleref.revisions.lifecycle.prune import prune
from handleref.revisions.models import Anchor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.core.management.base import CommandParser
    from django.db.models import Model

LABEL = "app_label[.Model]"
CENTURY = 36_524


class Command(Progress):
    """Writes first versions, and removes old ones."""

    help = "Write a first version for rows that have none, or remove old versions."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        add_initial(
            commands.add_parser(
                "initial",
                help="write a first version for rows that have none; may be stopped and run again",
            )
        )
        add_prune(commands.add_parser("prune", help="remove old versions, within bounds"))

    def handle(self, *, command: str, labels: list[str], **options: Any) -> None:
        shared = {name: options[name] for name in ("database", "using", "batch_size")}
        if command == "initial":
            self.initial(labels, options["comment"], shared)
        else:
            self.prune(labels, options, shared)

    def initial(self, labels: list[str], comment: str, shared: dict[str, Any]) -> None:
        """Write what is missing, model by model."""
        for model in first_tables_last(registered(labels)):
            name = model._meta.label
            versions = 0
            if labels or is_reference(model):
                rows = model._base_manager.using(shared["database"]).count()
                with self.progress(name, rows) as tick:
                    versions = write_first_versions(model, comment=comment, tick=tick, **shared)
                self.stdout.write(f"{name}: {amount(versions, 'first version')} written.")
            with self.progress(name) as tick:
                records = write_records(model, tick=tick, **shared)
            if records:
                self.stdout.write(
                    f"{name}: the changes of {amount(records, 'earlier version')} written down."
                )

    def prune(self, labels: list[str], options: dict[str, Any], shared: dict[str, Any]) -> None:
        """Remove what is beyond the bounds."""
        days, keep = options["older_than"], options["keep"]
        if days is None and not keep:
            raise CommandError(
                "There is no bound: give --older-than DAYS, --keep N (at least 1), or both."
            )
        with self.progress("versions") as tick:
            pruned = prune(
                [find_model(label) for label in labels],
                older_than=None if days is None else timedelta(days=days),
                keep=keep,
                dry_run=options["dry_run"],
                tick=tick,
                **shared,
            )
        for each in pruned.models:
            place = "" if each.database == DEFAULT_DB_ALIAS else f" ({each.database})"
            self.stdout.write(
                f"{each.model}{place}: {amount(each.versions, 'version')} of"
                f" {amount(each.objects, 'object')} removed, {each.kept:,} kept."
            )
        self.stdout.write(f"{amount(pruned.revisions, 'revision')} removed, left without versions.")
        if options["dry_run"]:
            self.stdout.write("This was a dry run: nothing was written.")


def add_initial(parser: CommandParser) -> None:
    """Declare the arguments of ``initial``."""
    parser.add_argument(
        "labels",
        metavar=LABEL,
        nargs="*",
        help="registered models (default: every HandleRefModel that is)",
    )
    parser.add_argument("--comment", default=COMMENT, help=f'default: "{COMMENT}"')
    add_shared(parser)


def add_prune(parser: CommandParser) -> None:
    """Declare the arguments of ``prune``."""
    parser.add_argument(
        "--older-than",
        metavar="DAYS",
        type=number(0, CENTURY),
        help="remove only what is older",
    )
    parser.add_argument(
        "--keep",
        metavar="N",
        type=number(0),
        help="keep the newest N versions of each object (default with --older-than: 1)",
    )
    parser.add_argument(
        "--model",
        metavar="app_label.Model",
        dest="labels",
        action="append",
        default=[],
        help="only versions of this model; may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="report, and write nothing")
    add_shared(parser)


def add_shared(parser: CommandParser) -> None:
    """Declare the arguments that both have."""
    aliases = [*connections]
    parser.add_argument("--database", choices=aliases, help="the database that has the objects")
    parser.add_argument("--using", choices=aliases, help="the database that has the versions")
    parser.add_argument(
        "--batch-size",
        metavar="ROWS",
        type=number(1, LARGEST),
        default=BATCH,
        help=f"how many rows a transaction takes, 1 to {LARGEST:,} (default: {BATCH:,})",
    )


def registered(labels: Iterable[str]) -> set[type[Model]]:
    """Return the registered models that are named, or all."""
    known = {*get_registered_models()} - {Anchor}
    return {model for label in labels for model in named(label, known)} if labels else known


def named(label: str, known: set[type[Model]]) -> set[type[Model]]:
    """Return the registered models that an app has, or one model.

    :raises CommandError: when there is none.
    """
    models: set[type[Model]] = find_models(label)
    if not models & known:
        raise CommandError(f"{label} is not registered with django-reversion.")
    return models & known


def first_tables_last(models: Iterable[type[Model]]) -> list[type[Model]]:
    """Return child tables before their bases, whose versions come along with theirs."""
    return sorted(models, key=lambda model: (-len(model._meta.all_parents), model._meta.label))
