"""What the documents are looked at with: a browser, LibreOffice, poppler, and the examples' reports.

A program that is missing fails its tests with a sentence, since a check that skips itself checks nothing.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

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
