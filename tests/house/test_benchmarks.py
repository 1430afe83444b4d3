"""The benchmarks' arithmetic; `python -m benchmarks --quick` tries the rest."""

from dataclasses import asdict, dataclass

import pytest
from django.db import connection
from django.db.models.signals import pre_save
from reversion.signals import post_revision_commit

from benchmarks.__main__ import parse, tasks_for
from benchmarks.documents import parts, put
from benchmarks.events.report import bars, growth
from benchmarks.events.report import ratios as event_ratios
from benchmarks.history.report import figures, ratios
from benchmarks.listeners import carry_alone, connected, listen_alone, owner
from benchmarks.measure import Series, warmed_up
from benchmarks.verdicts import Ratio, ratio, verdict
from benchmarks.workloads import Workload
from handleref.triggers.session import Courier
from tests.databases import DATABASES

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


def recorded(name="QuerySet.update", **contenders):
    """Return a piece of work whose bars are beside triggers written by hand."""
    bars = [["ours_row", "hand_row", 1.15], ["ours_statement", "hand_statement", 1.15]]
    shown = {"name": name, "size": 1000, "unit": "rows", "passes": 1, "bars": bars}
    return {**shown, "series": contenders}


def test_events_and_their_write_paths_have_places_of_their_own():
    machine = {"cores": 2, "load_before": 0.1, "load_after": 0.2}
    events = {"workloads": [], "matrix": {"save": {"triggers for rows": "10"}}}
    database = {"server": "SQLite 3", "django": "6.1.3", "python": "3.13.0", "events": events}
    run = {"date": "2026-11-22", "rounds": 15, "machine": machine, "databases": [database]}

    found = parts(run)

    assert [*found] == ["events on Django 6.1", "matrix of events"]
    assert found["matrix of events"].splitlines()[-1] == "| save | 10 |"


def test_a_run_of_one_workload_of_events_has_no_matrix_to_write():
    machine = {"cores": 2, "load_before": 0.1, "load_after": 0.2}
    database = {"server": "SQLite 3", "django": "6.1.3", "python": "3.13.0"}
    database["events"] = {"workloads": []}
    run = {"date": "2026-11-22", "rounds": 15, "machine": machine, "databases": [database]}

    assert [*parts(run)] == ["events on Django 6.1"]


def test_a_table_of_events_has_only_who_took_part():
    work = recorded(
        plain=series(*[1.0] * 15), twin=series(*[1.0] * 15), ours_row=series(*[2.0] * 15)
    )

    assert event_ratios([work]).splitlines() == [
        "| work | plain, ms | control: plain again | **handleref**, rows |",
        "| --- | ---: | ---: | ---: |",
        "| QuerySet.update, 1,000 rows | 1,000.0 | 1.00 (1.00-1.00) | 2.00 (2.00-2.00) |",
    ]


def test_a_bar_of_events_is_told_where_both_took_part():
    work = recorded(
        plain=series(*[1.0] * 15),
        twin=series(*[1.0] * 15),
        hand_row=series(*[2.0] * 15),
        ours_row=series(*[2.2] * 15),
    )

    (line,) = bars([work]).splitlines()[2:]
    assert line == (
        "| QuerySet.update, 1,000 rows | **handleref**, rows | by hand, rows"
        " | 1.10 (1.10-1.10) | ≤ 1.15 met |"
    )


def test_growth_is_told_per_row():
    work = recorded(
        **{
            "plain/pieces": series(*[1.0] * 15),
            "plain/one": series(*[1.0] * 15),
            "twin/pieces": series(*[1.0] * 15),
            "twin/one": series(*[1.0] * 15),
            "ours_row/pieces": series(*[2.0] * 15),
            "ours_row/one": series(*[2.5] * 15),
        }
    )
    work["bars"] = [["ours_row/one", "ours_row/pieces", 1.15]]

    assert growth(work).splitlines() == [
        "| who | 16 transactions | one transaction of 1,000 | ratio | bar |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| plain Django | 1,000.0 | 1,000.0 | 1.00 (1.00-1.00) | - |",
        "| control: plain again | 1,000.0 | 1,000.0 | 1.00 (1.00-1.00) | - |",
        "| **handleref**, rows | 2,000.0 | 2,500.0 | 1.25 (1.25-1.25) | ≤ 1.15 missed |",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--events"], [["events"], ["events"], ["events"]]),
        (["--history"], [["history"], ["history"], []]),
        (
            ["--only", "save"],
            [
                ["workloads", "history", "events", "inplace"],
                ["workloads", "history", "events", "inplace"],
                ["events", "inplace"],
            ],
        ),
        (["--inplace"], [["inplace"], ["inplace"], ["inplace"]]),
        (["--matrix"], [["matrix"], ["matrix"], ["matrix"]]),
    ],
)
def test_mariadb_is_timed_for_what_has_bars_there(arguments, expected):
    options = parse(arguments)

    assert [tasks_for(database, options) for database in DATABASES] == expected


def test_whoever_a_bar_names_takes_part_in_every_round():
    work = Workload("", 1, lambda someone, size: None, bars=(("ours", "rival", 1.5),))

    assert work.judged == {"plain", "ours", "rival"}


def test_whoever_is_slow_sits_out_but_the_base(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("benchmarks.measure.perf_counter", lambda: clock[0])

    def ready(someone, size):
        return lambda: clock.append(clock.pop() + someone.seconds)

    work = Workload("", 1, ready, base="base")

    everybody = {"plain": 0.001, "slower": 0.002, "slow": 0.05, "slowest": 0.5, "base": 0.5}
    found = warmed_up(work, [Someone(*each) for each in everybody.items()])

    assert {name: one.every for name, one in found.items()} == {
        "plain": 1,
        "slower": 1,
        "slow": 5,
        "slowest": 15,
        "base": 1,
    }
    assert [number for number in range(15) if not found["slow"].sits_out(number)] == [0, 5, 10]


def test_whoever_may_break_is_told_and_left_out():
    def ready(someone, size):
        return lambda: someone.nothing

    found = warmed_up(Workload("", 1, ready, breaks=(AttributeError,)), [Someone("brittle")])

    assert found == {"brittle": Series(broke="AttributeError")}
    assert found["brittle"].sits_out(0)


def test_what_tells_triggers_is_on_our_connection_alone():
    def carried():
        return any(isinstance(wrapper, Courier) for wrapper in connection.execute_wrappers)

    before = [*connection.execute_wrappers]
    try:
        carry_alone("plain")
        while_a_rival_works = carried()
        carry_alone("ours")
        while_we_work = carried()
    finally:
        connection.execute_wrappers[:] = before

    assert (while_a_rival_works, while_we_work) == (False, True)


def test_nobody_listens_to_the_writes_of_a_rival():
    wrappers = [*connection.execute_wrappers]

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
        connection.execute_wrappers[:] = wrappers

    assert (while_a_rival_works, while_we_work) == ([False, False], [True, True])
