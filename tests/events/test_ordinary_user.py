"""MariaDB with the binary log on, and a user who owns no more than a database.

A server of our own is started for it, where the binaries are installed.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import connection, connections

from handleref.triggers.checks import check_installed
from handleref.triggers.installation import status
from tests.events.models import Leaf, LeafEvent

BINARIES = ("mariadbd", "mariadb-install-db", "mariadb")
GRANTS = """
CREATE DATABASE ordinary CHARACTER SET utf8mb4;
CREATE USER ordinary@localhost IDENTIFIED BY 'ordinary';
GRANT ALL ON ordinary.* TO ordinary@localhost;
"""


class Server:
    """A MariaDB in a folder, reached through its socket."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.socket = self.folder / "socket"
        data = f"--datadir={self.folder}/data"
        subprocess.run(
            [
                *("mariadb-install-db", "--no-defaults", data, "--skip-test-db", "--user=root"),
                "--auth-root-authentication-method=normal",
            ],
            check=True,
            capture_output=True,
        )
        self.process = subprocess.Popen(
            [
                *("mariadbd", "--no-defaults", data, f"--socket={self.socket}", "--user=root"),
                *("--skip-networking", "--log-bin=log", f"--pid-file={self.folder}/pid"),
                "--innodb-buffer-pool-size=32M",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.wait()

    def wait(self):
        for _ in range(120):
            try:
                self.root("SELECT 1")
            except subprocess.CalledProcessError:
                time.sleep(0.25)
            else:
                return
        raise TimeoutError("mariadbd does not answer.")

    def root(self, sql, database="mysql"):
        """Run statements as an administrator would, with the server's own client."""
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", database]
        subprocess.run(command, input=sql, text=True, check=True, capture_output=True)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def server():
    if connection.vendor != "mysql" or not all(map(shutil.which, BINARIES)):
        pytest.skip("This is about MariaDB, and needs its server installed here.")
    with tempfile.TemporaryDirectory(prefix="handleref-mariadb-") as folder:
        server = Server(folder)
        try:
            server.root(GRANTS)
            yield server
        finally:
            server.stop()


@pytest.fixture
def ordinary(server, django_db_blocker, capsys):
    """A database of an ordinary user, just migrated; what was said stands beside."""
    server.root("DROP DATABASE ordinary; CREATE DATABASE ordinary CHARACTER SET utf8mb4;")
    server.root("SET GLOBAL log_bin_trust_function_creators = 0;")
    entry = {**connections.settings["default"], "NAME": "ordinary", "PASSWORD": "ordinary"}
    entry |= {"USER": "ordinary", "HOST": str(server.socket), "PORT": ""}
    connections.settings["ordinary"] = entry
    with django_db_blocker.unblock():
        call_command("migrate", database="ordinary", run_syncdb=True, verbosity=0)
        yield SimpleNamespace(server=server, said=capsys.readouterr().err)
        connections["ordinary"].close()
    del connections.settings["ordinary"], connections["ordinary"]


def problems():
    found = check_installed(databases=["ordinary"])
    return {each.id: each for each in found}


def states():
    return {row.state for row in status("ordinary")}


def record():
    Leaf.objects.using("ordinary").create(int_field=1, text_field="x")
    return LeafEvent.objects.using("ordinary").count()


def test_migrations_pass_and_a_check_names_the_two_ways_out(ordinary):
    found = problems()

    assert "`manage.py check --database` tells the two ways out." in ordinary.said
    assert (states(), record()) == ({"missing"}, 0)
    assert {*found} == {"handleref.W014", "handleref.W016"}
    assert (found["handleref.W016"].msg, found["handleref.W016"].hint) == (
        "The server of 'ordinary' writes a binary log and lets no ordinary user create triggers.",
        (
            "Either set log_bin_trust_function_creators = 1 on the server, and run manage.py"
            " handleref_triggers install --database ordinary; or let an administrator run what"
            " manage.py handleref_triggers sql --database ordinary prints."
        ),
    )


def test_one_way_is_to_trust_the_user(ordinary):
    ordinary.server.root("SET GLOBAL log_bin_trust_function_creators = 1;")

    call_command("handleref_triggers", "install", database="ordinary")

    assert (states(), problems(), record()) == ({"installed"}, {}, 1)


def test_the_other_is_to_ask_an_administrator(ordinary, capsys):
    call_command("handleref_triggers", "sql", database="ordinary")

    ordinary.server.root(capsys.readouterr().out, "ordinary")

    assert (states(), problems(), record()) == ({"installed"}, {}, 1)
