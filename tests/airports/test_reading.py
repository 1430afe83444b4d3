"""What is read from a release, and what is refused."""

import gzip

import pytest

from testproj.airports.models import Airport, Country
from testproj.airports.reading import (
    COLUMNS,
    Code,
    Number,
    ReleaseError,
    Text,
    compare,
    country_names,
    find,
    read,
    survey,
)
from tests.airports.conftest import HEADER, line, text

GOOD = gzip.compress(text(line("BIAR"), line("BIRK")).encode())


def packed(*lines, header=HEADER):
    return gzip.compress(text(*lines, header=header).encode())


def test_a_release_is_found_by_its_name_and_by_its_path(release):
    path = release(line("BIRK"))

    found = find("20250224"), find(str(path))

    assert (found[0].name, found[1]) == ("airports-20250224.csv.gz", path)


@pytest.mark.parametrize("name", ["20240101", "", "/", "../releases/airports-20250224"])
def test_an_unknown_release_is_refused_with_those_that_are_here(name):
    with pytest.raises(ReleaseError) as caught:
        find(name)

    assert str(caught.value) == (
        f"There is no release {name!r}. Here are 20231230, 20250224, 20260905;"
        " or give the path of a csv.gz."
    )


@pytest.mark.parametrize(
    ("name", "rows"), [("20231230", 28_135), ("20250224", 28_258), ("20260905", 28_298)]
)
def test_the_releases_that_are_here_are_good(name, rows):
    found = survey(find(name))

    assert (found.rows, len(found.countries)) == (rows, 234)


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [("20231230", "20250224", (291, 168, 27_548)), ("20250224", "20260905", (689, 649, 12_704))],
)
def test_the_files_tell_how_they_differ(before, after, difference):
    assert compare(find(before), find(after)) == difference


def test_rows_are_read_as_the_table_keeps_them(release):
    path = release(line("BIRK", iata="RKV", lat="64.1299996", elevation="48", lid="x"))

    (row,) = read(path)

    assert [str(value) for value in row] == [
        *("BIRK", "RKV", "BIRK Airport", "", "", "IS"),
        *("48.00", "64.130000", "-21.940556", "Atlantic/Reykjavik", "x"),
    ]


def test_columns_may_stand_in_any_order_with_others_between(tmp_path):
    path = tmp_path / "other.csv.gz"
    path.write_bytes(packed(("?", *reversed(line("BIRK"))), header=("new", *reversed(HEADER))))

    (row,) = read(path)

    assert row[:3] == ("BIRK", "", "BIRK Airport")


BAD = {
    "is empty.": b"",
    "has no rows.": packed(),
    "is truncated: its end is missing.": GOOD[:-20],
    "is no gzip file, or a broken one: Not a gzipped file (b'PK').": b"PK, an archive",
    "is not UTF-8: invalid start byte.": gzip.compress(b"\xff\xfe"),
    "lacks the columns lat, tz.": packed(header=[n for n in HEADER if n not in {"lat", "tz"}]),
    ", line 3: 10 values instead of 11.": packed(line("BIAR"), line("BIRK")[:-1]),
    ", line 3: unexpected end of data.": gzip.compress(gzip.decompress(GOOD)[:-9]),
    ", line 3: icao 'BIAR' does not come after 'BIRK'.": packed(line("BIRK"), line("BIAR")),
    ", line 3: icao 'BIRK' does not come after 'BIRK'.": packed(line("BIRK"), line("BIRK")),
    ", line 2: icao is 'birk', not a code like [0-9A-Z_]{4}.": packed(line("birk")),
    ", line 2: country is 'ISL', not a code like [A-Z]{2}.": packed(line("BIRK", country="ISL")),
    ", line 2: iata is 'LONG', not a text of at most 3 characters.": packed(
        line("BIRK", iata="LONG")
    ),
    ", line 2: city is 'a\\x00b', not a text of at most 80 characters.": packed(
        line("BIRK", city="a\0b")
    ),
    ", line 2: lat is 'north', not a number from -90 to 90.": packed(line("BIRK", lat="north")),
    ", line 2: lon is 'NaN', not a number from -180 to 180.": packed(line("BIRK", lon="NaN")),
    ", line 2: lat is '90.1', not a number from -90 to 90.": packed(line("BIRK", lat="90.1")),
    ", line 2: elevation is '', not a number from -99,999 to 99,999.": packed(
        line("BIRK", elevation="")
    ),
}


@pytest.mark.parametrize(("reason", "content"), BAD.items(), ids=BAD)
def test_a_bad_file_is_refused_with_the_place_and_the_reason(tmp_path, reason, content):
    path = tmp_path / "bad.csv.gz"
    path.write_bytes(content)

    with pytest.raises(ReleaseError) as caught:
        survey(path)

    space = "" if reason.startswith(",") else " "
    assert str(caught.value) == f"bad.csv.gz{space}{reason}"


def test_a_broken_stream_is_refused(tmp_path):
    path = tmp_path / "bad.csv.gz"
    path.write_bytes(GOOD[:-8] + bytes(8))

    with pytest.raises(ReleaseError, match=r"^bad\.csv\.gz is no gzip file, or a broken one: CRC"):
        survey(path)


def test_a_folder_is_no_release(tmp_path):
    with pytest.raises(ReleaseError) as caught:
        survey(tmp_path)

    assert str(caught.value) == f"{tmp_path.name} cannot be read: Is a directory."


def test_what_is_read_fits_the_fields_of_the_table():
    fitting = {
        Text: lambda parse, field: parse.longest == field.max_length,
        Code: lambda parse, field: len("ABCD"[: field.max_length]) == field.max_length,
        Number: lambda parse, field: (
            parse.decimals == field.decimal_places
            and parse.limit < 10 ** (field.max_digits - field.decimal_places)
        ),
    }

    unfit = [
        column.name
        for column in COLUMNS
        if not fitting[type(column.parse)](column.parse, field_of(column))
    ]

    assert unfit == []


def field_of(column):
    field = Airport._meta.get_field(column.field)
    return Country._meta.pk if field.remote_field else field


def test_countries_have_names():
    names = country_names()

    assert (names["IS"], len(names)) == ("Iceland", 249)
