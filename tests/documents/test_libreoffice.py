"""That DOCX and RTF open in LibreOffice, with what belongs on every page on every page."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.document import Document, Headline, Section
from reports.render import render
from reports.render.grid import read_grid
from reports.tables.value import Cell, Column, Row, Table

FORMATS = ("docx", "rtf")


def pages_of(pdftotext: str, path: Path) -> list[str]:
    """Return the text of each page of a PDF, without blanks."""
    said = subprocess.run([pdftotext, "-layout", str(path), "-"], capture_output=True, check=True)
    return ["".join(page.split()) for page in said.stdout.decode().split("\f")[:-1]]


@pytest.mark.parametrize("name", FORMATS)
def test_an_example_opens_and_each_page_is_named_stamped_and_counted(
    built, converted: Callable[[Path, str], Path], pdftotext: str, name: str
) -> None:
    pages = pages_of(pdftotext, converted(built.file(name), "pdf"))
    assert len(pages) > 1
    stamp = "".join(built.document.stamp.split())
    identifier = "".join(built.document.headline.identifier.split())
    for number, page in enumerate(pages, start=1):
        assert identifier in page
        assert stamp in page
        assert re.search(rf"page{number}of{len(pages)}(?!\d)", page.lower())


LONG = Table(
    "long",
    "Long",
    (Column("Measured value"), Column("Site", "text")),
    tuple(Row(Cell(f"P{row:04d}"), (Cell(f"{row / 10:.1f}", row / 10), Cell("face"))) for row in range(300)),
    stub="Patient number",
    kind="listing",
    notes={"remark": "Of all that came."},
    source="values.csv.",
)


@pytest.mark.parametrize("name", FORMATS)
def test_a_long_listing_has_its_header_on_each_page_and_its_notes_at_its_end(
    converted: Callable[[Path, str], Path], pdftotext: str, tmp_path: Path, name: str
) -> None:
    headline = Headline("T-1", "Trial", "30 patients", "Is it?", ("Yes.",), None, "None.", "Synergy.")
    path = tmp_path / f"long.{name}"
    path.write_bytes(render(Document(headline, (Section("s", "Listings", (LONG,)),), "Synthetic"), name))
    pages = [page for page in pages_of(pdftotext, converted(path, "pdf")) if re.search(r"P0\d\d\d", page)]
    assert len(pages) > 4
    header = "".join("".join(read_grid(LONG)[0]).split())
    assert all(header in page for page in pages)
    rows = re.findall(r"P\d{4}(?=\d+\.\dface)", "".join(pages))
    assert rows == [row.label.text for row in LONG.rows]
    assert ["Source:values.csv." in page for page in pages] == [False] * (len(pages) - 1) + [True]
