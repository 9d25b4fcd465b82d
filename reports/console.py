"""What the command says while it works and when it fails: readable blocks, whole file names, no traceback."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from reports.characters import printable

if TYPE_CHECKING:
    from rich.progress import Progress

FAILED = 1
"""Exit code: the data or a model failed."""

USAGE = 2
"""Exit code: the command was not understood."""

DRIFT = 3
"""Exit code: a report is not what a rebuild gives."""

STOPPED = 130
"""Exit code after Ctrl-C, as shells expect it (128 + SIGINT)."""

TERMINATED = 143
"""Exit code after SIGTERM, likewise."""


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM, as batch systems and CI do: what Ctrl-C undoes is undone too."""


@contextmanager
def termination() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that nothing is left half-written; only in the main thread, as signals are."""
    import signal
    import threading

    def stop(number: int, frame: object) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def failures(trial: Path | None = None) -> Iterator[None]:
    """Say a failure of the data, a model or the file system in one block on stderr, and end with code 1.

    Lines are not wrapped here: a terminal wraps them, and a file name that is copied out of it stays whole.

    Parameters
    ----------
    trial
        The protocol at hand, named at the end of a message that does not name it.
    """
    from outcomes.errors import TandemError

    try:
        yield
    except TandemError as error:
        message = str(error)
        if trial is not None and trial.name not in message:
            message += f"\n  {'trial:':<10}{trial}"
        fail(message)
    except OSError as error:
        place = f"\n  {'where:':<10}{error.filename}" if error.filename else ""
        fail(f"The file system refused: {error.strerror or error}.{place}")


def fail(message: str) -> None:
    """Print a failure and leave with code 1."""
    click.echo(printable(message), err=True)
    raise click.exceptions.Exit(FAILED)


def terminal_width(most: int = 110) -> int:
    """Columns to write in: the terminal's, within reason."""
    return max(40, min(shutil.get_terminal_size((100, 24)).columns, most))


def definition(term: str, text: str, indent: int = 12) -> str:
    """A term with its text beside it, the text wrapped to the terminal at spaces alone."""
    width = terminal_width()
    if width < 60:
        return f"{term}\n" + textwrap.fill(
            text,
            width,
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return textwrap.fill(
        text or "–",
        width,
        initial_indent=f"{term:<{indent}}",
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


class Stages:
    """The stages of a long command: a bar on stderr where that is a terminal, nothing otherwise.

    Use as a context manager and call it with the name of each stage as it begins. rich leaves out colour
    where the environment says ``NO_COLOR``, and shortens the bar on narrow terminals.
    """

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> Stages:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                BarColumn(bar_width=24),
                TimeElapsedColumn(),
                TextColumn("{task.description}", markup=False),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task("", total=None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, stage: str) -> None:
        """Show the stage that begins."""
        if self._progress is not None:
            self._progress.update(self._task, description=stage)
