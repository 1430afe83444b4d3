"""What is said on the terminal: a progress bar, where somebody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.core.management.base import OutputWrapper


@contextmanager
def progress(rows: int, stdout: OutputWrapper) -> Iterator[Callable[[int], object]]:
    """Yield what is to be called with the number of rows just dealt with.

    It moves a bar on a terminal, and does nothing when piped or without tqdm.
    """
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda rows: None
        return
    # The bar goes to stderr; None hides it where that is no terminal.
    hidden = None if stdout.isatty() else True
    with tqdm(total=rows, unit=" airports", leave=False, disable=hidden) as bar:
        yield bar.update
