"""The wheel: what is in it, whose names it takes, and that it installs a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("outcomes", "synthetic_data", "analyses", "reports")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as pip would but without network and isolation."""
    out = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (path,) = out.glob("tandem_outcomes-*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed alone into a directory of its own."""
    target = tmp_path_factory.mktemp("target")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile", "--quiet"),
            *("--disable-pip-version-check", "--target", str(target), str(wheel)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def run(code: str, target: Path) -> str:
    """Run Python with the installed wheel before everything else, away from the repository."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=target,
        env={**environment, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_package_name_belongs_to_this_distribution_alone(installed: Path) -> None:
    found = json.loads(
        run(
            "import json; from importlib.metadata import packages_distributions; "
            "print(json.dumps(packages_distributions()))",
            installed,
        )
    )
    for package in PACKAGES:
        assert set(found[package]) == {"tandem-outcomes"}


def test_nothing_else_is_taken_at_the_top_level(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_every_package_says_that_it_is_typed(names: set[str]) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def tracked_data() -> set[str]:
    """What the four packages keep beside their modules, in the working tree."""
    found = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and path.suffix not in {".py", ".pyc"} and "__pycache__" not in path.parts:
                found.add(path.relative_to(ROOT).as_posix())
    return found


def test_presets_tables_and_templates_are_in_the_wheel(names: set[str]) -> None:
    data = tracked_data()
    assert data <= names
    assert any(name.startswith("synthetic_data/presets/") and name.endswith(".toml") for name in data)
    assert any(name.startswith("outcomes/published/") and name.endswith(".csv") for name in data)
    assert "reports/templates/within-patient/trial.toml" in data
    assert "reports/templates/ci/github.yml" in data
    drawn = {Path(name).suffix for name in data if name.startswith("reports/render/templates/")}
    assert drawn >= {".j2", ".css", ".js", ".typ"}


def test_every_module_is_in_the_wheel_and_no_test_is(names: set[str]) -> None:
    modules = {
        path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    }
    assert modules <= names
    assert not any("test" in name.split("/")[0] for name in names)


def test_the_command_is_a_console_script(names: set[str], wheel: Path) -> None:
    (entry,) = (name for name in names if name.endswith("entry_points.txt"))
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(entry).decode()
    assert [line.strip() for line in text.splitlines() if "=" in line] == ["tandem = reports.cli:main"]


def test_the_version_comes_from_one_source(names: set[str], wheel: Path) -> None:
    from outcomes._version import __version__

    (entry,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(archive.read(entry).decode())
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "GPL-3.0-or-later"


def test_the_installed_command_answers_for_help(installed: Path) -> None:
    said = run(
        "import sys; sys.argv = ['tandem', '--help']; from reports.cli import main; main()",
        installed,
    )
    assert "report" in said


def test_presets_and_instruments_are_found_where_it_is_installed(installed: Path) -> None:
    said = run(
        "import outcomes, synthetic_data; from outcomes.instruments import list_instruments; "
        "from synthetic_data import list_scenarios; "
        "print(outcomes.__file__); print(len(list_scenarios()), len(list_instruments()))",
        installed,
    )
    where, counts = said.splitlines()
    assert Path(where).is_relative_to(installed)
    assert all(int(count) > 10 for count in counts.split())
