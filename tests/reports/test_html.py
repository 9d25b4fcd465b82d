import re
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest

from reports.document import (
    BulletList,
    Definitions,
    Document,
    FigureBlock,
    Heading,
    Headline,
    Paragraph,
    Section,
)
from reports.render.html import header_cells, inline_svg, render_html, spanner_cells
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
    assert [(cell.text, cell.span) for cell in header_cells(AREAS)] == [
        ("Mean (SD)", 2),
        ("Difference", 1),
        ("95 % CI", 2),
        ("Answer", 1),
    ]
    assert [(cell.text, cell.span) for cell in spanner_cells(AREAS)] == [("Laser", 2), *[("", 1)] * 4]
    assert spanner_cells(AREAS)[0].lines == ("N = 30 patients", "n = 30 lesions")


def test_numbers_keep_cells_of_their_own(page):
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    cells = re.findall(r'<td class="([a-z ]+)"[^>]*>.*?<span class="v">(.*?)</span>', body)
    assert cells[1:] == [
        ("number begins leads", "8.8"),
        ("paren", "2"),
        ("number", "−3"),
        ("low leads", "−10.5"),
        ("high", "4.5"),
        ("text", "worse"),
    ]
    assert "face &lt;1 cm" in body


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
