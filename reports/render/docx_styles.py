"""Styles, lists, settings and pages of a Word document.

Styles are Word's own wherever it has them (Title, Heading 1, Caption, List Bullet, table of figures), so that its
navigation, its lists of tables and its dialog of cross-references find what a reader looks for, and so that an editor
changes the look of a whole report in one place.
"""

from __future__ import annotations

from dataclasses import dataclass

from reports.render.docx_text import NAMESPACE, attribute
from reports.render.paged_columns import GAP, SIZES

LANGUAGE = "en-GB"
SERIF, SANS, FIXED = "Times New Roman", "Arial", "Courier New"

PAGE_WIDTH, PAGE_HEIGHT, MARGIN = 11906, 16838, 1247
"""A4 and a margin of 22 mm, in twips."""

TEXT_WIDTH = PAGE_WIDTH - 2 * MARGIN
LANDSCAPE_WIDTH = PAGE_HEIGHT - 2 * MARGIN

_GREY = '<w:color w:val="595959"/>'
_BOLD = "<w:b/><w:bCs/>"


@dataclass(frozen=True, slots=True)
class _Style:
    """A paragraph style.

    Parameters
    ----------
    key, name
        Its identifier in the file and its name in Word; Word knows its own by their names.
    paragraph
        Paragraph properties.
    letters
        Run properties before the size, such as bold and colour.
    size
        In half points; 0 for that of the style it is based on.
    based, following
        Identifiers of the style that it changes and of that of the next paragraph.
    font
        Where it is not the one of the style that it is based on.
    own
        Whether it is a style of this product and not one of Word's.
    """

    key: str
    name: str
    paragraph: str = ""
    letters: str = ""
    size: int = 0
    based: str = "Normal"
    following: str = ""
    font: str = ""
    own: bool = False

    @property
    def xml(self) -> str:
        custom = ' w:customStyle="1"' if self.own else ""
        following = f'<w:next w:val="{self.following}"/>' if self.following else ""
        size = f'<w:sz w:val="{self.size}"/><w:szCs w:val="{self.size}"/>' if self.size else ""
        run = (_fonts(self.font) if self.font else "") + self.letters + size
        return (
            f'<w:style w:type="paragraph"{custom} w:styleId="{self.key}"><w:name w:val="{self.name}"/>'
            f'<w:basedOn w:val="{self.based}"/>{following}<w:qFormat/>'
            f"{f'<w:pPr>{self.paragraph}</w:pPr>' if self.paragraph else ''}"
            f"{f'<w:rPr>{run}</w:rPr>' if run else ''}</w:style>"
        )


def _fonts(name: str) -> str:
    return f'<w:rFonts w:ascii="{name}" w:hAnsi="{name}" w:eastAsia="{name}" w:cs="{name}"/>'


def _space(before: int = 0, after: int = 0, line: int = 0) -> str:
    lines = f' w:line="{line}" w:lineRule="auto"' if line else ""
    return f'<w:spacing w:before="{before}" w:after="{after}"{lines}/>'


def _indent(left: int = 0, hanging: int = 0) -> str:
    return f'<w:ind w:left="{left}"' + (f' w:hanging="{hanging}"/>' if hanging else "/>")


def _heading(level: int, size: int, before: int, after: int) -> _Style:
    counted = '<w:numPr><w:numId w:val="1"/></w:numPr>' if level == 1 else ""
    return _Style(
        f"Heading{level}",
        f"heading {level}",
        f'<w:keepNext/><w:keepLines/>{counted}{_space(before, after)}<w:outlineLvl w:val="{level - 1}"/>',
        _BOLD,
        size,
        following="BodyText",
        font=SANS,
    )


_BAR = '<w:pBdr><w:left w:val="single" w:sz="12" w:space="8" w:color="7F7F7F"/></w:pBdr>'

_PARAGRAPHS = (
    _Style("Title", "Title", f"<w:keepNext/><w:keepLines/>{_space(0, 120)}", _BOLD, 34, "Normal", "Subtitle", SANS),
    _Style("Subtitle", "Subtitle", f"<w:keepLines/>{_space(0, 160)}", _GREY, 21, "Normal", "BodyText", SANS),
    _Style("TrialIdentifier", "Trial Identifier", f"<w:keepNext/>{_space(0, 60)}", _GREY, 18, font=SANS, own=True),
    _heading(1, 28, 360, 120),
    _heading(2, 23, 280, 80),
    _heading(3, 21, 220, 60),
    _Style("BodyText", "Body Text", _space(0, 120)),
    _Style("Question", "Question", _space(60, 120), "<w:i/><w:iCs/>", 23, "BodyText", own=True),
    _Style("Answer", "Answer", _space(0, 120), "", 24, "BodyText", own=True),
    _Style("Lead", "Lead", f"{_space(0, 140)}", "", 24, "BodyText", "BodyText", own=True),
    _Style("Note", "Note", _space(0, 100), _GREY, 18, "BodyText", "BodyText", own=True),
    _Style("ManuscriptText", "Manuscript Text", f"{_BAR}{_space(60, 120)}{_indent(284)}", "", 0, "BodyText", own=True),
    _Style("SourceCode", "Source Code", f"{_space(60, 140)}{_indent(142)}", "<w:noProof/>", 15, "Normal", "BodyText",
           FIXED, own=True),
    _Style("DefinitionTerm", "Definition Term", f"<w:keepNext/><w:keepLines/>{_space(40, 0)}", _BOLD, 20, own=True),
    _Style("Definition", "Definition", f"{_space(0, 60)}{_indent(284)}", "", 20, own=True),
    _Style("ListBullet", "List Bullet", f'<w:numPr><w:numId w:val="2"/></w:numPr>{_space(0, 60)}'),
    _Style("ListNumber", "List Number", f'<w:numPr><w:numId w:val="3"/></w:numPr>{_space(0, 60)}', "", 20),
    _Style("Caption", "caption", f"<w:keepNext/><w:keepLines/>{_space(240, 60)}", _BOLD, 20, following="BodyText"),
    _Style("FigureCaption", "Figure Caption", f'<w:keepNext w:val="0"/>{_space(60, 240)}', based="Caption", own=True),
    _Style("Figure", "Figure", f'<w:keepNext/>{_space(160, 0)}<w:jc w:val="center"/>', own=True),
    _Style("TablePopulation", "Table Population", f"<w:keepNext/><w:keepLines/>{_space(0, 60)}", _GREY, 18, own=True),
    _Style("TableNote", "Table Note", f"<w:keepLines/>{_space(20, 20)}", "", 17, own=True),
    _Style("TableNoteEnd", "Table Note End", _space(20, 280), based="TableNote", own=True),
    _Style("TableEnd", "Table End", _space(0, 120, 120), "", 8, own=True),
    _Style("Header", "header", _space(0, 0), _GREY, 17, font=SANS),
    _Style("Footer", "footer", _space(0, 0), _GREY, 17, font=SANS),
    _Style("TOCHeading", "TOC Heading", f"<w:keepNext/><w:keepLines/>{_space(180, 50)}", _BOLD, 24,
           following="BodyText", font=SANS),
    _Style("TOC1", "toc 1", f'<w:tabs><w:tab w:val="left" w:pos="454"/></w:tabs>{_space(0, 10)}{_indent(454, 454)}',
           "", 19),
    _Style("TableofFigures", "table of figures", f"{_space()}{_indent(284, 284)}", "", 17),
)  # fmt: skip

SMALL = "Small"
"""Ending of the styles of cells in smaller print, for tables that would not fit the page otherwise."""


def _cell_styles(ending: str, size: int) -> tuple[_Style, ...]:
    """Return the styles of a table's cells in a size of print."""
    text, header = f"TableText{ending}", f"TableHeader{ending}"
    name = f" {ending}" if ending else ""
    return (
        _Style(text, f"Table Text{name}", _space(20, 20), "", size, own=True),
        _Style(f"TableNumber{ending}", f"Table Number{name}", '<w:jc w:val="right"/>', based=text, own=True),
        _Style(f"TableAnswer{ending}", f"Table Answer{name}", '<w:jc w:val="center"/>', based=text, own=True),
        _Style(header, f"Table Header{name}", f'<w:keepNext/>{_space(40, 40)}<w:jc w:val="center"/>', _BOLD, 0, text,
               own=True),
        _Style(f"TableStub{ending}", f"Table Stub Header{name}", '<w:jc w:val="left"/>', based=header, own=True),
        _Style(f"TableRowHeading{ending}", f"Table Row Heading{name}", f"<w:keepNext/>{_space(100, 20)}", _BOLD, 0,
               text, own=True),
    )  # fmt: skip


_CELLS = (*_cell_styles("", SIZES[0]), *_cell_styles(SMALL, SIZES[1]))


def styles() -> str:
    """Return the part that holds the styles."""
    defaults = (
        f"<w:docDefaults><w:rPrDefault><w:rPr>{_fonts(SERIF)}"
        '<w:sz w:val="21"/><w:szCs w:val="21"/>'
        f'<w:lang w:val="{LANGUAGE}" w:eastAsia="{LANGUAGE}" w:bidi="ar-SA"/>'
        "</w:rPr></w:rPrDefault><w:pPrDefault/></w:docDefaults>"
    )
    normal = (
        '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/><w:qFormat/>'
        "<w:pPr><w:widowControl/></w:pPr></w:style>"
    )
    return (
        f'<w:styles xmlns:w="{NAMESPACE}">{defaults}{normal}{_CHARACTERS}'
        f"{''.join(style.xml for style in (*_PARAGRAPHS, *_CELLS))}{_TABLES}{_NO_LIST}</w:styles>"
    )


_CHARACTERS = (
    '<w:style w:type="character" w:default="1" w:styleId="DefaultParagraphFont">'
    '<w:name w:val="Default Paragraph Font"/><w:uiPriority w:val="1"/><w:semiHidden/></w:style>'
    '<w:style w:type="character" w:styleId="Strong"><w:name w:val="Strong"/><w:qFormat/>'
    f"<w:rPr>{_BOLD}</w:rPr></w:style>"
    '<w:style w:type="character" w:styleId="Hyperlink"><w:name w:val="Hyperlink"/>'
    '<w:rPr><w:color w:val="1F4E79"/></w:rPr></w:style>'
    '<w:style w:type="character" w:customStyle="1" w:styleId="CrossReference"><w:name w:val="Cross-Reference"/>'
    '<w:qFormat/><w:rPr><w:color w:val="1F4E79"/></w:rPr></w:style>'
)

_TABLES = (
    '<w:style w:type="table" w:default="1" w:styleId="TableNormal"><w:name w:val="Normal Table"/>'
    '<w:uiPriority w:val="99"/><w:semiHidden/><w:tblPr><w:tblInd w:w="0" w:type="dxa"/><w:tblCellMar>'
    '<w:top w:w="0" w:type="dxa"/><w:left w:w="108" w:type="dxa"/><w:bottom w:w="0" w:type="dxa"/>'
    '<w:right w:w="108" w:type="dxa"/></w:tblCellMar></w:tblPr></w:style>'
    '<w:style w:type="table" w:customStyle="1" w:styleId="ReportTable"><w:name w:val="Report Table"/>'
    '<w:basedOn w:val="TableNormal"/><w:qFormat/><w:tblPr><w:tblBorders>'
    '<w:top w:val="single" w:sz="8" w:space="0" w:color="auto"/>'
    '<w:bottom w:val="single" w:sz="8" w:space="0" w:color="auto"/></w:tblBorders><w:tblCellMar>'
    f'<w:left w:w="{GAP}" w:type="dxa"/><w:right w:w="{GAP}" w:type="dxa"/>'
    "</w:tblCellMar></w:tblPr></w:style>"
)
_NO_LIST = (
    '<w:style w:type="numbering" w:default="1" w:styleId="NoList"><w:name w:val="No List"/>'
    '<w:uiPriority w:val="99"/><w:semiHidden/></w:style>'
)

FIRST_OWN_LIST = 10
"""Number of the first list with an order; each counts from one."""


def numbering(ordered_lists: int) -> str:
    """Return the part that numbers headings and lists.

    Parameters
    ----------
    ordered_lists
        How many lists with an order the document has.
    """
    lists = "".join(
        f'<w:num w:numId="{FIRST_OWN_LIST + place}"><w:abstractNumId w:val="2"/>'
        '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>'
        for place in range(ordered_lists)
    )
    return (
        f'<w:numbering xmlns:w="{NAMESPACE}">'
        f"{_abstract(0, 'multilevel', _level('decimal', '%1', 510, 510, 'Heading1'))}"
        f"{_abstract(1, 'hybridMultilevel', _level('bullet', '•', 340, 227, 'ListBullet'))}"
        f"{_abstract(2, 'hybridMultilevel', _level('decimal', '%1.', 454, 454, 'ListNumber'))}"
        f"{''.join(_number(place) for place in (1, 2, 3))}{lists}</w:numbering>"
    )


def _abstract(number: int, kind: str, level: str) -> str:
    return (
        f'<w:abstractNum w:abstractNumId="{number}"><w:multiLevelType w:val="{kind}"/>{level}</w:abstractNum>'
    )


def _level(kind: str, text: str, left: int, hanging: int, style: str) -> str:
    return (
        f'<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="{kind}"/><w:pStyle w:val="{style}"/>'
        f'<w:lvlText w:val="{text}"/><w:lvlJc w:val="left"/>'
        f"<w:pPr>{_indent(left, hanging)}</w:pPr></w:lvl>"
    )


def _number(number: int) -> str:
    return f'<w:num w:numId="{number}"><w:abstractNumId w:val="{number - 1}"/></w:num>'


def settings() -> str:
    """Return the part of settings: today's layout, and fields that stand as they were written."""
    return (
        f'<w:settings xmlns:w="{NAMESPACE}"><w:zoom w:percent="100"/><w:defaultTabStop w:val="567"/>'
        '<w:characterSpacingControl w:val="doNotCompress"/><w:compat>'
        '<w:compatSetting w:name="compatibilityMode" w:uri="http://schemas.microsoft.com/office/word" w:val="15"/>'
        f'</w:compat><w:themeFontLang w:val="{LANGUAGE}"/><w:decimalSymbol w:val="."/><w:listSeparator w:val=","/>'
        "</w:settings>"
    )


def core_properties(title: str, subject: str) -> str:
    """Return the part that names the document; its dates are fixed, since the same input gives the same bytes."""
    return (
        '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<dc:title>{attribute(title)}</dc:title><dc:subject>{attribute(subject)}</dc:subject>"
        f"<dc:creator>tandem</dc:creator><dc:language>{LANGUAGE}</dc:language>"
        '<dcterms:created xsi:type="dcterms:W3CDTF">2000-01-01T00:00:00Z</dcterms:created>'
        '<dcterms:modified xsi:type="dcterms:W3CDTF">2000-01-01T00:00:00Z</dcterms:modified>'
        "</cp:coreProperties>"
    )


def app_properties() -> str:
    """Return the part that names the program."""
    return (
        '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">'
        "<Application>tandem</Application></Properties>"
    )
