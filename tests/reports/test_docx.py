"""What a Word document must hold for Word: styles, fields that lead somewhere, markup in the schema's order."""

import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace

import docx
import pytest
from lxml import etree

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
from reports.render.docx import render_docx
from reports.render.docx_package import plain_svg
from reports.render.docx_styles import TEXT_WIDTH
from reports.render.grid import read_grid
from reports.render.paged_columns import lay_out
from reports.tables.value import Cell, Column, Row, Table, blank_row

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"

# Sequences of ECMA-376, part 1, annex A (wml.xsd): Word calls a file broken where they are not kept.
ORDER = {
    "pPr": "pStyle keepNext keepLines pageBreakBefore framePr widowControl numPr suppressLineNumbers pBdr shd tabs "
    "suppressAutoHyphens kinsoku wordWrap overflowPunct topLinePunct autoSpaceDE autoSpaceDN bidi adjustRightInd "
    "snapToGrid spacing ind contextualSpacing mirrorIndents suppressOverlap jc textDirection textAlignment "
    "textboxTightWrap outlineLvl divId cnfStyle rPr sectPr pPrChange",
    "rPr": "rStyle rFonts b bCs i iCs caps smallCaps strike dstrike outline shadow emboss imprint noProof snapToGrid "
    "vanish webHidden color spacing w kern position sz szCs highlight u effect bdr shd fitText vertAlign rtl cs em "
    "lang eastAsianLayout specVanish oMath",
    "tblPr": "tblStyle tblpPr tblOverlap bidiVisual tblStyleRowBandSize tblStyleColBandSize tblW jc tblCellSpacing "
    "tblInd tblBorders shd tblLayout tblCellMar tblLook tblCaption tblDescription",
    "tcPr": "cnfStyle tcW gridSpan hMerge vMerge tcBorders shd noWrap tcMar textDirection tcFitText vAlign hideMark",
    "tcBorders": "top start left bottom end right insideH insideV tl2br tr2bl",
    "tblBorders": "top start left bottom end right insideH insideV",
    "tblCellMar": "top start left bottom end right",
    "tbl": "tblPr tblGrid tr",
    "tr": "tblPrEx trPr tc",
    "tc": "tcPr p",
    "sectPr": "headerReference footerReference footnotePr endnotePr type pgSz pgMar paperSrc pgBorders lnNumType "
    "pgNumType cols formProt vAlign noEndnote titlePg textDirection bidi rtlGutter docGrid",
    "style": "name aliases basedOn next link autoRedefine hidden uiPriority semiHidden unhideWhenUsed qFormat locked "
    "personal personalCompose personalReply rsid pPr rPr tblPr trPr tcPr tblStylePr",
    "lvl": "start numFmt lvlRestart pStyle isLgl suff lvlText lvlPicBulletId legacy lvlJc pPr rPr",
    "numbering": "numPicBullet abstractNum num",
    "settings": "writeProtection view zoom mirrorMargins defaultTabStop characterSpacingControl compat rsids mathPr "
    "themeFontLang clrSchemeMapping decimalSymbol listSeparator",
}  # fmt: skip


def png(width=400, height=200, dots_a_metre=7874):
    """A white picture of 200 dots an inch."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    rows = (b"\0" + b"\xff" * width) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"pHYs", struct.pack(">IIB", dots_a_metre, dots_a_metre, 1))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@dataclass(frozen=True)
class Drawing:
    name: str
    caption: str = "What is drawn. And how."
    alt_text: str = 'The combination was "better" & by far.'
    svg: str = (
        '<svg id="a" class="figure" xmlns="http://www.w3.org/2000/svg" width="10pt" height="5pt">'
        "<path d='M0 0' style=\"stroke: currentColor\"/></svg>\n"
    )
    png: bytes = png()


def number(text, value=None, notes=()):
    return Cell(text, float(text.replace("−", "-")) if value is None else value, notes)


AREAS = Table(
    name="areas",
    title="Areas of lesions",
    stub="Lesion",
    columns=(
        Column("Mean (SD)", spanner="Laser", spanner_lines=("N = 30 patients", "n = 30 lesions")),
        Column("", "paren", spanner="Laser"),
        Column("Difference", spanner="PRP", notes=("difference",)),
        Column("95 % CI", "low", spanner="PRP"),
        Column("", "high", spanner="PRP"),
        Column("Answer", "text"),
    ),
    rows=(
        blank_row("Site", 6),
        Row(
            Cell("face <1 cm"),
            (
                *(number(text) for text in ("8.8", "2", "−3", "−10.5", "4.5")),
                Cell("see what was done", target="section:how"),
            ),
            indent=1,
        ),
        Row(
            Cell("trunk", notes=("difference",)),
            (
                number("12.25", notes=("estimated",)),
                number("10"),
                Cell("not estimable", span=3),
                Cell("unknown"),
            ),
            indent=1,
        ),
        Row(
            Cell("All"),
            (number("9"), number("1.5"), *(number("1") for _ in "abc"), Cell("worse")),
            kind="total",
        ),
    ),
    notes={
        "difference": "From the untreated.",
        "estimated": "By the model.",
        "abbreviations": "SD, standard deviation.",
    },
    source="lesions.csv.",
    population="All: 30 patients, 120 lesions",
)


def make_document(table=AREAS, stamp="Synthetic data", figure=Drawing("verdict"), text="Lead."):
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
    small = Table("small", "Small", (Column("No."),), (Row(Cell("a"), (number("1"),)),))
    sections = (
        Section(
            "who",
            "Who they were",
            (
                Paragraph(
                    text,
                    "lead",
                    see=(f"table:{table.name}", "figure:absent", "figure:profile", "section:how"),
                ),
                table,
                Heading("More"),
                Paragraph("For a manuscript.", "paste"),
                Paragraph("Small print.", "note"),
            ),
        ),
        Section(
            "how",
            "What was done",
            (
                BulletList(("one", "two")),
                BulletList(("a reference",), ordered=True),
                BulletList(("another list",), ordered=True),
                Definitions((("Model", "value ~ arm"),)),
                FigureBlock(Drawing("profile")),
                Folded(
                    "Behind it", (small, Heading("Deeper"), Verbatim("@article{a,\n  title = {B}}", "bibtex"))
                ),
            ),
        ),
    )
    return Document(headline, sections, stamp)


def parts_of(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def body_of(content):
    return etree.fromstring(parts_of(content)["word/document.xml"])[0]


def text_of(element, raised=False):
    """What is read: lines become one, footnote letters are left out."""
    words = []
    for node in element.iter(f"{W}t", f"{W}br", f"{W}tab"):
        if node.getparent().tag != f"{W}r":
            continue
        properties = node.getparent().find(f"{W}rPr")
        is_raised = properties is not None and properties.find(f"{W}vertAlign") is not None
        if not is_raised or raised:
            words.append(node.text or "" if node.tag == f"{W}t" else " ")
    return "".join(words)


def read(text):
    return " ".join(text.split())


def style_of(paragraph):
    return paragraph.find(f"{W}pPr/{W}pStyle").get(f"{W}val")


def cells_of(table):
    return [[read(text_of(cell)) for cell in row.findall(f"{W}tc")] for row in table.findall(f"{W}tr")]


def fields_of(body):
    """(instruction, result) of every field, those inside others too."""
    found, open_fields = [], []
    for node in body.iter(f"{W}fldChar", f"{W}instrText", f"{W}t"):
        if node.tag == f"{W}instrText":
            open_fields[-1][0] += node.text
        elif node.tag == f"{W}t":
            for one in open_fields:
                one[1] += node.text
        elif node.get(f"{W}fldCharType") == "begin":
            open_fields.append(["", ""])
        elif node.get(f"{W}fldCharType") == "end":
            found.append(tuple(part.strip() for part in open_fields.pop()))
    assert not open_fields
    return found


def bookmarks_of(body):
    """The text in each bookmark."""
    found, open_marks = {}, {}
    for node in body.iter(f"{W}bookmarkStart", f"{W}bookmarkEnd", f"{W}t"):
        if node.tag == f"{W}bookmarkStart":
            name = node.get(f"{W}name")
            assert name not in found
            open_marks[node.get(f"{W}id")] = name
            found[name] = ""
        elif node.tag == f"{W}bookmarkEnd":
            del open_marks[node.get(f"{W}id")]
        else:
            for name in open_marks.values():
                found[name] += node.text
    assert not open_marks
    return found


@pytest.fixture(scope="module")
def body():
    return body_of(render_docx(make_document()))


@pytest.fixture(scope="module")
def report(sound_trials):
    """The report of a small trial, without its figures."""
    trial = read_trial(sound_trials["within-patient"] / "trial.toml")
    analysed = analyse_trial(trial, lambda stage: None)
    return compose(ReportContext(trial.protocol, analysed.results), {}, (), trial.notes)


def test_each_block_has_a_style_of_word_and_every_style_is_defined(body):
    document = docx.Document(io.BytesIO(render_docx(make_document())))
    by_text = {paragraph.text: paragraph.style.name for paragraph in document.paragraphs}
    assert by_text["Laser & PRP"] == "Title"
    assert by_text["30 patients"] == "Subtitle"
    assert by_text["What was done"] == "Heading 1"
    assert by_text["Behind it"] == "Heading 2"
    assert by_text["Deeper"] == "Heading 3"
    assert by_text["one"] == "List Bullet"
    assert by_text["a reference"] == "List Number"
    assert by_text["Table 1. Areas of lesions"] == "Caption"
    assert by_text["Figure 2. What is drawn. And how."] == "Figure Caption"
    assert document.tables[0].style.name == "Report Table"
    defined = {style.style_id for style in document.styles}
    used = {node.get(f"{W}val") for node in body.iter(f"{W}pStyle", f"{W}rStyle", f"{W}tblStyle")}
    assert used <= defined


def test_captions_count_by_fields_of_word(body):
    for word, count in (("Table", 2), ("Figure", 2)):
        results = [
            result for instruction, result in fields_of(body) if instruction == rf"SEQ {word} \* ARABIC"
        ]
        assert results == [str(place) for place in range(1, count + 1)]


def test_every_reference_leads_to_a_bookmark_that_says_the_same(body):
    marks = bookmarks_of(body)
    references = [(words.split(), result) for words, result in fields_of(body) if words.startswith("REF ")]
    assert [result for _, result in references] == ["Table 1", "Figure 2", "2"]
    for (_, name, *switches), result in references:
        if r"\r" in switches:
            assert marks[name] == "What was done"
        else:
            assert marks[name] == result
    anchors = [link.get(f"{W}anchor") for link in body.iter(f"{W}hyperlink")]
    assert set(anchors) <= set(marks)
    assert all(re.fullmatch(r"_(Ref|Toc)\d{9}", name) for name in marks)


def test_a_paragraph_refers_to_what_the_document_holds(body):
    lead = next(one for one in body.iter(f"{W}p") if style_of(one) == "Lead")
    assert read(text_of(lead)) == "Lead. (Table 1, Figure 2, Section 2)"


def test_contents_are_fields_with_links_and_no_page_number_that_could_be_wrong(body):
    contents = {words: result for words, result in fields_of(body) if words.startswith("TOC ")}
    assert list(contents) == [
        r'TOC \o "1-1" \n \h \z',
        r'TOC \n \h \z \c "Table"',
        r'TOC \n \h \z \c "Figure"',
    ]
    lines = [one for one in body.iter(f"{W}p") if style_of(one) in ("TOC1", "TableofFigures")]
    assert [read(text_of(line)) for line in lines] == [
        "1 Who they were",
        "2 What was done",
        "Table 1. Areas of lesions",
        "Table 2. Small",
        "Figure 1. What is drawn",
        "Figure 2. What is drawn",
    ]
    assert all(len(line.findall(f"{W}hyperlink")) == 1 for line in lines)


def test_a_cell_leads_to_its_target(body):
    link = next(link for link in body.iter(f"{W}hyperlink") if text_of(link) == "see what was done")
    assert bookmarks_of(body)[link.get(f"{W}anchor")] == "What was done"


def test_a_cell_that_names_what_it_leads_to_follows_its_number():
    rows = (
        Row(Cell("item"), (Cell("Section 2, What was done", target="section:how"),)),
        Row(Cell("other"), (Cell("Table 12 of the protocol", target="table:where"),)),
        Row(Cell("last"), (Cell("Figure 2", target="figure:profile"),)),
    )
    table = Table("where", "Where", (Column("Where", "text"),), rows)
    body = body_of(render_docx(make_document(table)))
    drawn = body.find(f"{W}tbl")
    assert [row[1] for row in cells_of(drawn)[1:]] == [row.cells[0].text for row in rows]
    assert [result for words, result in fields_of(drawn) if words.startswith("REF")] == ["2", "Figure 2"]
    assert text_of(next(drawn.iter(f"{W}hyperlink"))) == ", What was done"


def test_word_is_not_told_to_update_fields_on_opening():
    assert b"updateFields" not in parts_of(render_docx(make_document()))["word/settings.xml"]


def test_header_rows_repeat_and_no_row_breaks(body):
    table = body.find(f"{W}tbl")
    marked = [row.find(f"{W}trPr/{W}tblHeader") is not None for row in table.findall(f"{W}tr")]
    assert marked == [True, True, False, False, False, False]
    assert all(row.find(f"{W}trPr/{W}cantSplit") is not None for row in table.findall(f"{W}tr"))


def test_a_short_table_stays_whole_with_its_caption_and_its_notes(body):
    blocks = list(body)
    place = blocks.index(body.find(f"{W}tbl"))
    table = blocks[place]
    assert [style_of(one) for one in blocks[place - 2 : place]] == ["Caption", "TablePopulation"]
    for row in table.findall(f"{W}tr")[2:]:
        for paragraph in row.iter(f"{W}p"):
            assert paragraph.find(f"{W}pPr/{W}keepNext") is not None
    notes = blocks[place + 1 : place + 5]
    assert [text_of(note, raised=True) for note in notes] == [
        "SD, standard deviation.",
        "a From the untreated.",
        "b By the model.",
        "Source: lesions.csv.",
    ]
    assert [note.find(f"{W}pPr/{W}keepNext") is not None for note in notes] == [True, True, True, False]


def test_a_long_table_breaks_between_pages_but_keeps_its_notes():
    long = replace(AREAS, rows=AREAS.rows * 40)
    table = body_of(render_docx(make_document(long))).find(f"{W}tbl")
    kept = [
        row.find(f"{W}tc/{W}p/{W}pPr/{W}keepNext") is not None
        for row in table.findall(f"{W}tr")
        if len(row.findall(f"{W}tc")) > 1
    ]
    assert kept[-3:] == [True, True, True]
    assert not any(kept[10:-3])


def test_a_table_has_the_width_of_the_page_and_columns_that_add_up_to_it(body):
    page = body.find(f"{W}sectPr/{W}pgSz")
    margins = body.find(f"{W}sectPr/{W}pgMar")
    room = int(page.get(f"{W}w")) - int(margins.get(f"{W}left")) - int(margins.get(f"{W}right"))
    for table in body.findall(f"{W}tbl"):
        assert table.find(f"{W}tblPr/{W}tblLayout").get(f"{W}type") == "fixed"
        grid = [int(column.get(f"{W}w")) for column in table.find(f"{W}tblGrid")]
        assert sum(grid) == room
        for row in table.findall(f"{W}tr"):
            place = 0
            for cell in row.findall(f"{W}tc"):
                over = cell.find(f"{W}tcPr/{W}gridSpan")
                span = 1 if over is None else int(over.get(f"{W}val"))
                width = int(cell.find(f"{W}tcPr/{W}tcW").get(f"{W}w"))
                assert width == sum(grid[place : place + span])
                place += span
            assert place == len(grid)


def test_every_cell_reads_as_the_grid_says(body):
    expected = [[read(text) for text in row] for row in read_grid(AREAS)]
    assert cells_of(body.find(f"{W}tbl")) == expected


def test_every_cell_of_a_whole_report_reads_as_the_grid_says(report):
    drawn = [cells_of(table) for table in body_of(render_docx(report)).findall(f"{W}tbl")]
    parts = [part.table for table in report.tables for part in lay_out(table, TEXT_WIDTH)]
    assert drawn == [[[read(text) for text in row] for row in read_grid(part)] for part in parts]


def test_numbers_stand_under_each_other_by_room_and_not_by_digits(body):
    """8.8 lacks one decimal of 12.25 before its parenthesis: the blank between them is that much wider."""
    rows = body.find(f"{W}tbl").findall(f"{W}tr")
    cell = rows[3].findall(f"{W}tc")[1]
    wide = [node for node in cell.iter(f"{W}spacing") if node.getparent().tag == f"{W}rPr"]
    assert read(text_of(cell)) == "8.8 (2)"
    assert len(wide) == 1
    assert int(wide[0].get(f"{W}val")) > 0


def test_footnote_letters_are_raised(body):
    label = body.find(f"{W}tbl").findall(f"{W}tr")[4].find(f"{W}tc")
    assert text_of(label, raised=True) == "trunka"
    assert text_of(label) == "trunk"


def test_pictures_have_alternative_text_and_tables_a_description(body):
    pictures = list(body.iter(f"{WP}docPr"))
    assert [one.get("descr") for one in pictures] == ['The combination was "better" & by far.'] * 2
    assert len({one.get("id") for one in pictures}) == 2
    properties = body.find(f"{W}tbl/{W}tblPr")
    assert properties.find(f"{W}tblCaption").get(f"{W}val") == "Table 1. Areas of lesions"
    assert "30 patients, 120 lesions" in properties.find(f"{W}tblDescription").get(f"{W}val")


def test_a_picture_keeps_its_size_unless_the_page_is_narrower():
    small, wide = png(400, 200), png(4000, 1000)
    sizes = []
    for picture in (small, wide):
        body = body_of(render_docx(make_document(figure=Drawing("verdict", png=picture))))
        extent = next(body.iter(f"{WP}extent"))
        sizes.append((int(extent.get("cx")), int(extent.get("cy"))))
    assert sizes[0] == pytest.approx((2 * 914400, 914400), rel=1e-3)
    assert sizes[1][0] == (11906 - 2 * 1247) * 635
    assert sizes[1][0] == pytest.approx(4 * sizes[1][1], rel=1e-3)


def test_vectors_stand_beside_the_picture_that_older_programs_show():
    content = render_docx(make_document())
    parts = parts_of(content)
    assert parts["word/media/figure-1.svg"].startswith(b"<?xml")
    etree.fromstring(parts["word/media/figure-1.svg"])
    assert b"currentColor" not in parts["word/media/figure-1.svg"]
    relations = etree.fromstring(parts["word/_rels/document.xml.rels"])
    targets = {one.get("Id"): one.get("Target") for one in relations}
    blip = body_of(content).find(".//{*}blip")
    assert targets[blip.get(f"{R}embed")] == "media/figure-1.png"
    assert targets[blip.find(".//{*}svgBlip").get(f"{R}embed")] == "media/figure-1.svg"


def test_a_drawing_whose_style_sheet_word_would_ignore_goes_without_vectors():
    assert plain_svg("<svg><style>.arm {fill: red}</style></svg>") is None
    kept = plain_svg(
        "<svg><defs><style>* {stroke-linejoin: round; stroke-linecap: butt}</style></defs><g/></svg>"
    )
    assert kept == '<svg stroke-linejoin="round" stroke-linecap="butt"><g/></svg>'


def test_each_page_has_the_trial_the_stamp_and_its_number():
    parts = parts_of(render_docx(make_document()))
    text = {name: text_of(etree.fromstring(part)) for name, part in parts.items() if "er-" in name}
    assert text["word/header-portrait.xml"] == "T-1 Synthetic data"
    assert text["word/header-first.xml"] == "Synthetic data"
    footer = etree.fromstring(parts["word/footer-portrait.xml"])
    assert [words for words, _ in fields_of(footer)] == ["PAGE", "NUMPAGES"]


def test_properties_name_the_document_and_nobody():
    properties = docx.Document(io.BytesIO(render_docx(make_document()))).core_properties
    assert properties.title == "T-1: Laser & PRP"
    assert properties.author == "tandem"
    assert properties.last_modified_by == ""
    assert properties.language == "en-GB"


def test_nothing_of_a_template_is_left():
    names = set(parts_of(render_docx(make_document())))
    assert not {name for name in names if "thumbnail" in name or "customXml" in name or "theme" in name}
    content = render_docx(make_document())
    assert not re.search(rb"w:rsid", parts_of(content)["word/document.xml"])


def test_the_same_document_gives_the_same_bytes_and_no_date():
    first, second = render_docx(make_document()), render_docx(make_document())
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist()[0] == "[Content_Types].xml"


def test_ordered_lists_count_from_one_each(body):
    items = [one for one in body.iter(f"{W}p") if style_of(one) == "ListNumber"]
    numbers = [one.find(f"{W}pPr/{W}numPr/{W}numId").get(f"{W}val") for one in items]
    assert len(set(numbers)) == 2
    numbering = etree.fromstring(parts_of(render_docx(make_document()))["word/numbering.xml"])
    defined = {one.get(f"{W}numId") for one in numbering.findall(f"{W}num")}
    assert set(numbers) <= defined


def out_of_order(root):
    found = []
    for kind, sequence in ORDER.items():
        places = {name: place for place, name in enumerate(sequence.split())}
        for element in root.iter(f"{W}{kind}"):
            names = [etree.QName(child).localname for child in element]
            # Headers and footers may alternate.
            ranks = [places.get(name.replace("headerR", "footerR"), -1) for name in names]
            if ranks != sorted(ranks) or -1 in ranks:
                found.append((kind, names))
    return found


@pytest.mark.parametrize("hostile", [False, True])
def test_elements_stand_in_the_order_of_the_schema(hostile):
    text = "שלום\n\t(p = .03) <b>" if hostile else "Lead."
    wide = wide_table(30)
    for name, part in parts_of(render_docx(make_document(wide, text=text))).items():
        if name.startswith("word/") and name.endswith(".xml"):
            assert out_of_order(etree.fromstring(part)) == [], name


def wide_table(columns, rows=2):
    cells = tuple(number(f"{place}.5") for place in range(columns))
    return Table(
        "wide",
        "Wide",
        tuple(
            Column(f"Measurement {place}", notes=("first",) if place == 0 else ()) for place in range(columns)
        ),
        tuple(Row(Cell(f"row {place}"), cells) for place in range(rows)),
        stub="Row",
        notes={"first": "Only the first.", "remark": "All of it."},
    )


def test_a_table_wider_than_the_page_is_cut_or_turned_and_numbered_once():
    body = body_of(render_docx(make_document(wide_table(30))))
    captions = [
        text_of(one) for one in body.iter(f"{W}p") if style_of(one) == "Caption" and "Wide" in text_of(one)
    ]
    assert len(captions) > 1
    assert captions == [
        f"Table 1 (part {place} of {len(captions)}). Wide" for place in range(1, len(captions) + 1)
    ]
    assert [result for words, result in fields_of(body) if words.startswith("SEQ Table")] == ["1", "2"]
    shown = [row for table in body.findall(f"{W}tbl") for row in cells_of(table)]
    everything = {cell for row in shown for cell in row}
    assert {f"{place}.5" for place in range(30)} <= everything
    notes = [text_of(one, raised=True) for one in body.iter(f"{W}p") if style_of(one).startswith("TableNote")]
    assert notes == ["All of it.", "a Only the first.", *["All of it."] * (len(captions) - 1)]


def test_a_short_wide_table_stands_in_parts_on_an_upright_page():
    body = body_of(render_docx(make_document(wide_table(11))))
    assert [one.find(f"{W}pgSz").get(f"{W}orient") for one in body.iter(f"{W}sectPr")] == [None]
    captions = [text_of(one) for one in body.iter(f"{W}p") if style_of(one) == "Caption"]
    assert captions[:2] == ["Table 1 (part 1 of 2). Wide", "Table 1 (part 2 of 2). Wide"]


def test_pages_turn_for_a_table_that_fits_on_their_side_and_turn_back():
    body = body_of(render_docx(make_document(wide_table(11, rows=20))))
    ways = [one.find(f"{W}pgSz").get(f"{W}orient") for one in body.iter(f"{W}sectPr")]
    assert ways == [None, "landscape", None]
    sections = [[]]
    for one in body:
        sections[-1].append(read(text_of(one)))
        if one.find(f"{W}pPr/{W}sectPr") is not None:
            sections.append([])
    # The heading and the sentence that lead to the table are on its page.
    assert sections[1][0] == "Who they were"
    assert "Table 1. Wide" in sections[1]
    assert sections[2][0] == "More"
    # The first page alone has a header of its own.
    assert [one.find(f"{W}titlePg") is not None for one in body.iter(f"{W}sectPr")] == [True, False, False]


def test_no_bookmark_stands_in_a_paragraph_that_ends_a_section():
    document = make_document(wide_table(11, rows=20))
    who, how = document.sections
    figure = FigureBlock(Drawing("before"))
    body = body_of(
        render_docx(
            replace(document, sections=(replace(who, blocks=(who.blocks[0], figure, *who.blocks[1:])), how))
        )
    )
    ending = [one for one in body.iter(f"{W}p") if one.find(f"{W}pPr/{W}sectPr") is not None]
    assert len(ending) == 2
    assert not any(one.findall(f"{W}bookmarkStart") for one in ending)


HOSTILE = (
    "<script>alert(1)</script> & \"quoted\" 'single'",
    '{ HYPERLINK "http://example.org" } \\* MERGEFORMAT',
    "]]> <!-- &lt; <w:p/> --> {\\rtf1 \\par}",
    "=1+1", "+1", "-1", "@sum", '=cmd|"/c calc"!A1',
    "#import \"x\" \\input{y} $z$ %n",
    "x" * 10_000,
    "שלום עולם 12 (34) עולם end",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_comes_out_as_text(text):
    table = replace(
        AREAS,
        title=text,
        stub=text,
        population=text,
        source=text,
        rows=(*AREAS.rows, Row(Cell(text), (Cell(text, span=5), Cell(text)))),
        notes={**AREAS.notes, "more": text},
    )
    document = make_document(
        table, text=text, stamp=text, figure=Drawing("verdict", caption=text, alt_text=text)
    )
    content = render_docx(replace(document, headline=replace(document.headline, identifier=text, title=text)))
    body = body_of(content)
    assert cells_of(body.find(f"{W}tbl"))[-1] == [read(text)] * 3
    assert read(text_of(next(one for one in body.iter(f"{W}p") if style_of(one) == "Title"))) == read(text)
    assert next(body.iter(f"{WP}docPr")).get("descr") == read(text)
    assert {words.split()[0] for words, _ in fields_of(body)} == {"TOC", "SEQ", "REF"}
    docx.Document(io.BytesIO(content))


def test_control_characters_are_shown_by_their_names():
    body = body_of(render_docx(make_document(text="a\x01b\ud800c\ufffed\u202ee")))
    lead = next(one for one in body.iter(f"{W}p") if style_of(one) == "Lead")
    assert text_of(lead).startswith("a[U+0001]b[U+D800]c[U+FFFE]d[U+202E]e")


def test_words_from_right_to_left_are_marked_and_numbers_beside_them_are_not():
    body = body_of(render_docx(make_document(text="Site שלום עולם 12.5")))
    lead = next(one for one in body.iter(f"{W}p") if style_of(one) == "Lead")
    runs = [(text_of(run), run.find(f"{W}rPr/{W}rtl") is not None) for run in lead.findall(f"{W}r")]
    assert runs[:3] == [("Site ", False), ("שלום עולם", True), (" 12.5", False)]
    assert lead.find(f"{W}pPr/{W}bidi") is None
    turned = body_of(render_docx(make_document(text="שלום")))
    assert (
        next(one for one in turned.iter(f"{W}p") if style_of(one) == "Lead").find(f"{W}pPr/{W}bidi")
        is not None
    )


def test_lines_of_verbatim_text_are_kept(body):
    source = next(one for one in body.iter(f"{W}p") if style_of(one) == "SourceCode")
    lines = [node.text for node in source.iter(f"{W}t")]
    assert lines == ["@article{a,", "  title = {B}}"]
    assert all(
        node.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve"
        for node in source.iter(f"{W}t")
        if node.text.startswith(" ")
    )


def test_a_table_without_rows_or_header_and_a_document_without_sections_open():
    bare = Table("bare", "Bare", (Column(""),), ())
    empty = Document(Headline("T", "T", "", "", (), None, "", ""), ())
    for document in (make_document(bare), empty, make_document(replace(AREAS, rows=()))):
        content = render_docx(document)
        docx.Document(io.BytesIO(content))
        for table in body_of(content).iter(f"{W}tbl"):
            assert table.findall(f"{W}tr")


def test_a_listing_of_many_rows_goes_on_in_further_tables():
    columns = (Column("Lesion", "text"), Column("Visit", "text"), Column("Value"), Column("Change"))
    rows = tuple(
        Row(
            Cell(f"P{place:05d}"),
            (Cell("L1"), Cell("Week 24"), number(f"{place % 97}.5"), number(f"−{place % 13}")),
        )
        for place in range(5_300)
    )
    listing = Table("all", "Every assessment", columns, rows, stub="Patient", kind="listing")
    content = render_docx(make_document(listing))
    body = body_of(content)
    *others, last = body.findall(f"{W}tbl")[:6]
    assert [len(one.findall(f"{W}tr")) for one in (*others, last)] == [*[1_001] * 5, 301]
    captions = [text_of(one) for one in body.iter(f"{W}p") if style_of(one) == "Caption"]
    assert "Listing 1, rows 1 to 1,000 of 5,300. Every assessment" in captions
    assert "Listing 1, rows 5,001 to 5,300 of 5,300. Every assessment" in captions
    assert [result for words, result in fields_of(body) if words.startswith("SEQ Listing")] == ["1"]
    assert cells_of(last)[-1] == [read(text) for text in read_grid(listing)[-1]]
