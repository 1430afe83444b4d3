"""What the chapters of the demo say, and how."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import connection

from testproj.airports.loading import load
from testproj.airports.reading import find, survey
from testproj.airports.terminal import progress

if TYPE_CHECKING:
    from django.core.management.base import OutputWrapper


class MismatchError(Exception):
    """What the demo found is not what it must be."""


class Teller:
    """Speaks on the terminal, in headings, lines and tables."""

    def __init__(self, stdout: OutputWrapper) -> None:
        self.stdout = stdout

    def head(self, heading: str) -> None:
        """Open a chapter."""
        self.stdout.write(f"\n{heading}\n")
        self.say()

    def say(self, line: str = "") -> None:
        """Write a line of a chapter."""
        self.stdout.write(f"   {line}".rstrip())
        # Seen as it comes, also through a pipe.
        self.stdout.flush()

    def show(self, header: Sequence[str], rows: Iterable[tuple[str, Sequence[int]]]) -> None:
        """Write a table of numbers, each row with its name."""
        self.say()
        self.say(" " * 10 + "".join(f"{name:>12}" for name in header))
        for name, numbers in rows:
            self.say(f"{name:<10}" + "".join(f"{number:>12,}" for number in numbers))
        self.say()

    def list(self, rows: Iterable[Sequence[str]]) -> None:
        """Write a table of texts."""
        rows = [[str(text) for text in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        self.say()
        for row in rows:
            self.say("  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)))
        self.say()

    def load(self, name: str) -> None:
        """Load a release, and tell what became of the rows."""
        self.say(f"$ manage.py load_airports {name}")
        start = time.perf_counter()
        release = survey(find(name))
        with progress(release.rows, self.stdout) as tick:
            summary = load(release, tick)
        self.say(f"{name}: {summary}. ({time.perf_counter() - start:.1f} s)")


def expect(what: str, found: Any, expected: Any) -> None:
    """Raise MismatchError unless the two are equal."""
    if found != expected:
        raise MismatchError(f"{what}: found {found}, expected {expected}.")


@contextmanager
def counted() -> Iterator[list[str]]:
    """Yield a list that takes the SQL statements run meanwhile."""
    statements: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield statements
