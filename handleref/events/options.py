"""What is given to ``track()``, looked at before anything is made of it."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from handleref.events.trackers import Tracker
from handleref.triggers.base import Level


def check_given(trackers: tuple[Any, ...], **options: Any) -> None:
    """Refuse what is easily written by mistake.

    :raises TypeError: quoting it.
    """
    for given in trackers:
        if isinstance(given, type) and issubclass(given, Model):
            raise TypeError("Write @track() with parentheses.")
        if not isinstance(given, Tracker):
            raise TypeError(f"{given!r} is no tracker: take InsertEvent(), UpdateEvent(), …")
    for name in ("fields", "exclude", "m2m"):
        if isinstance(options.get(name), str):
            raise TypeError(f"{name} takes a list of names, not the text {options[name]!r}.")
    if not isinstance(options.get("level"), Level | None):
        raise TypeError(f"level is Row or Statement, not {options['level']!r}.")
