"""The benchmarks' arithmetic; `python -m benchmarks --quick` tries the rest."""

from dataclasses import asdict, dataclass

import pytest
from django.db.models.signals import pre_save
from reversion.signals import post_revision_commit

from benchmarks.documents import parts, put
from benchmarks.history.listeners import connected, listen_alone, owner
from benchmarks.history.report import figures, ratios
from benchmarks.measure import Series, warmed_up
from benchmarks.verdicts import Ratio, ratio, verdict
from benchmarks.workloads import Workload

CONTROL = Ratio(1.0, 0.95, 1.05, pairs=15)


@dataclass(frozen=True)
class Someone:
    """A contender that takes its time."""

    name: str
    seconds: float = 0.0


def series(*seconds, **values):
    """Return what someone took, as the child process writes it."""
    return asdict(Series(wall=[*seconds], cpu=[*seconds], queries=7, **values))


def measured(**contenders):
    """Return a piece of work of which django-handleref is the base."""
    shown = {"name": "summary", "size": 1000, "unit": "versions", "passes": 2, "bar": 0.1}
    return {**shown, "base": "handleref2", "series": contenders}


@pytest.mark.parametrize(
    ("ours", "expected"),
    [(1.04, "met"), (1.06, "not told apart"), (1.14, "not told apart"), (1.17, "missed")],
)
def test_a_bar_is_told_apart_only_outside_of_the_noise(ours, expected):
    measured = Ratio(ours, ours, ours, pairs=15)

    assert verdict(measured, CONTROL, 1.10) == expected


def test_a_bar_wants_fifteen_pairs():
    measured = Ratio(2.0, 2.0, 2.0, pairs=14)

    assert verdict(measured, CONTROL, 1.10) == "too few pairs"


def test_a_ratio_pairs_the_rounds_in_which_both_took_part():
    values, base = [2.0, None, 6.0, 12.0], [1.0, 1.0, 2.0, 3.0]

    assert ratio(values, base) == Ratio(3.0, pytest.approx(2.2), pytest.approx(3.8), pairs=3)


def test_a_part_of_the_page_is_replaced_between_its_markers():
    page = "a <!-- begin x -->old<!-- end x --> b"

    assert put(page, "x", "new") == "a <!-- begin x -->\n\nnew\n\n<!-- end x --> b"


def test_a_part_without_a_place_is_refused():
    with pytest.raises(ValueError) as error:
        put("", "x", "new")

    assert str(error.value) == (
        "benchmarks.md has no place for it: <!-- begin x --> … <!-- end x -->"
    )


def test_history_has_a_place_on_the_page_of_its_own():
    machine = {"cores": 2, "load_before": 0.1, "load_after": 0.2}
    database = {"server": "SQLite 3", "django": "6.1.3", "python": "3.13.0", "history": []}
    run = {"date": "2026-11-22", "rounds": 15, "machine": machine, "databases": [database]}

    assert [*parts(run)] == ["history on Django 6.1"]


def test_a_line_of_history_names_whom_its_ratios_are_to():
    work = measured(
        plain=series(*[1.0] * 15),
        twin=series(*[1.0] * 15),
        ours=series(*[0.5] * 15),
        handleref2=series(*[10.0] * 15),
    )

    assert ratios([work]).splitlines()[-1] == (
        "| summary, 1,000 versions | django-handleref | 1.00 (1.00-1.00) | 0.10 (0.10-0.10)"
        " | 0.05 (0.05-0.05) | - | 1 | ≤ 0.10 met | 0.05 (0.05-0.05) |"
    )


def test_the_figures_of_history_are_those_of_one_pass_and_tell_who_broke():
    work = measured(
        ours=series(0.5, None, 0.7, counted=20_000), handleref2=series(None, broke="AttributeError")
    )

    assert figures([work]).splitlines()[-1] == (
        "| summary, 1,000 versions | - | 300.0 ms, 7 q, 20,000 v | - | AttributeError |"
    )


def test_whoever_is_slow_sits_out_but_the_base(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("benchmarks.measure.perf_counter", lambda: clock[0])

    def ready(someone, size):
        return lambda: clock.append(clock.pop() + someone.seconds)

    work = Workload("", 1, ready, base="base")

    found = warmed_up(work, [Someone("plain", 0.001), Someone("slow", 0.05), Someone("base", 0.05)])

    assert {name: one.sits_out(1) for name, one in found.items()} == {
        "plain": False,
        "slow": True,
        "base": False,
    }


def test_whoever_may_break_is_told_and_left_out():
    def ready(someone, size):
        return lambda: someone.nothing

    found = warmed_up(Workload("", 1, ready, breaks=(AttributeError,)), [Someone("brittle")])

    assert found == {"brittle": Series(broke="AttributeError")}
    assert found["brittle"].sits_out(0)


def test_nobody_listens_to_the_writes_of_a_rival():
    def listening():
        signals = (pre_save, post_revision_commit)
        return [any(owner(entry) == "ours" for entry in signal.receivers) for signal in signals]

    try:
        listen_alone("plain")
        while_a_rival_works = listening()
        listen_alone("ours")
        while_we_work = listening()
    finally:
        for signal, entries in connected():
            signal.receivers = entries
            signal.sender_receivers_cache.clear()

    assert (while_a_rival_works, while_we_work) == ([False, False], [True, True])
