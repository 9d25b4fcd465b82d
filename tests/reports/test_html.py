import re
from base64 import b64encode
from dataclasses import dataclass, replace
from hashlib import sha256
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
    Verbatim,
)
from reports.render.grid import grid_of as laid_out
from reports.render.html import inline_svg, render_html
from reports.render.html_text import css_string, label, prose
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
    assert '<aside class="stamp" aria-label="Origin of the data">Synthetic data</aside>' in page
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
    """The script that copies takes the text of each `.v` or of the cell, and fills up to the table's own columns."""
    row = page[page.index("face &lt;1 cm") : page.index("</tbody>")]
    cells = re.findall(
        r'<td class="[a-z ]+"(?: colspan="\d+")?(?: data-columns="(\d+)")?(?: data-header="[^"]*")?>(.*?)</td>',
        row,
    )
    held = [re.findall(r'<span class="v">(.*?)</span>', content) or [content] for _, content in cells]
    assert held == [["8.8", "2"], ["−3"], ["−10.5", "4.5"], ["worse"]]
    assert sum(int(columns or 1) for columns, _ in cells) == len(AREAS.columns)


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


def test_sections_show_the_numbers_by_which_the_text_refers_to_them(page):
    assert '<h2 id="how-title"><span class="number">2</span> Methods</h2>' in page
    assert '<a href="#how"><span class="number">2</span> Methods</a>' in page


def test_rows_stand_in_the_group_of_their_heading():
    def names(row):
        return [re.sub("<.*?>", "", cell) for cell in re.findall(r"<t[hd] class=.stub.*?</t[hd]>", row)]

    row = Row(Cell("face"), (Cell("1", 1),), indent=1)
    table = Table(
        name="groups",
        title="Groups",
        columns=(Column("No."),),
        rows=(
            Row(Cell("any"), (Cell("2", 2),)),
            blank_row("Site", 1),
            row,
            blank_row("Sex", 1),
            row,
            row,
            Row(Cell("all"), (Cell("3", 3),), kind="total"),
        ),
    )
    bodies = page_of(table).split("<tbody>")[1:]
    assert [names(body) for body in bodies] == [["any"], ["Site", "face"], ["Sex", "face", "face"], ["all"]]
    assert ['scope="rowgroup"' in body for body in bodies] == [False, True, True, False]


def test_each_header_says_what_it_heads(page):
    head = page[page.index("<colgroup>") : page.index("</thead>")]
    assert head.startswith("<colgroup></colgroup><colgroup></colgroup>")
    assert '<th class="group spanner" data-columns="2" scope="colgroup">Laser' in head
    assert '<td class="group"></td>' in head, "no empty header"
    assert '<th class="stub" scope="col" rowspan="2">Lesion</th>' in head


def test_the_population_stands_in_the_caption():
    population = "All: 30 patients, 120 lesions"
    described = page_of(replace(AREAS, population=population))
    assert f'Areas<span class="population">{population}</span></caption>' in described


def test_a_paragraph_and_a_cell_lead_to_what_the_page_holds():
    told = page_of(
        Paragraph("It is shown.", see=("table:areas", "figure:missing", "section:t")),
        AREAS,
        replace(
            UNEVEN,
            rows=(
                Row(
                    Cell("all", target="table:areas"),
                    (*UNEVEN.rows[0].cells[:5], Cell("p", target="section:x")),
                ),
            ),
        ),
    )
    assert 'It is shown. (<a href="#table-areas">Table 1</a>, <a href="#t">Section 1</a>)' in told
    assert '<a href="#table-areas">all</a>' in told
    assert "#x" not in told


def test_what_is_to_be_pasted_has_a_button_and_keeps_its_lines():
    told = page_of(
        Paragraph("We found.", "paste", ("table:areas",)), AREAS, Verbatim("@a{\n\n\n  b}", "bibtex")
    )
    assert '<p class="copied">We found.</p>' in told
    assert 'See <a href="#table-areas">Table 1</a>.' in told
    assert '<pre class="copied"><code>@a{&#10;&#10;&#10;  b}</code></pre>' in told
    assert told.count('<button class="copy" type="button" hidden>Copy</button>') == 2


def test_a_listing_is_folded_and_numbered_apart_and_its_rows_come_in_chunks():
    listed = replace(
        AREAS,
        name="lesions",
        kind="listing",
        rows=(AREAS.rows[1],) * 250,
        columns=AREAS.columns,
        title="Lesions",
    )
    told = page_of(AREAS, listed)
    folded = told.partition('<details class="folded listing" id="table-lesions">')[2].partition("</figure>")[
        0
    ]
    assert '<summary>Listing 1. Lesions <span class="size">250 rows</span></summary>' in folded
    assert folded.count("<tbody>") == 3
    assert folded.count("<tr>") == 252
    assert "--columns:calc(12ch + 1.6rem) " in folded, "the longest label and its indent"


HOSTILE = "<script>alert(1)</script> &amp; \x01\u202e"


def test_no_text_becomes_markup_wherever_it_stands():
    cells = (
        Cell("1", 1),
        Cell("1", 1),
        Cell("1", 1),
        Cell("1", 1),
        Cell("1", 1),
        Cell(HOSTILE, target=HOSTILE),
    )
    table = Table(
        name="hostile",
        title=HOSTILE,
        stub=HOSTILE,
        columns=tuple(replace(column, header=HOSTILE, spanner=HOSTILE) for column in AREAS.columns),
        rows=(blank_row(HOSTILE, 6), Row(Cell(HOSTILE), cells)),
        notes={"difference": HOSTILE, "other": HOSTILE},
        source=HOSTILE,
        population=HOSTILE,
        joint=HOSTILE,
    )
    blocks = (
        *(Paragraph(HOSTILE, kind) for kind in ("plain", "lead", "note", "paste")),
        *(table, replace(table, name="listed", kind="listing")),
        *(Heading(HOSTILE), BulletList((HOSTILE,)), Definitions(((HOSTILE, HOSTILE),)), Verbatim(HOSTILE)),
        *(Folded(HOSTILE, ()), FigureBlock(Drawing("f", HOSTILE, HOSTILE))),
    )
    drawn = Drawing("verdict", HOSTILE, HOSTILE)
    headline = Headline(*[HOSTILE] * 4, (HOSTILE,), drawn, HOSTILE, HOSTILE, HOSTILE)
    told = render_html(Document(headline, (Section("t", HOSTILE, blocks),), HOSTILE))
    assert told.count("<script>") == 2, "the page's own"
    assert "alert(1)</script>" not in told
    assert "\x01" not in told
    assert "\u202e" not in told
    outline = Outline()
    outline.feed(told)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))


def test_only_the_pages_own_scripts_may_run(page):
    allowed = re.search(r"script-src ([^;]*);", page)
    assert allowed is not None
    for script in re.findall(r"<script>(.*?)</script>", page, re.DOTALL):
        assert b64encode(sha256(script.encode()).digest()).decode() in allowed.group(1)
    assert "unsafe" not in allowed.group(1)


ARABIC = "ليزر + بلازما"


def test_words_from_right_to_left_turn_no_number_around():
    assert prose(f"With {ARABIC} 12 %, with {ARABIC} 3.") == (
        f"With <bdi>{ARABIC}</bdi> 12 %, with <bdi>{ARABIC}</bdi> 3."
    )
    assert label(f"{ARABIC} 2") == f"<bdi>{ARABIC} 2</bdi>"
    assert label("Größe, cm²") == "Größe, cm²"


def test_a_word_of_ten_thousand_letters_may_be_broken_and_is_whole_when_copied():
    word = "Langwort" * 1250
    shown = label(f"an {word} & more")
    assert re.sub("<wbr>", "", shown) == f"an {word} &amp; more"
    assert max(map(len, re.split("<wbr>| ", shown))) <= 20
    assert "<wbr>" not in label("Post-inflammatory hyperpigmentation")
    table = replace(UNEVEN, rows=(Row(Cell(word), UNEVEN.rows[0].cells),))
    assert f'<span class="huge" tabindex="0">{word[:20]}<wbr>' in page_of(table)


def test_a_style_sheets_string_is_ended_by_nothing_in_it():
    assert css_string('T-1 "a\\</style>') == '"T-1 \\000022a\\00005c\\00003c\\00002fstyle\\00003e"'


def test_a_wide_table_is_printed_smaller():
    wide = replace(
        UNEVEN, rows=(), notes={}, columns=tuple(Column(f"Measured at week {k}") for k in range(30))
    )
    fit = re.search(r'style="--fit:(0\.\d+)"', page_of(wide))
    assert fit is not None
    assert "--fit:" not in page_of(UNEVEN).partition("</style>")[2]
