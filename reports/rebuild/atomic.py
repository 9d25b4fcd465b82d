"""A report replaces another whole or not at all.

Files are made in a working directory, forced to the disk, and only then put in place. A report in a directory of its
own comes by a single rename. Where the directory exists, it may hold other files, or be a mount: there each file
replaces its predecessor, and until the last one did, a journal says how to go back. An error goes back at once; a
process that was killed is gone back for by whoever comes next to that directory (`recover`).

The working directory is ``.tandem`` inside the report's directory, or beside it while that does not exist::

    .tandem/lock           held while a report is built
    .tandem/new/...        the new files
    .tandem/old/...        the files that they replace (hard links, or copies where there are none)
    .tandem/journal.json   exists only while files are being put in place
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from outcomes.errors import ReportError
from reports.rebuild.durable import holding, sync, sync_tree, write_durably

__all__ = ["WORK", "Staged", "is_inside", "recover", "staged"]

WORK = ".tandem"
"""Name of the working directory."""

LOCK, NEW, OLD, JOURNAL = "lock", "new", "old", "journal.json"

_BUSY = "another build is writing to this directory"


@dataclass(frozen=True, slots=True)
class Staged:
    """A directory to write a report's files into, and the place where they go.

    Attributes
    ----------
    files
        The directory to write into.
    target
        The report's directory.
    """

    files: Path
    target: Path

    def commit(self, last: str, obsolete: Sequence[str] = ()) -> tuple[str, ...]:
        """Put every file in its place, or none.

        Parameters
        ----------
        last
            Name of the file that comes last: the one that speaks of the others.
        obsolete
            Files of the target to be removed, relative to it; those that are written anew are not.

        Returns
        -------
        tuple of str
            The files' names, relative to the target, `last` last.

        Raises
        ------
        ReportError
            Where a file cannot be replaced; everything is as it was.
        """
        names = sorted(
            (path.relative_to(self.files).as_posix() for path in self.files.rglob("*") if path.is_file()),
            key=lambda name: (name == last, name),
        )
        with _file_system_errors(self.target):
            sync_tree(self.files)
            if self.files.parent.parent == self.target:
                _put_in_place(self.target, names, [name for name in obsolete if name not in set(names)])
            else:
                self.files.rename(self.target)
                sync(self.target.parent)
        return tuple(names)


@dataclass(frozen=True, slots=True)
class _Journal:
    """How to go back: which files were there (their old selves lie in ``old``), which were not, which directories."""

    kept: tuple[str, ...]
    added: tuple[str, ...]
    directories: tuple[str, ...]

    def to_bytes(self) -> bytes:
        return json.dumps({"schema": "tandem-journal/1", **asdict(self)}, indent=1).encode()

    @classmethod
    def from_bytes(cls, content: bytes, where: str) -> _Journal:
        try:
            raw = json.loads(content)
            parts = {name: tuple(map(str, raw[name])) for name in ("kept", "added", "directories")}
            if not all(is_inside(name) for names in parts.values() for name in names):
                raise ValueError("it names files outside its directory")
            return cls(**parts)
        except (ValueError, KeyError, TypeError) as error:
            raise ReportError(
                "the journal of a build that was stopped cannot be read",
                where=where,
                got=str(error),
                hint=f"the old files lie in {OLD} beside it: put them back and remove {WORK}",
            ) from error


def is_inside(name: str) -> bool:
    """Whether a relative path with forward slashes stays inside the directory that it is relative to."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in name


@contextmanager
def staged(target: Path) -> Iterator[Staged]:
    """Give a directory to write a report into; what was not committed when it is left is gone.

    Whatever a build that was killed left half-done in the target is undone first.

    Parameters
    ----------
    target
        The report's directory; made at the commit where it does not exist.

    Raises
    ------
    ReportError
        Where the directory cannot be written, or another build is writing to it.
    """
    target = target.resolve()  # a build may change the working directory
    made = _first_missing(target)
    committed = False
    try:
        with contextlib.ExitStack() as stack:
            with _file_system_errors(target):
                if os.path.lexists(target) and not target.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, "this is no directory", str(target))
                target.parent.mkdir(parents=True, exist_ok=True)
                work = stack.enter_context(_locked(target))
                files = work / NEW
                files.mkdir()
            with _file_system_errors(target, of=work):
                yield Staged(files, target)
            committed = True
    finally:
        if not committed and made is not None and made != target:
            _remove_empty(target.parent, made)


def recover(target: Path) -> bool:
    """Undo what a build that was killed left half-done in a directory; True where there was something to undo.

    Raises
    ------
    ReportError
        Where another build is writing to the directory now, or the old files cannot be put back.
    """
    if not (target / WORK / JOURNAL).is_file():
        return False
    with _file_system_errors(target), _locked(target.resolve()):
        return True  # taking the lock of a working directory undoes what it finds


@contextmanager
def _locked(target: Path) -> Iterator[Path]:
    """Hold the working directory of a target, emptied of what a stopped build left; it is removed at the end."""
    beside = target.parent / f"{WORK}-{target.name}"
    while True:
        inside = target.is_dir()
        work = target / WORK if inside else beside
        work.mkdir(exist_ok=True)
        lock = contextlib.ExitStack()
        try:
            lock.enter_context(holding(work / LOCK, _BUSY))
        except FileNotFoundError:  # its holder removed the directory between the two lines
            continue
        try:
            if inside != target.is_dir():  # its last holder made the target just now
                continue
            _roll_back(target, work)
            for left in (NEW, OLD):
                if (work / left).exists():
                    shutil.rmtree(work / left)
            if inside and beside.is_dir():
                _clear(beside)
            yield work
            return
        finally:
            if not (work / JOURNAL).exists():
                shutil.rmtree(work, ignore_errors=True)
            lock.close()
            if os.name == "nt" and work.is_dir() and not (work / JOURNAL).exists():
                shutil.rmtree(work, ignore_errors=True)  # there an open file, the lock, cannot be removed


def _clear(beside: Path) -> None:
    """Remove the working directory of a build that was killed just after it had made the target."""
    with contextlib.suppress(ReportError, OSError), holding(beside / LOCK, _BUSY):
        shutil.rmtree(beside, ignore_errors=True)


def _put_in_place(target: Path, names: Sequence[str], obsolete: Sequence[str]) -> None:
    """Replace, add and remove files of an existing directory; on any error or interrupt go back."""
    work = target / WORK
    there = [name for name in (*names, *obsolete) if os.path.lexists(target / name)]
    for name in there:
        _set_aside(target / name, work / OLD / name)
    if there:
        sync_tree(work / OLD)
    added = tuple(name for name in names if name not in set(there))
    journal = _Journal(tuple(there), added, tuple(_missing_directories(target, names)))
    try:
        write_durably(work / JOURNAL, journal.to_bytes())
        for name in journal.directories:
            (target / name).mkdir(exist_ok=True)
        for name in names:
            (work / NEW / name).replace(target / name)
        for name in obsolete:
            (target / name).unlink(missing_ok=True)
        for directory in sorted({(target / name).parent for name in (*names, *obsolete)}):
            sync(directory)
        (work / JOURNAL).unlink()  # from here on the new report is the one in force
    except BaseException:
        _roll_back(target, work)
        raise
    with contextlib.suppress(
        OSError
    ):  # the report is there; that its journal is gone may reach the disk later
        sync(work)
    _remove_emptied(target, obsolete)


def _set_aside(path: Path, aside: Path) -> None:
    """Keep a file under a second name: a hard link, or a copy where the file system has none."""
    aside.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        raise IsADirectoryError(errno.EISDIR, "a directory is in the place of a file", str(path))
    try:
        os.link(path, aside, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(path, aside, follow_symlinks=False)


def _roll_back(target: Path, work: Path) -> None:
    """Put back what the journal says, if there is one; doing it twice, or after half of it, comes to the same."""
    record = work / JOURNAL
    if not record.is_file():
        return
    journal = _Journal.from_bytes(record.read_bytes(), str(record))
    refused: OSError | None = None
    for name in (*journal.added, *journal.kept):
        aside = work / OLD / name
        try:
            if name in journal.added:
                (target / name).unlink(missing_ok=True)
            elif os.path.lexists(aside):
                aside.replace(target / name)
        except OSError as error:  # a file that another program holds; the others go back all the same
            refused = error
    if refused is not None:
        raise refused
    for name in reversed(journal.directories):
        with contextlib.suppress(OSError):  # somebody put a file of their own into it
            (target / name).rmdir()
    for directory in {(target / name).parent for name in journal.kept}:
        sync(directory)
    record.unlink()


def _missing_directories(target: Path, names: Sequence[str]) -> Iterator[str]:
    """Yield the directories that files need and that are not there, outer ones first."""
    needed = {parent.as_posix() for name in names for parent in PurePosixPath(name).parents if parent.parts}
    yield from (name for name in sorted(needed) if not (target / name).is_dir())


def _remove_emptied(target: Path, names: Sequence[str]) -> None:
    """Remove the directories below the target that held only removed files."""
    parents = {parent.as_posix() for name in names for parent in PurePosixPath(name).parents if parent.parts}
    for parent in sorted(parents, reverse=True):
        with contextlib.suppress(OSError):  # it holds something else
            (target / parent).rmdir()


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


_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
"""What a disk says that is full or broken."""


@contextmanager
def _file_system_errors(target: Path, of: Path | None = None) -> Iterator[None]:
    """Say what the file system refuses in the words of a report; of errors elsewhere than `of`, only a full disk's."""
    try:
        yield
    except OSError as error:
        if of is not None and error.errno not in _ROOM and not _is_below(error.filename, of):
            raise
        raise ReportError(
            "the report's directory cannot be written",
            where=str(target),
            got=error.strerror or str(error),
            hint="choose another directory with -o, make room on the disk, or close the programs that hold its files",
        ) from error


def _is_below(name: object, directory: Path) -> bool:
    """Whether an error's file, which may be a descriptor or nothing, lies below a directory."""
    return isinstance(name, str | Path) and Path(name).is_relative_to(directory)
