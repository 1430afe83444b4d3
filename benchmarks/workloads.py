"""What is measured: each workload prepares a table and returns the work that is timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from benchmarks.contenders import Contender
from benchmarks.tables import empty, fill, latest, settle

Work = Callable[[], object]
# Who may cost at most how many times what who costs.
Bar = tuple[str, str, float]


@dataclass(frozen=True)
class Workload:
    """A piece of work, its size and its bar.

    :ivar ready: prepares the table and returns the work; called before each pass.
    :ivar bar: what ours may cost at most, as a ratio to the base.
    :ivar passes: a round's figure is the sum of this many interleaved passes.
    :ivar unit: what the size counts.
    :ivar base: the name of the contender that the ratios are to.
    :ivar rounds: how many there are at most.
    :ivar count: counts what the work left behind.
    :ivar breaks: what a contender may raise instead of doing the work, which is then told.
    :ivar bars: more bars than that of ours to the base.
    """

    name: str
    size: int
    ready: Callable[[Any, int], Work | None]
    bar: float | None = None
    passes: int = 1
    unit: str = "rows"
    base: str = "plain"
    rounds: int | None = None
    count: Callable[[Any], int] | None = None
    breaks: tuple[type[Exception], ...] = ()
    bars: tuple[Bar, ...] = ()

    @property
    def judged(self) -> set[str]:
        """The names of those that a bar wants in every round."""
        return {self.base, *(name for bar in self.bars for name in bar[:2])}


def new_rows(contender: Contender, size: int) -> list[Any]:
    """Return instances that are not saved yet."""
    return [
        contender.row(name=f"Airport {i}", code=f"HR-{i:05}", city="Somewhere", number=i)
        for i in range(size)
    ]


def saved_rows(contender: Contender, size: int) -> list[Any]:
    """Return the instances of a table that was just filled."""
    fill(contender.row, size)
    return list(contender.row.objects.order_by("pk"))


def create(
    contender: Contender, size: int, around: Callable[[], AbstractContextManager[Any]]
) -> Work:
    """Insert rows with ``save()``."""
    empty(contender.row)
    settle(contender.row)
    rows = new_rows(contender, size)

    def work() -> None:
        with around():
            for row in rows:
                row.save()

    return work


def save(
    contender: Contender,
    size: int,
    around: Callable[[], AbstractContextManager[Any]],
    *,
    partly: bool = False,
) -> Work:
    """Change one field of each row and save it, or that field and the stamps only."""
    rows = saved_rows(contender, size)
    fields = ["number", *contender.stamps] if partly else None

    def work() -> None:
        with around():
            for row in rows:
                row.number += 1
                row.save(update_fields=fields)

    return work


def bulk_create(contender: Contender, size: int) -> Work:
    """Insert rows with ``bulk_create()``."""
    empty(contender.row)
    settle(contender.row)
    rows = new_rows(contender, size)
    return lambda: contender.row.objects.bulk_create(rows)


def update(contender: Contender, size: int) -> Work:
    """Update every row in one statement, its stamp included."""
    fill(contender.row, size)
    return lambda: contender.update(contender.row.objects.all(), number=7)


def unstamped_update(contender: Contender, size: int) -> Work:
    """Update every row in one statement; plain Django moves no stamp."""
    fill(contender.row, size)
    return lambda: contender.row.objects.update(number=7)


def bulk_update(contender: Contender, size: int) -> Work:
    """Write a field of instances back with ``bulk_update()``; plain Django moves no stamp."""
    rows = saved_rows(contender, size)
    for row in rows:
        row.number += 1
    return lambda: contender.row.objects.bulk_update(rows, ["number"])


def delete(contender: Contender, size: int) -> Work | None:
    """Soft-delete instances one by one."""
    if contender.delete is None:
        return None
    rows = saved_rows(contender, size)

    def work() -> None:
        with transaction.atomic():
            for row in rows:
                contender.delete(row)

    return work


def delete_all(contender: Contender, size: int) -> Work | None:
    """Soft-delete the rows of a queryset."""
    if contender.delete_all is None:
        return None
    fill(contender.row, size)
    return lambda: contender.delete_all(contender.row.objects.all())


def since(contender: Contender, size: int) -> Work | None:
    """Read the 100 latest changes."""
    if contender.since is None:
        return None
    if contender.row.objects.count() != size:
        fill(contender.row, size)
    moment = latest(size, 100)
    return lambda: list(contender.since(moment))


def returns_what_it_updates() -> bool:
    """Tell whether this Django reads back what the database assigned in an ``UPDATE``."""
    return getattr(connection.features, "can_return_rows_from_update", False)


def workloads(scale: float) -> Iterator[Workload]:
    """Yield the workloads, their sizes multiplied by ``scale``."""

    def scaled(size: int) -> int:
        return max(10, int(size * scale))

    few, many = scaled(200), scaled(20_000)
    atomic, each = transaction.atomic, nullcontext
    saving = 1.20 if returns_what_it_updates() else 1.10
    yield Workload("create, one transaction", few, lambda c, n: create(c, n, atomic), 1.10, 5)
    yield Workload("create, autocommit", few, lambda c, n: create(c, n, each), 1.10, 5)
    yield Workload("save(), one transaction", few, lambda c, n: save(c, n, atomic), saving, 5)
    yield Workload("save(), autocommit", few, lambda c, n: save(c, n, each), saving, 5)
    yield Workload(
        "save(update_fields)", few, lambda c, n: save(c, n, atomic, partly=True), saving, 5
    )
    yield Workload("bulk_create", scaled(5_000), bulk_create, 1.15, 2)
    yield Workload("QuerySet.update", many, update, 1.15, 2)
    yield Workload("QuerySet.update, plain without stamps", many, unstamped_update, passes=2)
    yield Workload("bulk_update, plain without stamps", scaled(1_000), bulk_update, 1.15, 2)
    yield Workload("delete(), one by one", few, delete, passes=3)
    yield Workload("soft delete by queryset", many, delete_all, 1.30, 2)
    yield Workload("since(), the 100 latest", scaled(1_000_000), since, 1.10, 5)
