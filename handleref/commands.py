"""What the commands share: models by their label, numbers within limits, a bar that moves."""

from __future__ import annotations

from argparse import ArgumentTypeError
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import Model

    # Called with the number of rows just dealt with.
    Tick = Callable[[int], object]


def ignore(rows: int) -> None:
    """Do nothing: nobody watches."""


class Progress(BaseCommand):
    """A command that can show how far it is."""

    @contextmanager
    def progress(self, name: str, rows: int | None = None) -> Iterator[Tick]:
        """Yield what moves a bar, where there is tqdm and somebody who watches."""
        try:
            tqdm = import_module("tqdm").tqdm
        except ImportError:
            yield ignore
            return
        # The bar goes to stderr; None hides it where that is no terminal.
        hidden = None if self.stdout.isatty() else True
        with tqdm(total=rows, desc=name, unit=" rows", leave=False, disable=hidden) as bar:
            yield bar.update


def number(lowest: int, highest: int = 1_000_000) -> Callable[[str], int]:
    """Return what reads a number within limits."""

    def read(text: str) -> int:
        if not (text.isdecimal() and lowest <= int(text) <= highest):
            raise ArgumentTypeError(f"{text!r} is no number from {lowest:,} to {highest:,}.")
        return int(text)

    return read


def amount(number: int, thing: str) -> str:
    """Return a number of things in words."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def find_model(label: str) -> type[Model]:
    """Return the model that is named.

    :raises CommandError: when there is none.
    """
    try:
        return apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise CommandError(f"There is no model {label!r}: write app_label.Model.") from error


def find_models(label: str) -> set[Any]:
    """Return the models that an app has, or one model.

    :raises CommandError: when there is no such app or model.
    """
    if "." in label:
        return {find_model(label)}
    try:
        return {*apps.get_app_config(label).get_models()}
    except LookupError as error:
        raise CommandError(str(error)) from error
