"""Prepares the tables of rows and of what is recorded of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from benchmarks.events import by_hand
from benchmarks.events.contenders import Contender
from benchmarks.tables import empty, prepare, settle


def prepare_all(contenders: Sequence[Contender]) -> None:
    """Set the database up for the benchmarks."""
    events = [one.events for one in contenders if one.events]
    prepare([*(one.row for one in contenders), *events])
    by_hand.install()
    # What the first work would look up for all that follow.
    ContentType.objects.get_for_models(*apps.get_models())


def forget(contender: Contender) -> None:
    """Empty the table of what was recorded."""
    if contender.events:
        empty(contender.events)
        settle(contender.events)


@contextmanager
def unrecorded() -> Iterator[None]:
    """Let no trigger run while rows are prepared, where that can be had; it saves time alone."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield
        cursor.execute("RESET session_replication_role")
