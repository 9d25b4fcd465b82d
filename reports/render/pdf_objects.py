"""The objects of a PDF that typst wrote, and pages of one such file put between the pages of another.

typst holds some 40 kB for each row of a table until its process ends. Long listings are therefore typeset in parts, and
here their pages, and their share of the structure that screen readers follow, become one file's. Only what typst itself
writes is understood: plain objects, one cross-reference table, a flat page tree.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from outcomes.errors import ReportError

_REFERENCE = re.compile(rb"\b(\d+) 0 R\b")
_HEADER_ID = re.compile(rb"\(U(\d+)x(\d+)y(\d+)\)")
_STRUCT_PARENTS = re.compile(rb"/StructParents (\d+)")
_ID_PAIR = re.compile(rb"(\([^()]*\))\s*(\d+ 0 R)")
_STREAM = b"stream\n"


@dataclass(slots=True)
class PdfObjects:
    """A PDF's objects by number, and its trailer."""

    objects: dict[int, bytes]
    trailer: bytes

    @classmethod
    def read(cls, pdf: bytes) -> PdfObjects:
        """Read the objects where the cross-reference table says they are."""
        at = int(pdf[pdf.rindex(b"startxref") + 9 :].split()[0])
        table, _, trailer = pdf[at:].partition(b"trailer\n")
        lines = table.split(b"\n")
        count = int(lines[1].split()[1])
        starts = sorted(
            (int(line[:10]), number)
            for number, line in enumerate(lines[2 : 2 + count])
            if line[17:18] == b"n"
        )
        ends = [start for start, _ in starts[1:]] + [at]
        objects = {}
        for (start, number), end in zip(starts, ends, strict=True):
            body = pdf[start:end]
            objects[number] = body[body.index(b"obj") + 3 : body.rindex(b"endobj")].strip(b"\r\n ")
        return cls(objects, trailer[: trailer.index(b"startxref")].strip())

    def number(self, key: bytes, within: bytes) -> int:
        """Return the number of the object that a dictionary's key refers to."""
        found = re.search(re.escape(key) + rb"\s*\[?(\d+) 0 R", within)
        if found is None:
            raise ReportError("a listing's pages could not be joined", expected=key.decode(), got="none")
        return int(found[1])

    @property
    def root(self) -> bytes:
        """The catalog."""
        return self.objects[self.number(b"/Root", self.trailer)]

    @property
    def pages_number(self) -> int:
        """Number of the page tree's object."""
        return self.number(b"/Pages", self.root)

    @property
    def pages(self) -> list[int]:
        """Numbers of the pages, in order."""
        return references(array(self.objects[self.pages_number], b"/Kids"))

    @property
    def structure_number(self) -> int:
        """Number of the structure tree's root."""
        return self.number(b"/StructTreeRoot", self.root)

    @property
    def document_number(self) -> int:
        """Number of the structure element that holds all others."""
        return self.number(b"/K", self.objects[self.structure_number])

    def kids(self, number: int) -> list[int]:
        """Return the structure elements within another."""
        body = self.objects[number]
        return references(array(body, b"/K")) if re.search(rb"/K\s*\[", body) else []

    def tables(self) -> list[int]:
        """Return the tables of the structure tree in reading order."""
        found, waiting = [], [self.document_number]
        while waiting:
            number = waiting.pop()
            if b"/S/Table/" in self.objects[number] or b"/S/Table>" in self.objects[number]:
                found.append(number)
                continue
            waiting += reversed(self.kids(number))
        return found

    def child_with(self, table: int) -> int:
        """Return the element right below the document that holds a table."""
        number, document = table, self.document_number
        while (above := self.number(b"/P", self.objects[number])) != document:
            number = above
        return number

    def page_of_last_row(self, table: int) -> int:
        """Return the place of the page on which the last row of a table's body stands."""
        number = self._last_body(table)
        while True:
            found = re.search(rb"/Pg (\d+) 0 R", self.objects[number])
            if found is not None:
                return self.pages.index(int(found[1]))
            number = self.kids(number)[-1]

    def rows_on_first_page(self) -> int:
        """Return how many rows of the first table's body stand on the file's first page."""
        first = b"/Pg %d 0 R" % self.pages[0]
        body = self._last_body(self.tables()[0])
        return max(1, sum(first in self.objects[self.kids(row)[0]] for row in self.kids(body)))

    def _last_body(self, table: int) -> int:
        return [kid for kid in self.kids(table) if b"/S/TBody" in self.objects[kid]][-1]

    def write(self) -> bytes:
        """Return the file."""
        parts = [b"%PDF-1.7\n%\x80\x80\x80\x80\n\n"]
        at = len(parts[0])
        starts = {}
        for number in sorted(self.objects):
            starts[number] = at
            parts.append(b"%d 0 obj\n%b\nendobj\n\n" % (number, self.objects[number]))
            at += len(parts[-1])
        size = max(self.objects) + 1
        lines = [b"xref\n0 %d\n0000000000 65535 f\r\n" % size]
        lines += [
            b"%010d 00000 n\r\n" % starts[number] if number in starts else b"0000000000 65535 f\r\n"
            for number in range(1, size)
        ]
        trailer = re.sub(rb"/Size \d+", b"/Size %d" % size, self.trailer)
        return b"".join([*parts, *lines, b"trailer\n", trailer, b"\nstartxref\n%d\n%%%%EOF" % at])


def references(body: bytes) -> list[int]:
    """Return the numbers that an array refers to."""
    return [int(number) for number in _REFERENCE.findall(body)]


def array(body: bytes, key: bytes) -> bytes:
    """Return what stands in a dictionary's array of plain values."""
    found = re.search(re.escape(key) + rb"\s*\[([^\]]*)\]", body)
    return b"" if found is None else found[1]


def with_array(body: bytes, key: bytes, content: bytes) -> bytes:
    """Return a dictionary with another content of an array."""
    return re.sub(re.escape(key) + rb"\s*\[[^\]]*\]", lambda _: key + b"[" + content + b"]", body, count=1)


def insert_pages(main: PdfObjects, part: PdfObjects, after_page: int, after_element: int, name: int) -> None:
    """Put the pages of one file after a page of another, and its structure after an element of the other's.

    Parameters
    ----------
    main
        Changed in place.
    part
        A file whose structure has no identifiers but those of its tables' headers, and no bookmarks or links.
    after_page
        Place of the page.
    after_element
        Structure element among those of the document.
    name
        Number that no other part has; it keeps the identifiers apart.
    """
    base = max(main.objects)
    structure, document = main.structure_number, main.document_number
    shared = {
        part.pages_number: main.pages_number,
        part.structure_number: structure,
        part.document_number: document,
    }
    root = main.objects[structure]
    next_key = int(re.search(rb"/ParentTreeNextKey (\d+)", root)[1])  # type: ignore[index]
    part_root = part.objects[part.structure_number]

    def moved(found: re.Match[bytes]) -> bytes:
        number = int(found[1])
        return b"%d 0 R" % shared.get(number, base + number)

    def renamed(found: re.Match[bytes]) -> bytes:
        return b"(U%dp%bx%by%b)" % (name, found[1], found[2], found[3])

    def shifted(body: bytes) -> bytes:
        body = _HEADER_ID.sub(renamed, _REFERENCE.sub(moved, body))
        return _STRUCT_PARENTS.sub(lambda found: b"/StructParents %d" % (next_key + int(found[1])), body)

    left_out = {
        *shared,
        *(part.number(key, part.trailer) for key in (b"/Root", b"/Info")),
        part.number(b"/Metadata", part.root),
    }
    for number, body in part.objects.items():
        if number not in left_out:
            main.objects[base + number] = _before_stream(body, shifted)
    _add_kids(main, main.pages_number, b"/Kids", main.pages[after_page], [base + one for one in part.pages])
    count = len(main.pages)
    pages = main.objects[main.pages_number]
    main.objects[main.pages_number] = re.sub(rb"/Count \d+", b"/Count %d" % count, pages)
    kids = [base + one for one in part.kids(part.document_number)]
    _add_kids(main, document, b"/K", after_element, kids)
    main.objects[structure] = _joined_roots(root, shifted(part_root), next_key)


def _before_stream(body: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change a dictionary, but not the stream that may follow it."""
    head, stream, rest = body.partition(_STREAM)
    return change(head) + stream + rest


def _add_kids(main: PdfObjects, number: int, key: bytes, after: int, more: list[int]) -> None:
    body = main.objects[number]
    kids = references(array(body, key))
    place = kids.index(after) + 1
    kids[place:place] = more
    main.objects[number] = with_array(body, key, b" ".join(b"%d 0 R" % one for one in kids))


def _joined_roots(root: bytes, part: bytes, next_key: int) -> bytes:
    """Return the structure tree's root with the pages and identifiers of a part, whose numbers are moved already."""
    found = re.findall(rb"(\d+) (\d+) 0 R", array(part, b"/Nums"))
    more = b" ".join(b"%d %b 0 R" % (next_key + int(key), number) for key, number in found)
    root = with_array(root, b"/Nums", array(root, b"/Nums") + b" " + more)
    pairs = _ID_PAIR.findall(array(root, b"/Names")) + _ID_PAIR.findall(array(part, b"/Names"))
    root = with_array(root, b"/Names", b"".join(name + target for name, target in sorted(pairs)))
    return re.sub(rb"/ParentTreeNextKey \d+", b"/ParentTreeNextKey %d" % (next_key + len(found)), root)
