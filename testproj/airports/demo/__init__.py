"""The demo, in chapters: one module for each room of the package."""

from collections.abc import Callable

from testproj.airports.demo import events, inplace, references, versions
from testproj.airports.demo.telling import Teller

# Told in this order; each finds what those before it have left.
CHAPTERS: tuple[tuple[str, Callable[[Teller], None]], ...] = (
    ("Every airport of the world, in February 2025", references.first_release),
    ("Two years of real changes", references.second_release),
    ("Both releases again, by raw SQL", events.replay),
    ("A country goes, and comes back", references.country),
    ("An airport's history, over the releases", versions.airport),
    ("A name taken back, an airport recovered", versions.way_back),
    ("The releases once more, as rows that are history", inplace.positions),
)
