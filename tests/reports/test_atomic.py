"""A report is put in place whole or not at all: with every fault at every step, and with processes that are killed."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from outcomes.errors import ReportError
from reports.rebuild import atomic
from reports.rebuild.atomic import WORK, recover, staged

LAST = "manifest.json"
FILES = ("figures/flow.svg", "figures/verdict.svg", "report.html", "results.json", LAST)

OLD = dict.fromkeys(("figures/flow.svg", "report.html", LAST), b"old") | {"notes.txt": b"mine"}
NEW = dict.fromkeys(FILES, b"new") | {"notes.txt": b"mine"}


def bytes_of(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A directory with an old report and somebody's notes."""
    home = tmp_path / "out"
    for name, content in OLD.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content)
    return home


def write(target: Path, obsolete: tuple[str, ...] = (), content: bytes = b"new") -> tuple[str, ...]:
    with staged(target) as stage:
        (stage.files / "figures").mkdir()
        for name in FILES:
            (stage.files / name).write_bytes(content)
        return stage.commit(LAST, obsolete)


# --- what a commit does ---


@pytest.mark.parametrize("where", ["out", "new/deep/out"])
def test_a_new_directory_appears_with_every_file_in_it(where: str, tmp_path: Path) -> None:
    assert write(tmp_path / where) == FILES, "the manifest is named last"
    assert bytes_of(tmp_path / where) == dict.fromkeys(FILES, b"new")
    assert [path.name for path in tmp_path.iterdir()] == [Path(where).parts[0]], "nothing else is left"


def test_files_replace_their_predecessors_and_others_stay(target: Path) -> None:
    write(target)
    assert bytes_of(target) == NEW
    assert not (target / WORK).exists()


def test_obsolete_files_go_and_directories_that_they_leave_empty(target: Path) -> None:
    (target / "old-figures").mkdir()
    (target / "old-figures" / "pie.svg").write_bytes(b"old")
    write(target, obsolete=("old-figures/pie.svg", "report.html", "not-there.pdf"))
    assert bytes_of(target) == NEW, "what is written anew is not removed"
    assert not (target / "old-figures").exists()


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(target: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.html"
    outside.write_bytes(b"theirs")
    (target / "report.html").unlink()
    (target / "report.html").symlink_to(outside)
    write(target)
    assert outside.read_bytes() == b"theirs"
    assert not (target / "report.html").is_symlink()


def test_what_is_not_committed_is_gone(target: Path) -> None:
    with staged(target) as stage:
        (stage.files / "report.html").write_bytes(b"new")
    assert bytes_of(target) == OLD
    with pytest.raises(ZeroDivisionError), staged(target):
        raise ZeroDivisionError
    assert bytes_of(target) == OLD


def test_without_hard_links_copies_are_kept(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links on this file system")

    monkeypatch.setattr(os, "link", refuse)
    fail_at(monkeypatch, Path, "replace", 4, PermissionError(errno.EACCES, "the file is open"))
    with pytest.raises(ReportError):
        write(target)
    assert bytes_of(target) == OLD
    monkeypatch.undo()
    monkeypatch.setattr(os, "link", refuse)
    write(target)
    assert bytes_of(target) == NEW


# --- faults ---


def fail_at(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, call: int, error: BaseException
) -> list[int]:
    """Let the n-th call of a function fail, once; returns the list of calls."""
    whole: Callable[..., object] = getattr(owner, name)
    calls: list[int] = []

    def faulty(*arguments: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == call:
            raise error
        return whole(*arguments, **options)

    monkeypatch.setattr(owner, name, faulty)
    return calls


FULL = OSError(errno.ENOSPC, "No space left on device")
LOCKED = PermissionError(errno.EACCES, "Permission denied")
STEPS = [
    (Path, "replace"),
    (Path, "unlink"),
    (Path, "mkdir"),
    (os, "fsync"),
    (os, "link"),
    (atomic, "write_durably"),
]


@pytest.mark.parametrize("error", [FULL, LOCKED, KeyboardInterrupt()], ids=["full", "locked", "ctrl-c"])
@pytest.mark.parametrize(("owner", "name"), STEPS, ids=[name for _, name in STEPS])
def test_whatever_fails_wherever_the_old_report_stays_whole(
    owner: object, name: str, error: BaseException, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call of every function that changes the disk fails in turn, until a build gets through without."""
    raised = 0
    for call in range(1, 60):
        with monkeypatch.context() as patch:
            calls = fail_at(patch, owner, name, call, error)
            failed = attempt_with(target)
        if len(calls) < call:
            break
        raised += failed
        recover(target)
        found = bytes_of(target)
        assert found in (OLD, DONE), f"call {call} of {name} leaves a mix"
        if found == DONE:
            assert not failed or name in ("fsync", "unlink"), "an error, and yet the new report"
            reset(target)
    else:
        pytest.fail("the build never got through")
    assert raised or name == "link"
    assert not (target / WORK).exists()


DONE = dict.fromkeys(FILES, b"new")
"""What is there after a build that makes the notes obsolete."""


def attempt_with(target: Path) -> bool:
    """Write a report that makes the notes obsolete; whether it failed."""
    try:
        write(target, obsolete=("notes.txt",))
    except (ReportError, OSError, KeyboardInterrupt):
        return True
    return False


def reset(target: Path) -> None:
    for name in FILES:
        (target / name).unlink()
    for name, content in OLD.items():
        (target / name).write_bytes(content)


def test_an_error_says_where_and_what_to_do(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_at(monkeypatch, Path, "replace", 2, LOCKED)
    with pytest.raises(
        ReportError, match=r"cannot be written(.|\n)*out\n(.|\n)*Permission denied(.|\n)*close the prog"
    ):
        write(target)


def test_a_disk_that_fills_while_files_are_made_is_said_likewise(target: Path) -> None:
    with pytest.raises(ReportError, match="No space left"), staged(target):
        raise FULL
    assert bytes_of(target) == OLD


def test_an_error_of_another_file_is_not_the_directorys(target: Path) -> None:
    with pytest.raises(FileNotFoundError), staged(target):
        Path("/no/such/table.csv").read_bytes()


def test_a_directory_that_cannot_be_written_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "mkdir", raising(PermissionError(errno.EACCES, "Permission denied")))
    with pytest.raises(ReportError, match="cannot be written"), staged(tmp_path / "out"):
        pytest.fail("nothing should be built")


@pytest.mark.skipif(
    os.name != "posix" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may write anywhere"
)
def test_a_read_only_directory_is_said(target: Path) -> None:
    target.chmod(0o555)
    try:
        with pytest.raises(ReportError, match="Permission denied"):
            write(target)
    finally:
        target.chmod(0o755)
    assert bytes_of(target) == OLD


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_a_file_in_the_place_of_the_directory_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(ReportError, match="no directory"), staged(tmp_path / "out"):
        pytest.fail("nothing should be built")
    assert bytes_of(tmp_path) == {"out": b"mine"}


def test_a_directory_in_the_place_of_a_file_undoes_the_rest(target: Path) -> None:
    (target / "results.json").mkdir()
    (target / "results.json" / "mine").write_bytes(b"mine")
    with pytest.raises(ReportError, match="a directory is in the place"):
        write(target)
    assert bytes_of(target) == OLD | {"results.json/mine": b"mine"}


# --- going back after the process died ---


def test_who_comes_next_goes_back_and_twice_is_as_once(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        # The process dies while it puts the third file in its place: nobody rolls back.
        patch.setattr(atomic, "_roll_back", lambda *_: None)
        fail_at(patch, Path, "replace", 4, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            write(target, obsolete=("notes.txt",))
    assert bytes_of(target) != OLD
    assert (target / WORK / "journal.json").exists()
    assert recover(target)
    assert bytes_of(target) == OLD
    assert not recover(target)


def test_a_build_goes_back_before_it_begins(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_roll_back", lambda *_: None)
        fail_at(patch, Path, "replace", 3, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            write(target)
    with staged(target) as stage:
        assert {name: content for name, content in bytes_of(target).items() if WORK not in name} == OLD
        assert bytes_of(stage.files) == {}


@pytest.mark.parametrize("text", ["", "{}", '{"kept": ["../../x"], "added": [], "directories": []}'])
def test_a_damaged_journal_touches_nothing(text: str, target: Path) -> None:
    (target / WORK).mkdir()
    (target / WORK / "journal.json").write_text(text)
    with pytest.raises(ReportError, match="journal"):
        recover(target)
    assert {name: content for name, content in bytes_of(target).items() if WORK not in name} == OLD


def test_the_leavings_of_a_killed_build_are_cleared(target: Path, tmp_path: Path) -> None:
    for work in (target / WORK, tmp_path / f"{WORK}-out"):
        (work / "new").mkdir(parents=True)
        (work / "new" / "report.html").write_bytes(b"half")
        (work / "lock").write_text("process 1\n")
    write(target)
    assert bytes_of(target) == NEW
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


WRITER = """
import itertools, sys
from pathlib import Path
from reports.rebuild.atomic import staged
target = Path(sys.argv[1])
for version in itertools.count(int(sys.argv[2])):
    with staged(target) as stage:
        (stage.files / "figures").mkdir()
        for k in range(12):
            (stage.files / "figures" / f"{k}.svg").write_text(str(version))
        if version % 2:
            (stage.files / "report.pdf").write_text(str(version))
        (stage.files / "manifest.json").write_text(str(version))
        stage.commit("manifest.json", [] if version % 2 else ["report.pdf"])
    print(version, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")
def test_kill_9_at_any_time_leaves_one_whole_report(tmp_path: Path) -> None:
    target, rng, begun, undone = tmp_path / "out", random.Random(20), 0, 0
    for turn in range(14):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(target), str(begun)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        for _ in range(1 + turn % 3):  # so many are written whole, however slow the machine is
            process.stdout.readline()
        time.sleep(rng.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        undone += recover(target)
        files = {name: text for name, text in bytes_of(target).items() if not name.startswith(WORK)}
        versions = set(files.values())
        assert len(versions) == 1, f"a mix of {versions}"
        begun = int(versions.pop())
        assert len(files) == 13 + begun % 2
    write(target)
    assert not (target / WORK).exists()
    assert begun > 0


# --- two builds at once ---


def test_a_second_build_into_the_same_directory_is_told(target: Path, tmp_path: Path) -> None:
    for place in (target, tmp_path / "not-there-yet"):
        with staged(place):
            with pytest.raises(ReportError, match=rf"another build(.|\n)*process {os.getpid()}(.|\n)*wait"):
                write(place)
            told: list[str] = []
            thread = threading.Thread(target=lambda at=place, to=told: to.append(refusal(at)))
            thread.start()
            thread.join()
            assert "another build" in told[0]
    assert bytes_of(target) == OLD
    write(target)


def refusal(target: Path) -> str:
    try:
        write(target)
    except ReportError as error:
        return str(error)
    return "nothing was refused"


def test_a_report_being_written_is_not_undone_by_a_reader(target: Path) -> None:
    with staged(target) as stage:
        (stage.files.parent / "journal.json").write_text('{"kept": [], "added": [], "directories": []}')
        with pytest.raises(ReportError, match="another build"):
            recover(target)
        (stage.files.parent / "journal.json").unlink()


def test_builds_that_race_for_a_new_directory_leave_one_report(tmp_path: Path) -> None:
    target, said = tmp_path / "new" / "out", []
    threads = [
        threading.Thread(target=lambda k=k: said.append(attempt(target, str(k).encode()))) for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("") >= 1
    assert all(text == "" or "another build" in text for text in said), said
    assert len(set(bytes_of(target).values())) == 1
    assert sorted(path.name for path in target.parent.iterdir()) == ["out"]


def attempt(target: Path, content: bytes) -> str:
    try:
        write(target, content=content)
    except ReportError as error:
        return str(error)
    return ""
