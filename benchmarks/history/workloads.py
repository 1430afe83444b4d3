"""What is measured of history: reading first, while nothing else is in the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from benchmarks.history.contenders import Contender
from benchmarks.history.tables import chronicled, filled
from benchmarks.listeners import listen_alone
from benchmarks.workloads import Work, Workload

Ready = Callable[[Contender, int], Work | None]

# How many objects a block saves.
BLOCK = 100


def workloads(scale: float) -> Iterator[Workload]:
    """Yield the workloads, their sizes multiplied by ``scale``."""
    for workload in [*reading(scale), *writing(scale)]:
        yield replace(workload, ready=alone(workload.ready))


def alone(ready: Ready) -> Ready:
    """Let nobody but the contender listen, from the preparation to the end of the work."""

    def work(contender: Contender, size: int) -> Work | None:
        listen_alone(contender.name)
        return ready(contender, size)

    return work


def scaled(size: int, scale: float) -> int:
    """Return the size, but at least 10."""
    return max(10, int(size * scale))


# Reading ----------------------------------------------------------------------------------------


def reading(scale: float) -> Iterator[Workload]:
    """Yield what reads the history of one row."""
    few, many = scaled(100, scale), scaled(1_000, scale)
    bar = {"unit": "versions", "base": "simplehistory", "bar": 1.00}
    # The page of django-handleref.
    breaks = (AttributeError,)
    yield Workload("history page", few, history_page, **bar, breaks=breaks)
    yield Workload("history page", many, history_page, **bar, breaks=breaks)
    yield Workload("history page with 100 on it", many, history_page_of_100, **bar, breaks=breaks)
    yield Workload("compare page", many, compare_page, unit="versions", passes=3)
    compares = {"unit": "versions", "base": "simplehistory", "passes": 3}
    yield Workload("compare, without a page", many, compare, **compares)
    for count, passes in ((10, 5), (50, 2)):
        # The first version, of which django-handleref's raises AttributeError, is not among them.
        size = min(count, many // 2)
        yield Workload(
            f"changes_summary of the newest of {many:,}",
            size,
            partial(changes_summary, versions=many),
            bar=0.10,
            base="handleref2",
            unit="versions",
            passes=passes,
        )


def history_page(contender: Contender, size: int) -> Work:
    """Open the admin's page of a row's versions, as it comes."""
    return page(contender, "history", chronicled(contender, size))


def history_page_of_100(contender: Contender, size: int) -> Work:
    """Open that page with as many versions on it as django-simple-history shows."""
    work = page(contender, "history", chronicled(contender, size))
    if contender.name != "ours":
        return work
    options = type(admin.site.get_model_admin(contender.row))

    def with_100() -> None:
        usual, options.history_per_page = options.history_per_page, 100
        try:
            work()
        finally:
            options.history_per_page = usual

    return with_100


def compare_page(contender: Contender, size: int) -> Work | None:
    """Open the admin's page that compares the oldest version with the newest."""
    if contender.name != "ours":
        return None
    row = chronicled(contender, size)
    old, new = ends(contender, row, size)
    return page(contender, "compare", row, f"?from={old}&to={new}")


def compare(contender: Contender, size: int) -> Work:
    """Read two versions, the oldest and the newest, and compare them."""
    row = chronicled(contender, size)
    old, new = ends(contender, row, size)
    return lambda: contender.compare(row, old, new)


def changes_summary(contender: Contender, size: int, versions: int) -> Work:
    """Read the newest versions of a row, and what each of them changed."""
    row = chronicled(contender, versions)
    return lambda: contender.summary(row, size)


def ends(contender: Contender, row: Any, size: int) -> tuple[int, int]:
    """Return the keys of a row's oldest and newest version."""
    versions = [*contender.newest(row, size)]
    return contender.key(versions[-1]), contender.key(versions[0])


def page(contender: Contender, view: str, row: Any, query: str = "") -> Work:
    """Return the work of opening a page of the admin."""
    options = contender.row._meta
    name = f"admin:{options.app_label}_{options.model_name}_{view}"
    url, browser = reverse(name, args=[row.pk]) + query, client()

    def work() -> None:
        response = browser.get(url)
        assert response.status_code == 200, response

    return work


@cache
def client() -> Client:
    """Return a browser with a superuser who is logged in."""
    found = Client()
    found.force_login(get_user_model().objects.get())
    return found


# Writing ----------------------------------------------------------------------------------------


def writing(scale: float) -> Iterator[Workload]:
    """Yield what writes; the base is django-reversion."""
    many = scaled(20_000, scale)
    yield Workload(
        f"save() in blocks of {BLOCK}",
        scaled(2_000, scale),
        save_in_blocks,
        bar=1.15,
        unit="saves",
        count=counted,
    )
    yield Workload("QuerySet.update in a block", many, update_in_a_block, count=counted)
    yield Workload(
        "QuerySet.update, each row recorded", many, update_recorded, rounds=5, count=counted
    )
    yield Workload("first versions", many, first_versions, rounds=3, count=counted)


def save_in_blocks(contender: Contender, size: int) -> Work:
    """Save the same rows in one block after another, each time changed."""
    rows = filled(contender, min(BLOCK, size))

    def work() -> None:
        for _ in range(size // len(rows)):
            with contender.block():
                for row in rows:
                    row.number += 1
                    row.save()

    return work


def update_in_a_block(contender: Contender, size: int) -> Work:
    """Update every row in one statement, in a block."""
    filled(contender, size)

    def work() -> None:
        with contender.block():
            contender.update(contender.row.objects.all(), number=-1)

    return work


def update_recorded(contender: Contender, size: int) -> Work | None:
    """Update every row so that a version of each is kept, the quickest way that there is."""
    if type(contender).record is Contender.record:
        return None
    filled(contender, size)
    return lambda: contender.record(contender.row.objects.all(), number=-1)


def first_versions(contender: Contender, size: int) -> Work | None:
    """Write a first version of every row, by the package's own command."""
    if contender.command is None:
        return None
    filled(contender, size)
    return contender.write_first


def counted(contender: Contender) -> int:
    """Count the versions that there are."""
    return contender.versions().count()
