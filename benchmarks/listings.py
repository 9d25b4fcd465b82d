"""Time and peak memory of a PDF with one long listing: ``python benchmarks/listings.py [rows ...]``.

Each size runs in a process of its own, so that its peak is its own.
"""

from __future__ import annotations

import subprocess
import sys
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import perf_counter

from reports.document import Document, Headline, Section
from reports.render.pdf import render_pdf
from reports.tables.value import Cell, Column, Row, Table

SIZES = (1_000, 10_000, 50_000)
EVENTS = ("Erythema", "Oedema", "Post-inflammatory hyperpigmentation", "No event")


def listing(rows: int) -> Table:
    """Return a listing of eight columns, the first of them the patient."""
    headers = ("Lesion", "Visit", "Day", "Repigmentation, %", "Arm", "Event", "Remark")
    kinds = ("text", "text", "number", "number", "text", "text", "text")
    columns = tuple(
        Column(header, kind, key=place == 0)
        for place, (header, kind) in enumerate(zip(headers, kinds, strict=True))
    )
    return Table(
        name="assessments",
        title="Assessments of each lesion",
        stub="Patient",
        columns=columns,
        rows=tuple(_row(place) for place in range(rows)),
        source="assessments.csv.",
        kind="listing",
    )


def _row(place: int) -> Row:
    day, value = 7 * (place % 24), place * 37 % 1000 / 10
    cells = (
        Cell(f"L{place % 4 + 1}"),
        Cell(f"Week {place % 24}"),
        Cell(str(day), day),
        Cell(f"{value:.1f}", value),
        Cell(("Laser", "PRP", "Laser + PRP")[place % 3]),
        Cell(EVENTS[place % 4]),
        Cell(f"photograph {place:06d}"),
    )
    return Row(Cell(f"P{place // 96 + 1:04d}"), cells)


def document(rows: int) -> Document:
    """Return a document that holds the listing."""
    headline = Headline("BENCH", "A long listing", f"{rows} rows", "", (), None, "", "")
    return Document(headline, (Section("listings", "Data listings", (listing(rows),)),), "Synthetic data")


def measure(rows: int) -> None:
    """Print what one size takes."""
    made = document(rows)
    start = perf_counter()
    pdf = render_pdf(made)
    seconds = perf_counter() - start
    peak = max(getrusage(RUSAGE_SELF).ru_maxrss, getrusage(RUSAGE_CHILDREN).ru_maxrss) / 1024
    print(
        f"{rows:>7,} rows  {seconds:6.1f} s  {peak:7,.0f} MB peak  {len(pdf) / 1e6:6.1f} MB file", flush=True
    )


def main() -> None:
    """Measure the sizes named on the command line, or the usual ones."""
    if len(sys.argv) == 3 and sys.argv[1] == "--one":
        measure(int(sys.argv[2]))
        return
    for rows in [int(word) for word in sys.argv[1:]] or SIZES:
        subprocess.run([sys.executable, __file__, "--one", str(rows)], check=True)


if __name__ == "__main__":
    main()
