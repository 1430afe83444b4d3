"""Releases of the data set: where they are, and what is in them."""

from __future__ import annotations

import csv
import gzip
import heapq
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "releases"

Row = tuple[Any, ...]


class ReleaseError(Exception):
    """A release cannot be used; the message names it and the place."""


# Columns ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A text up to a length."""

    longest: int

    def __str__(self) -> str:
        return f"a text of at most {self.longest} characters"

    def __call__(self, text: str) -> str:
        # PostgreSQL takes no NUL.
        if len(text) > self.longest or "\0" in text:
            raise ValueError(text)
        return text


@dataclass(frozen=True)
class Code:
    """A code, by its pattern."""

    pattern: str

    def __str__(self) -> str:
        return f"a code like {self.pattern}"

    def __call__(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise ValueError(text)
        return text


@dataclass(frozen=True)
class Number:
    """A number within limits, rounded to a number of decimals."""

    limit: int
    decimals: int

    def __str__(self) -> str:
        return f"a number from {-self.limit:,} to {self.limit:,}"

    def __call__(self, text: str) -> Decimal:
        number = Decimal(text)
        if not (number.is_finite() and abs(number) <= self.limit):
            raise ValueError(text)
        return round(number, self.decimals)


class Column(NamedTuple):
    """A column of a release: its name, the field it goes to, and how it is read."""

    name: str
    field: str
    parse: Callable[[str], Any]


COLUMNS = (
    Column("icao", "icao", Code("[0-9A-Z_]{4}")),
    Column("iata", "iata", Text(3)),
    Column("name", "name", Text(100)),
    Column("city", "city", Text(80)),
    Column("subd", "subdivision", Text(80)),
    Column("country", "country_id", Code("[A-Z]{2}")),
    Column("elevation", "elevation", Number(99_999, 2)),
    Column("lat", "latitude", Number(90, 6)),
    Column("lon", "longitude", Number(180, 6)),
    Column("tz", "time_zone", Text(40)),
    Column("lid", "local_code", Text(8)),
)
FIELDS = tuple(column.field for column in COLUMNS)
COUNTRY = FIELDS.index("country_id")


# Files ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Release:
    """A release that has been read to its end and found good."""

    path: Path
    rows: int
    countries: frozenset[str]

    @property
    def name(self) -> str:
        """What it is called: its date, as a rule."""
        return self.path.name.removeprefix("airports-").removesuffix(".csv.gz")

    @property
    def date(self) -> datetime | None:
        """The day of the release, or None if its name does not tell."""
        try:
            return datetime.strptime(self.name, "%Y%m%d").replace(tzinfo=UTC)
        except ValueError:
            return None


def find(name: str) -> Path:
    """Return the path of a release.

    :param name: a release that is here, such as ``20250224``, or a path.
    :raises ReleaseError: when there is neither.
    """
    here = {path.name[len("airports-") : -len(".csv.gz")]: path for path in FOLDER.glob("*.csv.gz")}
    path = here.get(name, Path(name))
    if not path.is_file():
        names = ", ".join(sorted(here))
        raise ReleaseError(
            f"There is no release {name!r}. Here are {names}; or give the path of a csv.gz."
        )
    return path


def survey(path: Path) -> Release:
    """Read a release to its end, so that a bad one is refused before anything is written.

    :raises ReleaseError: for what cannot be read or understood.
    """
    rows, countries = 0, set()
    for row in read(path):
        rows += 1
        countries.add(row[COUNTRY])
    if not rows:
        raise ReleaseError(f"{path.name} has no rows.")
    return Release(path, rows, frozenset(countries))


def read(path: Path) -> Iterator[Row]:
    """Yield the rows of a release as values of ``FIELDS``.

    :raises ReleaseError: for what cannot be read or understood.
    """
    for line, texts in texts_of(path):
        try:
            yield values_of(texts)
        except ValueError as error:
            raise ReleaseError(f"{path.name}, line {line}: {error}.") from None


def values_of(texts: Row) -> Row:
    """Return the values that the texts of a row stand for.

    :raises ValueError: naming the first that stands for none.
    """
    values = []
    for column, text in zip(COLUMNS, texts, strict=True):
        try:
            values.append(column.parse(text))
        except (ValueError, InvalidOperation):
            raise ValueError(f"{column.name} is {text!r}, not {column.parse}") from None
    return tuple(values)


def texts_of(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a release as text, in the order of ``COLUMNS``, with their lines.

    Every key is greater than the one before, so none is there twice.

    :raises ReleaseError: for what cannot be read.
    """
    lines = lines_of(path)
    _, header = next(lines, (0, []))
    check_header(path, header)
    pick = itemgetter(*[header.index(column.name) for column in COLUMNS])
    last = ""
    for line, values in lines:
        if len(values) != len(header):
            what = f"{len(values)} values instead of {len(header)}"
            raise ReleaseError(f"{path.name}, line {line}: {what}.")
        texts = pick(values)
        if texts[0] <= last:
            what = f"icao {texts[0]!r} does not come after {last!r}"
            raise ReleaseError(f"{path.name}, line {line}: {what}.")
        last = texts[0]
        yield line, texts


def check_header(path: Path, header: list[str]) -> None:
    """Raise ReleaseError unless the header has every column."""
    if not header:
        raise ReleaseError(f"{path.name} is empty.")
    if missing := [column.name for column in COLUMNS if column.name not in header]:
        raise ReleaseError(f"{path.name} lacks the columns {', '.join(missing)}.")


def lines_of(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield what is in a csv.gz, with the numbers of the lines.

    :raises ReleaseError: for what cannot be read.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            for values in reader:
                yield reader.line_num, values
    except EOFError:
        raise ReleaseError(f"{path.name} is truncated: its end is missing.") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ReleaseError(f"{path.name} is no gzip file, or a broken one: {error}.") from None
    except UnicodeDecodeError as error:
        raise ReleaseError(f"{path.name} is not UTF-8: {error.reason}.") from None
    except csv.Error as error:
        raise ReleaseError(f"{path.name}, line {reader.line_num}: {error}.") from None
    except OSError as error:
        raise ReleaseError(f"{path.name} cannot be read: {error.strerror}.") from None


class Difference(NamedTuple):
    """How many rows two releases differ in."""

    added: int
    removed: int
    changed: int


def compare(before: Path, after: Path) -> Difference:
    """Return what two releases say for themselves, value by value as text."""
    added = removed = changed = 0
    for old, new in differing(before, after):
        added += old is None
        removed += new is None
        changed += old is not None and new is not None
    return Difference(added, removed, changed)


def differing(before: Path, after: Path) -> Iterator[tuple[Row | None, Row | None]]:
    """Yield the rows that two releases differ in, as text; None where there is none."""
    old = ((texts, "old") for _, texts in texts_of(before))
    new = ((texts, "new") for _, texts in texts_of(after))
    both = heapq.merge(old, new, key=lambda row: row[0][0])
    for _, group in groupby(both, key=lambda row: row[0][0]):
        match list(group):
            case [(texts, "new")]:
                yield None, texts
            case [(texts, "old")]:
                yield texts, None
            case [(first, _), (second, _)] if first != second:
                yield first, second


def country_names() -> dict[str, str]:
    """Return the English names of the countries by their codes."""
    lines = (FOLDER / "iso3166.tab").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if not line.startswith("#"))
