"""Measures workloads: interleaved, rotated, in pairs, with a control."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any, Protocol

from django.db import connection

from benchmarks.workloads import Work, Workload

# A contender this many times slower than the first one takes part in every so-manieth round only.
SPARED = ((100, 15), (3, 5))


class Contender(Protocol):
    """Whoever is measured; the workloads know how to use it."""

    name: str


@dataclass
class Series:
    """What one contender took: seconds by the clock and of the client's CPU, per round.

    None stands for a round that it was left out of.

    :ivar every: it takes part in one of so many rounds.
    :ivar counted: what the work left behind, where someone counts.
    :ivar broke: the name of the error that it raised instead.
    """

    wall: list[float | None] = field(default_factory=list)
    cpu: list[float | None] = field(default_factory=list)
    queries: int | None = None
    every: int = 1
    counted: int | None = None
    broke: str | None = None

    def sits_out(self, number: int) -> bool:
        """Tell whether the contender is left out of a round."""
        return self.broke is not None or number % self.every != 0


def measure(workload: Workload, contenders: Sequence[Contender], rounds: int) -> dict[str, Series]:
    """Return the series of each contender that can do the work; who is plain comes first."""
    series = warmed_up(workload, contenders)
    for number in range(min(rounds, workload.rounds or rounds)):
        able = [
            contender
            for contender in contenders
            if contender.name in series and not series[contender.name].sits_out(number)
        ]
        took = one_round(workload, able, number)
        for name, one in series.items():
            wall, cpu = took.get(name, (None, None))
            one.wall.append(wall)
            one.cpu.append(cpu)
    return series


def warmed_up(workload: Workload, contenders: Sequence[Contender]) -> dict[str, Series]:
    """Do the work once, count its queries, and see who is slow."""
    series: dict[str, Series] = {}
    first = None
    for contender in contenders:
        work = workload.ready(contender, workload.size)
        if work is None:
            continue
        start = perf_counter()
        try:
            count = queries(work)
        except workload.breaks as error:
            series[contender.name] = Series(broke=type(error).__name__)
            continue
        took = perf_counter() - start
        first = first or took
        every = 1 if contender.name in workload.judged else spared(took / first)
        left = workload.count(contender) if workload.count else None
        series[contender.name] = Series(queries=count, every=every, counted=left)
    return series


def spared(slower: float) -> int:
    """Return in one of how many rounds a contender takes part that is so many times slower."""
    return next((every for times, every in SPARED if slower > times), 1)


def one_round(
    workload: Workload, contenders: Sequence[Contender], number: int
) -> dict[str, tuple[float, float]]:
    """Return what each contender took in a round, all passes together."""
    total = {contender.name: (0.0, 0.0) for contender in contenders}
    for turn in range(workload.passes):
        for contender in rotated(contenders, number + turn):
            wall, cpu = timed(workload.ready(contender, workload.size))
            before = total[contender.name]
            total[contender.name] = before[0] + wall, before[1] + cpu
    return total


def rotated(contenders: Sequence[Contender], by: int) -> Iterator[Contender]:
    """Yield the contenders, beginning further along each time."""
    start = by % len(contenders)
    yield from contenders[start:]
    yield from contenders[:start]


def timed(work: Work) -> tuple[float, float]:
    """Do the work and return the seconds it took, by the clock and of this process's CPU."""
    with collected():
        wall, cpu = perf_counter(), process_time()
        work()
        return perf_counter() - wall, process_time() - cpu


@contextmanager
def collected() -> Iterator[None]:
    """Collect the garbage now and not while the clock runs."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def queries(work: Callable[[], Any]) -> int:
    """Do the work and return the number of statements it sent."""
    count = 0

    def counting(execute: Any, *arguments: Any) -> Any:
        nonlocal count
        count += 1
        return execute(*arguments)

    with connection.execute_wrapper(counting):
        work()
    return count
