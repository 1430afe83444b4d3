"""What is measured of events: everybody writes, and someone records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from django.db import transaction

from benchmarks.events.contenders import Contender
from benchmarks.events.tables import forget, unrecorded
from benchmarks.listeners import listen_alone
from benchmarks.tables import fill
from benchmarks.workloads import Bar, Work, Workload, bulk_create, bulk_update, create, save

Ready = Callable[[Contender, int], Work | None]

LEVELS = ("row", "statement")

# Beside the triggers written by hand of the same level, and beside django-pghistory's.
SINGLE: tuple[Bar, ...] = (
    *((f"ours_{level}", f"hand_{level}", 1.15) for level in LEVELS),
    *((f"ours_{level}", f"pghistory_{level}", 1.00) for level in LEVELS),
)
BULK: tuple[Bar, ...] = (*SINGLE, ("ours_statement", "pghistory_row", 1 / 1.5))
SUSPENDED: tuple[Bar, ...] = (
    ("ours_row", "plain", 1.30),
    ("ours_statement", "plain", 1.10),
    ("ours_row", "idle", 1.30),
)
GROWTH: tuple[Bar, ...] = tuple(
    (f"{name}/one", f"{name}/pieces", 1.15) for name in ("ours_row", "ours_statement")
)


def workloads(scale: float) -> Iterator[Workload]:
    """Yield the workloads, their sizes multiplied by ``scale``."""
    few, some, many = (max(10, int(size * scale)) for size in (2_000, 5_000, 20_000))
    found = [
        Workload("create, one transaction", few, in_one(create), bars=SINGLE),
        Workload("save(), one transaction", few, in_one(save), bars=SINGLE),
        Workload("bulk_create", many, bulk_create, bars=BULK),
        Workload("QuerySet.update", many, update, bars=BULK, passes=2),
        Workload("bulk_update", some, bulk_update, bars=BULK),
        Workload("QuerySet.delete", many, delete_all, bars=BULK),
        Workload("bulk_create, suspended", many, suspended(bulk_create), bars=SUSPENDED),
        Workload("QuerySet.update, suspended", many, suspended(update), bars=SUSPENDED, passes=2),
    ]
    for workload in found:
        ready = workload.ready if workload.bars is SUSPENDED else recorded(workload.ready)
        yield replace(workload, ready=fresh(ready), count=Contender.recorded)


def growth(scale: float) -> Iterator[Workload]:
    """Yield what tells whether the cost of a row grows with the transaction."""
    size = max(160, int(80_000 * scale))
    ready = fresh(update_in_pieces)
    yield Workload("QuerySet.update, growth", size, ready, base="plain/pieces", bars=GROWTH)


def fresh(ready: Ready) -> Ready:
    """Let nobody but the contender listen, and begin with nothing recorded."""

    def work(contender: Contender, size: int) -> Work | None:
        listen_alone(contender.listener)
        with unrecorded():
            found = ready(contender, size)
        forget(contender)
        return found

    return work


def recorded(ready: Ready) -> Ready:
    """Do the work only with who records it, or has nothing to record it with."""
    return lambda contender, size: ready(contender, size) if contender.works else None


def in_one(ready: Callable[..., Work]) -> Ready:
    """Do the work in one transaction."""
    return lambda contender, size: ready(contender, size, transaction.atomic)


def suspended(ready: Ready) -> Ready:
    """Have nothing recorded; plain Django does as always."""

    def suspended_ready(contender: Contender, size: int) -> Work | None:
        if contender.suspended is None:
            return None
        found = ready(contender, size)

        def work() -> None:
            with contender.suspended():
                found()

        return work

    return suspended_ready


def update(contender: Contender, size: int) -> Work:
    """Change every row in one statement."""
    fill(contender.row, size)
    return lambda: contender.row.objects.update(number=-1)


def delete_all(contender: Contender, size: int) -> Work:
    """Delete every row of a queryset."""
    fill(contender.row, size)
    return lambda: contender.row.objects.all().delete()


def update_in_pieces(contender: Contender, size: int) -> Work:
    """Change every row, in one transaction or in several of the same size."""
    fill(contender.row, size)
    if contender.pieces == 1:
        return lambda: contender.row.objects.update(number=-1)
    keys = [*contender.row.objects.order_by("pk").values_list("pk", flat=True)]
    piece = size // contender.pieces
    parts = [keys[start : start + piece] for start in range(0, size, piece)]

    def work() -> None:
        for part in parts:
            contender.row.objects.filter(pk__gte=part[0], pk__lte=part[-1]).update(number=-1)

    return work
