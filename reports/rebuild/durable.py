"""Files that stay: bytes forced to the disk, and locks that die with their holder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from outcomes.errors import ReportError

__all__ = ["holding", "sync", "sync_tree", "write_durably"]

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What file systems say that know no locks (some network drives)."""


def sync(path: Path) -> None:
    """Force a file, or the names in a directory, to the disk.

    A directory cannot be opened on Windows, and some file systems refuse to flush one: their names are as durable
    as the system makes them.
    """
    flags = os.O_RDONLY
    if not path.is_dir():
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0)
    elif os.name != "posix":
        return
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def sync_tree(directory: Path) -> None:
    """Force every file below a directory, and every name, to the disk."""
    for path in sorted(directory.rglob("*"), reverse=True):
        if not path.is_symlink():
            sync(path)
    sync(directory)


def write_durably(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all, and force it to the disk."""
    draft = path.with_name(path.name + ".draft")
    draft.write_bytes(content)
    sync(draft)
    draft.replace(path)
    sync(path.parent)


@contextmanager
def holding(path: Path, busy: str) -> Iterator[None]:
    """Hold a lock file; whoever else wants it meanwhile gets an error.

    The lock is the operating system's, on the open file: it ends with the process that holds it, however that
    ends, so that a file left behind is no lock. Where the file system knows no locks there is none.

    Parameters
    ----------
    path
        The lock file, made where it is missing; its directory exists. It stays, for who holds the lock to remove.
    busy
        What is said where another process holds the lock.

    Raises
    ------
    ReportError
        Where another process, or another thread, holds the lock.
    FileNotFoundError
        Where its last holder removed the file just now: it is to be made anew.
    """
    with path.open("a+b") as stream:
        if not _taken(stream):
            stream.seek(0)
            holder = stream.read(200).decode("utf-8", errors="replace").strip()
            raise ReportError(
                busy,
                where=str(path.parent),
                got=holder or "a lock held by another process",
                hint="wait until it is done, or choose another directory",
            )
        if not os.path.samestat(os.fstat(stream.fileno()), path.stat()):
            raise FileNotFoundError(errno.ENOENT, "the lock file is another one by now", str(path))
        stream.truncate(0)
        stream.write(f"process {os.getpid()}\n".encode())
        stream.flush()
        yield


def _taken(stream: IO[bytes]) -> bool:
    """Take the system's lock on an open file; False where somebody else has it."""
    if os.name == "nt":
        return _taken_on_windows(stream)
    import fcntl

    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            return False
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _taken_on_windows(stream: IO[bytes]) -> bool:
    import msvcrt

    lock, mode = vars(msvcrt)["locking"], vars(msvcrt)["LK_NBLCK"]
    stream.seek(1 << 20)  # beyond the text, which others may read while the byte is locked
    try:
        lock(stream.fileno(), mode, 1)
    except OSError:
        return False
    return True
