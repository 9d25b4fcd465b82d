"""What stands at the head of an RTF file: fonts, colours, styles, lists, the page, and what is on every page.

Styles are Word's own where it has them ("heading 1", "caption"), so that its navigation, its lists of tables and its
contents find what a reader looks for. RTF asks that a paragraph repeat what its style says; `Style.opening` does.
"""

from __future__ import annotations

from dataclasses import dataclass

from reports.render.rtf_text import escape, field

PAGE_WIDTH, PAGE_HEIGHT, MARGIN = 11906, 16838, 1247
"""A4 and a margin of 22 mm, in twips."""

TOP_MARGIN, BOTTOM_MARGIN = 1474, 1304

TEXT_WIDTH = PAGE_WIDTH - 2 * MARGIN

_FONTS = (
    r"{\fonttbl"
    r"{\f0\froman\fcharset0\fprq2{\*\panose 02020603050405020304}{\*\falt Liberation Serif}Times New Roman;}"
    r"{\f1\fmodern\fcharset0\fprq1{\*\panose 02070309020205020404}{\*\falt Liberation Mono}Courier New;}"
    r"{\f2\froman\fcharset2\fprq2{\*\falt OpenSymbol}Symbol;}}"
)
_COLOURS = r"{\colortbl;\red0\green0\blue0;\red89\green89\blue89;\red128\green128\blue128;}"
GREY = r"\cf2"


@dataclass(frozen=True, slots=True)
class Style:
    """A paragraph style.

    Parameters
    ----------
    number, name
        In the style sheet; names that Word knows are Word's.
    size
        Of the font, in half points.
    paragraph, character
        What it says of the paragraph and of its letters, in RTF.
    following
        Number of the style of the paragraph after it; its own where there is none.
    font
        Place in the table of fonts.
    """

    number: int
    name: str
    size: int
    paragraph: str = ""
    character: str = ""
    following: int | None = None
    font: int = 0

    @property
    def opening(self) -> str:
        """Return what begins a paragraph of the style."""
        return f"\\pard\\plain\\s{self.number}{self.paragraph}{self.letters}"

    @property
    def letters(self) -> str:
        """Return the font, for letters from left to right and for others, and what is said of it."""
        size, font = self.size, self.font
        return (
            f"\\rtlch\\fcs1\\af{font}\\afs{size}\\ltrch\\fcs0\\f{font}\\fs{size}\\lang2057{self.character} "
        )

    @property
    def defined(self) -> str:
        """Return its entry in the style sheet."""
        mark = f"\\s{self.number}" if self.number else ""
        following = self.number if self.following is None else self.following
        base = "" if not self.number else "\\sbasedon0"
        return f"{{{mark}{self.paragraph}{self.letters}{base}\\snext{following} {self.name};}}"


_MEASURE = r"\ri1134"
"""Text is narrower than tables: lines of about 85 letters."""

NORMAL = Style(0, "Normal", 22, rf"\ql{_MEASURE}\sa120\sl259\slmult1\widctlpar")
HEADING = Style(
    1, "heading 1", 30, r"\ql\keep\keepn\sb480\sa140\li0\outlinelevel0\widctlpar", r"\b", following=0
)
SUBHEADING = Style(
    2, "heading 2", 24, r"\ql\keep\keepn\sb280\sa100\outlinelevel1\widctlpar", r"\b", following=0
)
SUBSUBHEADING = Style(
    3, "heading 3", 22, r"\ql\keep\keepn\sb240\sa80\outlinelevel2\widctlpar", r"\b\i", following=0
)
TITLE = Style(4, "Title", 36, r"\ql\keep\keepn\sb60\sa120\widctlpar", r"\b", following=0)
IDENTIFIER = Style(5, "Identifier", 20, r"\ql\keepn\sa0\widctlpar", rf"\b{GREY}", following=0)
FACTS = Style(6, "Subtitle", 22, r"\ql\sa200\widctlpar", GREY, following=0)
QUESTION = Style(7, "Question", 22, r"\ql\keepn\sa120\sl259\slmult1\widctlpar", r"\i", following=0)
ANSWER = Style(8, "Answer", 25, r"\ql\sa140\sl271\slmult1\widctlpar", following=0)
LEAD = Style(9, "Lead", 24, rf"\ql{_MEASURE}\sa120\sl264\slmult1\widctlpar", following=0)
NOTE = Style(10, "Small print", 19, rf"\ql{_MEASURE}\sa120\widctlpar", GREY)
PASTE = Style(
    11,
    "Ready to paste",
    22,
    rf"\ql\li227{_MEASURE}\sa120\sl259\slmult1\brdrl\brdrs\brdrw20\brsp120\brdrcf3\widctlpar",
)
CAPTION = Style(12, "caption", 20, r"\ql\keep\keepn\sb280\sa80\widctlpar", following=0)
POPULATION = Style(13, "Population", 18, r"\ql\keep\keepn\sa80\widctlpar", GREY, following=0)
FIGURE = Style(14, "Figure", 22, r"\ql\keepn\sb200\sa80\widctlpar", following=15)
FIGURE_CAPTION = Style(15, "Figure caption", 19, rf"\ql{_MEASURE}\keep\sa240\widctlpar", following=0)
ITEM = Style(16, "List item", 22, rf"\ql\fi-340\li340{_MEASURE}\sa70\sl259\slmult1\widctlpar")
VERBATIM = Style(17, "Verbatim", 17, r"\ql\li227\sa160\widctlpar", font=1)
DEFINITION = Style(18, "Definition", 21, r"\ql\fi-2835\li2835\tx2835\sa70\widctlpar")
CONTENTS = Style(19, "toc 1", 20, r"\ql\fi-454\li454\tx454\sa10\widctlpar")
CONTENTS_TITLE = Style(
    20, "Contents title", 26, r"\ql\keep\keepn\pagebb\sb0\sa120\widctlpar", r"\b", following=19
)
CELL = Style(21, "Table text", 18, r"\ql\sb24\sa24")
TABLE_NOTE = Style(22, "Table note", 16, r"\ql\sb30\sa0")
LISTED = Style(25, "table of figures", 17, r"\ql\fi-284\li284\sa10\widctlpar")
LISTED_TITLE = Style(26, "Contents subtitle", 22, r"\ql\keep\keepn\sb200\sa60\widctlpar", r"\b", following=25)
HEADER = Style(23, "header", 17, rf"\ql\tqr\tx{TEXT_WIDTH}", GREY)
FOOTER = Style(24, "footer", 17, rf"\ql\tqr\tx{TEXT_WIDTH}", GREY)

_STYLES = (
    NORMAL, HEADING, SUBHEADING, SUBSUBHEADING, TITLE, IDENTIFIER, FACTS, QUESTION, ANSWER, LEAD, NOTE, PASTE, CAPTION,
    POPULATION, FIGURE, FIGURE_CAPTION, ITEM, VERBATIM, DEFINITION, CONTENTS, CONTENTS_TITLE, CELL, TABLE_NOTE, HEADER,
    FOOTER, LISTED, LISTED_TITLE,
)  # fmt: skip

BULLETS = 1
"""Number of the list without an order; ordered ones follow it."""

_BULLET = (
    r"{\listlevel\levelnfc23\levelnfcn23\leveljc0\levelstartat1\levelfollow0"
    r"{\leveltext\'01\u8226?;}{\levelnumbers;}\f0\fi-340\li340}"
)
_NUMBER = (
    r"{\listlevel\levelnfc0\levelnfcn0\leveljc0\levelstartat1\levelfollow0"
    r"{\leveltext\'02\'00.;}{\levelnumbers\'01;}\f0\fi-340\li340}"
)


def _lists(ordered: int) -> str:
    """Return the tables of lists: one of bullets, and one for each ordered list, that each begin with 1."""
    lists = [rf"{{\list\listtemplateid1\listsimple1{_BULLET}\listid1}}"]
    lists += [
        rf"{{\list\listtemplateid{number}\listsimple1{_NUMBER}\listid{number}}}"
        for number in range(2, ordered + 2)
    ]
    overrides = [
        rf"{{\listoverride\listid{number}\listoverridecount0\ls{number}}}" for number in range(1, ordered + 2)
    ]
    return (
        rf"{{\*\listtable{''.join(lists)}}}" + "\n" + rf"{{\*\listoverridetable{''.join(overrides)}}}" + "\n"
    )


def prolog(title: str, identifier: str, stamp: str, ordered: int) -> str:
    """Return everything before the first paragraph.

    Parameters
    ----------
    title, identifier
        Of the trial.
    stamp
        What is printed on every page, or nothing.
    ordered
        How many ordered lists there are.
    """
    said = f"{{\\b {escape(stamp)}}}" if stamp else ""
    pages = f"Page {field('PAGE', '1')} of {field('NUMPAGES', '1')}"
    return "\n".join(
        (
            r"{\rtf1\ansi\ansicpg1252\uc1\deff0\adeff0\deflang2057\deflangfe2057",
            _FONTS,
            _COLOURS,
            r"{\stylesheet",
            *(style.defined for style in _STYLES),
            "}",
            _lists(ordered) + rf"{{\info{{\title {escape(title)}}}{{\subject {escape(identifier)}}}}}",
            rf"\paperw{PAGE_WIDTH}\paperh{PAGE_HEIGHT}\margl{MARGIN}\margr{MARGIN}\margt{TOP_MARGIN}\margb{BOTTOM_MARGIN}",
            r"\widowctrl\viewkind1\nouicompat\hyphauto0\sectd"
            rf"\pgwsxn{PAGE_WIDTH}\pghsxn{PAGE_HEIGHT}\headery624\footery567",
            rf"{{\header {HEADER.opening}{escape(identifier)}\tab {said}\par}}",
            rf"{{\footer {FOOTER.opening}\tab {pages}\par}}",
            "",
        )
    )
