"""Check the shell blocks of README and docs: what a reader is told to type must exist.

Nothing is installed or started. ``make`` targets are rehearsed with
``--dry-run``, ``manage.py`` commands have their arguments parsed, and those
that only look are run in testproj. A command nobody can check is refused: teach
it here, or write ``<!-- skip: next -->`` above the block.
"""

import importlib.util
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import metadata
from pathlib import Path

from django.core.management import CommandError, get_commands, load_command_class
from packaging.requirements import InvalidRequirement, Requirement
from sybil import Example

ROOT = Path(__file__).parent.parent
LANGUAGES = ("console", "bash", "sh", "shell")
# Commands of manage.py that look and change nothing.
LOOKING = {"check", "showmigrations", "sqlmigrate"}


class UnknownCommandError(Exception):
    """A command that does not exist as the document writes it."""


def evaluate_shell(example: Example) -> str | None:
    """Return what is wrong with the block's first wrong command, or None."""
    for line in commands(example.parsed):
        try:
            check(line)
        except UnknownCommandError as error:
            return f"{line}\n{error}"
    return None


def commands(block: str) -> Iterator[str]:
    """Yield the commands of a block: in a console behind ``$``, in a script every line."""
    lines = block.replace("\\\n", " ").splitlines()
    if prompted := [line[2:] for line in lines if line.startswith("$ ")]:
        lines = prompted
    for line in lines:
        for command in line.split("&&"):
            if shlex.split(command, comments=True):
                yield command.strip()


def check(command: str) -> None:
    """Raise UnknownCommandError for a command that cannot be typed in."""
    words = shlex.split(command, comments=True)
    while words and "=" in words[0]:  # VARIABLE=value in front
        words.pop(0)
    name = Path(words[0]).name if words else ""
    if name in CHECKS:
        CHECKS[name](words[1:])
    elif words and "/" in words[0]:
        must_exist(words[0])
    elif words:
        message = f"{words[0]!r} is not checked; teach tests/docs_shell.py, or skip the block."
        raise UnknownCommandError(message)


def check_make(arguments: Sequence[str]) -> None:
    """Rehearse the target."""
    run("make", "--dry-run", "--no-print-directory", *arguments)


def check_python(arguments: Sequence[str]) -> None:
    """Look at the script or module that Python is to run."""
    match list(arguments):
        case ["-m", "pip", *rest]:
            check_pip(rest)
        case ["-m", module, *_] if importlib.util.find_spec(module) is None:
            message = f"There is no module {module!r}."
            raise UnknownCommandError(message)
        case ["-m", *_]:
            pass
        case [script, *rest] if Path(script).name == "manage.py":
            check_manage(rest)
        case [script, *_]:
            must_exist(script)


def check_manage(arguments: Sequence[str]) -> None:
    """Parse the arguments as the command would, and run it when it only looks."""
    name, *rest = arguments
    app = get_commands().get(name)
    if app is None:
        message = f"manage.py has no command {name!r}."
        raise UnknownCommandError(message)
    if name in LOOKING:
        run(sys.executable, "testproj/manage.py", *arguments)
        return
    command = load_command_class(app, name) if isinstance(app, str) else app
    try:
        command.create_parser("manage.py", name).parse_args(rest)
    except CommandError as error:
        raise UnknownCommandError(str(error)) from error


def check_pip(arguments: Sequence[str]) -> None:
    """Look for the extras of ours that pip is to install."""
    ours = metadata("handleref")
    extras = ours.get_all("Provides-Extra") or []
    for argument in arguments:
        wanted = requirement(argument.replace(".[", "handleref["))
        if wanted is None or wanted.name != ours["Name"]:
            continue
        if unknown := sorted(wanted.extras.difference(extras)):
            there = ", ".join(extras)
            message = f"handleref has no extra {', '.join(unknown)}; there are {there}."
            raise UnknownCommandError(message)


def requirement(argument: str) -> Requirement | None:
    """Return the requirement that pip's argument is, or None for ``install``, ``-e`` and such."""
    try:
        return Requirement(argument)
    except InvalidRequirement:
        return None


def check_tox(arguments: Sequence[str]) -> None:
    """Look for the environments in setup.cfg."""
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    for name in arguments[arguments.index("-e") + 1].split(",") if "-e" in arguments else []:
        if name not in text:
            message = f"tox has no environment {name!r}."
            raise UnknownCommandError(message)


def check_path(arguments: Sequence[str]) -> None:
    """Look for the script that the shell is to run."""
    must_exist(arguments[0])


def must_exist(path: str) -> None:
    """Raise UnknownCommandError for a path that is not in the repository (nor in .venv)."""
    if not path.startswith(".venv") and not (ROOT / path).exists():
        message = f"There is no {path} here."
        raise UnknownCommandError(message)


def trust(_: Sequence[str]) -> None:
    """Believe a command that is not ours."""


def run(*command: str) -> None:
    """Run a command in the repository's root, or raise UnknownCommandError with what it printed."""
    # The settings are testproj's own, and an outer make must not speak to an inner one.
    left_out = {"DJANGO_SETTINGS_MODULE", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UnknownCommandError((done.stderr or done.stdout).strip())


CHECKS: dict[str, Callable[[Sequence[str]], None]] = {
    "make": check_make,
    "manage.py": check_manage,
    "python": check_python,
    "python3": check_python,
    "pip": check_pip,
    "tox": check_tox,
    "bash": check_path,
    "apt": trust,
    "apt-get": trust,
    "cd": trust,
    "git": trust,
    "source": trust,
}
