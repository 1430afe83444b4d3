"""``manage.py handleref_triggers ls | install | uninstall | enable | disable | prune | sql``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections

from handleref.commands import amount
from handleref.triggers import installation
from handleref.triggers.dialects import dialect_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.core.management.base import CommandParser

LABEL: Final = "app_label[.Model[:label]]"
COMMANDS: Final = {
    "ls": "list every trigger and what has become of it",
    "install": "create what is missing, and bring up to date what is outdated",
    "uninstall": "remove triggers, with their functions",
    "enable": "switch disabled triggers on",
    "disable": "switch triggers off, for every program that writes, until enabled",
    "prune": "remove triggers and functions of ours that nothing declares",
    "sql": "print what an administrator would run to install every trigger",
}
DONE: Final = {
    "install": "Installed",
    "uninstall": "Removed",
    "enable": "Enabled",
    "disable": "Disabled",
    "prune": "Removed",
}


class Command(BaseCommand):
    """Shows and changes which triggers a database has."""

    help = "List, install, remove, enable or disable the triggers that models declare."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        for name, text in COMMANDS.items():
            command = commands.add_parser(name, help=text)
            if name != "prune":
                command.add_argument(
                    "labels", metavar=LABEL, nargs="*", help="whose triggers (default: all)"
                )
            command.add_argument(
                "--database",
                choices=[*connections],
                default=DEFAULT_DB_ALIAS,
                help="which database",
            )

    def handle(self, *, command: str, database: str, **options: Any) -> None:
        if dialect_of(connections[database]) is None:
            raise CommandError(f"{connections[database].display_name} has no triggers of ours.")
        targets = options.get("labels") or ()
        check(database, targets)
        if command == "ls":
            self.list(database, targets)
        elif command == "sql":
            self.print_sql(database, targets)
        elif command == "prune":
            self.tell(command, installation.prune(database))
        else:
            self.tell(command, getattr(installation, command)(database, targets))

    def list(self, database: str, targets: Collection[str]) -> None:
        """Print a line for each trigger."""
        rows = installation.status(database, targets)
        width = max((len(row.state) for row in rows), default=0)
        for row in rows:
            declared = row.model or "nothing declares it"
            self.stdout.write(f"{row.state:{width}}  {row.name} on {row.table} ({declared})")
        if not rows:
            self.stdout.write("There are no triggers.")

    def print_sql(self, database: str, targets: Collection[str]) -> None:
        """Print the statements as the database's own client reads them."""
        dialect: Any = dialect_of(connections[database])
        for line in dialect.script(installation.script(database, targets)):
            self.stdout.write(line)

    def tell(self, command: str, rows: Collection[installation.Status]) -> None:
        """Print what was done."""
        for row in rows:
            self.stdout.write(f"{DONE[command]} {row.name} on {row.table}.")
        self.stdout.write(f"{amount(len(rows), 'trigger')} changed.")


def check(database: str, targets: Collection[str]) -> None:
    """Refuse names that mean no trigger.

    :raises CommandError: quoting it.
    """
    for target in targets:
        try:
            found = installation.declared(database, targets=[target])
        except ValueError as error:
            raise CommandError(str(error)) from error
        if not found:
            raise CommandError(f"{target} has no triggers: is it tracked?")
