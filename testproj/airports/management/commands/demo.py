"""``manage.py demo``: watch 28,000 airports change, then browse them."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from testproj.airports.demo import CHAPTERS
from testproj.airports.demo.telling import MismatchError, Teller
from testproj.airports.serving import HOST, PortError, check_port, port_number, serve

LOGIN = "demo"


class Command(BaseCommand):
    """Tells the chapters of the demo, each on what those before it have left."""

    help = "Take a database of its own through two years of changes, then serve the admin."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="end after the changes")
        parser.add_argument(
            "--port", type=port_number, default=8000, help="where to serve (default: 8000)"
        )

    def handle(self, *, no_serve: bool, port: int, **options: Any) -> None:
        try:
            if not no_serve:
                check_port(port)
            start_anew(settings.DEMO_DATABASE)
            self.tell()
            if not no_serve:
                serve(port, lambda: self.announce(port))
        except PortError as error:
            raise CommandError(
                f'{error} Choose another one: make demo DEMO_ARGS="--port {port + 1}"'
            ) from error
        except MismatchError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted.", returncode=130) from None

    def tell(self) -> None:
        """Tell chapter after chapter."""
        teller = Teller(self.stdout)
        for number, (heading, chapter) in enumerate(CHAPTERS, 1):
            teller.head(f"{number}. {heading}")
            chapter(teller)

    def announce(self, port: int) -> None:
        """Say where to look."""
        self.stdout.write(
            f"\nThe admin is at http://{HOST}:{port}\n"
            f"Log in as {LOGIN}, with the password {LOGIN}. Ctrl-C ends.\n"
        )
        self.stdout.flush()


def start_anew(path: Path) -> None:
    """Make the demo's database anew, with nobody in it but a superuser.

    The connection is pointed at another file as Django's test runner does it.
    """
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    connection.close()
    connection.settings_dict["NAME"] = str(path)
    call_command("migrate", verbosity=0)
    get_user_model().objects.create_superuser(LOGIN, password=LOGIN)
