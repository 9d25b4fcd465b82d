"""What the documents are looked at with: a browser, LibreOffice, poppler, and the examples' reports.

A program that is missing fails its tests with a sentence, since a check that skips itself checks nothing.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import reports.compose
from reports.document import Document
from reports.report import build_report

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


@dataclass(frozen=True)
class Built:
    """A report in every format that draws its document, and the document."""

    directory: Path
    document: Document

    def file(self, format_name: str) -> Path:
        """Return the report in one format."""
        return self.directory / f"report.{format_name}"


@pytest.fixture(scope="session", params=EXAMPLES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Each example's report in turn in HTML, PDF, DOCX and RTF, with the document that all of them draw."""
    name: str = request.param
    documents: list[Document] = []
    compose = reports.compose.compose

    def kept(*arguments: object, **options: object) -> Document:
        documents.append(compose(*arguments, **options))  # type: ignore[arg-type]
        return documents[-1]

    target = tmp_path_factory.mktemp(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reports.compose, "compose", kept)
        build_report(ROOT / "examples" / name / "trial.toml", target, ("html", "pdf", "docx", "rtf"))
    (document,) = documents
    return Built(target, document)


@pytest.fixture(scope="session")
def converted(soffice: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], Path]:
    """What LibreOffice makes of a file: a function of the file and the ending wanted ("pdf", "html")."""
    home = tmp_path_factory.mktemp("libreoffice")
    done: dict[tuple[Path, str], Path] = {}

    def convert(path: Path, ending: str) -> Path:
        if (path, ending) not in done:
            target = home / f"{len(done)}"
            profile = f"-env:UserInstallation={(home / 'profile').as_uri()}"
            command = [
                soffice,
                profile,
                "--headless",
                "--convert-to",
                ending,
                "--outdir",
                str(target),
                str(path),
            ]
            said = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            made = target / f"{path.stem}.{ending}"
            if not made.is_file():
                pytest.fail(
                    f"LibreOffice did not convert {path.name}: {said.stdout}{said.stderr}", pytrace=False
                )
            done[path, ending] = made
        return done[path, ending]

    return convert
