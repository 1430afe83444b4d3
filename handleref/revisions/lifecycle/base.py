"""What both ends share: versions are gone through in pages, whoever has a million of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections

from handleref.references.base import MANY
from handleref.revisions import dialects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from reversion.models import Version

BATCH = 1_000
# A batch and what came before it, listed twice, stay below SQLite's 32,766 parameters.
LARGEST = MANY // 2


def checked(batch_size: int) -> int:
    """Return a number of rows that one query can list.

    :raises ValueError: for another one.
    """
    if not 1 <= batch_size <= LARGEST:
        raise ValueError(f"A batch of {batch_size:,} rows; choose from 1 to {LARGEST:,}.")
    return batch_size


def walk(versions: QuerySet[Any], size: int) -> Iterator[list[Any]]:
    """Yield versions some at a time, object after object, the newest of each first.

    One or two descents of reversion's unique index lead to each page.
    """
    connection = connections[versions.db]
    versions = versions.order_by("-object_id", "-revision_id")
    page = [*versions[:size]]
    while page:
        yield page
        last, page = page[-1], []
        for rest in dialects.before(connection, last.object_id, last.revision_id):
            if len(page) < size:
                page += versions.filter(rest)[: size - len(page)]


def databases(versions: QuerySet[Version], database: str | None) -> list[str]:
    """Return the aliases of the databases that versions are of rows in.

    :param database: the only one that is asked for.
    """
    found = versions.order_by().values_list("db", flat=True).distinct()
    return sorted(found) if database is None else [database]
