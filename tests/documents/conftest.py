"""What the documents are looked at with: a browser, LibreOffice, poppler, and the examples' reports.

A program that is missing fails its tests with a sentence, since a check that skips itself checks nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from reports.document import Document
from reports.report import Report

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = {
    "chromium": "chromium",
    "soffice": "libreoffice-writer",
    "pdftotext": "poppler-utils",
    "pdfinfo": "poppler-utils",
    "pdftoppm": "poppler-utils",
}
"""Debian's package of each program."""


def program(name: str) -> str:
    """Return where a program is; a test that needs one that is missing fails with how to install it."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(
            f"{name} is needed to look at the documents and was not found; "
            f"install it, on Debian by `apt-get install {PACKAGES[name]}`",
            pytrace=False,
        )
    return found


@pytest.fixture(scope="session")
def find_program() -> Callable[[str], str]:
    """How the fixtures below find their program."""
    return program


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is."""
    return program("chromium")


@pytest.fixture(scope="session")
def soffice() -> str:
    """Where LibreOffice is."""
    return program("soffice")


@pytest.fixture(scope="session")
def pdftotext() -> str:
    """Where poppler's pdftotext is."""
    return program("pdftotext")


@pytest.fixture(scope="session")
def pdfinfo() -> str:
    """Where poppler's pdfinfo is."""
    return program("pdfinfo")


@pytest.fixture(scope="session")
def pdftoppm() -> str:
    """Where poppler's pdftoppm is."""
    return program("pdftoppm")


EXAMPLES = tuple(sorted(path.parent.name for path in (ROOT / "examples").glob("*/trial.toml")))


@pytest.fixture(scope="session", params=EXAMPLES)
def example(request: pytest.FixtureRequest) -> Path:
    """Each example's report in turn, as `make report` built it: a directory."""
    name: str = request.param
    directory = ROOT / "build" / "reports" / name
    if not (directory / "manifest.json").is_file():
        pytest.fail(f"the report of examples/{name} is not built; run `make report` first", pytrace=False)
    return directory


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of this run that its workers share: what one has made, the others need not make again."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    home.mkdir(exist_ok=True)
    return home


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Keep the other workers waiting while one makes what all want at a place."""
    with place.with_name(f"{place.name}.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Built:
    """A report in every format that draws its document, and the document."""

    directory: Path
    document: Document

    def file(self, format_name: str) -> Path:
        """Return the report in one format."""
        return self.directory / f"report.{format_name}"


@pytest.fixture(scope="session")
def built(example: Path, shared: Path) -> Built:
    """Each example's report in turn, as `make report` built it, with the document that all of its formats draw."""
    kept = shared / f"{example.name}.pickle"
    with alone(kept):
        if not kept.exists():
            report = Report.default(ROOT / "examples" / example.name / "trial.toml")
            if report.results.to_json() != (example / "results.json").read_text(encoding="utf-8"):
                pytest.fail(f"{example} is older than the code; run `make report` first", pytrace=False)
            kept.write_bytes(pickle.dumps(report.document))
        return Built(example, pickle.loads(kept.read_bytes()))


@pytest.fixture(scope="session")
def converted(
    soffice: str, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path, str], Path]:
    """What LibreOffice makes of a file: a function of the file and the ending wanted ("pdf", "html")."""
    profile = f"-env:UserInstallation={(tmp_path_factory.mktemp('libreoffice') / 'profile').as_uri()}"

    def convert(path: Path, ending: str) -> Path:
        said = hashlib.sha256(str(path).encode()).hexdigest()[:16]
        target = shared / f"{said}-{path.suffix[1:]}-{ending}"
        made = target / f"{path.stem}.{ending}"
        with alone(target):
            if not made.is_file():
                _convert([soffice, profile, "--headless"], path, made)
        return made

    return convert


def _convert(soffice: list[str], path: Path, made: Path) -> None:
    command = [*soffice, "--convert-to", made.suffix[1:], "--outdir", str(made.parent), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if not made.is_file():
        pytest.fail(f"LibreOffice did not convert {path.name}: {done.stdout}{done.stderr}", pytrace=False)
