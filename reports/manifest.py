"""``manifest.json``: what a report was made from, by what, and what came out, so that it can be made again.

The manifest holds hashes, file names and versions alone: no date, no user, no absolute path of its own
making, and nothing of any patient. The trial's path stands in it as it was typed.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from outcomes.errors import ReportError

SCHEMA = "tandem-manifest/1"

FILE_NAME = "manifest.json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""The name at the start of a requirement."""

_TIMESTAMPED = (".xpt", ".sas7bdat")
"""SAS files carry the time they were written: their data are hashed, not their bytes."""


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A file and its fingerprint.

    Attributes
    ----------
    file
        Path with forward slashes, relative to the trial's directory (inputs) or the report's (outputs).
    sha256
        Hexadecimal.
    of
        What was hashed: ``bytes``, or ``data`` (see `data_sha256`) where the format writes timestamps.
    """

    file: str
    sha256: str
    of: str = "bytes"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a report was made from and by what, and what came out.

    Attributes
    ----------
    command
        The command and its arguments without the output path; running it again makes the same report.
    trial
        The trial's path as it was typed, to be resolved from the current directory.
    inputs, outputs
        Files with their hashes.
    software
        Python, tandem and every package that tandem depends on -> version.
    """

    command: tuple[str, ...]
    trial: str
    inputs: tuple[HashedFile, ...]
    outputs: tuple[HashedFile, ...]
    software: Mapping[str, str]

    def to_json(self) -> str:
        """The manifest as text, one file a line, so that two of them can be compared line by line."""
        lines = [
            f'  "schema": {_json(SCHEMA)}',
            f'  "command": {_json(list(self.command))}',
            f'  "trial": {_json(self.trial)}',
            f'  "inputs": {_rows(self.inputs)}',
            f'  "outputs": {_rows(self.outputs)}',
            f'  "software": {json.dumps(dict(self.software), indent=4, ensure_ascii=False)[:-1]}  }}',
        ]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str, where: str = FILE_NAME) -> Manifest:
        """Read a manifest back.

        Raises
        ------
        ReportError
            Where the text is no manifest of this schema.
        """
        try:
            raw = json.loads(text)
            if raw["schema"] != SCHEMA:
                raise ReportError(
                    "The manifest has another schema.", expected=SCHEMA, got=raw["schema"], where=where
                )
            return cls(
                command=tuple(raw["command"]),
                trial=raw["trial"],
                inputs=tuple(HashedFile(**entry) for entry in raw["inputs"]),
                outputs=tuple(HashedFile(**entry) for entry in raw["outputs"]),
                software=raw["software"],
            )
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ReportError(
                "The manifest cannot be read.",
                expected=f"JSON of the schema {SCHEMA}",
                got=str(error),
                where=where,
                hint="make the report again with `tandem report`",
            ) from error


def write_manifest(
    out_dir: Path,
    *,
    trial_path: str | PurePath,
    formats: Sequence[str],
    inputs: Iterable[Path],
    outputs: Iterable[Path],
) -> Path:
    """Write ``manifest.json`` beside a finished report.

    Parameters
    ----------
    out_dir
        The report's directory.
    trial_path
        The trial's path as it was typed.
    formats
        The formats that were asked for.
    inputs
        The files that were read: ``trial.toml`` and the data.
    outputs
        The files that were written, inside `out_dir`.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    ReportError
        Where an output lies outside `out_dir`.
    """
    typed = PurePath(trial_path).as_posix()
    home = Path(trial_path).resolve().parent
    manifest = Manifest(
        command=("tandem", "report", typed, "--format", ",".join(formats)),
        trial=typed,
        inputs=tuple(
            sorted((_hashed_input(path, home) for path in set(inputs)), key=lambda found: found.file)
        ),
        outputs=tuple(
            sorted((_hashed_output(path, out_dir) for path in set(outputs)), key=lambda found: found.file)
        ),
        software=software_versions(),
    )
    path = out_dir / FILE_NAME
    path.write_text(manifest.to_json(), encoding="utf-8", newline="\n")
    return path


def software_versions() -> dict[str, str]:
    """Versions of Python, tandem and the packages that it depends on directly, by name."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from outcomes._version import __version__

    found = {"python": platform.python_version(), "tandem-outcomes": __version__}
    try:
        needed = requires("tandem-outcomes") or []
    except PackageNotFoundError:  # the packages lie on the path without being installed
        needed = []
    for requirement in sorted(needed, key=str.casefold):
        name = _NAME.match(requirement)
        if name is not None and "extra ==" not in requirement:
            found[name[0]] = version(name[0])
    return found


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def data_sha256(path: Path) -> str:
    """SHA-256 of a table's data, its column names and cells as text: a time of writing does not count.

    Cells are separated by the unit separator and rows by the record separator (U+001F, U+001E), which no cell
    of a trial holds; a missing cell is a lone U+0000.
    """
    from outcomes.readers import cell_text, read_table

    table, defects = read_table(path)
    if table is None:
        raise ReportError("A file cannot be read any more.", where=str(path), got=str(defects[0]))
    rows = [list(map(str, table.frame.columns))]
    rows += [
        ["\x00" if (text := cell_text(cell)) is None else text for cell in record]
        for record in table.frame.itertuples(index=False, name=None)
    ]
    canonical = "\x1e".join("\x1f".join(row) for row in rows)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _hashed_input(path: Path, home: Path) -> HashedFile:
    full = path.resolve()
    name = _relative(full, home)
    if path.suffix.lower() in _TIMESTAMPED:
        return HashedFile(name, data_sha256(full), "data")
    return HashedFile(name, file_sha256(full))


def _hashed_output(path: Path, out_dir: Path) -> HashedFile:
    full, home = path.resolve(), out_dir.resolve()
    if home not in full.parents:
        raise ReportError(
            "A report's file lies outside its directory.", expected=f"a file in {home}", got=str(full)
        )
    return HashedFile(full.relative_to(home).as_posix(), file_sha256(full))


def _relative(path: Path, home: Path) -> str:
    """`path` as seen from `home`; on another drive, where no relative path exists, its name alone."""
    try:
        return PurePath(os.path.relpath(path, home)).as_posix()
    except ValueError:
        return path.name


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _rows(files: Iterable[HashedFile]) -> str:
    rows = [_json({"file": found.file, "sha256": found.sha256, "of": found.of}) for found in files]
    return "[\n    " + ",\n    ".join(rows) + "\n  ]" if rows else "[]"
