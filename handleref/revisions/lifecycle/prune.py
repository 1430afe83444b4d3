"""Versions that nobody will ask for any more, removed in batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django.contrib.contenttypes.models import ContentType
from django.db import router
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from reversion import is_registered
from reversion.models import Revision, Version

from handleref.commands import ignore
from handleref.revisions import base
from handleref.revisions.lifecycle.base import BATCH, checked, databases, walk
from handleref.revisions.lifecycle.removal import Removal, Trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from django.db.models import Model, QuerySet

    from handleref.commands import Tick


@dataclass
class Removed:
    """What became of the versions of one model's objects in one database."""

    model: str
    database: str
    versions: int = 0
    objects: int = 0
    kept: int = 0


@dataclass
class Pruned:
    """What became of all versions, model by model, and of their revisions."""

    models: list[Removed] = field(default_factory=list)
    revisions: int = 0


def prune(
    models: Iterable[type[Model]] = (),
    *,
    older_than: timedelta | None = None,
    keep: int | None = None,
    database: str | None = None,
    using: str | None = None,
    batch_size: int = BATCH,
    dry_run: bool = False,
    tick: Tick = ignore,
) -> Pruned:
    """Remove old versions with their records, and the revisions that are left without any.

    A version goes if it is beyond every bound that is given. Whatever its age, the
    newest of an object stays, unless ``keep`` is 0. Each batch is a transaction of
    its own.

    :param models: whose versions, by default those of all; with a model come those
        that inherit its table, for they are of the same objects.
    :param older_than: the age that versions must have to go.
    :param keep: how many of an object's versions stay at least; 1 if not given.
    :param database: the alias of the objects' database, by default all.
    :param using: the alias of the versions' database, by default the router's.
    :param batch_size: how many versions are in memory at a time, 1 to 5,000.
    :param dry_run: whether to write nothing, and return what would be removed.
    :param tick: called with the number of versions just looked at.
    :raises ValueError: without a bound.
    """
    bounds = Bounds.given(older_than, keep)
    using = using or router.db_for_write(Version)
    heaps = [*_heaps(models, database, using)]
    removal = Trial(using) if dry_run else Removal(using)
    pruned = Pruned()
    for heap in heaps:
        pruned.models.append(heap.prune(bounds, removal, checked(batch_size), tick))
    seen = reduce(or_, (Q(content_type=heap.content_type, db=heap.db) for heap in heaps), Q())
    pruned.revisions = removal.revisions(seen, batch_size)
    return pruned


@dataclass(frozen=True)
class Bounds:
    """Beyond what a version goes.

    :ivar before: the moment it must be older than, or None.
    :ivar keep: how many newer ones the object must have.
    """

    before: datetime | None
    keep: int

    @classmethod
    def given(cls, older_than: timedelta | None, keep: int | None) -> Bounds:
        """Return the bounds that someone gave.

        :raises ValueError: when there is none, or none that can be.
        """
        if older_than is None and not keep:
            raise ValueError("There is no bound: give older_than, keep (at least 1), or both.")
        if (keep or 0) < 0 or (older_than or timedelta()) < timedelta():
            raise ValueError(f"No bound is negative: older_than={older_than}, keep={keep}.")
        before = None if older_than is None else timezone.now() - older_than
        return cls(before, 1 if keep is None else keep)

    def exceeded(self, rank: int, date: datetime | None) -> bool:
        """Tell whether a version goes.

        :param rank: how many newer ones the object has.
        :param date: when it was made, if that matters.
        """
        is_old = self.before is None or (date is not None and date < self.before)
        return is_old and rank >= self.keep


def _heaps(models: Iterable[type[Model]], database: str | None, using: str) -> Iterator[Heap]:
    """Yield the versions to go through, those of child tables before those of their bases."""
    rows = Version.objects.using(using)
    if models:
        wanted = {base.content_type(model, using) for model in _with_child_tables(models)}
    else:
        keys = rows.order_by().values_list("content_type", flat=True).distinct()
        wanted = {*ContentType.objects.using(using).filter(pk__in=[*keys])}
    heaps = [
        Heap(content_type, db, rows.filter(content_type=content_type, db=db))
        for content_type in wanted
        for db in databases(rows.filter(content_type=content_type), database)
    ]
    yield from sorted(heaps, key=lambda heap: (-heap.depth, heap.label, heap.db))


def _with_child_tables(models: Iterable[type[Model]]) -> Iterator[type[Model]]:
    for model in models:
        yield model
        yield from filter(is_registered, _with_child_tables(base.child_tables(model)))


@dataclass(frozen=True)
class Heap:
    """The versions of all objects of one model in one database."""

    content_type: ContentType
    db: str
    rows: QuerySet[Version]

    @property
    def label(self) -> str:
        """What the model is called, also when it is no more."""
        model = self.content_type.model_class()
        return model._meta.label if model else ".".join(self.content_type.natural_key())

    @property
    def depth(self) -> int:
        """How many bases the model's table has."""
        model = self.content_type.model_class()
        return len(model._meta.all_parents) if model else 0

    def prune(self, bounds: Bounds, removal: Removal, size: int, tick: Tick) -> Removed:
        """Go through the versions, and remove those beyond the bounds."""
        removed = Removed(self.label, self.db)
        ranks, last = Ranks(), None
        for page in walk(self._rows(), size):
            dates = self._dates(page, bounds)
            beyond = [
                row for row in page if bounds.exceeded(ranks.next(row), dates.get(row.revision_id))
            ]
            needed = self._needed(beyond, bounds)
            gone = [row for row in beyond if (row.revision_id, row.object_id) not in needed]
            removal.take(page, gone)
            removed.versions += len(gone)
            removed.kept += len(page) - len(gone)
            if gone:
                removed.objects += len({row.object_id for row in gone} - {last})
                last = gone[-1].object_id
            tick(len(page))
        return removed

    def _rows(self) -> QuerySet[Any]:
        rows: Any = self.rows
        named: QuerySet[Any] = rows.values_list("pk", "object_id", "revision_id", named=True)
        return named

    def _dates(self, page: list[Any], bounds: Bounds) -> dict[Any, datetime]:
        """Return when the revisions of versions were made, if that matters.

        In a query of its own: joined, PostgreSQL may go down the index of the
        revisions, from the newest of all.
        """
        if bounds.before is None:
            return {}
        revisions = Revision.objects.using(self.rows.db).order_by()
        keys = {row.revision_id for row in page}
        return dict(revisions.filter(pk__in=keys).values_list("pk", "date_created"))

    def _needed(self, beyond: list[Any], bounds: Bounds) -> set[tuple[Any, str]]:
        """Return which versions those of child tables cannot be read without, and these stay.

        Reversion writes the two into one revision, which has one age.
        """
        model = self.content_type.model_class()
        using = self.rows.db
        children = [*_with_child_tables(base.child_tables(model))] if model else []
        if not (children and beyond and bounds.keep):
            return set()
        rows = Version.objects.using(using)
        same = {name: OuterRef(name) for name in ("db", "content_type", "object_id")}
        newer = rows.filter(revision_id__gt=OuterRef("revision_id"), **same).order_by("revision_id")
        beside = rows.filter(
            ~Exists(newer[bounds.keep - 1 : bounds.keep]),
            content_type__in=[base.content_type(child, using) for child in children],
            db=self.db,
            revision_id__in={row.revision_id for row in beyond},
            object_id__in={row.object_id for row in beyond},
        )
        return {*beside.values_list("revision_id", "object_id")}


@dataclass
class Ranks:
    """Counts the versions of each object, as they come: newest first."""

    object_id: str | None = None
    rank: int = -1

    def next(self, row: Any) -> int:
        """Return how many versions newer than this one its object has."""
        self.rank = self.rank + 1 if row.object_id == self.object_id else 0
        self.object_id = row.object_id
        return self.rank
