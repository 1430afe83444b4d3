"""Run the suite once per database: ``python -m tests [--databases a,b] [pytest's arguments]``.

Several databases run side by side, and what each says is shown when it is
through; a single one speaks as it goes, so that ``--pdb`` works. With CI set, a
database that cannot be had is a failure. With HANDLEREF_COVERAGE set, each run
leaves a data file for ``coverage combine``.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.databases import DATABASES, Database, MissingDatabaseError, Server

NO_TESTS = pytest.ExitCode.NO_TESTS_COLLECTED
USAGE = "python -m tests [--databases NAME,NAME] [pytest's own arguments]"


@dataclass
class Run:
    """The suite under way on one database, its output kept in a file or left to the terminal."""

    title: str
    process: "subprocess.Popen[bytes]"
    words_file: Path
    output: Path | None

    @classmethod
    def begin(
        cls, server: Server, command: Sequence[str], words_file: Path, output: Path | None
    ) -> "Run":
        """Start the command on the server; ``words_file`` is where the outcome is to be told."""
        environment = os.environ | {
            "HANDLEREF_DATABASE_URL": server.url,
            "HANDLEREF_DATABASE_NAME": server.test_name,
            "HANDLEREF_OUTCOME": str(words_file),
        }
        if output is None:
            return cls(server.title, subprocess.Popen(command, env=environment), words_file, None)
        with output.open("wb") as kept:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=kept,
                stderr=subprocess.STDOUT,
            )
        return cls(server.title, process, words_file, output)

    def finish(self) -> None:
        """Wait for the end, and show what was kept."""
        self.process.wait()
        if self.output is not None:
            print(f"\n{f' {self.title} ':=^80}", flush=True)
            sys.stdout.buffer.write(self.output.read_bytes())
            sys.stdout.flush()

    def stop(self) -> None:
        """End a run that is still under way, giving pytest the time to drop its databases."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)

    @property
    def words(self) -> str:
        """Return the outcome in words."""
        if self.words_file.exists():
            return self.words_file.read_text(encoding="utf-8")
        return f"ended with status {self.process.returncode} before it could tell"

    @property
    def failed(self) -> bool:
        """Return whether a test failed; to have found no test is another matter."""
        return self.process.returncode not in {0, NO_TESTS}


def main(arguments: Sequence[str]) -> int:
    """Run the suite, tell the outcome for each database, and return the exit status."""
    names, pytest_arguments = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # In the background of a script SIGINT is ignored, and pytest would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with ExitStack() as stack:
        chosen = [database for database in DATABASES if not names or database.name in names]
        servers, missing = start(stack, chosen)
        runs = launch(stack, servers, pytest_arguments)
        for run in runs:
            run.finish()
        told = tell(runs, missing)
    print(f"\n{told}", flush=True)
    return verdict(runs, missing, required=bool(names) or bool(os.environ.get("CI")))


def parse(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names of the databases asked for, and what is left for pytest."""
    parser = argparse.ArgumentParser("python -m tests", usage=USAGE, allow_abbrev=False)
    known = [database.name for database in DATABASES]
    parser.add_argument(
        "--databases",
        default=os.environ.get("HANDLEREF_DATABASES", ""),
        help=f"of {', '.join(known)}; all that can be had, unless told (or in HANDLEREF_DATABASES)",
    )
    options, rest = parser.parse_known_args(arguments)
    names = [name.strip() for name in options.databases.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no database is called {', '.join(unknown)}; there are {', '.join(known)}.")
    return names, rest


def start(
    stack: ExitStack, databases: Iterable[Database]
) -> tuple[dict[Database, Server], dict[Database, str]]:
    """Return the servers that are up, and for the other databases why not."""
    servers, missing = {}, {}
    for database in databases:
        try:
            servers[database] = stack.enter_context(database.start())
        except MissingDatabaseError as reason:
            missing[database] = str(reason)
    return servers, missing


def launch(
    stack: ExitStack, servers: dict[Database, Server], arguments: Sequence[str]
) -> list[Run]:
    """Start the suite on every server at once; none outlives the stack."""
    side_by_side = len(servers) > 1
    if side_by_side:
        titles = ", ".join(server.title for server in servers.values())
        print(f"Running the suite side by side on {titles} …", flush=True)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="handleref-outcome-")))
    runs = []
    for database, server in servers.items():
        output = folder / f"{database.name}.txt" if side_by_side else None
        run = Run.begin(server, command(database, arguments), folder / database.name, output)
        stack.callback(run.stop)
        runs.append(run)
    return runs


def command(database: Database, arguments: Sequence[str]) -> list[str]:
    """Return the command line of one run."""
    coverage = ["-m", "coverage", "run"] if os.environ.get("HANDLEREF_COVERAGE") else []
    colour = ["--color=yes"] if sys.stdout.isatty() else []
    # Each database remembers its own last failures for --lf.
    cache = ["-o", f"cache_dir=.pytest_cache/{database.name}"]
    runner = [sys.executable, *coverage, "-m", "pytest", "-p", "tests.outcome"]
    return [*runner, *cache, *colour, *arguments]


def tell(runs: Iterable[Run], missing: dict[Database, str]) -> str:
    """Return the outcome for each database in one line of words."""
    told = [f"{run.title}: {run.words}." for run in runs]
    told += [f"{database.title}: not run, {reason}." for database, reason in missing.items()]
    return " ".join(told)


def verdict(runs: Sequence[Run], missing: dict[Database, str], *, required: bool) -> int:
    """Return 1 for a failed run, for no test at all, and for a missing database if required."""
    if any(run.failed for run in runs):
        return 1
    if all(run.process.returncode == NO_TESTS for run in runs):
        return 1
    return int(any(required or database.is_asked_for() for database in missing))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
