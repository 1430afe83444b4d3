"""What is measured of rows that are history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from django.db import transaction

from benchmarks.inplace.contenders import Contender
from benchmarks.inplace.tables import as_of, fill_with_versions, instances
from benchmarks.workloads import Bar, Work, Workload

SAVES: tuple[Bar, ...] = (
    ("our_stack", "plain", 2.20),
    ("our_record", "plain", 2.20),
    ("our_record", "pita", 0.50),
)
PAGE: tuple[Bar, ...] = (("our_stack", "stackstore", 1 / 20),)
AS_OF: tuple[Bar, ...] = (("our_record", "period", 1.30),)
VERSIONS = (5, 50)


def workloads(scale: float) -> Iterator[Workload]:
    """Yield the workloads, their sizes multiplied by ``scale``."""
    few, some, many = (max(10, int(size * scale)) for size in (1_000, 10_000, 20_000))
    counted = {"count": Contender.recorded}
    for name, around in (("one transaction", transaction.atomic), ("autocommit", nullcontext)):
        work = partial(save, around=around)
        yield Workload(f"save(), {name}", few, work, bars=SAVES, **counted)
    yield Workload("QuerySet.update", some, update, rounds=5, **counted)
    yield Workload("purge", few, purge, rounds=5, **counted)
    for versions in VERSIONS:
        of = f"of {versions} versions"
        yield Workload(
            f"version(t) {of}",
            many,
            partial(rows_as_of, versions=versions),
            base="period",
            bars=AS_OF,
            unit="objects",
        )
        yield Workload(
            f"a page of 100 latest {of}",
            many,
            partial(latest_page, versions=versions),
            base="period",
            bars=PAGE,
            unit="objects",
        )


def save(
    contender: Contender, size: int, around: Callable[[], AbstractContextManager[object]]
) -> Work | None:
    """Change a field of each row and save it."""
    if contender.name.endswith("period"):
        return None
    rows = instances(contender, size)

    def work() -> None:
        with around():
            for row in rows:
                row.number = -1
                row.save()

    return work


def update(contender: Contender, size: int) -> Work | None:
    """Change every row in one call."""
    if contender.name.endswith("period"):
        return None
    fill_with_versions(contender, size)
    return lambda: contender.row.objects.update(number=-1)


def purge(contender: Contender, size: int) -> Work | None:
    """Remove objects with all their versions: all at once, or one by one."""
    if contender.at is None or contender.name.endswith("period"):
        return None
    fill_with_versions(contender, size, 5)
    rows = contender.row.objects.all()
    if hasattr(rows, "purge"):
        return rows.purge

    def one_by_one() -> None:
        for row in rows:
            row.purge()

    return one_by_one


def rows_as_of(contender: Contender, size: int, versions: int) -> Work | None:
    """Read two columns of every object as of the middle of its history."""
    if contender.at is None:
        return None
    fill_with_versions(contender, size, versions)
    rows = contender.at(contender.row, as_of(versions // 2))
    return lambda: list(rows.values_list("name", "number"))


def latest_page(contender: Contender, size: int, versions: int) -> Work | None:
    """Read the second hundred of the newest rows, by key; by hand, of those not replaced."""
    if contender.latest is None:
        return None
    fill_with_versions(contender, size, versions)
    rows = contender.latest(contender.row).order_by("pk")
    return lambda: list(rows[100:200])
