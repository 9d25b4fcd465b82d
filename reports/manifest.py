"""``manifest.json``: what a report was made from, by what, and what came out, so that it can be made again.

The manifest holds hashes, file names and versions alone: no date, no user, no absolute path of its own
making, and nothing of any patient. The trial's path stands in it as it was typed, and in no other file of the report.
Its last line is a hash of the lines before, so that an edit shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from outcomes.errors import ReportError

if TYPE_CHECKING:
    from outcomes.trial import Trial

SCHEMA = "tandem-manifest/2"

FILE_NAME = "manifest.json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""The name at the start of a requirement."""

_TIMESTAMPED = (".xpt", ".sas7bdat", ".xlsx", ".json", ".ndjson")
"""Formats that carry the time they were written: their data are hashed, not their bytes."""

_TIMES_OF_DATASET_JSON = ("datasetJSONCreationDateTime", "dbLastModifiedDateTime")


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
        What was hashed: ``bytes``, or ``data`` (see `data_sha256`) where the format writes timestamps; ``frame``
        where the data came as a data frame.
    """

    file: str
    sha256: str
    of: str = "bytes"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for.

    Attributes
    ----------
    trial
        The trial's path as it was typed, to be resolved from the current directory; empty where it came as frames.
    formats
        Of the report.
    options
        The path of ``--report`` as it was typed; empty where none was.
    second_opinion
        Whether the primary model was fitted by other programs too.
    by_command
        Whether the command makes the report; otherwise a Python session made it.
    """

    trial: str
    formats: tuple[str, ...]
    options: str = ""
    second_opinion: bool = False
    by_command: bool = True

    @property
    def command(self) -> tuple[str, ...]:
        """The command and its arguments without the output path; empty where a session made the report."""
        if not self.by_command:
            return ()
        words = ["tandem", "report", self.trial, "--format", ",".join(self.formats)]
        words += ["--report", self.options] if self.options else []
        return (*words, "--second-opinion") if self.second_opinion else tuple(words)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a report was made from and by what, and what came out.

    Attributes
    ----------
    asked
        What makes the same report again.
    inputs, outputs
        Files with their hashes.
    software
        Python, tandem, every package that tandem depends on and the library of linear algebra -> version.
    seeds
        Of whatever was drawn at random: analysis -> seed. Empty where nothing was.
    """

    asked: Asked
    inputs: tuple[HashedFile, ...]
    outputs: tuple[HashedFile, ...]
    software: Mapping[str, str]
    seeds: Mapping[str, int] = field(default_factory=dict)

    @property
    def trial(self) -> str:
        """The trial's path as it was typed."""
        return self.asked.trial

    def to_json(self) -> str:
        """The manifest as text, one file a line, so that two of them can be compared line by line."""
        asked = self.asked
        lines = [
            f'  "schema": {_json(SCHEMA)}',
            f'  "command": {_json(list(asked.command) or None)}',
            f'  "trial": {_json(asked.trial or None)}',
            f'  "formats": {_json(list(asked.formats))}',
            f'  "report": {_json(asked.options or None)}',
            f'  "second_opinion": {_json(asked.second_opinion)}',
            f'  "inputs": {_rows(self.inputs)}',
            f'  "outputs": {_rows(self.outputs)}',
            f'  "seeds": {_mapping(self.seeds)}',
            f'  "software": {_mapping(self.software)}',
        ]
        body = "{\n" + ",\n".join(lines)
        return f'{body},\n  "sha256": {_json(hashlib.sha256(body.encode()).hexdigest())}\n}}\n'

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
                    "The manifest has another schema.",
                    expected=SCHEMA,
                    got=raw["schema"],
                    where=where,
                    hint="another version of tandem wrote it: make the report again with `tandem report`",
                )
            asked = Asked(
                trial=_typed(raw["trial"] or "", str),
                formats=tuple(_typed(name, str) for name in raw["formats"]),
                options=_typed(raw["report"] or "", str),
                second_opinion=_typed(raw["second_opinion"], bool),
                by_command=raw["command"] is not None,
            )
            return cls(
                asked=asked,
                inputs=tuple(_entry(entry) for entry in raw["inputs"]),
                outputs=tuple(_entry(entry) for entry in raw["outputs"]),
                software={str(name): _typed(value, str) for name, value in raw["software"].items()},
                seeds={str(name): _typed(value, int) for name, value in raw["seeds"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ReportError(
                "The manifest cannot be read.",
                expected=f"JSON of the schema {SCHEMA}",
                got=f"{type(error).__name__}: {error}",
                where=where,
                hint="make the report again with `tandem report`",
            ) from error


def write_manifest(
    out_dir: Path,
    *,
    asked: Asked,
    inputs: Iterable[HashedFile],
    outputs: Iterable[Path],
    seeds: Mapping[str, int] | None = None,
    programs: Mapping[str, str] | None = None,
) -> Path:
    """Write ``manifest.json`` beside a finished report.

    Parameters
    ----------
    out_dir
        The report's directory.
    asked
        What was asked for.
    inputs
        What was read, as `hashed_inputs` returns it.
    outputs
        The files that were written, inside `out_dir`.
    seeds
        Of whatever was drawn at random.
    programs
        Other programs that computed something, with their versions.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    ReportError
        Where an output lies outside `out_dir`.
    """
    manifest = Manifest(
        asked=asked,
        inputs=tuple(inputs),
        outputs=tuple(
            sorted((_hashed_output(path, out_dir) for path in set(outputs)), key=lambda found: found.file)
        ),
        software=software_versions() | dict(programs or {}),
        seeds=dict(seeds or {}),
    )
    path = out_dir / FILE_NAME
    path.write_text(manifest.to_json(), encoding="utf-8", newline="\n")
    return path


def software_versions() -> dict[str, str]:
    """Versions of Python, tandem, the packages that it depends on directly and numpy's linear algebra, by name."""
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
            with suppress(PackageNotFoundError):  # it is needed on other systems
                found[name[0]] = version(name[0])
    return found | {"linear algebra of numpy": _linear_algebra()}


def _linear_algebra() -> str:
    """The library behind numpy's linear algebra: its rounding is in the last digits of every estimate."""
    import numpy

    built: Any = numpy.show_config(mode="dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})
    return " ".join(str(blas[part]) for part in ("name", "version") if blas.get(part)) or "not known"


def hashed_inputs(trial: Trial, options: Path | None = None) -> tuple[HashedFile, ...]:
    """Return what a report is made from, with fingerprints: protocol, data, and the file of its options.

    Parameters
    ----------
    trial
        As `outcomes.read_trial` returns it, or built from frames.
    options
        The report.toml that is in force.
    """
    if trial.directory is None:
        return _hashed_frames(trial)
    encoding = trial.protocol.data.encoding
    found = [_hashed_input(path, input_name(path, trial.directory), encoding) for path in trial.files]
    if options is not None:
        found.append(HashedFile(_relative(options, trial.directory), file_sha256(options)))
    return tuple(sorted(set(found), key=lambda one: one.file))


def input_name(path: Path, home: Path) -> str:
    """Return an input's name as the protocol has it: relative to trial.toml, or whole where it says so."""
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.as_posix()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def data_sha256(path: Path, encoding: str = "utf-8") -> str:
    """SHA-256 of a file's data, its column names and cells as text: a time of writing does not count.

    Of a workbook all sheets count, of Dataset-JSON everything but its two times. Cells are separated by the unit
    separator, rows by the record separator and sheets by the group separator (U+001F, U+001E, U+001D), which no cell of
    a trial holds; a missing cell is a lone U+0000.

    Parameters
    ----------
    path
        The file.
    encoding
        Of text in SAS files, as [data] of the protocol has it.
    """
    suffix = path.suffix.lower()
    if suffix in (".json", ".ndjson"):
        return _dataset_json_sha256(path)
    if suffix == ".xlsx":
        return _text_sha256("\x1d".join(_sheets(path)))
    from outcomes.readers import read_table

    table, defects = read_table(path, encoding=encoding)
    if table is None:
        raise ReportError("A file cannot be read any more.", where=str(path), got=str(defects[0]))
    header = list(map(str, table.frame.columns))
    return _text_sha256(_table_text([header, *table.frame.itertuples(index=False, name=None)]))


def _table_text(rows: Iterable[Iterable[object]]) -> str:
    from outcomes.readers import cell_text

    return "\x1e".join(
        "\x1f".join("\x00" if (text := cell_text(cell)) is None else text for cell in row) for row in rows
    )


def _sheets(path: Path) -> Iterable[str]:
    """Yield the text of each sheet of a workbook, cells by the values that Excel stored."""
    import warnings

    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns of styles and extensions that hold no data
        book = openpyxl.load_workbook(path, data_only=True)
    for sheet in book.worksheets:
        cells = ([_with_percent(cell) for cell in row] for row in sheet.iter_rows())
        yield f"{sheet.title}\x1e{_table_text(cells)}"
    book.close()


def _with_percent(cell: Any) -> object:
    """A cell's value; 0.75 that is shown as 75% is another value than 0.75."""
    percent = "%" in (cell.number_format or "") and cell.value is not None
    return f"{cell.value!r}%" if percent else cell.value


def _dataset_json_sha256(path: Path) -> str:
    text = path.read_bytes().decode("utf-8-sig")
    parts = text.splitlines() if path.suffix.lower() == ".ndjson" else [text]
    contents = [json.loads(part) for part in parts if part.strip()]
    for content in contents:
        for name in _TIMES_OF_DATASET_JSON if isinstance(content, dict) else ():
            content.pop(name, None)
    return _text_sha256(json.dumps(contents, ensure_ascii=False, sort_keys=True))


def _hashed_frames(trial: Trial) -> tuple[HashedFile, ...]:
    """Fingerprints of a trial without files: its protocol as TOML, and each of its frames."""
    from outcomes.protocol import toml_text

    frames = {name: getattr(trial, name) for name in ("patients", "lesions", "assessments", "events")}
    found = [HashedFile("protocol", _text_sha256(toml_text(trial.protocol.to_dict())), "data")]
    for name, frame in frames.items():
        rows = [list(map(str, frame.columns)), *frame.itertuples(index=False, name=None)]
        found.append(HashedFile(name, _text_sha256(_table_text(rows)), "frame"))
    return tuple(sorted(found, key=lambda one: one.file))


def _text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()


def _hashed_input(path: Path, name: str, encoding: str) -> HashedFile:
    if path.suffix.lower() in _TIMESTAMPED:
        return HashedFile(name, data_sha256(path, encoding), "data")
    return HashedFile(name, file_sha256(path))


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
        return PurePath(os.path.relpath(path.resolve(), home.resolve())).as_posix()
    except ValueError:
        return path.name


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _typed(value: Any, kind: type[Any]) -> Any:
    """Return a value of the kind that the schema has there."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{value!r} stands in the place of a {kind.__name__}")
    return value


def _entry(raw: Any) -> HashedFile:
    return HashedFile(**{name: _typed(value, str) for name, value in raw.items()})


def _mapping(values: Mapping[str, object]) -> str:
    return json.dumps(dict(values), indent=4, ensure_ascii=False)[:-1] + "  }" if values else "{}"


def _rows(files: Iterable[HashedFile]) -> str:
    rows = [_json(asdict(found)) for found in files]
    return "[\n    " + ",\n    ".join(rows) + "\n  ]" if rows else "[]"
