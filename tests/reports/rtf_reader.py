"""Reads RTF by its grammar, for tests: an independent check of what the writer writes."""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(r"\\([a-z]+)(-?\d+)? ?|\\'([0-9a-f]{2})|\\([^a-z])|([{}])|([^\\{}\r\n]+)|[\r\n]")
DESTINATIONS = frozenset(
    {
        "fonttbl",
        "colortbl",
        "stylesheet",
        "info",
        "pict",
        "listtext",
        "fldinst",
        "header",
        "footer",
        "sn",
        "sv",
    }
)
LETTERS = {"~": "\u00a0", "_": "\u2011", "\\": "\\", "{": "{", "}": "}"}
WORDS = {"tab": "\t", "line": "\n"}


@dataclass
class Block:
    """A paragraph, or a row of cells."""

    style: int
    cells: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    is_row: bool = False


class Reader:
    """Reads RTF by its grammar, knowing nothing of who wrote it; footnote letters (raised) are left out."""

    def __init__(self, data):
        text = data.decode("ascii")
        self.blocks, self.fields, self.starts, self.ends, self.pages, self.pictures = [], [], [], [], [], []
        self.descriptions, self.info, self.styles = [], "", {}
        self.raised = []
        self._stack, self._state = [], {"skip": None, "raised": False}
        self._text, self._cells, self._words, self._style, self._surrogate = "", [], [], 0, None
        place = 0
        while place < len(text):
            found = TOKEN.match(text, place)
            assert found, text[place : place + 40]
            place = found.end()
            if found[1] == "u":
                self._unit(int(found[2]) % 65536)
                assert text[place] == "?", "each number is followed by one character for older readers"
                place += 1
                continue
            self._take(found)
        assert self._stack == [], "braces are not balanced"

    def _take(self, found):
        if found[5] == "{":
            self._stack.append(self._state)
            self._state = {**self._state, "skip": self._state["skip"], "own": ""}
        elif found[5] == "}":
            self._close()
            self._state = self._stack.pop()
        elif found[1]:
            self._control(found[1], found[2])
        elif found[4] == "*":
            self._state["skip"] = "unknown"
        elif found[3] or found[4] or found[6]:
            self._letters(chr(int(found[3], 16)) if found[3] else found[6] or LETTERS[found[4]])

    def _control(self, word, number):
        skip = self._state["skip"]
        marks = ("bkmkstart", "bkmkend") if skip == "unknown" else ()
        if word in DESTINATIONS or word in marks:
            self._state["skip"] = word
        elif word == "super":
            self._state["raised"] = True
        elif skip is None:
            self._body(word, number)
        elif word in WORDS and skip in ("header", "footer"):
            self._letters(WORDS[word])

    def _body(self, word, number):
        if word in WORDS:
            self._letters(WORDS[word])
            return
        self._words.append(word + (number or ""))
        if word == "s":
            self._style = int(number)
        elif word == "par":
            if "intbl" in self._words:
                self._text += "\n"
            else:
                self.blocks.append(Block(self._style, [self._text], self._words))
                self._text, self._words = "", []
        elif word == "cell":
            self._cells.append(self._text)
            self._text = ""
        elif word == "row":
            self.blocks.append(Block(self._style, self._cells, self._words, is_row=True))
            self._cells, self._words = [], []

    def _letters(self, text):
        self._state["own"] = self._state.get("own", "") + text
        if self._state["skip"] is None and not self._state["raised"]:
            self._text += text
        elif self._state["skip"] is None:
            self.raised.append(text)

    def _unit(self, number):
        if 0xD800 <= number < 0xDC00:
            self._surrogate = number
            return
        if self._surrogate is not None:
            number = 0x10000 + ((self._surrogate - 0xD800) << 10) + number - 0xDC00
            self._surrogate = None
        self._letters(chr(number))

    def _close(self):
        own, skip = self._state.get("own", ""), self._state["skip"]
        if skip == "pict" and "\\" not in own:
            self.pictures.append(bytes.fromhex(own)) if own.strip() else None
        elif skip in ("bkmkstart", "bkmkend"):
            (self.starts if skip == "bkmkstart" else self.ends).append(own.strip())
        elif skip == "fldinst" and own.strip():
            self.fields.append(own.strip())
        elif skip in ("header", "footer") and own.strip():
            self.pages.append((skip, own))
        elif skip == "sv":
            self.descriptions.append(own)
        elif skip == "info":
            self.info += own

    @property
    def paragraphs(self):
        return [(block.style, block.cells[0]) for block in self.blocks if not block.is_row]

    @property
    def tables(self):
        """Rows of each table: those between a caption and the next paragraph that is none."""
        tables = []
        for before, block in zip([None, *self.blocks], self.blocks, strict=False):
            if block.is_row:
                if before is None or not before.is_row:
                    tables.append([])
                tables[-1].append(block)
        return tables


def whole(reader):
    """Tables whose pages are put together again."""
    captions = [text for style, text in reader.paragraphs if style == 12]
    tables = []
    for caption, rows in zip(captions, reader.tables, strict=True):
        if "continued)" in caption:
            tables[-1] += [row for row in rows if "trhdr" not in row.words]
        else:
            tables.append(rows)
    return tables


def spaced(text):
    return " ".join(text.split())


def read(rows):
    return [[spaced(cell) for cell in row] for row in rows]


def cells_of(blocks):
    return read([block.cells for block in blocks])
