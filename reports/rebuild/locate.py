"""Find the trial that a report was made from, wherever report and trial lie now: what a notebook begins with.

A notebook that held the trial's path would hold its builder's habits: where they stood, how they typed. The
manifest beside it says what the trial was called and what its protocol's bytes were; that finds it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from outcomes.errors import ReportError

if TYPE_CHECKING:
    from reports.manifest import Manifest

VARIABLE = "TANDEM_TRIAL"
"""Environment variable that names the trial where no search is wanted, as while a report is being built."""


def locate_trial(manifest: str | Path = "manifest.json", *, trial: str | Path | None = None) -> Path:
    """Return the path of the trial that a report was made from.

    It is looked for where the manifest says, as typed then: from the current directory, from the manifest's own
    and from each directory above; then under the last parts of that path. The right one is known by its SHA-256.

    Parameters
    ----------
    manifest
        The report's ``manifest.json``.
    trial
        The trial's ``trial.toml``, where it is known: it is taken as it is. So is the one that the environment
        variable ``TANDEM_TRIAL`` names.

    Returns
    -------
    Path
        An existing ``trial.toml``.

    Raises
    ------
    ReportError
        Where the named trial or the manifest does not exist, or no trial is found that is the manifest's.
    """
    named = trial if trial is not None else os.environ.get(VARIABLE) or None
    if named is not None:
        return _existing(Path(named), "trial" if trial is not None else VARIABLE)
    found = _existing(Path(manifest), "manifest")
    return _searched(found)


def _existing(path: Path, what: str) -> Path:
    if not _is_file(path):
        raise ReportError(
            "There is no such file.",
            where=str(path),
            expected="the trial.toml of the trial" if what != "manifest" else "the manifest.json of a report",
            hint=(
                "give the manifest of the report, or name the trial itself: "
                'locate_trial("manifest.json", trial="...")'
                if what == "manifest"
                else f"mend the path in {what}; it is resolved from {Path.cwd()}"
            ),
        )
    return path


def _searched(path: Path) -> Path:
    from reports.manifest import Manifest, file_sha256

    manifest = Manifest.from_json(path.read_text(encoding="utf-8"), str(path))
    typed = manifest.asked.trial
    if not typed:
        raise ReportError(
            "This report was made from data frames, in a Python session.",
            where=str(path),
            expected="a report that was made from a trial.toml and its files",
            hint='read its trial from files: locate_trial("manifest.json", trial="...")',
        )
    wanted = _fingerprint(manifest, typed)
    altered = None
    for candidate in _candidates(typed, path.resolve().parent):
        if not _is_file(candidate):
            continue
        if file_sha256(candidate) == wanted:
            return candidate
        altered = altered or candidate
    call = f'locate_trial("{path.as_posix()}", trial="{altered.as_posix() if altered else "..."}")'
    if altered is None:
        raise ReportError(
            "The trial of this report was not found.",
            expected=f"{typed}, from the current directory, from the report's or from one above it",
            where=str(path),
            hint=f"say where its trial.toml is: {call}",
        )
    raise ReportError(
        "The trial's protocol is not the one that this report was made from.",
        where=str(altered),
        expected=f"SHA-256 {wanted}",
        got=f"SHA-256 {file_sha256(altered)}",
        hint=f"make the report again with `tandem report`, or take the changed trial: {call}",
    )


def _fingerprint(manifest: Manifest, typed: str) -> str:
    """Return the protocol's SHA-256; the manifest names it as it lies in the trial's directory."""
    name = PurePosixPath(typed).name
    return next((found.sha256 for found in manifest.inputs if found.file == name), "")


def _candidates(typed: str, home: Path) -> Iterator[Path]:
    """Yield where the trial may be: as it was typed, then under ever fewer of the last parts of its path."""
    yield Path(typed)
    above = (home, *home.parents)
    if not Path(typed).is_absolute():
        for directory in above:
            yield directory / typed
    parts = [part for part in PurePosixPath(typed).parts if part not in ("..", ".", "/")]
    for start in range(len(parts)):
        for directory in above:
            yield directory.joinpath(*parts[start:])


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a directory that may not be read holds nothing for this reader
        return False
