"""The benchmarks' arithmetic; `python -m benchmarks --quick` tries the rest."""

import pytest

from benchmarks.documents import put
from benchmarks.verdicts import Ratio, ratio, verdict

CONTROL = Ratio(1.0, 0.95, 1.05, pairs=15)


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
