"""A progress bar for long work: in a terminal only, so that logs, notebooks and tests stay clean."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def track(items: Iterable[Item], total: int, description: str, shown: bool | None = None) -> Iterator[Item]:
    """Yield items and show how many of them are done.

    Parameters
    ----------
    items
        The work.
    total
        Number of items.
    description
        Words before the bar.
    shown
        Whether to show the bar; None shows it where standard error is a terminal.
    """
    if not (sys.stderr.isatty() if shown is None else shown):
        yield from items
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total)
        for item in items:
            yield item
            bar.advance(task)
