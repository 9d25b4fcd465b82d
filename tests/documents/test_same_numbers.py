"""That every format shows the same tables cell by cell, the same captions and the same answer.

The reference is the frozen document. HTML is read by lxml, DOCX and RTF as LibreOffice converts them, cell by
cell; PDF by the places of its words, row by row: each row is a run of lines of its own under the one before, its
numbers in their order. Blanks are not compared, since numbers are aligned by them.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import lxml.html
import pytest

from reports.document import Document, Headline, Paragraph, Section
from reports.render import render
from reports.render.grid import grid_of, read_grid, split_columns
from reports.tables.value import Cell, Column, Row, Table

FORMATS = ("html", "pdf", "docx", "rtf")
CAPTION = re.compile(
    r"((?:Table|Listing|Figure) \d+)(?:(?:,| \() ?(part \d+ of \d+)?(?:, )?(continued)?\)?)?\. ?(.*)",
    re.DOTALL,
)


@dataclass
class Shown:
    """A table as a format shows it: its parts, each a list of rows; a table on further pages is one part."""

    title: str
    parts: list[list[list[str]]] = field(default_factory=list)


@dataclass
class Page:
    """What was read of a report in one format."""

    text: str
    tables: dict[str, Shown]
    figures: list[str]
    pictures: int


def spaced(text: str) -> str:
    return " ".join(text.split())


def solid(text: str) -> str:
    return "".join(text.split())


def rows_of(table: lxml.html.HtmlElement) -> tuple[list[list[str]], int]:
    """Return a table's cells (one over several columns once, one from the row above as empty), and its header rows."""
    rows: list[list[str]] = []
    below: dict[int, int] = {}
    headers = 0
    for line in table.iter("tr"):
        headers += line.getparent().tag == "thead"
        rows.append([])
        place = 0
        cells = iter([cell for cell in line if cell.tag in ("td", "th")])
        while True:
            if below.get(place):
                below[place] -= 1
                rows[-1].append("")
                place += 1
                continue
            cell = next(cells, None)
            if cell is None:
                break
            rows[-1].append(cell_text(cell))
            for _ in range(int(cell.get("colspan", 1))):
                below[place] = int(cell.get("rowspan", 1)) - 1
                place += 1
    return rows, headers


def cell_text(cell: lxml.html.HtmlElement) -> str:
    """Return a cell's text without footnote letters; lines are apart."""
    parts: list[str] = []

    def walk(node: lxml.html.HtmlElement) -> None:
        if node.tag == "sup":
            return
        parts.append(node.text or "")
        for child in node:
            if isinstance(child.tag, str):
                if child.tag in ("br", "p", "div"):
                    parts.append(" ")
                walk(child)
            parts.append(child.tail or "")

    walk(cell)
    return spaced("".join(parts))


def taken(tables: dict[str, Shown], caption: re.Match[str], rows: list[list[str]], headers: int) -> None:
    """Add a part, or a further page of the last part, to what a caption names."""
    label, _, continued, title = caption.groups()
    shown = tables.setdefault(label, Shown(spaced(title)))
    if continued:
        shown.parts[-1] += rows[headers:]
    else:
        shown.parts.append(rows)


def read_html(path: Path) -> Page:
    page = lxml.html.fromstring(path.read_bytes())
    tables: dict[str, Shown] = {}
    for table in page.iter("table"):
        title = table.find("caption")
        population = title.find("span[@class='population']")
        if population is not None:
            population.drop_tree()
        caption = CAPTION.fullmatch(spaced(title.text_content()))
        assert caption
        taken(tables, caption, *rows_of(table))
    figures = [spaced(one.text_content()) for one in page.xpath("//figure[@class='drawing']/figcaption")]
    pictures = len(page.xpath("//figure[@class='drawing']//svg"))
    for hidden in page.xpath("//script|//style|//svg"):
        hidden.drop_tree()
    return Page(spaced(page.text_content()), tables, figures, pictures)


def read_converted(path: Path) -> Page:
    """Read what LibreOffice made of DOCX or RTF: paragraphs and tables in their order."""
    page = lxml.html.fromstring(path.read_bytes())
    tables: dict[str, Shown] = {}
    figures, caption = [], None
    for node in page.iter("p", "table"):
        if node.tag == "p":
            found = None if is_listed(node) else CAPTION.fullmatch(cell_text(node))
            if found and found[1].startswith("Figure"):
                figures.append(found[0])
            caption = found or caption
        elif caption is not None:
            rows, headers = rows_of(node)
            taken(tables, caption, rows, headers or len(header_of(tables.get(caption[1]), rows)))
    return Page(spaced(page.text_content()), tables, figures, len(page.xpath("//img")))


def is_listed(node: lxml.html.HtmlElement) -> bool:
    """Whether a paragraph stands in a table, or is a link as a whole: a line of the contents."""
    links = "".join(link.text_content() for link in node.iter("a") if link.get("href"))
    return bool(node.xpath("ancestor::table")) or solid(links) == solid(node.text_content())


def header_of(shown: Shown | None, rows: list[list[str]]) -> list[list[str]]:
    """Return the rows with which a table begins on a further page as it did on its first."""
    if shown is None:
        return []
    same = (first == second for first, second in zip(shown.parts[-1], rows, strict=False))
    return rows[: next((place for place, one in enumerate(same) if not one), 0)]


@pytest.fixture(scope="session")
def readers(converted: Callable[[Path, str], Path]) -> dict[str, Callable[[Path], Page]]:
    """How each format is read that has tables; a PDF has words with places (`test_every_row_of_a_pdf`)."""
    return {
        "html": read_html,
        "docx": lambda path: read_converted(converted(path, "html")),
        "rtf": lambda path: read_converted(converted(path, "html")),
    }


def notes_of(table: Table) -> list[str]:
    source = [f"Source: {table.source}"] if table.source else []
    return [*table.remarks, *(text for _, text in table.footnotes), *source]


def differences(document: Document, page: Page) -> list[str]:
    """Return where a format shows something else than the document holds: one line for each table."""
    found = []
    labels = document.labels
    expected = [labels[f"table:{table.name}"] for table in document.tables]
    if sorted(page.tables) != sorted(expected):
        found.append(f"tables: {sorted(page.tables)} instead of {sorted(expected)}")
    for table in document.tables:
        label = labels[f"table:{table.name}"]
        if label in page.tables:
            found += [f"{label}: {one}" for one in table_differences(table, page.tables[label])]
    return found


def table_differences(table: Table, shown: Shown) -> list[str]:
    title = solid(table.title)
    said = solid(shown.title)
    found = [] if said in (title, title + solid(table.population)) else [f"title {shown.title!r}"]
    whole = len(shown.parts) == 1
    candidates = [(table,)] if whole else [cut for cut in cuts(table) if len(cut) == len(shown.parts)]
    if not candidates:
        return [*found, f"{len(shown.parts)} parts, as which the table cannot be cut"]
    compared = [
        [
            one
            for part, rows in zip(candidate, shown.parts, strict=True)
            for one in row_differences(part, rows)
        ]
        for candidate in candidates
    ]
    return [*found, *min(compared, key=len)]


def cuts(table: Table) -> list[tuple[Table, ...]]:
    """Return every way in which a table can be cut into parts, by the width of the page."""
    found = (split_columns(table, room) for room in range(20, 240, 4))
    return list({tuple(part.columns for part in parts): parts for parts in found}.values())


def row_differences(table: Table, rows: list[list[str]]) -> list[str]:
    """Return the cells that differ; behind the rows there may be one with the notes."""
    wanted = [[solid(cell) for cell in row] for row in read_grid(table)]
    got = [[solid(cell) for cell in row] for row in rows]
    found = []
    for place, (want, have) in enumerate(zip(wanted, got, strict=False)):
        if want != have:
            found.append(f"row {place + 1}: {have} instead of {want}")
    if len(got) < len(wanted):
        found.append(f"{len(got)} rows instead of {len(wanted)}")
    for row in got[len(wanted) :]:
        if row != [solid("".join(notes_of(table)))]:
            found.append(f"a further row: {row}")
    return found


@dataclass(frozen=True)
class Line:
    """A line of a PDF's page: its words from left to right, without blanks."""

    page: int
    text: str


def lines_of(pdftotext: str, path: Path) -> list[Line]:
    """Return the lines of a PDF by the places of its words."""
    said = subprocess.run([pdftotext, "-bbox", str(path), "-"], capture_output=True, check=True)
    pages = lxml.html.fromstring(said.stdout.decode()).iter("page")
    return [Line(number, text) for number, page in enumerate(pages) for text in page_lines(page)]


def page_lines(page: lxml.html.HtmlElement) -> Iterator[str]:
    """Yield a page's lines; words whose middles lie on one height are a line, raised letters too."""
    words = []
    for word in page.iter("word"):
        left, top, bottom = (float(word.get(name)) for name in ("xmin", "ymin", "ymax"))
        words.append(((top + bottom) / 2, bottom - top, left, word.text or ""))
    words.sort()
    line: list[tuple[float, float, float, str]] = []
    for word in words:
        # The highest letters of a line tell where it is: a raised one is small and begins no line of its own.
        tallest = max(line, key=lambda one: one[1], default=None)
        if tallest is not None and word[0] - tallest[0] > 0.4 * max(tallest[1], word[1]):
            yield joined(line)
            line = []
        line.append(word)
    if line:
        yield joined(line)


def joined(words: list[tuple[float, float, float, str]]) -> str:
    return solid("".join(word[3] for word in sorted(words, key=lambda one: one[2])))


def letters_in(*texts: str) -> Counter[str]:
    return Counter("".join(texts))


def expected_rows(table: Table) -> Iterator[tuple[str, list[str], int]]:
    """Yield each row of the body: its text in reading order with footnote letters, its numbers, its links."""
    for row in grid_of(table).rows:
        cells = [] if row.is_heading else list(row.cells)
        shown = [solid("".join(piece.read + piece.letters for piece in cell.pieces)) for cell in cells]
        aligned = [not re.search("text|words|wide", cell.classes) for cell in cells]
        numbers = [text for text, is_number in zip(shown, aligned, strict=True) if text and is_number]
        links = bool(row.target) + sum(bool(cell.target) for cell in cells)
        yield solid(row.label + row.letters) + "".join(shown), numbers, links


def pdf_differences(document: Document, lines: list[Line]) -> list[str]:
    """Return the rows that a PDF does not show as one run of lines, one after the other under their caption."""
    found = []
    labels = document.labels
    for table in document.tables:
        label = solid(labels[f"table:{table.name}"])
        starts = [
            place
            for place, line in enumerate(lines)
            if re.match(rf"{label}(,part\d+of\d+)?\.{re.escape(solid(table.title)[:12])}", line.text)
        ]
        if not starts:
            found.append(f"{label}: no caption")
            continue
        cut = (
            [(table,)] if len(starts) == 1 else [parts for parts in cuts(table) if len(parts) == len(starts)]
        )
        problems = [
            [
                one
                for part, start in zip(parts, starts, strict=True)
                for one in part_differences(part, lines, start)
            ]
            for parts in cut
        ]
        found += [f"{label}: {one}" for one in min(problems, key=len, default=["cut in an unknown way"])]
    return found


def part_differences(table: Table, lines: list[Line], start: int) -> list[str]:
    place = start
    for number, (text, numbers, links) in enumerate(expected_rows(table)):
        taken_lines = row_at(lines, place, text, links, anywhere=number == 0)
        if taken_lines is None:
            return [f"row {number + 1} {text!r} is not below {lines[place - 1].text!r}"]
        first, place = taken_lines
        if number == 0:
            above = letters_in(*(line.text for line in lines[start:first]))
            wanted = letters_above(table, lines[start].text)
            # Where the page turns below the caption, its foot and the next one's head stand between.
            turned = lines[start].page != lines[first].page
            if wanted - above or (above != wanted and not turned):
                return [f"caption and header are {[line.text for line in lines[start:first]]}"]
        shown = [line.text for line in lines[first:place]]
        if len(shown) == 1 and not links and shown != [text]:
            return [f"row {number + 1} is {shown[0]!r} instead of {text!r}"]
        parted = [cell for cell in numbers if not any(cell in line for line in shown)]
        if parted:
            return [f"row {number + 1}: {parted} not on one line"]
    return []


def letters_above(table: Table, caption: str) -> Counter[str]:
    """Return the letters of what stands over the first row: caption, population, header."""
    grid = grid_of(table)
    header = [cell.text + cell.letters + "".join(cell.lines) for cell in (*grid.upper, *grid.lower)]
    stub = table.stub if header else ""
    called = caption[: caption.index(".") + 1]
    return letters_in(*map(solid, (called, table.title, table.population, stub, *header)))


def row_at(lines: list[Line], place: int, text: str, links: int, anywhere: bool) -> tuple[int, int] | None:
    """Return the lines that hold a row's letters and no other; a link may say its page."""
    wanted = letters_in(text)
    for first in beginnings(lines, place, anywhere):
        have: Counter[str] = Counter()
        for end in range(first, len(lines)):
            have += letters_in(lines[end].text)
            if not wanted - have and is_pages(have - wanted, links):
                return first, end + 1
            if have.total() > wanted.total() + 10 * links:
                break
    return None


def is_pages(more: Counter[str], links: int) -> bool:
    """Whether letters are those of ", p. 12", not more often than there are links."""
    count = more["p"]
    digits = Counter({letter: times for letter, times in more.items() if letter.isdigit()})
    return count <= links and more - digits == letters_in(",p." * count) and digits.total() <= 3 * count


def beginnings(lines: list[Line], place: int, anywhere: bool) -> Iterator[int]:
    """Yield where a row may begin: at once; the first below its header; where a page ends, near the next one's head."""
    yield place
    if anywhere:
        yield from range(place + 1, min(place + 30, len(lines)))
        return
    page = lines[place - 1].page
    following = [
        number for number in range(place, min(place + 60, len(lines))) if lines[number].page == page + 1
    ]
    if following and following[0] - place < 20:
        yield from following[:20]


@pytest.mark.parametrize("name", ["html", "docx", "rtf"])
def test_every_cell_of_every_table(built, readers, name: str) -> None:
    page = readers[name](built.file(name))
    assert differences(built.document, page) == []


def test_every_row_of_a_pdf(built, pdftotext: str) -> None:
    assert pdf_differences(built.document, lines_of(pdftotext, built.file("pdf"))) == []


@pytest.mark.parametrize("name", ["html", "docx", "rtf"])
def test_captions_pictures_and_the_answer(built, readers, name: str) -> None:
    page = readers[name](built.file(name))
    document, labels = built.document, built.document.labels
    figures = [f"{labels[f'figure:{figure.name}']}. {figure.caption}" for figure in document.figures]
    assert [solid(caption) for caption in page.figures] == [solid(caption) for caption in figures]
    assert page.pictures == len(figures)
    for text in said_by(document):
        assert solid(text) in solid(page.text)


def test_captions_and_the_answer_in_pdf(built, pdftotext: str) -> None:
    text = "".join(line.text for line in lines_of(pdftotext, built.file("pdf")))
    labels = built.document.labels
    for figure in built.document.figures:
        assert solid(f"{labels[f'figure:{figure.name}']}. {figure.caption}") in text
    for sentence in (*built.document.headline.answer, built.document.headline.may_not_claim):
        assert solid(sentence) in text


def said_by(document: Document) -> Iterator[str]:
    """Yield sentences that every format has to print: the first page's, and the notes of each table."""
    headline = document.headline
    yield from (headline.title, headline.question, *headline.answer, headline.harm, headline.may_not_claim)
    for table in document.tables:
        yield from notes_of(table)


SMALL = Table(
    "small",
    "Means of the arms",
    (
        Column("Mean (SD)", spanner="Laser", spanner_lines=("N = 30 patients",)),
        Column("", "paren", spanner="Laser"),
        Column("95 % CI", "low", notes=("ci",)),
        Column("", "high"),
        Column("Answer", "text"),
    ),
    tuple(
        Row(
            Cell(f"Site {site}"),
            (
                Cell(f"{33.8 + site:.1f}", 33.8 + site),
                Cell("9.0", 9.0),
                Cell("−1.3", -1.3, notes=("ci",) if site else ()),
                Cell(f"{4.1 + site:.1f}", 4.1 + site),
                Cell("better than both of its parts, by a margin that nobody had expected before the trial"),
            ),
        )
        for site in range(3)
    ),
    stub="Site",
    notes={"ci": "Confidence interval."},
    source="lesions.csv.",
)


def document_of(table: Table) -> Document:
    headline = Headline("T-1", "Trial", "30 patients", "Is it?", ("Yes.",), None, "None.", "Synergy.")
    return Document(headline, (Section("s", "Section", (Paragraph("Lead."), table)),))


def changed(row: int, place: int, text: str) -> Table:
    """Return the small table with one cell changed."""
    rows = list(SMALL.rows)
    cells = list(rows[row].cells)
    cells[place] = replace(cells[place], text=text)
    rows[row] = replace(rows[row], cells=tuple(cells))
    return replace(SMALL, rows=tuple(rows))


DAMAGED = {
    "a digit": changed(1, 0, "34.9"),
    "a sign": changed(2, 2, "1.3"),
    "a word": changed(
        0, 4, "worse than both of its parts, by a margin that nobody had expected before the trial"
    ),
    "two rows that changed places": replace(SMALL, rows=(SMALL.rows[1], SMALL.rows[0], SMALL.rows[2])),
    "a row that is missing": replace(SMALL, rows=SMALL.rows[:2]),
    "the header": replace(
        SMALL, columns=(replace(SMALL.columns[0], spanner_lines=("N = 31 patients",)), *SMALL.columns[1:])
    ),
}
"""What a broken renderer might show."""


@pytest.mark.parametrize("name", FORMATS)
def test_one_damaged_cell_is_found(readers, pdftotext: str, tmp_path: Path, name: str) -> None:
    def found(table: Table) -> list[str]:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.{name}"
        path.write_bytes(render(document_of(table), name))
        if name == "pdf":
            return pdf_differences(document_of(SMALL), lines_of(pdftotext, path))
        return differences(document_of(SMALL), readers[name](path))

    assert found(SMALL) == []
    silent = [what for what, table in DAMAGED.items() if not found(table)]
    assert silent == []
