"""Small releases, and what becomes of them."""

import csv
import gzip
import io

import pytest
from django.core.management import call_command
from django.core.management.base import OutputWrapper

from testproj.airports.demo import events, references, telling, versions
from testproj.airports.demo.telling import Teller

HEADER = ("icao", "iata", "name", "city", "subd", "country", "elevation", "lat", "lon", "tz", "lid")


def line(icao, **values):
    """Return the row of an airport; what is not told is the same for all."""
    row = dict.fromkeys(HEADER, "") | {
        "icao": icao,
        "name": f"{icao} Airport",
        "country": "IS",
        "elevation": "12.5",
        "lat": "64.13",
        "lon": "-21.940556",
        "tz": "Atlantic/Reykjavik",
    }
    return tuple((row | values).values())


def text(*lines, header=HEADER):
    """Return a release as text: the header, then the lines."""
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_NONNUMERIC).writerows([header, *lines])
    return file.getvalue()


@pytest.fixture
def release(tmp_path):
    """Write a release of some lines, and return its path."""

    def write(*lines, name="small.csv.gz"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text(*lines).encode()))
        return path

    return write


@pytest.fixture
def load(release):
    """Load a release of some lines, and return what the command says of it."""

    def load_lines(*lines):
        output = io.StringIO()
        path = release(*lines)
        call_command("load_airports", str(path), stdout=output)
        return output.getvalue().removeprefix(f"{path}: ")

    return load_lines


@pytest.fixture
def teller():
    """Speak into ``teller.stdout._out``."""
    return Teller(OutputWrapper(io.StringIO()))


@pytest.fixture
def releases(release, monkeypatch, admin_user):
    """Let the demo know two small releases: of one airport the name changes, one closes."""
    country = {"country": "GL"}
    before = line("BGGH", name="Godthaab", **country), line("EFHF"), line("EFHK")
    after = line("BGGH", name="Nuuk", **country), line("EFHK", name="Vantaa")
    paths = {
        references.BEFORE: release(*before, name=f"airports-{references.BEFORE}.csv.gz"),
        references.AFTER: release(*after, name=f"airports-{references.AFTER}.csv.gz"),
    }
    for chapters in (telling, references, versions, events):
        monkeypatch.setattr(chapters, "find", paths.__getitem__)
