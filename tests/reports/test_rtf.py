import io
import re
from dataclasses import dataclass, replace

import pytest
from PIL import Image

from outcomes import read_trial
from outcomes.errors import ReportError
from reports.analyse import analyse_trial
from reports.compose import compose
from reports.context import ReportContext
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
from reports.render import render
from reports.render.grid import read_grid
from reports.render.paged_columns import lay_out
from reports.render.rtf import render_rtf
from reports.render.rtf_styles import TEXT_WIDTH
from reports.render.rtf_text import escape
from reports.render.text_widths import width_of
from reports.tables.value import Cell, Column, Row, Table, blank_row, number_cell
from tests.reports.paged_tables import WIDE, long_table
from tests.reports.rtf_reader import Reader, cells_of, read, spaced, whole


def png(width=400, height=200, dots=200):
    stream = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(stream, "PNG", dpi=(dots, dots))
    return stream.getvalue()


@dataclass(frozen=True)
class Drawing:
    name: str
    caption: str = "A caption."
    alt_text: str = 'The combination was "better" {by} far: −3 \\b.'
    svg: str = "<svg/>"
    png: bytes = png()


ARMS = Table(
    name="arms",
    title="Means of the arms",
    stub="Site",
    columns=(
        Column(
            "Mean (SD)",
            spanner="Laser",
            spanner_lines=("N = 30 patients", "n = 30 lesions"),
            notes=("laser",),
        ),
        Column("", "paren", spanner="Laser"),
        Column("95 % CI", "low", spanner="Laser"),
        Column("", "high", spanner="Laser"),
        Column("p", notes=("test",)),
        Column("Answer", "text"),
    ),
    rows=(
        blank_row("Week 12", 6),
        Row(
            Cell("face", notes=("face",)),
            (
                Cell("33.8", 33.8),
                Cell("9.0", 9.0),
                Cell("−1.3", -1.3),
                Cell("4.1", 4.1),
                Cell("<.001", 0.0001),
                Cell("better", target="section:flow"),
            ),
            indent=1,
        ),
        Row(
            Cell("hand"),
            (
                Cell("134", 134),
                Cell("12.25", 12.25),
                Cell("−10.25", -10.25),
                Cell("14", 14),
                Cell(".29", 0.29, notes=("test",)),
                Cell("not shown"),
            ),
        ),
        Row(Cell("none"), (Cell("not estimable", span=4), Cell(), Cell("no answer")), kind="total"),
    ),
    notes={"laser": "CO2.", "test": "Min test.", "face": "Cheeks.", "short": "SD, standard deviation."},
    source="lesions.csv.",
    population="All: 30 patients, 120 lesions",
)


def document_of(*blocks, stamp="Synthetic data", figure=None, title="Laser & PRP"):
    headline = Headline(
        "T-1",
        title,
        "30 patients",
        "Is it better?",
        ("Yes, p = .03.", "No synergy."),
        figure,
        "None.",
        "Synergy.",
        "CI, confidence interval.",
    )
    sections = (
        Section("flow", "Flow", (Paragraph("All came.", see=("table:arms", "figure:absent")),)),
        Section("t", "The rest", blocks),
    )
    return Document(headline, sections, stamp)


def drawn(*blocks, **more):
    return Reader(render_rtf(document_of(*blocks, **more)))


def test_a_table_shows_its_cells_and_its_notes_in_a_last_row():
    (table,) = drawn(ARMS).tables
    *rows, notes = cells_of(table)
    assert rows == read(read_grid(ARMS))
    assert notes == ["SD, standard deviation. CO2. Min test. Cheeks. Source: lesions.csv."]
    assert "Cheeks.\n" in table[-1].cells[0]


def test_footnote_letters_are_raised_where_the_notes_are_used():
    assert drawn(ARMS).raised == ["a", "a", "b", "c", "b", "a", "b", "c"]


def test_caption_and_population_stand_above_and_stay_with_the_table():
    blocks = drawn(ARMS).blocks
    first = next(place for place, block in enumerate(blocks) if block.is_row)
    caption, population = blocks[first - 2 : first]
    assert caption.cells == ["Table 1. Means of the arms"]
    assert population.cells == ["All: 30 patients, 120 lesions"]
    assert "keepn" in caption.words
    assert "keepn" in population.words


def test_header_rows_are_repeated_no_row_is_divided_and_a_short_table_stays_whole():
    rows = drawn(ARMS).tables[0]
    assert ["trhdr" in row.words for row in rows] == [True, True] + [False] * 5
    assert all("trkeep" in row.words for row in rows)
    assert ["keepn" in row.words for row in rows] == [True] * 6 + [False]


def test_a_table_that_is_higher_than_a_page_has_caption_and_header_on_each():
    reader = drawn(long_table(300))
    captions = [block for block in reader.blocks if block.style == 12]
    assert [block.cells[0] for block in captions] == [
        "Listing 1. Values",
        *["Listing 1 (continued). Values"] * (len(reader.tables) - 1),
    ]
    assert ["pagebb" in block.words for block in captions] == [False] + [True] * (len(captions) - 1)
    assert reader.fields.count("SEQ Listing \\* ARABIC") == 1
    header, *body = read_grid(long_table(300))
    pages = [cells_of(rows) for rows in reader.tables]
    assert [rows[0] for rows in pages] == [header] * len(pages)
    *rows, notes = [row for page in pages for row in page[1:]]
    assert rows == body
    assert notes == ["Source: values.csv"]
    for rows in reader.tables:
        assert ["keepn" in row.words for row in rows] == [True] * (len(rows) - 1) + [False]


def test_three_rules_and_one_under_each_spanner():
    rows = drawn(ARMS).tables[0]
    assert ["clbrdrt" in row.words for row in rows] == [True] + [False] * 4 + [True, False]
    assert ["clbrdrb" in row.words for row in rows] == [False, True, False, False, False, True, False]
    assert [row.words.count("brdrb") for row in rows] == [1, 0, 0, 0, 0, 0, 0]
    assert not any(word.startswith(("clbrdrl", "clbrdrr")) for row in rows for word in row.words)


def right_indents(rows, column):
    """Twips between a column's right edge and the last letter of its cells."""
    found = []
    for row in rows:
        paragraphs = re.split(r"\bcell\b", " ".join(row.words))
        indent = re.search(r"\bri(\d+)", paragraphs[column])
        found.append(int(indent[1]) if indent else None)
    return found


def test_numbers_stand_under_each_other_on_the_decimal_point():
    """In Times a digit takes half of the font's size and a point a quarter: 90 and 45 twips at 9 points."""
    texts = ("33.8", "134", "−10.25", "<.001", "7")
    table = Table(
        "n", "N", (Column("Mean"),), tuple(Row(Cell(text), (number_cell(text, 1.0),)) for text in texts)
    )
    rows = drawn(table).tables[0][1:]
    after = [(len(text.split(".")[1]) * 90 + 45) if "." in text else 0 for text in texts]
    places = [indent + room for indent, room in zip(right_indents(rows, 1), after, strict=True)]
    assert len(set(places)) == 1


def test_room_for_missing_digits_and_letters_is_no_text():
    (rows,) = drawn(ARMS).tables
    assert rows[3].cells == ["face", "33.8 (9.0)", "−1.3 to 4.1", "<.001", "better"]
    assert rows[4].cells == ["hand", "134 (12.25)", "−10.25 to 14", ".29", "not shown"]
    means, limits = right_indents(rows[3:5], 1), right_indents(rows[3:5], 2)
    assert means[0] - means[1] == 90  # a digit less after the point of 9.0
    assert limits[1] - limits[0] == 45 + 90  # and a point with a digit less after 14
    tests = right_indents(rows[3:5], 3)
    assert tests[0] + 90 * 3 != tests[1] + 90 * 2  # the letter behind .29 hangs
    assert tests[1] - tests[0] == 90 - round(width_of("b", 18) * 0.62)


def test_a_wide_table_is_cut_and_each_part_has_its_labels_key_columns_and_notes():
    reader = drawn(WIDE)
    captions = [text for style, text in reader.paragraphs if style == 12]
    parts = reader.tables
    assert len(parts) > 1
    assert captions == [f"Table 1 (part {part} of {len(parts)}). Wide" for part in range(1, len(parts) + 1)]
    for part in parts:
        *rows, notes = cells_of(part)
        assert [row[:2] for row in rows[2:]] == [[f"Row {row}", "left"] for row in range(3)]
        assert notes == ["Of all. Source: wide.csv"]
    shown = [cell for part in parts for cell in cells_of(part)[2][2:]]
    assert shown == [
        text for arm in range(7) for text in (f"{arm * 100}.0", f"{arm * 100 + 1}.0 to {arm * 100 + 2}.0")
    ]
    assert reader.fields.count("SEQ Table \\* ARABIC") == 1


def test_a_table_of_words_alone_and_one_without_header_or_notes():
    words = Table("w", "Words", (Column("", "text"),), (Row(Cell("Who"), (Cell("Adults"),)),))
    reader = drawn(words, Paragraph("After."))
    (table,) = reader.tables
    assert cells_of(table) == [["Who", "Adults"]]
    assert "clbrdrt" in table[0].words
    assert "clbrdrb" in table[0].words
    empty = replace(words, rows=())
    assert [text for _, text in drawn(empty).paragraphs][-2:] == ["Table 1. Words", ""]


def test_references_and_contents_lead_to_bookmarks():
    reader = drawn(
        ARMS, Paragraph("See.", see=("section:flow", "table:arms", "figure:profile")), figure=Drawing("a")
    )
    assert len(set(reader.starts)) == len(reader.starts)
    assert reader.starts == reader.ends
    assert set(reader.starts) == {"Section_1", "Section_2", "Table_1", "Figure_1"}
    targets = [re.search(r'(?:REF |\\l ")(\w+)', one) for one in reader.fields]
    assert {found[1] for found in targets if found} == {"Section_1", "Section_2", "Table_1", "Figure_1"}
    texts = [text for _, text in reader.paragraphs]
    assert "All came. (Table 1)" in texts
    assert "See. (Section\u00a01, Table 1)" in texts
    assert texts[texts.index("Contents") + 1 :][:2] == ["1\tFlow", "2\tThe rest"]
    assert texts[texts.index("Tables") + 1] == "Table 1. Means of the arms"
    assert texts[texts.index("Figures") + 1] == "Figure 1. A caption"
    assert [one for one in reader.fields if one.startswith("TOC")] == [
        r'TOC \o "1-1" \n \h \z',
        r'TOC \n \h \z \c "Table"',
        r'TOC \n \h \z \c "Figure"',
    ]


def test_headings_have_words_own_styles_and_levels():
    data = render_rtf(
        document_of(Heading("More"), Folded("Folded", (Heading("Within"), Paragraph("Inside."), ARMS)))
    )
    reader = Reader(data)
    assert [one for one in reader.paragraphs if one[0] in (1, 2, 3)] == [
        (1, "1\u00a0\u00a0Flow"),
        (1, "2\u00a0\u00a0The rest"),
        (2, "More"),
        (2, "Folded"),
        (3, "Within"),
    ]
    sheet = data.decode()
    for level, name in enumerate(("heading 1", "heading 2", "heading 3")):
        assert re.search(rf"\{{\\s{level + 1}[^{{}}]*\\outlinelevel{level}\b[^{{}}]*{name};\}}", sheet)
    assert (12, "Table 1. Means of the arms") in reader.paragraphs
    assert re.search(r"\{\\s12[^{}]* caption;\}", sheet)


def test_each_kind_of_block():
    reader = drawn(
        ARMS,
        Paragraph("Lead.", "lead"),
        Paragraph("Small.", "note"),
        Paragraph("Copy me.", "paste"),
        BulletList(("one", "two")),
        BulletList(("first", "second"), ordered=True),
        BulletList(("again",), ordered=True),
        Definitions((("Model", "value ~ arm"), ("A term that is far too long for its column", "long"))),
        Verbatim("@misc{a,\n\ttitle = {\\TeX}\n}\n", "bibtex"),
    )
    texts = {text: style for style, text in reader.paragraphs}
    assert len({texts[one] for one in ("All came. (Table 1)", "Lead.", "Small.", "Copy me.", "one")}) == 5
    assert "Model\tvalue ~ arm" in texts
    assert "A term that is far too long for its column\nlong" in texts
    assert "@misc{a,\n\ttitle = {\\TeX}\n}" in texts
    lists = [
        next(word for word in block.words if re.fullmatch(r"ls\d+", word))
        for block in reader.blocks
        if block.style == 16
    ]
    assert lists == ["ls1", "ls1", "ls2", "ls2", "ls3"]


def test_the_first_page_answers():
    texts = [text for _, text in drawn(figure=Drawing("verdict")).paragraphs]
    end = texts.index("Contents")
    assert texts[:end] == [
        "T-1",
        "Laser & PRP",
        "30 patients",
        "Is it better?",
        "Yes, p\u00a0=\u00a0.03. No synergy.",
        "",
        "Figure 1. A caption.",
        "Harm\tNone.",
        "Not to be claimed\tSynergy.",
        "CI, confidence interval.",
    ]


def test_every_page_names_the_trial_the_stamp_and_its_number():
    reader = drawn()
    assert {kind for kind, _ in reader.pages} == {"header", "footer"}
    said = " ".join(text for _, text in reader.pages)
    assert "T-1" in said
    assert "Synthetic data" in said
    assert {"PAGE", "NUMPAGES"} <= set(reader.fields)
    assert "Synthetic" not in " ".join(text for _, text in drawn(stamp="").pages)


def test_pictures_have_their_size_and_say_what_they_show():
    drawing = Drawing("verdict", png=png(400, 200, 200))
    data = render_rtf(
        document_of(FigureBlock(replace(drawing, name="wide", png=png(4000, 100))), figure=drawing)
    )
    reader = Reader(data)
    assert reader.pictures == [drawing.png, png(4000, 100)]
    assert reader.descriptions == ["verdict", drawing.alt_text, "wide", drawing.alt_text]
    goals = re.findall(r"\\picwgoal(\d+)\\pichgoal(\d+)", data.decode())
    assert goals[0] == ("2880", "1440")  # 2 inches by 1
    assert int(goals[1][0]) <= TEXT_WIDTH
    assert int(goals[1][0]) == pytest.approx(40 * int(goals[1][1]), rel=0.01)


def test_a_picture_that_says_no_size_and_none_at_all():
    stream = io.BytesIO()
    Image.new("RGB", (200, 100)).save(stream, "PNG")
    assert b"\\picwgoal1440\\pichgoal720" in render_rtf(
        document_of(figure=Drawing("a", png=stream.getvalue()))
    )
    texts = [text for _, text in drawn(figure=Drawing("a", png=b"")).paragraphs]
    assert f"[{Drawing('a').alt_text}]" in texts


def test_what_is_no_picture_is_refused():
    with pytest.raises(ReportError, match="a figure's picture cannot be read"):
        render_rtf(document_of(figure=Drawing("a", png=b"GIF89a")))


HOSTILE = [
    "\\par\\b\\object\\objdata {\\field{\\*\\fldinst INCLUDETEXT secret}}",
    "}}}}{{{{",
    "\\'41\\u65?\\bin99999 x",
    "{\\rtf1 inner}",
    '<script>alert("x")</script> #import "a" \\input{/etc/passwd} =cmd|calc',
    "−1 ≥ 2 µm² — “q” 𝒳 😀 e\u0301",
    "\u200e\u200fab",
    "semi;colon \\; \\~ \\_ \\- \\* ?",
    "*" * 300,
    "x" * 10_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_comes_out_as_text_everywhere(text):
    table = Table(
        "t",
        text,
        (Column(text, "text", spanner=text, spanner_lines=(text,), notes=("n",)), Column("Number")),
        (Row(Cell(text, notes=("n",)), (Cell(text), Cell("1.5", 1.5))), blank_row(text, 2)),
        stub=text,
        notes={"n": text, "r": text},
        source=text,
        population=text,
    )
    figure = Drawing("f", caption=text, alt_text=text)
    blocks = (
        table,
        Paragraph(text),
        BulletList((text,)),
        Definitions(((text, text),)),
        Verbatim(text),
        Heading(text),
        FigureBlock(figure),
    )
    reader = drawn(*blocks, title=text, stamp=text)
    (rows,) = whole(reader)
    assert cells_of(rows)[:-1] == read(read_grid(table))
    texts = [spaced(text) for _, text in reader.paragraphs]
    wanted = spaced(text)
    for shown in (wanted, f"Table 1. {wanted}", f"{wanted} {wanted}", f"Figure 1. {wanted}"):
        assert shown in texts
    assert text in reader.descriptions
    assert any(text in said for kind, said in reader.pages if kind == "header")
    # Nothing of it has become a control word: the fields are the document's own.
    assert {one.split()[0] for one in reader.fields} <= {"PAGE", "NUMPAGES", "SEQ", "REF", "HYPERLINK", "TOC"}


def test_control_characters_are_named_and_line_ends_kept():
    reader = drawn(Paragraph("a\x00b\x1b\ud800c\r\nd\te"))
    assert (0, "a[U+0000]b[U+001B][U+D800]c\nd\te") in [(0, text) for _, text in reader.paragraphs]


def test_words_from_right_to_left_are_marked():
    assert escape("Patient \u05e9\u05dc\u05d5\u05dd 12 \u05d0 (a)") == (
        "Patient {\\ltrch\\rtlch \\u1513?\\u1500?\\u1493?\\u1501? 12 \\u1488?} (a)"
    )


def test_the_file_is_ascii_without_dates_and_the_same_each_time():
    document = document_of(ARMS, WIDE, FigureBlock(Drawing("b")), figure=Drawing("a"))
    data = render_rtf(document)
    assert data.isascii()
    assert data.startswith(b"{\\rtf1\\ansi")
    assert data.endswith(b"}\n")
    assert max(map(len, data.splitlines())) < 4000
    assert data == render_rtf(document) == render(document, "rtf")
    for word in (b"\\creatim", b"\\revtim", b"\\printim", b"\\rsid"):
        assert word not in data
    assert Reader(data).info == "T-1: Laser & PRPT-1"


@pytest.mark.parametrize("design", ["within-patient", "parallel"])
def test_a_real_report_shows_each_cell_of_its_tables(sound_trials, design):
    analysed = analyse_trial(read_trial(sound_trials[design] / "trial.toml"))
    document = compose(ReportContext(analysed.trial.protocol, analysed.results), {})
    reader = Reader(render_rtf(document))
    parts = [layout.table for table in document.tables for layout in lay_out(table, TEXT_WIDTH)]
    for part, rows in zip(parts, whole(reader), strict=True):
        shown = cells_of(rows)
        noted = bool(part.remarks or part.footnotes or part.source)
        assert shown[: len(shown) - noted] == read(read_grid(part)), part.name
    assert spaced(" ".join(document.headline.answer)) in {spaced(text) for _, text in reader.paragraphs}
