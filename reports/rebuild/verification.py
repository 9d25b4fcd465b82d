"""What a rebuild found: which inputs, versions, files and numbers differ, as a value and in words."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from outcomes.errors import ReportError
from outcomes.plural import counted

if TYPE_CHECKING:
    from reports.results import Number, Results

SHOWN = 5
"""Numbers that are written out; the others are counted."""

_TEXT = (".html", ".json", ".ipynb", ".svg", ".rtf")


@dataclass(frozen=True, slots=True)
class ChangedInput:
    """A file that the report was made from and that is another one now.

    Attributes
    ----------
    file
        Relative to the trial's directory.
    kind
        "changed", "gone", or "new" where it was none of the inputs then.
    was, now
        SHA-256 in the manifest and now.
    """

    file: str
    kind: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Version:
    """A program that has another version now, or a seed that is another."""

    name: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class ChangedOutput:
    """A file of the report that does not come out again, or is not as it came out.

    Attributes
    ----------
    file
        Relative to the report's directory.
    kind
        "edited" after it was built, "missing", "rebuilt" differently, "edited and rebuilt" differently, "gone" from
        the rebuild, "new" in the rebuild, "unlisted" in the manifest, or "manifest": only its hash there is wrong.
    place
        From where the file and its rebuild differ.
    """

    file: str
    kind: str
    place: str


@dataclass(frozen=True, slots=True)
class ChangedNumber:
    """A number of the results that is another one in the rebuild.

    Attributes
    ----------
    address
        Part -> what: analysis, endpoint, visit, arm, contrast, level, statistic, as far as they are said.
    was, now
        In the report and in the rebuild; None means "not estimable".
    only
        "report" or "rebuild" where the other has no such number.
    """

    address: tuple[tuple[str, str], ...]
    was: Number
    now: Number
    only: str = ""

    def __str__(self) -> str:
        said = dict(self.address)
        plain = {"endpoint": said.get("analysis", "").partition("/")[0], "population": "all"}
        place = ", ".join(text for part, text in self.address if plain.get(part) != text)
        was, now = _number(self.was), _number(self.now)
        if self.only:
            return f"{place}: {was if self.only == 'report' else now}, in the {self.only} alone"
        return f"{place}: {was} → {now}"


@dataclass(frozen=True)
class Verification:
    """The outcome of a rebuild.

    Attributes
    ----------
    directory
        The report's.
    formats, files
        What was built, and how many files the manifest names.
    inputs, versions, outputs
        What differs.
    results
        The path of results.json and both its texts, where they differ.
    manifest_edited
        Whether somebody changed manifest.json by hand.
    failure
        Why the report cannot be built any more, where it cannot.
    """

    directory: Path
    formats: tuple[str, ...]
    files: int
    inputs: tuple[ChangedInput, ...] = ()
    versions: tuple[Version, ...] = ()
    outputs: tuple[ChangedOutput, ...] = ()
    results: tuple[Path, str, str] | None = None
    manifest_edited: bool = False
    failure: str = ""

    @property
    def identical(self) -> bool:
        """Whether inputs, versions and every byte of the report are the same."""
        return not (self.inputs or self.versions or self.outputs or self.manifest_edited or self.failure)

    @cached_property
    def numbers(self) -> tuple[ChangedNumber, ...]:
        """The numbers of results.json that differ; none where the file cannot be read any more."""
        found = self._both_results()
        return () if found is None else tuple(_changed_numbers(*found))

    @property
    def compared(self) -> int:
        """How many numbers were compared, where results.json differs."""
        found = self._both_results()
        return 0 if found is None else len({row.address for each in found for row in each})

    def _both_results(self) -> tuple[Results, Results] | None:
        from reports.results import Results

        if self.results is None:
            return None
        path, here, now = self.results
        try:
            return Results.from_json(here, str(path)), Results.from_json(now, "the rebuild")
        except ReportError:  # it was edited into something else
            return None

    def lines(self) -> tuple[str, ...]:
        """Return what was found as lines for people."""
        if self.identical:
            return (
                f"identical: all {counted(self.files, 'file')} of {self.directory} come out again, byte by byte "
                f"({', '.join(self.formats)}).",
            )
        return tuple(self._blocks())

    def _blocks(self) -> Iterator[str]:
        yield f"{self.directory} is not what a rebuild gives."
        yield from _block("Changed input", [_input_words(one) for one in self.inputs])
        if any(one.kind == "changed" for one in self.inputs):
            yield "  Of a changed file the hash alone is known: it does not tell which rows or cells changed."
        yield from _block("Changed version", [f"{one.name} {one.was} → {one.now}" for one in self.versions])
        by_kind = {kind: [one for one in self.outputs if one.kind in kinds] for kind, kinds in _KINDS.items()}
        for title, outputs in by_kind.items():
            yield from _block(title, [_output_words(one) for one in outputs])
        if self.manifest_edited:
            yield from _block("Edited manifest", ["manifest.json was changed after it was written"])
        yield from self._number_lines()
        if self.failure:
            yield from _block("The report cannot be built any more", self.failure.splitlines())
        elif self._has_no_cause():
            yield ""
            yield (
                "Neither an input nor a version changed: another machine, its arithmetic, or a tandem that was altered "
                "under the same version may be the cause."
            )

    def _number_lines(self) -> Iterator[str]:
        if self.results is None:
            return
        if self._both_results() is None:
            yield from _block("Numbers", ["results.json in the directory is no results file any more"])
            return
        shown = [str(one) for one in self.numbers[:SHOWN]]
        more = len(self.numbers) - len(shown)
        title = f"Changed numbers: {len(self.numbers):,} of {self.compared:,} (report → rebuild)"
        yield from _block(title, [*shown, *([f"and {more:,} more"] if more else [])])
        if not self.numbers:
            yield ""
            yield f"All {self.compared:,} numbers of results.json are the same; words or versions in it differ."

    def _has_no_cause(self) -> bool:
        drifted = any("rebuilt" in one.kind or one.kind in ("gone", "new") for one in self.outputs)
        return drifted and not (self.inputs or self.versions)

    def __str__(self) -> str:
        return "\n".join(self.lines())


_KINDS = {
    "Edited after it was built": ("edited", "edited and rebuilt", "unlisted"),
    "Missing": ("missing",),
    "Comes out differently": ("rebuilt", "gone", "new"),
    "Wrong hash in manifest.json": ("manifest",),
}


def _block(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)


def _input_words(one: ChangedInput) -> str:
    words = {
        "changed": f"SHA-256 {one.was[:12]}… when the report was made, {one.now[:12] or 'unreadable'}… now",
        "gone": "was an input when the report was made, and is none now",
        "new": "is an input now, and was none when the report was made",
    }
    return f"{one.file}: {words[one.kind]}"


def _output_words(one: ChangedOutput) -> str:
    words = {
        "edited": "changed by hand; the rebuild is what the manifest remembers",
        "edited and rebuilt": "changed by hand, and the rebuild is another one too",
        "unlisted": "stands in the directory, but not in the manifest, and differs from its rebuild",
        "missing": "the manifest names it, and it is not in the directory",
        "rebuilt": "the rebuild is another one",
        "gone": "the rebuild makes no such file",
        "new": "the rebuild makes it, the report does not have it",
        "manifest": "the file is what the rebuild gives; the manifest says otherwise",
    }
    place = f", from {one.place}" if one.place else ""
    return f"{one.file}: {words[one.kind]}{place}"


def _changed_numbers(here: Results, now: Results) -> Iterator[ChangedNumber]:
    """Yield the rows whose value differs, in the order of the report, then those that only the rebuild has."""
    from reports.results import ADDRESS

    old, new = ({row.address: row.value for row in each} for each in (here, now))
    for address in dict.fromkeys((*old, *new)):
        parts = tuple((name, part) for name, part in zip(ADDRESS, address, strict=True) if part)
        if address not in new:
            yield ChangedNumber(parts, old[address], None, "report")
        elif address not in old:
            yield ChangedNumber(parts, None, new[address], "rebuild")
        elif old[address] != new[address]:
            yield ChangedNumber(parts, old[address], new[address])


def _number(value: Number) -> str:
    return "not estimable" if value is None else f"{value:g}" if value in (1e999, -1e999) else repr(value)


def where_they_part(name: PurePosixPath, here: Path, now: Path) -> str:
    """Say from where two files differ: a line and its section, a part of a Word file, or a byte."""
    if name.suffix == ".docx":
        part = _first_part(here, now)
        if part:
            return part
    old, new = here.read_bytes(), now.read_bytes()
    at = next((k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    if name.suffix not in _TEXT:
        return f"byte {at + 1:,}"
    before = new[:at].decode("utf-8", errors="replace")
    line = f"line {before.count(chr(10)) + 1:,}"
    sections = re.findall(r'<section id="([^"]+)"', before) if name.suffix == ".html" else []
    return f"{line}, in the section {sections[-1]!r}" if sections else line


def _first_part(here: Path, now: Path) -> str:
    """Name the first part of two zip files that differs; empty where one of them is none."""
    try:
        with zipfile.ZipFile(here) as old, zipfile.ZipFile(now) as new:
            names = dict.fromkeys((*new.namelist(), *old.namelist()))
            contents = [{name: book.read(name) for name in book.namelist()} for book in (old, new)]
    except (zipfile.BadZipFile, OSError, EOFError, ValueError):
        return ""
    return next((f"its part {name}" for name in names if contents[0].get(name) != contents[1].get(name)), "")
