"""Text in a Word document: escaped, in runs and paragraphs, and in the fields that Word numbers and links by.

Markup is written as text, since a listing of 50,000 rows has millions of elements and an object for each would not
fit in memory. Elements and attributes stand in the order of ECMA-376 part 1 (section 17), on which Word insists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reports.characters import printable

NAMESPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"

_RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001eeff"
_ANY_RIGHT_TO_LEFT = re.compile(f"[{_RIGHT_TO_LEFT}]")
_RIGHT_TO_LEFT_RUN = re.compile(rf"[{_RIGHT_TO_LEFT}](?:[\W\d_]*[{_RIGHT_TO_LEFT}])*")
"""Words written from right to left, with the blanks and numbers between them."""

_UNBROKEN = re.compile(r"\bp (?:=|<|>) (?=[0-9.·])|(?<=\d) (?=%)")
"""Blanks at which no line ends: within "p = .03", and before a per cent sign."""

_SPECIAL = re.compile('[&<>"\r\n\t]')
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": " ", "\n": " ", "\t": " "}


def attribute(text: str) -> str:
    """Return text as the value of an attribute, in one line."""
    return _escaped(printable(text))


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: _ENTITIES[found.group()], text)


def run(text: str, properties: str = "") -> str:
    """Return runs of text, whatever it holds: line feeds as line breaks, words from right to left marked as such.

    Parameters
    ----------
    text
        Any text.
    properties
        Content of the runs' ``w:rPr``, without ``w:rtl``.
    """
    shown = printable(text)
    if shown.isascii() or not _ANY_RIGHT_TO_LEFT.search(shown):
        return _run(shown, properties)
    parts: list[str] = []
    end = 0
    for found in _RIGHT_TO_LEFT_RUN.finditer(shown):
        parts += [_run(shown[end : found.start()], properties), _run(found.group(), properties + "<w:rtl/>")]
        end = found.end()
    return "".join([*parts, _run(shown[end:], properties)])


def _run(text: str, properties: str) -> str:
    if not text:
        return ""
    inner = "<w:br/>".join(_plain(line) for line in text.split("\n")) if "\n" in text else _plain(text)
    return f"<w:r>{_properties(properties)}{inner}</w:r>"


def _plain(text: str) -> str:
    if not text:
        return ""
    keep = ' xml:space="preserve"' if text[0] == " " or text[-1] == " " or "  " in text else ""
    return f"<w:t{keep}>{_escaped(text)}</w:t>"


def _properties(properties: str) -> str:
    return f"<w:rPr>{properties}</w:rPr>" if properties else ""


def styled(name: str) -> str:
    """Return the run property that names a character style."""
    return f'<w:rStyle w:val="{name}"/>'


def prose(text: str, properties: str = "") -> str:
    """Return a sentence as runs, with p-values and percentages that no line end divides."""
    return run(_UNBROKEN.sub(lambda found: found.group().replace(" ", "\u00a0"), text), properties)


def raised(letters: str) -> str:
    """Return the letters of footnotes, raised; nothing for none."""
    return (
        f'<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>{letters}</w:t></w:r>' if letters else ""
    )


def paragraph(style: str, content: str, before: str = "", after: str = "", text: str = "") -> str:
    """Return a paragraph.

    Parameters
    ----------
    style
        Identifier of its style.
    content
        Its runs.
    before, after
        Paragraph properties that stand before and after ``w:bidi`` in the schema's order: such as ``w:keepNext``, and
        such as ``w:ind``.
    text
        Its words, where it turns with them if they begin from right to left.
    """
    bidi = "<w:bidi/>" if begins_from_right(text) else ""
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{before}{bidi}{after}</w:pPr>{content}</w:p>'


def begins_from_right(text: str) -> bool:
    """Whether the first letter of a text belongs to a script that is written from right to left."""
    if text.isascii():
        return False
    first = next((letter for letter in text if letter.isalpha()), "")
    return bool(first and _ANY_RIGHT_TO_LEFT.match(first))


def field(instruction: str, result: str, properties: str = "") -> str:
    r"""Return a field: what Word computes anew when it is asked to, and what it shows until then.

    Parameters
    ----------
    instruction
        As a user would type it: ``SEQ Table \* ARABIC``.
    result
        Runs that stand there.
    properties
        Of the runs that hold the field together.
    """
    held = f"<w:r>{_properties(properties)}"
    return (
        f'{held}<w:fldChar w:fldCharType="begin"/></w:r>'
        f'{held}<w:instrText xml:space="preserve"> {_escaped(instruction)} </w:instrText></w:r>'
        f'{held}<w:fldChar w:fldCharType="separate"/></w:r>{result}'
        f'{held}<w:fldChar w:fldCharType="end"/></w:r>'
    )


def with_section_break(last: str, properties: str) -> str:
    """Return a paragraph that also ends a section of pages: the break is the last of its properties."""
    return last.replace("</w:pPr>", f"{properties}</w:pPr>", 1)


@dataclass(frozen=True, slots=True)
class References:
    """The bookmarks of a document: two for each thing that is referred to, one for the text and one for contents.

    Parameters
    ----------
    labels
        As in `reports.document.Document.labels`.
    """

    labels: Mapping[str, str]
    _places: Mapping[str, int]

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> References:
        """Give each label its place, from which its bookmarks have their names and numbers."""
        return cls(labels, {name: place for place, name in enumerate(labels, start=1)})

    def known(self, names: Iterable[str]) -> Iterator[str]:
        """Yield those that the document holds."""
        return (name for name in names if name in self.labels)

    def anchor(self, name: str) -> str:
        """Return the bookmark around a label, named as Word's own dialog of cross-references names it."""
        return f"_Ref{100_000_000 + self._places[name]}"

    def listed(self, name: str) -> str:
        """Return the bookmark to which a line of the contents leads."""
        return f"_Toc{100_000_000 + self._places[name]}"

    def marked(self, name: str, content: str) -> str:
        """Return content within the bookmark to which references lead."""
        return _bookmarked(self.anchor(name), 2 * self._places[name], content)

    def marked_for_contents(self, name: str, content: str) -> str:
        """Return content within the bookmark to which the contents lead."""
        return _bookmarked(self.listed(name), 2 * self._places[name] + 1, content)

    def numbered(self, name: str) -> str:
        """Return "Table 3" with the number as Word's own, and the bookmark to which references lead."""
        word, number = self.labels[name].rsplit(" ", 1)
        counted = field(rf"SEQ {word} \* ARABIC", run(number))
        return self.marked(name, run(f"{word} ") + counted)

    def reference(self, name: str, properties: str = "") -> str:
        """Return a reference that follows what it names where it moves, and leads there on a click."""
        label = self.labels[name]
        word, number = label.rsplit(" ", 1)
        if word == "Section":
            # A section's number is its heading's, not a text in it: the field asks for the paragraph's number.
            counted = field(rf"REF {self.anchor(name)} \r \h", run(number, properties), properties)
            return run(f"{word}\u00a0", properties) + counted
        return field(rf"REF {self.anchor(name)} \h", run(label, properties), properties)

    def link(self, name: str, content: str) -> str:
        """Return runs that lead to a section, table or figure on a click."""
        return f'<w:hyperlink w:anchor="{self.anchor(name)}" w:history="1">{content}</w:hyperlink>'


def _bookmarked(name: str, number: int, content: str) -> str:
    return f'<w:bookmarkStart w:id="{number}" w:name="{name}"/>{content}<w:bookmarkEnd w:id="{number}"/>'
