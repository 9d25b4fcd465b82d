"""From a trial's protocol to its report in a directory: all files or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from outcomes.errors import ReportError
from reports.analyse import AnalysedTrial, Progress, analyse_trial
from reports.render import DEFAULT_FORMATS, DRAWN, FORMATS, render

RESULTS = "results.json"
FIGURES = "figures"


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
    """

    directory: Path
    paths: tuple[Path, ...]
    answer: tuple[str, ...]

    @property
    def reports(self) -> tuple[Path, ...]:
        """The files to open: report.html, report.ipynb and so on."""
        return tuple(path for path in self.paths if path.parent == self.directory and path.stem == "report")


def build_report(
    trial_path: str | Path,
    out_dir: str | Path,
    formats: Sequence[str] = DEFAULT_FORMATS,
    progress: Progress | None = None,
) -> ReportFiles:
    """Analyse a trial and write its report.

    Parameters
    ----------
    trial_path
        The trial's ``trial.toml``.
    out_dir
        Where the report goes; made where it is missing. Other files in it stay, those of an earlier report
        are replaced.
    formats
        Formats of the report, of `reports.render.FORMATS`.
    progress
        Called with the name of each stage as it begins.

    Returns
    -------
    ReportFiles

    Raises
    ------
    ProtocolError, TrialDataError
        Where the protocol or the data have defects, or the data cannot be analysed as planned.
    ModelError, DesignError
        Where the primary analysis cannot be carried out.
    ReportError
        Where a format is unknown, or the directory cannot be written. After any error the directory is as it
        was.
    """
    say = progress or _silent
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ReportError("unknown format", expected=", ".join(FORMATS), got=", ".join(unknown))
    from outcomes import read_trial
    from reports.check_plan import check_plan

    say("Reading the trial")
    trial = read_trial(trial_path)
    check_plan(trial)
    analysed = analyse_trial(trial, say)
    target = Path(out_dir)
    with _staging(target) as staging:
        answer = _write_files(trial_path, staging, target, formats, analysed, say)
        written = _moved(staging, target)
    return ReportFiles(target, written, answer)


def _write_files(
    trial_path: str | Path,
    staging: Path,
    target: Path,
    formats: Sequence[str],
    analysed: AnalysedTrial,
    say: Progress,
) -> tuple[str, ...]:
    """Write every file of the report into the staging directory and return the answer."""
    from reports.manifest import write_manifest

    def draw() -> tuple[str, ...]:
        return _write_page(staging, formats, analysed, provenance(trial_path, analysed, formats))

    if "ipynb" in formats:
        from reports.render.notebook import write_notebook

        # The notebook runs in a process of its own, for which this one only waits: it can draw meanwhile.
        say("Drawing figures, executing report.ipynb")
        with ThreadPoolExecutor(max_workers=1) as pool:
            drawing = pool.submit(draw)
            write_notebook(trial_path, staging, analysed.results, analysed, lies_in=target)
            answer = drawing.result()
    else:
        say("Drawing figures")
        answer = draw()
    analysed.results.write(staging / RESULTS)
    say("Writing manifest.json")
    write_manifest(
        staging,
        trial_path=trial_path,
        formats=formats,
        inputs=analysed.trial.files,
        outputs=_files_in(staging),
    )
    return answer


def _write_page(
    staging: Path, formats: Sequence[str], analysed: AnalysedTrial, made_by: tuple[tuple[str, str], ...]
) -> tuple[str, ...]:
    """Draw the figures, write them and report.html, and return the answer."""
    from reports.compose import compose
    from reports.context import ReportContext
    from reports.drawing import draw_figures

    context = ReportContext(analysed.trial.protocol, analysed.results)
    figures = draw_figures(context, analysed)
    (staging / FIGURES).mkdir()
    for figure in figures.values():
        figure.write(staging / FIGURES)
    document = compose(context, figures, made_by, analysed.trial.notes)
    for name in (one for one in DRAWN if one in formats):
        (staging / f"report.{name}").write_bytes(render(document, name))
    return document.headline.answer


def provenance(
    trial_path: str | Path, analysed: AnalysedTrial, formats: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Return what made the report: the command without its output path, inputs with hashes, versions."""
    from reports.manifest import file_sha256

    typed = Path(trial_path).as_posix()
    items = [("Command", f"tandem report {typed} --format {','.join(formats)}")]
    home = analysed.trial.directory
    for path in analysed.trial.files:
        name = path.as_posix() if home is None else Path(os.path.relpath(path, home)).as_posix()
        items.append((name, f"SHA-256 {file_sha256(path)}"))
    items += [(name, version) for name, version in analysed.results.software.items()]
    return tuple(items)


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """Give a directory in or beside the target, removed in any case: a failed build leaves nothing behind.

    Inside, where the target exists: it may be a mount of its own, onto which files cannot be moved from outside.
    """
    made = _first_missing(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        inside = target.is_dir()
        staging = Path(tempfile.mkdtemp(prefix=".tandem-", dir=target if inside else target.parent))
    except OSError as error:
        raise ReportError(
            "the report's directory cannot be written",
            where=str(target),
            got=error.strerror or str(error),
            hint="choose another directory with -o",
        ) from error
    finished = False
    try:
        yield staging
        finished = True
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not finished and made is not None and made != target:
            _remove_empty(target.parent, made)


def _first_missing(path: Path) -> Path | None:
    """Return the topmost directory of a path that does not exist yet."""
    missing = None
    for place in (path, *path.parents):
        if place.exists():
            return missing
        missing = place
    return missing


def _remove_empty(path: Path, top: Path) -> None:
    """Remove directories that were made for a report that failed, as long as they are empty."""
    while path.is_dir() and not any(path.iterdir()):
        path.rmdir()
        if path == top:
            return
        path = path.parent


def _files_in(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _moved(staging: Path, target: Path) -> tuple[Path, ...]:
    """Move every file to its place; the manifest last, so that it never speaks of files that are not there yet."""
    names = [path.relative_to(staging) for path in _files_in(staging)]
    names.sort(key=lambda name: (name.name == "manifest.json", name.as_posix()))
    try:
        for name in names:
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            (staging / name).replace(place)
    except OSError as error:
        raise ReportError(
            "the report's directory cannot be written",
            where=str(target),
            got=error.strerror or str(error),
            hint="choose another directory with -o, or close the programs that hold its files",
        ) from error
    return tuple(target / name for name in names)


def _silent(stage: str) -> None:
    """Say nothing."""
