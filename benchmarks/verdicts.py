"""Turns series into ratios, and ratios into verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

PAIRS_PER_BAR = 15


@dataclass(frozen=True)
class Ratio:
    """The median of pairwise ratios, and between what the middle four fifths of them lie."""

    median: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        if self.median >= 10:
            return f"{self.median:.0f} ({self.low:.0f}-{self.high:.0f})"
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def ratio(values: Sequence[float | None], base: Sequence[float | None]) -> Ratio:
    """Return the ratio of two series, pair by pair where both took part."""
    pairs = [a / b for a, b in zip(values, base, strict=True) if a is not None and b]
    if len(pairs) == 1:
        return Ratio(pairs[0], pairs[0], pairs[0], 1)
    tenths = quantiles(pairs, n=10, method="inclusive")
    return Ratio(median(pairs), tenths[0], tenths[-1], len(pairs))


def verdict(ours: Ratio, control: Ratio, bar: float) -> str:
    """Tell whether a bar is met, missed, or within the noise around our ratio.

    The noise is what plain Django scatters against itself in the same rounds.
    """
    if min(ours.pairs, control.pairs) < PAIRS_PER_BAR:
        return "too few pairs"
    if ours.median * max(control.high, 1) < bar:
        return "met"
    if ours.median * min(control.low, 1) > bar:
        return "missed"
    return "not told apart"
