"""The same trial gives the same bytes wherever, whenever and by whomever the report is built, in every format."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from reports.render import FORMATS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="umask and TZ are POSIX's")

WRITTEN = tuple(name for name in FORMATS if name == "ipynb" or find_spec(f"reports.render.{name}"))

BUILD = """
import os, sys, time
os.umask(int(sys.argv[1], 8))
time.tzset()
from reports.cli import main
main(sys.argv[2:], prog_name="tandem")
"""


def build(place: Path, typed: str, output: str, umask: str, **environment: str) -> None:
    arguments = ["report", typed, "-o", output, "--format", ",".join(WRITTEN)]
    done = subprocess.run(
        [sys.executable, "-c", BUILD, umask, *arguments],
        cwd=place,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def two(sound_trials: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Reports of the same trial from two machines, as far as one machine can be two."""
    one = tmp_path_factory.mktemp("one")
    other = tmp_path_factory.mktemp("two") / "a deeper directory" / "größer"
    other.mkdir(parents=True)
    trial = other / "studies" / "trial 2"
    shutil.copytree(sound_trials["parallel"], trial)
    for path in trial.iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    with ThreadPoolExecutor(max_workers=2) as pool:
        builds = [
            pool.submit(
                build,
                one,
                str(sound_trials["parallel"] / "trial.toml"),
                str(one / "report"),
                "022",
                TZ="UTC",
                LC_ALL="C.UTF-8",
                PYTHONHASHSEED="1",
            ),
            pool.submit(
                build,
                other / "studies",
                "trial 2/../trial 2/trial.toml",
                "../out",
                "077",
                TZ="Pacific/Chatham",
                LC_ALL="de_DE.UTF-8",
                PYTHONHASHSEED="77",
                COLUMNS="40",
                MPLBACKEND="svg",
                PYTHONUTF8="0",
            ),
        ]
        for one_build in builds:
            one_build.result()
    return one / "report", other / "out"


def files_of(directory: Path) -> dict[str, Path]:
    return {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}


def test_both_have_the_same_files(two: tuple[Path, Path]) -> None:
    here, there = map(files_of, two)
    assert set(here) == set(there)
    assert {f"report.{name}" for name in WRITTEN} <= set(here)


def test_every_file_but_the_manifest_has_the_same_bytes(two: tuple[Path, Path]) -> None:
    here, there = map(files_of, two)
    differing = [
        name
        for name in here
        if name != "manifest.json" and here[name].read_bytes() != there[name].read_bytes()
    ]
    assert not differing


def test_manifests_differ_in_the_typed_path_alone(two: tuple[Path, Path]) -> None:
    here, there = (json.loads((home / "manifest.json").read_text(encoding="utf-8")) for home in two)
    assert {key for key in here if here[key] != there[key]} == {"command", "trial", "sha256"}
    assert there["trial"] == "trial 2/../trial 2/trial.toml"


def test_no_file_but_the_manifest_knows_where_anything_lies(two: tuple[Path, Path]) -> None:
    for home in two:
        parts = {home.parent.name.encode(), b"trial 2"}
        for name, path in files_of(home).items():
            content = path.read_bytes()
            if name != "manifest.json":
                assert not any(part in content for part in parts), name
            assert str(home).encode() not in content, name


def test_one_format_alone_has_the_bytes_that_it_has_among_others(
    two: tuple[Path, Path], sound_trials: dict[str, Path], tmp_path: Path
) -> None:
    from reports import build_report

    build_report(sound_trials["parallel"] / "trial.toml", tmp_path / "alone", ("html",))
    alone, all_formats = files_of(tmp_path / "alone"), files_of(two[0])
    for name in set(alone) - {"manifest.json"}:
        assert alone[name].read_bytes() == all_formats[name].read_bytes(), name
