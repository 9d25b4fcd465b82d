"""Build a report again and compare: identical, or what differs, from where, and why.

Three versions of each file are compared: the one in the directory, the one that the manifest remembers (by its hash),
and the one that a rebuild makes. Where the rebuild and the manifest agree, and the directory does not, somebody edited
the file; where the directory and the manifest agree, and the rebuild does not, the inputs or the software changed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from outcomes.errors import RebuildError, ReportError, TandemError
from reports.manifest import FILE_NAME, HashedFile, Manifest, data_sha256, file_sha256
from reports.rebuild.atomic import is_inside, recover
from reports.rebuild.verification import ChangedInput, ChangedOutput, Verification, Version, where_they_part

if TYPE_CHECKING:
    from reports.analyse import Progress
    from reports.report import ReportFiles

Rebuild = Callable[[Path, tuple[str, ...]], "ReportFiles"]
"""Builds the report again into a directory, in some formats."""

__all__ = ["Verification", "read_manifest", "verify_against", "verify_report"]


def verify_report(
    directory: str | Path,
    trial: str | Path | None = None,
    *,
    options: str | Path | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Build the report of a directory again, in a temporary one, and compare.

    Parameters
    ----------
    directory
        The report's; nothing in it is changed, and files that are not the report's do not count.
    trial
        The trial's ``trial.toml``; by default where the manifest says, from the current directory.
    options
        The file of ``--report``; by default where the manifest says.
    progress
        Called with the name of each stage as it begins.

    Raises
    ------
    RebuildError
        Where trial or options are not there, or a Python session made the report.
    ReportError
        Where the directory holds no manifest, or one that cannot be read.
    TandemError
        Where the report cannot be built any more though neither inputs nor versions changed.
    """
    from reports.report import build_report

    home = Path(directory)
    recover(home)
    asked = read_manifest(home)[0].asked
    if not asked.by_command:
        raise RebuildError(
            "A Python session made this report, and its manifest does not say how.",
            where=str(home / FILE_NAME),
            hint="put the same report together again, and call `Report(...).verify(directory)`",
        )
    protocol = _there(trial, asked.trial, "The report's trial", "--trial")
    if protocol.is_dir():
        protocol /= "trial.toml"
    chosen = (
        _there(options, asked.options, "The report's options", "--report")
        if asked.options or options
        else None
    )

    def rebuild(out: Path, formats: tuple[str, ...]) -> ReportFiles:
        return build_report(
            protocol, out, formats, progress, options=chosen, second_opinion=asked.second_opinion
        )

    return verify_against(home, rebuild, protocol.parent)


def verify_against(directory: Path, rebuild: Rebuild, trial_home: Path | None = None) -> Verification:
    """Compare a report with what a function builds.

    Parameters
    ----------
    directory
        The report's.
    rebuild
        Builds the report again into a directory, in some formats.
    trial_home
        Where the trial lies, to look for its changed files where the rebuild fails.
    """
    recover(directory)
    manifest, text = read_manifest(directory)
    edited = manifest.to_json() != text
    with tempfile.TemporaryDirectory(prefix="tandem-verify-") as place:
        out = Path(place) / "report"
        try:
            rebuild(out, manifest.asked.formats)
        except TandemError as error:
            return _failed(directory, manifest, edited, error, trial_home)
        again = read_manifest(out)[0]
        return Verification(
            directory=directory,
            formats=manifest.asked.formats,
            files=len(manifest.outputs),
            inputs=_changed_inputs(manifest.inputs, again.inputs),
            versions=_changed_versions(manifest, again),
            outputs=tuple(_changed_outputs(directory, out, manifest, again)),
            results=_results_of(directory, out),
            manifest_edited=edited,
        )


def read_manifest(directory: Path) -> tuple[Manifest, str]:
    """Return a report's manifest and its text.

    Raises
    ------
    ReportError
        Where there is none, or it cannot be read.
    """
    path = directory / FILE_NAME
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        gone = isinstance(error, FileNotFoundError)
        raise ReportError(
            "The directory holds no manifest." if gone else "The manifest cannot be read.",
            where=str(path),
            expected="the directory of a report, as `tandem report -o DIR` writes it",
            got=None if gone else str(error),
        ) from error
    manifest = Manifest.from_json(text, str(path))
    outside = [one.file for one in manifest.outputs if not is_inside(one.file)]
    if outside:
        raise ReportError(
            "The manifest names files outside the report's directory.", where=str(path), got=outside[0]
        )
    return manifest, text


def _there(named: str | Path | None, typed: str, what: str, option: str) -> Path:
    """Return a path that exists: the one that is named, or the one in the manifest."""
    path = Path(typed if named is None else named)
    if path.exists():
        return path
    raise RebuildError(
        f"{what} is not there.",
        where=str(path),
        got=None if path.is_absolute() else f"nothing of this name from {Path.cwd()}",
        hint=f"say where it is with {option} PATH",
    )


def _failed(
    directory: Path, manifest: Manifest, edited: bool, error: TandemError, trial_home: Path | None
) -> Verification:
    """Return why a report cannot be built again, where inputs or versions changed; otherwise raise the error."""
    from reports.manifest import software_versions

    inputs = () if trial_home is None else _changed_inputs(manifest.inputs, _inputs_now(manifest, trial_home))
    current = software_versions()
    known = {name: version for name, version in manifest.software.items() if name in current}
    versions = _version_changes(known, current)
    if not inputs and not versions:
        raise error
    return Verification(
        directory=directory,
        formats=manifest.asked.formats,
        files=len(manifest.outputs),
        inputs=inputs,
        versions=versions,
        manifest_edited=edited,
        failure=str(error),
    )


def _inputs_now(manifest: Manifest, home: Path) -> tuple[HashedFile, ...]:
    """Return the manifest's inputs as they are now; a file that cannot be read as what it was has no hash."""
    found = []
    for one in manifest.inputs:
        path = home / one.file
        if path.is_file():
            try:
                sha256 = data_sha256(path) if one.of == "data" else file_sha256(path)
            except (TandemError, ValueError, OSError):
                sha256 = ""
            found.append(HashedFile(one.file, sha256, one.of))
    return tuple(found)


def _changed_inputs(old: Sequence[HashedFile], new: Sequence[HashedFile]) -> tuple[ChangedInput, ...]:
    was, now = ({one.file: (one.sha256, one.of) for one in files} for files in (old, new))
    changes = []
    for name in sorted({*was, *now}):
        if was.get(name) != now.get(name):
            kind = "changed" if name in was and name in now else "gone" if name in was else "new"
            changes.append(ChangedInput(name, kind, was.get(name, ("", ""))[0], now.get(name, ("", ""))[0]))
    return tuple(changes)


def _changed_versions(old: Manifest, new: Manifest) -> tuple[Version, ...]:
    seeds = _version_changes(
        {f"seed of {name}": str(seed) for name, seed in old.seeds.items()},
        {f"seed of {name}": str(seed) for name, seed in new.seeds.items()},
    )
    return (*_version_changes(old.software, new.software), *seeds)


def _version_changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Version, ...]:
    return tuple(
        Version(name, old.get(name, "none"), new.get(name, "none"))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    )


def _changed_outputs(directory: Path, out: Path, manifest: Manifest, again: Manifest) -> list[ChangedOutput]:
    """Return the files that differ, results.json first."""
    remembered, rebuilt = ({one.file: one.sha256 for one in each.outputs} for each in (manifest, again))
    names = sorted({*remembered, *rebuilt}, key=lambda name: (name != "results.json", "/" in name, name))
    changes = []
    for name in names:
        path = directory / name
        here = file_sha256(path) if path.is_file() else None
        was, now = remembered.get(name), rebuilt.get(name)
        kind = _kind(here, was, now)
        if kind is not None:
            both = here is not None and now is not None and here != now
            place = where_they_part(PurePosixPath(name), path, out / name) if both else ""
            changes.append(ChangedOutput(name, kind, place))
    return changes


def _kind(here: str | None, was: str | None, now: str | None) -> str | None:
    """Say how a file differs, from its hash in the directory, in the manifest and in the rebuild."""
    if here == was == now:
        return None
    if here is None:
        return "missing" if was is not None else "new"
    if here == now:
        return "manifest"
    if here == was:
        return "rebuilt" if now is not None else "gone"
    if was is None:
        return "unlisted"
    return "edited" if was == now else "edited and rebuilt"


def _results_of(directory: Path, out: Path) -> tuple[Path, str, str] | None:
    """Return the texts of both results.json, where they differ."""
    paths = [home / "results.json" for home in (directory, out)]
    if not all(path.is_file() for path in paths):
        return None
    here, now = (path.read_text(encoding="utf-8", errors="replace") for path in paths)
    return None if here == now else (paths[0], here, now)
