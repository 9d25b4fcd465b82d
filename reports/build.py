"""Write a report's files: all of them or none, and a manifest that says what they were made from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from outcomes.errors import ReportError
from reports.manifest import FILE_NAME, Asked, HashedFile, file_sha256, write_manifest
from reports.rebuild.atomic import is_inside, staged
from reports.render import DRAWN, FORMATS, render

if TYPE_CHECKING:
    from reports.analyse import AnalysedTrial, Progress
    from reports.document import Document
    from reports.figures import ReportFigure
    from reports.results import Results

RESULTS = "results.json"
FIGURES = "figures"
REFERENCES = "references.bib"

PRINTED = ("pdf", "docx", "rtf")
"""Formats that go to a printer or an editor: with them come the figures that those ask for."""


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """What a report consists of.

    Attributes
    ----------
    directory
        Where it lies.
    paths
        Every file that was written, manifest.json last.
    answer
        The answer of the first screen, in at most three sentences.
    kept
        Files of an earlier report that this one does not have, and that stay since somebody changed them.
    """

    directory: Path
    paths: tuple[Path, ...]
    answer: tuple[str, ...]
    kept: tuple[Path, ...] = ()

    @property
    def reports(self) -> tuple[Path, ...]:
        """The files to open: report.html, report.ipynb and so on."""
        return tuple(path for path in self.paths if path.parent == self.directory and path.stem == "report")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a report's files are written from.

    Attributes
    ----------
    analysed
        The trial with every number.
    draw
        Draws the figures and puts the document together.
    inputs
        What all was made from, with fingerprints.
    """

    analysed: AnalysedTrial
    draw: Callable[[], tuple[Document, tuple[ReportFigure, ...]]]
    inputs: tuple[HashedFile, ...]


def checked_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """Return formats in the order of `FORMATS`, each once.

    Raises
    ------
    ReportError
        Where one is unknown, or none is asked for.
    """
    asked = (formats,) if isinstance(formats, str) else tuple(formats)
    unknown = [name for name in asked if name not in FORMATS]
    if unknown or not asked:
        raise ReportError(
            "unknown format" if unknown else "no format was asked for",
            expected=", ".join(FORMATS),
            got=", ".join(unknown) or "none",
        )
    return tuple(name for name in FORMATS if name in asked)


def write_report(
    out_dir: str | Path, asked: Asked, contents: Callable[[], Contents], say: Progress
) -> ReportFiles:
    """Write a report into a directory.

    Parameters
    ----------
    out_dir
        Where it goes; made where it is missing. Other files in it stay.
    asked
        What was asked for; its formats are written.
    contents
        Gives what is to be written. Called once the directory is known to be free and writable, since it takes long.
    say
        Called with the name of each stage as it begins.

    Raises
    ------
    ReportError
        Where the directory cannot be written, or another build is writing to it. After any error the directory is as
        it was.
    """
    target = Path(out_dir)
    with staged(target) as stage:
        made = contents()
        answer = _write_files(stage.files, asked, made, say)
        say("Writing manifest.json")
        write_manifest(
            stage.files,
            asked=asked,
            inputs=made.inputs,
            outputs=[path for path in stage.files.rglob("*") if path.is_file()],
            seeds=_seeds(made.analysed.results),
            programs=_programs(made.analysed.results),
        )
        removed, kept = _obsolete(target, stage.files)
        names = stage.commit(FILE_NAME, removed)
    return ReportFiles(
        target, tuple(target / name for name in names), answer, tuple(target / name for name in kept)
    )


def _seeds(results: Results) -> dict[str, int]:
    """Return the seeds of what was drawn at random: the results named "seed"."""
    return {row.analysis: int(row.value or 0) for row in results if row.statistic == "seed"}


def _programs(results: Results) -> dict[str, str]:
    """Return the programs that gave a second opinion, with their versions; tandem's own is known already."""
    from reports.second_opinion import OURS, SUFFIX

    return {
        said.subject: said.text
        for said in results.statements
        if said.kind == "version" and said.analysis.endswith(f"/{SUFFIX}") and said.subject != OURS
    }


def _write_files(files: Path, asked: Asked, made: Contents, say: Progress) -> tuple[str, ...]:
    """Write every file of the report but the manifest, and return the answer."""
    made.analysed.results.write(files / RESULTS)
    if "ipynb" not in asked.formats:
        return _write_drawn(files, asked.formats, made, say)
    from reports.render.notebook import write_notebook

    if not asked.trial:
        raise ReportError(
            "a trial without files has no notebook",
            expected="a trial that was read from its trial.toml",
            got="a trial built from frames",
            hint="write it with `trial.write(directory)` first, or leave out ipynb",
        )
    # The notebook runs in a process of its own, for which a thread only waits: this one can draw meanwhile.
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(write_notebook, asked.trial, files, made.analysed.results, made.analysed)
        answer = _write_drawn(files, asked.formats, made, say)
        if not running.done():
            say("Executing report.ipynb")
        running.result()
    return answer


def _write_drawn(files: Path, formats: Sequence[str], made: Contents, say: Progress) -> tuple[str, ...]:
    """Draw the figures, write them, the references and every drawn format, and return the answer."""
    from reports.bibliography import bibtex_of
    from reports.figures import PRINT_FORMATS, SCREEN_FORMATS, write_figures

    say("Drawing figures")
    document, figures = made.draw()
    (files / FIGURES).mkdir()
    # Texts of a figure keep the canvas that they were drawn on last: after the PDF's, that of the TIFF is let go.
    for_print = tuple(reversed(PRINT_FORMATS)) if any(name in PRINTED for name in formats) else ()
    write_figures(figures, files / FIGURES, (*SCREEN_FORMATS, *for_print))
    references = bibtex_of(document)
    if references:
        (files / REFERENCES).write_text(references, encoding="utf-8", newline="\n")
    for name in (one for one in DRAWN if one in formats):
        say(f"Writing report.{name}")
        (files / f"report.{name}").write_bytes(render(document, name))
    return document.headline.answer


def _obsolete(target: Path, files: Path) -> tuple[list[str], list[str]]:
    """Return the files of an earlier report that the new one does not have: unchanged ones, and changed ones."""
    removed: list[str] = []
    kept: list[str] = []
    for name, sha256 in _earlier(target / FILE_NAME):
        path = target / name
        if (files / name).exists() or not path.is_file():
            continue
        (removed if not path.is_symlink() and file_sha256(path) == sha256 else kept).append(name)
    return removed, kept


def _earlier(manifest: Path) -> Iterator[tuple[str, str]]:
    """Yield the outputs that a manifest of any version names; none where it cannot be read."""
    try:
        listed = json.loads(manifest.read_text(encoding="utf-8"))["outputs"]
        outputs = [(str(one["file"]), str(one["sha256"])) for one in listed]
    except (OSError, ValueError, KeyError, TypeError):
        return
    yield from ((name, sha256) for name, sha256 in outputs if is_inside(name))
