"""The demo: what it shows, what it checks, and where it serves."""

import http.cookiejar
import io
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from handleref.revisions.models import Record
from testproj.airports.demo import references, versions
from testproj.airports.demo.telling import MismatchError
from testproj.airports.reading import Difference
from tests.airports.conftest import line

STORY = """
1. Every airport of the world, in February 2025

   $ manage.py load_airports 20250224
   20250224: 28,258 added, 0 removed, 0 changed, 0 restored, 0 unchanged. (… s)

2. Two years of real changes

   $ manage.py load_airports 20260905
   20260905: 689 added, 649 removed, 12,704 changed, 0 restored, 14,905 unchanged. (… s)

   What Airport.handleref.since() finds, beside what the two files say:

                  since()       files
   added              689         689
   removed            649         649
   changed         12,704      12,704

   They agree.

3. Both releases again, by raw SQL

   Airport is tracked: triggers have recorded all that the ORM wrote so far.
   Now its table is emptied, unrecorded, and raw SQL writes the releases.

   The events of each, beside the rows of the two files:

                   by ORM  by raw SQL       files
   added           28,947      28,947      28,947
   removed            649         649         649
   changed         12,704      12,704      12,704

   They agree, row for row and value by value.
   Updates by the ORM: 13,353, soft deletions among them.
   By raw SQL, which deletes for good: 12,704.
   The raw SQL is rolled back, and its events with it.

4. A country goes, and comes back

   What is left of Iceland while it is deleted, and once it is back:

                   before     deleted    restored
   countries            1           0           1
   airports            79           0          79
   notes                3           0           3

   delete() took 83 rows in … statements,
   restore() brought the same 83 back in ….
   The fourth note had been deleted by itself before, and stays so.

5. An airport's history, over the releases

   What history() has of BGGH Nuuk Airport, the newest first:

   2026-09-05  Release 20260905  name, subdivision, latitude, longitude
   2025-02-24  Release 20250224  new

   The two compared:

   name         Godthaab / Nuuk Airport  →  Nuuk Airport
   subdivision  (none)                   →  Sermersooq
   latitude     64.190900                →  64.191000
   longitude    -51.678100               →  -51.678000

   The two files say the same.
   On 2026-01-01 it was BGGH Godthaab / Nuuk Airport.

6. A name taken back, an airport recovered

   Nuuk Airport is Godthaab / Nuuk Airport again, by demo: The name that everybody knows.
   All else is as it was.

   649 airports are deleted, as many as the files say.
   EFHF Helsinki Malmi Airport was restored, deleted for good,
   and recovered from its last version, with the key that it had:

   Put back          live
   Deleted for good  deleted
   Put back          live
   Release 20260905  deleted
   Release 20250224  live


7. The releases once more, as rows that are history

   Each release is written into one table; rows that it replaces stay there.

                     rows       files
   then            28,258      28,258
   now             28,298      28,298
   replaced        12,669      12,669

   They agree, value by value.

   An airport has its new name since its new runway; correct() splits the row:

   1979-01-01  to  2024-11-28  Godthaab / Nuuk Airport
   2024-11-28  to  now and on  Nuuk Airport

   A notice is issued three times, and each is a row:

   1  Runway 05/23 is 950 m long.
   2  Runway 05/23 is 1,799 m long.
   3  Runway 05/23 is 2,200 m long.  latest

"""

# Serves an empty database, to be quick.
SERVE = """
import sys, django
django.setup()
from django.core.management import call_command
from testproj.airports.management.commands import demo
demo.CHAPTERS = ()
call_command("demo", "--port", sys.argv[1])
"""


@contextmanager
def run(*arguments, data):
    """Yield a process of the project with a folder of its own for its database."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "testproj.settings",
        "TESTPROJ_DATA": str(data),
        "PYTHONUNBUFFERED": "1",
    }
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, *arguments], env=environment, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def taken_port():
    """Yield the number of a port at which somebody listens."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.skipif(
    connection.vendor != "sqlite", reason="it makes the same database of its own on every run"
)
def test_the_demo_tells_its_story_from_a_database_made_anew(tmp_path, pytestconfig):
    if connection.vendor != "sqlite":
        pytest.skip("the demo has a database of its own, the same beside every suite")
    (tmp_path / "demo.sqlite3").write_text("left by an earlier run")

    manage = str(pytestconfig.rootpath / "testproj/manage.py")
    with run("-W", "error", manage, "demo", "--no-serve", data=tmp_path) as process:
        output, errors = process.communicate()

    timeless = re.sub(r"\(\d+\.\d s\)", "(… s)", output)
    countless = re.sub(r"in \d+( statements,|\.)$", r"in …\1", timeless, flags=re.MULTILINE)
    assert (process.returncode, countless, errors) == (0, STORY, "")


def test_the_admin_is_served_until_it_is_interrupted(tmp_path, pytestconfig, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    with taken_port() as port:
        pass

    with run("-c", SERVE, str(port), data=tmp_path) as process:
        said = "".join(process.stdout.readline() for _ in range(3))
        page = log_in(f"http://127.0.0.1:{port}", "demo", "demo")
        style = build_opener().open(f"http://127.0.0.1:{port}/static/admin/css/base.css")
        process.send_signal(signal.SIGINT)
        process.communicate()

    assert said == (
        f"\nThe admin is at http://127.0.0.1:{port}\n"
        "Log in as demo, with the password demo. Ctrl-C ends.\n"
    )
    assert "Airports" in page
    assert style.status == 200
    assert process.returncode == 0


def log_in(site, username, password):
    """Return the page that a user sees who comes to the site and logs in."""
    opener = build_opener(HTTPCookieProcessor(http.cookiejar.CookieJar()))
    with opener.open(f"{site}/") as form:
        token = re.search('csrfmiddlewaretoken" value="(.+?)"', form.read().decode())[1]
    values = {"csrfmiddlewaretoken": token, "username": username, "password": password}
    with opener.open(form.url, urlencode(values).encode()) as page:
        assert page.url == f"{site}/admin/"
        return page.read().decode()


def test_a_port_in_use_is_told_before_anything_is_done():
    with taken_port() as port, pytest.raises(CommandError) as caught:
        call_command("demo", port=port)

    assert str(caught.value) == (
        f'Port {port} is in use. Choose another one: make demo DEMO_ARGS="--port {port + 1}"'
    )


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1"])
def test_what_is_no_port_is_refused(text):
    with pytest.raises(CommandError) as caught:
        call_command("demo", f"--port={text}")

    assert str(caught.value) == (
        f"Error: argument --port: {text!r} is no port; those are 1 to 65535."
    )


@pytest.mark.django_db
def test_numbers_that_do_not_match_end_the_demo(teller, monkeypatch):
    monkeypatch.setattr(teller, "load", lambda name: None)
    monkeypatch.setattr(references, "compare", lambda before, after: Difference(1, 0, 0))

    with pytest.raises(MismatchError) as caught:
        references.second_release(teller)

    assert str(caught.value) == (
        "What since() finds is not what the files say: found Difference(added=0, removed=0,"
        " changed=0), expected Difference(added=1, removed=0, changed=0)."
    )


@pytest.mark.django_db
def test_a_mismatch_exits_with_one(monkeypatch, settings):
    settings.DEMO_DATABASE = None
    monkeypatch.setattr("testproj.airports.management.commands.demo.start_anew", lambda path: None)
    monkeypatch.setattr("testproj.airports.management.commands.demo.CHAPTERS", [("Broken", broken)])

    with pytest.raises(CommandError) as caught:
        call_command("demo", "--no-serve", stdout=io.StringIO())

    assert (str(caught.value), caught.value.returncode) == ("One is not two.", 1)


def broken(teller):
    raise MismatchError("One is not two.")


@pytest.mark.django_db
def test_a_country_goes_and_comes_back_on_every_database(teller, load):
    load(*[line(icao) for icao in sorted(references.NOTES)], line("EKVG", country="FO"))

    references.country(teller)

    assert teller.stdout._out.getvalue().splitlines()[2:6] == [
        "                   before     deleted    restored",
        "   countries            1           0           1",
        "   airports             4           0           4",
        "   notes                3           0           3",
    ]


@pytest.mark.django_db
def test_a_history_is_told_and_gone_back_in_on_every_database(teller, releases):
    references.first_release(teller)
    references.second_release(teller)
    before = len(teller.stdout._out.getvalue())

    versions.airport(teller)
    versions.way_back(teller)

    assert (
        teller.stdout._out.getvalue()[before:]
        == """\
   What history() has of BGGH Nuuk, the newest first:

   2026-09-05  Release 20260905  name
   2025-02-24  Release 20250224  new

   The two compared:

   name  Godthaab  →  Nuuk

   The two files say the same.
   On 2026-01-01 it was BGGH Godthaab.
   Nuuk is Godthaab again, by admin: The name that everybody knows.
   All else is as it was.

   1 airports are deleted, as many as the files say.
   EFHF EFHF Airport was restored, deleted for good,
   and recovered from its last version, with the key that it had:

   Put back          live
   Deleted for good  deleted
   Put back          live
   Release 20260905  deleted
   Release 20250224  live

"""
    )


@pytest.mark.django_db
def test_a_history_that_is_not_what_the_files_say_ends_the_demo(teller, releases):
    references.first_release(teller)
    references.second_release(teller)
    Record.objects.update(changed_fields=("city",))

    with pytest.raises(MismatchError) as caught:
        versions.airport(teller)

    assert str(caught.value) == ("The fields that changed: found ['city'], expected ['name'].")
