import io
import locale
import os
import re
import time
from dataclasses import dataclass, replace

import pytest

from reports.document import (
    BulletList,
    Definitions,
    Document,
    FigureBlock,
    Folded,
    Heading,
    Headline,
    Paragraph,
    Section,
    Verbatim,
)
from reports.glyphs import covered
from reports.render.grid import read_grid
from reports.render.pdf import render_pdf
from reports.render.pdf_content import content_of
from reports.render.pdf_text import Writer
from reports.tables.value import Cell, Column, Row, Table, blank_row

pypdf = pytest.importorskip("pypdf")

HOSTILE = (
    '#import "x.typ": * $x^2$ *bold* _it_ <label> @ref `raw` \\ \\u{41} // not a comment /* nor */ [x] = x'
)


@dataclass(frozen=True)
class Drawing:
    name: str
    caption: str = "A caption. More of it."
    alt_text: str = 'The combination was "better" & by far.'
    svg: str = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="10pt" height="5pt" viewBox="0 0 10 5">'
        '<path d="M0 0 L10 5" stroke="currentColor"/></svg>\n'
    )
    png: bytes = b""


AREAS = Table(
    name="areas",
    title="Areas",
    stub="Lesion",
    population="All: 30 patients, 120 lesions",
    columns=(
        Column("Mean (SD)", spanner="Laser", spanner_lines=("N = 30 patients",)),
        Column("", "paren", spanner="Laser"),
        Column("Difference", notes=("difference",)),
        Column("95 % CI", "low"),
        Column("", "high"),
        Column("Answer", "text"),
    ),
    rows=(
        blank_row("Site", 6),
        Row(
            Cell("face <1 cm"),
            (
                Cell("8.8", 8.8),
                Cell("2", 2),
                Cell("−3", -3),
                Cell("−10.5", -10.5),
                Cell("4.5", 4.5),
                Cell("worse"),
            ),
            indent=1,
        ),
        Row(
            Cell("trunk"),
            (
                Cell("10.25", 10.25),
                Cell("11", 11),
                Cell("not estimable", span=3),
                Cell("", target="section:how"),
            ),
            indent=1,
        ),
        Row(
            Cell("All"),
            (
                Cell("9", 9),
                Cell(""),
                Cell("1.75", 1.75),
                Cell("1", 1),
                Cell("2.5", 2.5),
                Cell("see", target="section:how"),
            ),
            kind="total",
        ),
    ),
    notes={"difference": "From the untreated.", "abbreviations": "SD, standard deviation."},
    source="lesions.csv.",
)


def make_document(*blocks, stamp="Synthetic data", figure=Drawing("verdict"), **words):
    texts = {
        "identifier": "T-1",
        "title": "Laser & PRP",
        "facts": "30 patients",
        "question": "Is it better?",
        "answer": ("Yes.", "No synergy."),
        "harm": "None.",
        "may_not_claim": "Synergy.",
    }
    headline = Headline(figure=figure, **(texts | words))
    sections = (
        Section(
            "who", "Who they were", (Paragraph("Lead.", "lead", see=("table:areas", "table:none")), AREAS)
        ),
        Section("how", "Methods", (Heading("More"), *blocks, FigureBlock(Drawing("profile")))),
    )
    return Document(headline, sections, stamp)


def opened(pdf):
    return pypdf.PdfReader(io.BytesIO(pdf))


def words_of(text):
    """Text without blanks: what typesetting adds and moves."""
    return re.sub(r"\s+", "", text)


def text_of(pdf):
    return words_of("".join(page.extract_text() for page in opened(pdf).pages))


def listing(rows, name="rows"):
    columns = (Column("Visit", "text"), Column("Value"), Column("Remark", "text"))
    cells = [
        (Cell(f"Week {n % 9}"), Cell(f"{n / 10:.1f}", n / 10), Cell(f"remark {n:05d}")) for n in range(rows)
    ]
    return Table(
        name,
        "Every row",
        columns,
        tuple(Row(Cell(f"P{n:04d}"), row) for n, row in enumerate(cells)),
        stub="Patient",
        source="rows.csv.",
        kind="listing",
    )


@pytest.fixture(scope="module")
def sound():
    return render_pdf(make_document())


def elements(reader, kind):
    """Structure elements of a kind, wherever they stand in the tree."""
    found, waiting = [], [reader.trailer["/Root"]["/StructTreeRoot"]]
    while waiting:
        node = waiting.pop().get_object()
        if isinstance(node, list):
            waiting += [one for one in node if not isinstance(one, int)]
            continue
        if not isinstance(node, dict):
            continue
        if node.get("/S") == kind:
            found.append(node)
        if "/K" in node and not isinstance(node["/K"], int):
            waiting.append(node["/K"])
    return found


def test_the_file_declares_that_it_is_accessible_and_archivable(sound):
    metadata = sound[sound.index(b"<x:xmpmeta") : sound.index(b"</x:xmpmeta>")].decode()
    assert "<pdfuaid:part>1<" in metadata
    assert "<pdfaid:part>2<" in metadata
    assert "<pdfaid:conformance>A<" in metadata
    root = opened(sound).trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]


def test_the_title_is_the_trials_and_no_author_is_named(sound):
    metadata = opened(sound).metadata
    assert metadata.title == "T-1: Laser & PRP"
    assert metadata.author is None


def test_figures_state_their_finding_to_those_who_do_not_see_them(sound):
    reader = opened(sound)
    assert [one["/Alt"] for one in elements(reader, "/Figure")] == [
        'The combination was "better" & by far.'
    ] * 2


def test_headers_of_tables_are_header_cells_with_a_scope(sound):
    headers = elements(opened(sound), "/TH")
    assert headers
    scopes = [
        attribute["/Scope"]
        for header in headers
        for attribute in (header["/A"] if isinstance(header["/A"], list) else [header["/A"]])
        if "/Scope" in attribute
    ]
    assert len(scopes) == len(headers)


def test_sections_are_bookmarks(sound):
    titles = [one.title for one in opened(sound).outline if not isinstance(one, list)]
    assert [title.lstrip("0123456789. ") for title in titles] == ["Who they were", "Methods"]


def test_every_page_has_its_number_the_identifier_and_the_stamp(sound):
    pages = opened(sound).pages
    for place, page in enumerate(pages, start=1):
        text = words_of(page.extract_text())
        assert f"Page{place}of{len(pages)}" in text
        assert "T-1" in text
        assert "Syntheticdata" in text


def test_observed_data_bear_no_stamp():
    assert "Syntheticdata" not in text_of(render_pdf(make_document(stamp="")))


def test_every_cell_is_there_and_no_digit_that_only_makes_room(sound):
    text = text_of(sound)
    for row in read_grid(AREAS):
        for cell in row:
            assert words_of(cell) in text, cell
    assert "worse" in text
    assert "8.80" not in text
    assert "9.00" not in text
    assert "−3.00" not in text


def test_a_table_has_its_caption_population_and_notes(sound):
    text = text_of(sound)
    for part in (
        "Table1.Areas",
        "All:30patients,120lesions",
        "aFromtheuntreated.",
        "SD,standarddeviation.",
        "Source:lesions.csv.",
    ):
        assert part in text


def test_references_lead_to_what_the_document_holds_and_say_the_page(sound):
    text = text_of(sound)
    assert "Lead.(Table1)" in text
    assert re.search(r"see,p\.[23]", text)


def test_the_same_document_gives_the_same_bytes_anywhere(sound, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    time.tzset()
    try:
        assert render_pdf(make_document()) == sound
    finally:
        monkeypatch.undo()
        time.tzset()
    assert os.fspath(tmp_path).encode() not in sound
    assert locale.getlocale() is not None


@pytest.mark.parametrize(
    "place", ["title", "cell", "paragraph", "verbatim", "caption", "stamp", "identifier"]
)
def test_markup_in_data_is_text(place):
    said = words_of(HOSTILE)
    match place:
        case "title" | "identifier":
            made = make_document(**{place: HOSTILE})
        case "stamp":
            made = make_document(stamp=HOSTILE)
        case "cell":
            table = Table("odd", HOSTILE, (Column(HOSTILE, "text"),), (Row(Cell(HOSTILE), (Cell(HOSTILE),)),))
            made = make_document(table)
        case "paragraph":
            made = make_document(
                Paragraph(HOSTILE), BulletList((HOSTILE,)), Definitions(((HOSTILE, HOSTILE),))
            )
        case "verbatim":
            made = make_document(Verbatim(HOSTILE, "typst"))
        case _:
            made = make_document(FigureBlock(Drawing("odd", caption=HOSTILE, alt_text=HOSTILE)))
    assert said in text_of(render_pdf(made))


@pytest.mark.parametrize(
    "char", ["\u4e2d", "\U0001f9d1", "\x00", "\x1b", "\ufeff", "\ue000", "\ud800", "\u202e", "\U0010ffff"]
)
def test_a_character_without_a_glyph_is_written_by_its_number(char):
    number = f"[U+{ord(char):04X}]"
    table = Table("odd", f"x{char}", (Column(char, "text"),), (Row(Cell(f"a{char}b"), (Cell(char),)),))
    text = text_of(
        render_pdf(make_document(table, Paragraph(f"c{char}d"), Verbatim(f"e{char}f"), title=f"t{char}"))
    )
    for part in (f"a{number}b", f"c{number}d", f"e{number}f", f"t{number}"):
        assert part in text
    assert "lackarewrittenbytheirUnicodenumber" in text


def test_every_character_that_counts_as_covered_can_be_printed():
    chars = sorted(covered())
    lines = [" ".join(chars[start : start + 40]) for start in range(0, len(chars), 40)]
    made = make_document(*map(Paragraph, lines), Verbatim("\n".join(lines)), Heading(" ".join(chars[:400])))
    assert b"Unicode number" not in render_pdf(made)


def test_right_to_left_words_are_printed():
    text = text_of(render_pdf(make_document(Paragraph("Hebrew שלום and Arabic سلام."))))
    assert "[U+" not in text


def test_a_word_of_ten_thousand_letters_stays_within_the_page():
    word = "x" * 10_000
    table = Table("odd", word, (Column("A", "text"),), (Row(Cell("a"), (Cell(word),)),))
    assert text_of(render_pdf(make_document(table))).count("x") > 20_000


def test_folded_material_is_printed_in_full():
    text = text_of(render_pdf(make_document(Folded("Its tables", (Paragraph("Within."),)))))
    assert "Itstables" in text
    assert "Within." in text


def test_a_wide_table_is_cut_into_parts_with_its_labels():
    columns = tuple(
        column
        for arm in range(12)
        for column in (
            Column("Mean (SD)", spanner=f"Arm number {arm}"),
            Column("", "paren", spanner=f"Arm number {arm}"),
        )
    )
    rows = (Row(Cell("Age, years"), tuple(Cell(f"{n}.5", n + 0.5) for n in range(24))),)
    text = text_of(render_pdf(make_document(Table("wide", "Wide", columns, rows))))
    assert "Table2,part1of2.Wide" in text
    assert "Table2,part2of2.Wide" in text


def test_a_long_table_repeats_its_header_and_says_that_it_goes_on():
    rows = tuple(Row(Cell(f"row {n}"), (Cell(f"{n}", n),)) for n in range(120))
    table = Table("long", "Long", (Column("Measured"),), rows, stub="Stub", source="long.csv.")
    pages = [words_of(page.extract_text()) for page in opened(render_pdf(make_document(table))).pages]
    holding = [page for page in pages if re.search(r"row\d", page)]
    assert len(holding) > 1
    assert all("Measured" in page and "Source:long.csv." in page for page in holding)
    assert "Table2,continued" not in holding[0]
    assert all("Table2,continued" in page for page in holding[1:])


def test_a_listing_of_thousands_of_rows_has_every_row_and_repeats_its_header():
    pages = [
        words_of(page.extract_text()) for page in opened(render_pdf(make_document(listing(3_000)))).pages
    ]
    holding = [page for page in pages if "remark" in page]
    assert all("PatientVisitValueRemark" in page for page in holding)
    text = "".join(holding)
    assert all(f"remark{n:05d}" in text for n in range(3_000))
    assert f"Page{len(pages)}of{len(pages)}" in pages[-1]


def test_nothing_is_left_of_blanks_but_what_holds_words_together():
    write = Writer()
    assert write.plain("  a\tb\n c\u00a0d\u202f% ") == "a b c\u00a0d\u202f%"
    assert write.lines("a\n  b") == "a\n  b"
    assert write.missing == set()


def test_a_table_named_twice_is_printed_twice_and_referred_to_once():
    text = text_of(render_pdf(make_document(replace(AREAS), FigureBlock(Drawing("verdict")))))
    assert text.count("Table2.Areas") == 2


def test_a_listing_typeset_in_parts_reads_as_one_document(monkeypatch):
    monkeypatch.setattr("reports.render.pdf_parts.CHUNK", 150)
    monkeypatch.setattr("reports.render.pdf_parts.HEAD", 120)
    made = make_document(listing(500), AREAS, listing(300, "others"))
    reader = opened(render_pdf(made))
    pages = [words_of(page.extract_text()) for page in reader.pages]
    assert [int(re.search(r"Page(\d+)of", page)[1]) for page in pages] == list(range(1, len(pages) + 1))
    assert all(f"of{len(pages)}" in page for page in pages)
    text = "".join(pages)
    assert re.findall(r"remark(\d{5})", text) == [f"{n:05d}" for n in [*range(500), *range(300)]]
    assert "Listing1,continued" in text
    # Every page keeps its place in the structure, and every header its identifier.
    keys = [page["/StructParents"] for page in reader.pages]
    tree = reader.trailer["/Root"]["/StructTreeRoot"]
    assert len(set(keys)) == len(keys)
    assert set(keys) <= set(tree["/ParentTree"]["/Nums"][::2])
    names = tree["/IDTree"]["/Names"][::2]
    assert names == sorted(set(names))
    assert len(elements(reader, "/Table")) == 2 + (1 + 3) + (1 + 2)


def test_a_part_of_a_wide_table_has_only_the_footnotes_that_it_uses():
    columns = tuple(
        Column("A long heading of many words", notes=(f"n{arm}",), spanner=f"Arm {arm}") for arm in range(14)
    )
    notes = {f"n{arm}": f"Said of arm {arm}." for arm in range(14)}
    rows = (Row(Cell("Age, years"), tuple(Cell("1.5", 1.5) for _ in columns)),)
    text = text_of(render_pdf(make_document(Table("wide", "Wide", columns, rows, notes=notes))))
    assert "part2of2" in text
    assert all(text.count(f"Saidofarm{arm}.") == 1 for arm in range(14))


def test_a_long_word_in_a_listing_wraps_within_its_column():
    table = listing(300)
    long = Row(Cell("P9999"), (Cell("x" * 400), Cell("1.0", 1.0), Cell("end")))
    pages = opened(render_pdf(make_document(table.with_rows((long,))))).pages
    found = [words_of(page.extract_text()) for page in pages]
    assert sum(page.count("xxxxxxxx") for page in found) >= 20


@pytest.mark.parametrize(
    ("caption", "title"),
    [
        ("Grade by arm and visit, from G0 (lightest) to G5; counts in the bars.", "Grade by arm and visit"),
        ("Area: each bar is one lesion, the best first. Dashed: 50 %.", "Area: each bar is one lesion"),
        (
            f"Area, of the same patients: {'each band joins two grades ' * 4}. More.",
            "Area, of the same patients",
        ),
    ],
)
def test_the_list_of_figures_says_what_each_shows_and_leaves_out_how(caption, title):
    document = make_document()
    headline = replace(document.headline, figure=Drawing("verdict", caption))
    content = content_of(replace(document, headline=headline))
    assert content["named"]["figure:verdict"][1] == title
