"""The command ``load_airports``: what it says, and when it refuses."""

import io
import os
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from testproj.airports.models import Airport
from tests.airports.conftest import line


class Terminal(io.StringIO):
    """A terminal that remembers what was shown."""

    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch, release):
    """Load a release, and return what its user sees besides the line at the end."""

    def load_before(stdout, stderr):
        monkeypatch.setattr(sys, "stderr", stderr)
        call_command("load_airports", str(release(line("BIAR"), line("BIRK"))), stdout=stdout)
        return stderr.getvalue()

    return load_before


@pytest.mark.django_db
def test_one_line_says_what_became_of_the_rows(release):
    path, output = release(line("BIAR"), line("BIRK")), io.StringIO()

    call_command("load_airports", str(path), stdout=output)

    assert output.getvalue() == (
        f"{path}: 2 added, 0 removed, 0 changed, 0 restored, 0 unchanged.\n"
    )


@pytest.mark.django_db
def test_a_terminal_has_a_progress_bar_that_goes_away(shown, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)

    bar = shown(Terminal(), Terminal())

    assert bar.startswith("\r  0%|          | 0/2 [00:00<?, ? airports/s]\r")
    assert (bar[-1], "\n" in bar) == ("\r", False)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "streams", [(Terminal(), io.StringIO()), (io.StringIO(), Terminal())], ids=["stderr", "stdout"]
)
def test_a_pipe_has_none(shown, streams):
    assert shown(*streams) == ""


@pytest.mark.django_db
def test_a_terminal_without_tqdm_has_none(shown, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)

    assert shown(Terminal(), Terminal()) == ""


@pytest.mark.django_db
def test_an_unknown_release_is_refused_in_one_line():
    with pytest.raises(CommandError) as caught:
        call_command("load_airports", "19700101")

    assert str(caught.value) == (
        "There is no release '19700101'. Here are 20231230, 20250224, 20260905;"
        " or give the path of a csv.gz."
    )


@pytest.mark.django_db
def test_a_file_that_is_bad_at_its_end_changes_nothing(load, release):
    load(line("BIAR"), line("BIRK"))
    before = list(Airport.objects.order_by("pk").values())
    path = release(line("BIAR", name="New"), line("EKVG", country="FO"), line("ZZZZ", lon="east"))

    with pytest.raises(CommandError) as caught:
        call_command("load_airports", str(path))

    assert str(caught.value) == (
        "small.csv.gz, line 4: lon is 'east', not a number from -180 to 180."
    )
    assert list(Airport.objects.order_by("pk").values()) == before


def test_a_refusal_exits_with_one(tmp_path, pytestconfig):
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "testproj.settings",
        "TESTPROJ_DATA": str(tmp_path),
    }

    command = [sys.executable, "manage.py", "load_airports", "20250224"]
    done = subprocess.run(
        command,
        cwd=pytestconfig.rootpath / "testproj",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "CommandError: There are no tables yet: python testproj/manage.py migrate\n",
    )
