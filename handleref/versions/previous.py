"""The previous versions of many versions, read at once."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from django.db.models import OuterRef, Subquery

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet

    from handleref.versions.base import Version
    from handleref.versions.keepers import Keeper

# How many keys a query lists at most: SQLite takes no more than 32,766 parameters.
MANY = 10_000


def load_previous(versions: Iterable[Version]) -> None:
    """Read the previous versions of many versions of one model at once.

    Afterwards ``previous`` of each costs nothing. Two or three queries for each
    10,000, of however many objects.
    """
    waiting = [version for version in versions if "previous" not in vars(version)]
    for start in range(0, len(waiting), MANY):
        _load_previous(waiting[start : start + MANY])


def _load_previous(versions: Sequence[Version]) -> None:
    model, keeper, using = versions[0].model, versions[0].keeper, versions[0].using
    keys = dict(_previous_keys(keeper, keeper.rows(model, using), versions))
    known = {version.row.pk: version for version in versions}
    unknown = {key for key in keys.values() if key is not None and key not in known}
    # Asked even if all are known: the number of queries is the same for any number of versions.
    for row in keeper.rows(model, using).filter(pk__in=unknown or [versions[0].row.pk]):
        known.setdefault(row.pk, keeper.version(model, row))
    for version in versions:
        vars(version)["previous"] = known.get(keys[version.row.pk])


def _previous_keys(
    keeper: Keeper, rows: QuerySet[Any], versions: Sequence[Version]
) -> Iterable[tuple[Any, Any]]:
    """Return the keys of the versions, each with that of the one before.

    A query of its own: within another, MariaDB runs it once per row of the table.
    """
    pairs = _neighbours(keeper, rows, versions)
    if all(version.row.pk in pairs for version in versions):
        return pairs.items()
    before = rows.filter(
        (keeper.object_id, OuterRef(keeper.object_id)),
        (f"{keeper.order}__lt", OuterRef(keeper.order)),
    ).order_by(f"-{keeper.order}")
    asked = rows.filter(pk__in=[version.row.pk for version in versions]).order_by()
    annotated = asked.annotate(previous_pk=Subquery(before.values("pk")[:1]))
    found: Iterable[tuple[Any, Any]] = annotated.values_list("pk", "previous_pk")
    return found


def _neighbours(keeper: Keeper, rows: QuerySet[Any], versions: Sequence[Version]) -> dict[Any, Any]:
    """Return the same for versions of one object, as far as they follow one another.

    As those on a page do. Looking for each one's own, MariaDB reads all that are newer.
    """
    newest = max(versions, key=lambda version: getattr(version.row, keeper.order))
    if any(version.object_id != newest.object_id for version in versions):
        return {}
    following = rows.filter(
        (keeper.object_id, keeper.stored_id(newest.object_id)),
        (f"{keeper.order}__lte", getattr(newest.row, keeper.order)),
    ).order_by(f"-{keeper.order}")
    keys = [*following.values_list("pk", flat=True)[: len(versions) + 1]]
    if len(keys) <= len(versions):
        keys.append(None)
    return dict(pairwise(keys))
