import re
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest

from outcomes import read_trial
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
)
from reports.render.grid import grid_of as laid_out
from reports.render.html import inline_svg, render_html
from reports.tables.value import Cell, Column, Row, Table, blank_row


@dataclass(frozen=True)
class Drawing:
    name: str
    caption: str = "A caption."
    alt_text: str = 'The combination was "better" & by far.'
    svg: str = (
        '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" width="10pt" height="5pt" viewBox="0 0 10 5" role="img">'
        "<title>old</title><path d='M0 0'/></svg>\n"
    )
    png: bytes = b""


AREAS = Table(
    name="areas",
    title="Areas",
    stub="Lesion",
    columns=(
        Column("Mean (SD)", spanner="Laser", spanner_lines=("N = 30 patients", "n = 30 lesions")),
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
            tuple(
                Cell(text, value)
                for text, value in [
                    ("8.8", 8.8),
                    ("2", 2),
                    ("−3", -3),
                    ("−10.5", -10.5),
                    ("4.5", 4.5),
                    ("worse", None),
                ]
            ),
            indent=1,
        ),
    ),
    notes={"difference": "From the untreated.", "abbreviations": "SD, standard deviation."},
    source="lesions.csv.",
)


def make_document(stamp="Synthetic data", figure=Drawing("verdict")):
    headline = Headline(
        "T-1",
        "Laser & PRP",
        "30 patients",
        "Is it better?",
        ("Yes.", "No synergy."),
        figure,
        "None.",
        "Synergy.",
    )
    sections = (
        Section("who", "Who they were", (Paragraph("Lead.", "lead"), AREAS, Heading("More"))),
        Section(
            "how",
            "Methods",
            (
                BulletList(("one", "two")),
                BulletList(("a reference",), ordered=True),
                Definitions((("Model", "value ~ arm"),)),
                FigureBlock(Drawing("profile")),
            ),
        ),
    )
    return Document(headline, sections, stamp)


class Outline(HTMLParser):
    """Open tags, to see that they nest, and every attribute that could fetch something."""

    void = frozenset({"meta", "br", "path", "link", "img"})

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.ids, self.anchors = [], [], [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.addresses += [value for name, value in attrs if name in ("src", "srcset", "action", "data")]
        if tag == "link":
            self.addresses.append(attributes.get("href"))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "a":
            self.anchors.append(attributes["href"])
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.open.pop() == tag


@pytest.fixture
def page():
    return render_html(make_document())


def test_the_page_is_well_formed_and_every_line_of_the_contents_leads_somewhere(page):
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert {anchor.removeprefix("#") for anchor in outline.anchors} <= set(outline.ids)
    assert {"#who", "#how", "#answer"} <= set(outline.anchors)


def test_nothing_is_fetched(page):
    outline = Outline()
    outline.feed(page)
    assert outline.addresses == []
    assert "http" not in page.replace('http-equiv="', "")
    assert "@import" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_the_first_screen_comes_first(page):
    places = [
        page.index(text) for text in ("<h1>", "Is it better?", "Yes. No synergy.", "None.", "Synergy.</dd>")
    ]
    assert places == sorted(places)
    assert places[-1] < page.index('id="who"')
    assert "<h1>Laser &amp; PRP</h1>" in page


def test_the_stamp_stands_on_the_screen_and_on_every_printed_page(page):
    assert '<div class="stamp" role="note">Synthetic data</div>' in page
    assert '<div class="running" aria-hidden="true"><span>Synthetic data</span></div>' in page
    assert "Synthetic" not in render_html(make_document(stamp=""))


def test_a_headline_without_a_figure(page):
    assert page.count("<svg") == 2
    assert render_html(make_document(figure=None)).count("<svg") == 1


def test_tables_and_figures_are_numbered_in_their_order(page):
    assert "<b>Table 1.</b> Areas" in page
    assert page.index("<b>Figure 1.</b>") < page.index("<b>Figure 2.</b>")


def test_header_cells_of_pairs_are_merged():
    assert [(cell.text, cell.span, cell.columns) for cell in laid_out(AREAS).lower] == [
        ("Mean (SD)", 1, 2),
        ("Difference", 1, 1),
        ("95 % CI", 1, 2),
        ("Answer", 1, 1),
    ]
    assert [(cell.text, cell.span) for cell in laid_out(AREAS).upper] == [
        ("Laser", 1),
        ("", 1),
        ("", 1),
        ("", 1),
    ]
    assert laid_out(AREAS).upper[0].lines == ("N = 30 patients", "n = 30 lesions")


UNEVEN = Table(
    name="uneven",
    title="Uneven",
    stub="Lesion",
    columns=(
        Column("Mean (SD)", spanner="Laser"),
        Column("", "paren", spanner="Laser"),
        Column("No.", spanner="Laser"),
        Column("95 % CI", "low"),
        Column("", "high"),
        Column("p", notes=("test",)),
    ),
    rows=(
        Row(
            Cell("all"),
            (
                Cell("33.8", 33.8),
                Cell("9.0", 9.0),
                Cell("24", 24),
                Cell("−1.3", -1.3),
                Cell("4.1", 4.1),
                Cell("<.001", 0.0001, notes=("test",)),
            ),
        ),
        Row(
            Cell("face"),
            (
                Cell("134", 134),
                Cell("12.25", 12.25),
                Cell("7", 7),
                Cell("−10.25", -10.25),
                Cell("14", 14),
                Cell(".29", 0.29),
            ),
        ),
        Row(Cell("no SD"), (Cell("2.5", 2.5), Cell(), Cell("1", 1), Cell(), Cell(), Cell())),
        Row(Cell("none"), (Cell("not estimable", span=2), Cell("0", 0), Cell("undefined", span=2), Cell())),
    ),
    notes={"test": "Min test."},
)
"""Numbers of every length, so that each needs other room to stand under the others."""


class Grid(HTMLParser):
    """The text of every body cell, as a program reads it that knows nothing of style sheets."""

    def __init__(self):
        super().__init__()
        self.rows, self.inside, self.body = [], False, False

    def handle_starttag(self, tag, attrs):
        self.body = self.body or tag == "tbody"
        if self.body and tag == "tr":
            self.rows.append([])
        if self.body and tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        if tag == "tbody":
            self.body = False
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data):
        if self.inside and self.body:
            self.rows[-1][-1] += data


def grid_of(table):
    return grid_of_page(render_html(Document(make_document().headline, (Section("t", "T", (table,)),))))


def grid_of_page(page):
    grid = Grid()
    grid.feed(page)
    return grid.rows


def test_a_cells_text_is_what_a_person_reads_and_nothing_else():
    assert grid_of(UNEVEN) == [
        ["all", "33.8 (9.0)", "24", "−1.3 to 4.1", "<.001a"],
        ["face", "134 (12.25)", "7", "−10.25 to 14", ".29"],
        ["no SD", "2.5", "1", "", ""],
        ["none", "not estimable", "0", "undefined", ""],
    ]


@pytest.mark.parametrize("design", ["within-patient", "parallel"])
def test_a_real_report_shows_the_numbers_of_its_tables_and_no_other(sound_trials, design):
    analysed = analyse_trial(read_trial(sound_trials[design] / "trial.toml"))
    document = compose(ReportContext(analysed.trial.protocol, analysed.results), {})
    rows = iter(grid_of_page(render_html(document)))
    number = re.compile(r"[−<]?(?:\d+[.]?\d*|[.]\d+)")
    for table in document.tables:
        for row, read in zip(table.rows, rows, strict=False):
            held = [found for cell in (row.label, *row.cells) for found in number.findall(cell.text)]
            assert number.findall(" ".join(read)) == held, (table.name, row.label.text)
    assert next(rows, None) is None


def test_numbers_stand_under_each_other_by_room_that_is_not_text():
    first, second, third, _ = (row.cells for row in laid_out(UNEVEN).rows)
    assert [(piece.lead, piece.text, piece.pad) for piece in first[0].pieces] == [
        ("", "33.8", ""),
        ("0", "9.0", "0"),
    ]
    assert [(piece.lead, piece.text, piece.pad) for piece in second[2].pieces] == [
        ("", "−10.25", ""),
        ("", "14", ".0"),
    ]
    assert len(third[0].pieces[1].pad) == len(" (12.25)")
    assert [(cell.span, cell.columns) for cell in laid_out(UNEVEN).rows[3].cells] == [
        (1, 2),
        (1, 1),
        (1, 2),
        (1, 1),
    ]


def test_a_spreadsheet_gets_a_cell_for_each_number(page):
    """The script that copies takes the text of each `.v`, and fills up to the table's own columns."""
    row = page[page.index("face &lt;1 cm") : page.index("</tbody>")]
    assert re.findall(r'<span class="v">(.*?)</span>', row) == ["8.8", "2", "−3", "−10.5", "4.5", "worse"]
    spans = re.findall(r'<t[dh] class="[a-z ]+"(?: colspan="\d+")?(?: data-columns="(\d+)")?>', row)
    assert sum(int(columns or 1) for columns in spans) == len(AREAS.columns)


def test_footnotes_and_source(page):
    assert "Difference<sup>a</sup>" in page
    assert "<sup>a</sup> From the untreated." in page
    assert page.index("SD, standard deviation.") < page.index("<sup>a</sup> From the untreated.")
    assert "Source: lesions.csv." in page


def test_figures_are_inlined_with_their_finding_as_label():
    svg = inline_svg(Drawing("verdict"))
    assert svg.startswith("<svg ")
    assert "xmlns" not in svg
    assert "pt" not in svg
    assert "<title>" not in svg
    assert 'role="img" aria-label="The combination was &#34;better&#34; &amp; by far."' in svg


def test_the_same_document_gives_the_same_bytes():
    assert render_html(make_document()) == render_html(make_document())


def page_of(*blocks):
    return render_html(Document(make_document().headline, (Section("t", "T", blocks),)))


def test_only_a_section_that_fills_a_page_begins_one_in_print():
    drawn = (FigureBlock(Drawing("profile")), FigureBlock(Drawing("paired")))
    assert '<section id="t" class="long"' in page_of(*drawn)
    assert '<section id="t" class="long"' in page_of(*[Paragraph("word " * 400)] * 3)
    assert '<section id="t" aria' in page_of(Paragraph("None."), AREAS)


def test_folded_material_is_numbered_with_the_rest_and_stands_on_the_page():
    document = Document(
        make_document().headline,
        (Section("t", "T", (Folded("More numbers", (Paragraph("Inside."), AREAS)), UNEVEN)),),
    )
    assert [table.name for table in document.tables] == ["areas", "uneven"]
    page = render_html(document)
    folded = page.partition('<details class="folded">')[2].partition("</details>")[0]
    assert "<summary>More numbers</summary>" in folded
    assert "<b>Table 1.</b> Areas" in folded
    assert "<b>Table 2.</b> Uneven" in page


def test_tables_whose_rows_are_answered_in_words_stack_on_a_phone():
    answers = Table(
        name="answers",
        title="Answers",
        columns=(
            Column("Difference"),
            Column("95 % CI", "low"),
            Column("", "high"),
            Column("Answer", "text"),
        ),
        rows=(Row(Cell("face"), (Cell("3", 3), Cell("1", 1), Cell("5", 5), Cell("better"))),),
    )
    page = page_of(answers)
    assert '<table class="stacks">' in page
    assert 'data-header="95 % CI"' in page
    assert '<table class="stacks">' not in page_of(UNEVEN)


def test_a_heading_within_a_table_spans_it(page):
    assert '<th class="stub" scope="rowgroup" colspan="5" data-columns="7">Site</th>' in page


def test_an_arms_counts_do_not_run_into_its_name(page):
    header = re.sub("<.*?>", "", page[page.index("<thead>") : page.index("</thead>")])
    assert "Laser N = 30 patients n = 30 lesions" in header
