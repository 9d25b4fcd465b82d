"""How wide a table's columns are on a page of Word or RTF, which have no layout to ask: a writer gives every edge.

Widths come from the metrics of the font, so that a number's block of digits can stand in the middle of its column and
each number under the others by indents alone, with no character that is not one of the number's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from reports.render.grid import BodyCell, Grid, HeaderCell, Piece, grid_of, split_columns
from reports.render.text_widths import width_of
from reports.tables.value import Table

GAP = 70
"""Twips between a column's edge and its text, on both sides."""

INDENT = 200
"""Twips by which each depth of a label is indented."""

SIZES = (18, 16)
"""Half points of a table's text: what is a little too wide at the first is set in the second before it is cut."""

TIGHT_GAP = 40
"""As `GAP`, for a table that would not fit the page otherwise."""

_PRINTS = ((SIZES[0], GAP), (SIZES[1], GAP), (SIZES[1], TIGHT_GAP))
"""Sizes and gaps in which a table is tried before it is cut."""

SUPERSCRIPT = 0.62
"""Height of a raised letter as a part of its text's."""

_SLACK = 50
"""Twips that a text is given beyond what it measures: word processors round each letter in their own way."""

_UNWRAPPED = 700
"""Twips up to which a header stays on one line."""

_READABLE = 1500
"""Twips below which a column of words is not pressed where another way is left."""


@dataclass(frozen=True, slots=True)
class Block:
    """What the numbers of a column take together, aligned on their decimal point.

    Parameters
    ----------
    width
        Of the widest, with the room that others need on either side of the point, and of footnote letters.
    letters
        Of the widest footnote letters behind a number.
    """

    width: int = 0
    letters: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """A table, or a part of one, with its columns' widths.

    Parameters
    ----------
    table, grid
        What is drawn.
    size
        Of the font, in half points.
    widths
        Of each column of the page in twips, the labels' first.
    blocks
        Of each column but the first: what its numbers take.
    gap
        Between a column's edge and its text.
    """

    table: Table
    grid: Grid
    size: int
    widths: tuple[int, ...]
    blocks: tuple[Block, ...]
    gap: int = GAP

    def edge(self, place: int) -> int:
        """Return the right edge of a column of the page, the labels' being the first."""
        return sum(self.widths[: place + 1])

    @property
    def width(self) -> int:
        """Return the width of the whole."""
        return sum(self.widths)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a column needs, below which its words break, and what it would like."""

    least: int
    ideal: int


def lay_out(table: Table, room: int) -> tuple[Layout, ...]:
    """Give a table's columns their widths, in smaller print or cut into parts where it is wider than the page.

    Parameters
    ----------
    table
        Any table.
    room
        Width of the page in twips.

    Returns
    -------
    tuple of Layout
        One for each part.
    """
    grid = grid_of(table)
    for size, gap in _PRINTS:
        wishes, blocks = _wishes(table, grid, size, gap)
        if _least(wishes) <= room:
            return (Layout(table, grid, size, _shared(wishes, room), blocks, gap),)
    parts: tuple[tuple[Table, Grid], ...] = ()
    for characters in range(150, 30, -6):
        parts = tuple((part, grid_of(part)) for part in split_columns(table, characters))
        measured = [_wishes(part, laid, SIZES[0]) for part, laid in parts]
        if all(_least(wishes) <= room for wishes, _ in measured):
            break
    return tuple(
        Layout(part, laid, SIZES[0], _shared(wishes, room), blocks)
        for (part, laid), (wishes, blocks) in zip(parts, measured, strict=True)
    )


def _least(wishes: Sequence[_Wish]) -> int:
    return sum(wish.least for wish in wishes)


def _wishes(table: Table, grid: Grid, size: int, gap: int = GAP) -> tuple[list[_Wish], tuple[Block, ...]]:
    """Return what each column needs, and the blocks of its numbers."""
    labels = {(row.label, row.indent) for row in grid.rows if not row.is_heading}
    stub = _stub(table.stub, labels, size)
    wishes = [_Wish(stub.least + 2 * gap, stub.ideal + 2 * gap)]
    blocks = []
    cells = _alone(grid)
    headers = _headers(grid)
    for place, kind in enumerate(grid.columns):
        block = _block(cells[place], size)
        blocks.append(block)
        words = {cell.read for cell in cells[place] if not is_number(cell)}
        wish = _of_words(words, size) if kind.startswith("text") else _of_answers(words, size)
        wish = _Wish(max(wish.least, block.width), max(wish.ideal, block.width))
        if headers[place] is not None:
            named = _of_header(headers[place], size)
            wish = _Wish(max(wish.least, named.least), max(wish.ideal, named.ideal))
        wishes.append(_Wish(wish.least + 2 * gap, wish.ideal + 2 * gap))
    for first, span, least, ideal in _over_several(grid, size):
        _widen(wishes, first + 1, span, _Wish(least + 2 * gap, ideal + 2 * gap))
    return wishes, tuple(blocks)


def is_number(cell: BodyCell) -> bool:
    """Whether a cell holds numbers that align with those of its column."""
    return cell.span == 1 and "words" not in cell.classes and not cell.classes.startswith("text")


def _alone(grid: Grid) -> list[list[BodyCell]]:
    """Return the cells of each column of the page that lie in this column alone; each kind of cell once."""
    columns: list[dict[BodyCell, None]] = [{} for _ in grid.columns]
    for row in grid.rows:
        place = 0
        for cell in row.cells:
            if cell.span == 1 and cell.pieces:
                columns[place][cell] = None
            place += cell.span
    return [list(cells) for cells in columns]


def _headers(grid: Grid) -> list[HeaderCell | None]:
    """Return the lowest header cell of each column, where one stands over it alone."""
    found: list[HeaderCell | None] = [None] * grid.width
    for header in (grid.upper, grid.lower):
        place = 0
        for cell in header:
            if cell.span == 1 and (cell.text or cell.lines) and found[place] is None:
                found[place] = cell
            elif cell.span == 1 and cell.text:
                found[place] = _longer(found[place], cell)
            place += cell.span
    return found


def _longer(first: HeaderCell | None, second: HeaderCell) -> HeaderCell:
    """Return the header with the longer words; two stand over each other."""
    if first is None:
        return second
    return max((first, second), key=lambda cell: max(map(len, (*cell.text.split(), *cell.lines)), default=0))


def _over_several(grid: Grid, size: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield what stands over several columns: the first, how many, the least width, the ideal."""
    for header in (grid.upper, grid.lower):
        place = 0
        for cell in header:
            if cell.span > 1:
                wish = _of_header(cell, size)
                yield place, cell.span, wish.least, wish.ideal
            place += cell.span
    seen: set[tuple[int, BodyCell]] = set()
    for row in grid.rows:
        place = 0
        for shown in row.cells:
            if shown.span > 1 and shown.pieces and (place, shown) not in seen:
                seen.add((place, shown))
                wish = _of_answers({shown.read}, size)
                yield place, shown.span, wish.least, wish.ideal
            place += shown.span


def _widen(wishes: list[_Wish], first: int, span: int, wanted: _Wish) -> None:
    """Widen neighbouring columns alike for what stands over them."""
    over = wishes[first : first + span]
    more_least = -(-max(0, wanted.least - sum(wish.least for wish in over)) // span)
    more_ideal = -(-max(0, wanted.ideal - sum(wish.ideal for wish in over)) // span)
    for place, wish in enumerate(over, start=first):
        wishes[place] = _Wish(wish.least + more_least, max(wish.ideal + more_ideal, wish.least + more_least))


def _stub(header: str, labels: Iterable[tuple[str, int]], size: int) -> _Wish:
    by_depth: dict[int, set[str]] = {}
    for label, depth in labels:
        by_depth.setdefault(depth, set()).add(label)
    least = ideal = 0
    for depth, texts in by_depth.items():
        wish = _of_words(texts, size)
        least, ideal = max(least, wish.least + depth * INDENT), max(ideal, wish.ideal + depth * INDENT)
    least = max(least, _widest_word([header], size, bold=True))
    return _Wish(least, max(ideal, least))


def _longest(texts: Iterable[str], size: int) -> int:
    return max((width_of(text, size) + _SLACK for text in texts), default=0)


def _of_words(texts: Iterable[str], size: int) -> _Wish:
    """Return what a column of words needs: its longest word, and enough to be read."""
    texts = list(texts)
    ideal = _longest(texts, size)
    return _Wish(max(_widest_word(texts, size), min(ideal, _READABLE)), ideal)


def _of_answers(texts: Iterable[str], size: int) -> _Wish:
    """Return what words among numbers need."""
    texts = list(texts)
    ideal = _longest(texts, size)
    return _Wish(_widest_word(texts, size), ideal)


def _of_header(cell: HeaderCell | None, size: int) -> _Wish:
    """Return what a header needs: its longest word, and the lines that say how many."""
    if cell is None:
        return _Wish(0, 0)
    letters = raised(cell.letters, size)
    counts = min(_longest(cell.lines, size), _LONGEST_WORD)
    full = width_of(cell.text, size, bold=True) + letters + _SLACK
    least = max(_widest_word([cell.text], size, bold=True) + letters, counts, min(full, _UNWRAPPED))
    # A long header stands on two lines or three rather than widen a column of short numbers.
    return _Wish(
        least, max(least, full if full <= _READABLE else _on_two_lines(cell.text, size) + letters + _SLACK)
    )


def _on_two_lines(text: str, size: int) -> int:
    """Return how wide a header is that stands on two lines, divided where it is narrowest."""
    words = text.split(" ")
    divided = ((" ".join(words[:place]), " ".join(words[place:])) for place in range(1, len(words)))
    return min(
        (max(width_of(line, size, bold=True) for line in lines) for lines in divided),
        default=width_of(text, size, bold=True),
    )


def raised(letters: str, size: int) -> int:
    """Return how wide the letters of footnotes are behind a text."""
    return round(width_of(letters, size) * SUPERSCRIPT)


_LONGEST_WORD = 2400
"""Twips beyond which a word is broken, since no column can be that wide."""


def _widest_word(texts: Iterable[str], size: int, bold: bool = False) -> int:
    words = {word for text in texts for word in text.split()}
    return min(_LONGEST_WORD, max((width_of(word, size, bold) for word in words), default=0) + _SLACK)


def _block(cells: Sequence[BodyCell], size: int) -> Block:
    """Return what the numbers of a column take, each with its room and letters."""
    numbers = [cell for cell in cells if is_number(cell)]
    letters = max((raised(cell.pieces[-1].letters, size) for cell in numbers), default=0)
    width = max((_with_room(cell, size) for cell in numbers), default=0)
    return Block(width + letters + _SLACK if width else 0, letters)


def _with_room(cell: BodyCell, size: int) -> int:
    """Return the width of a cell's numbers with the digits that they lack, without the last footnote letters."""
    texts = (f"{piece.joint if piece.text else ''}{_core(piece)}" for piece in cell.pieces)
    inner = sum(raised(piece.letters, size) for piece in cell.pieces[:-1])
    return width_of("".join(texts), size) + inner


def _core(piece: Piece) -> str:
    return f"{piece.lead}{piece.opening}{piece.text}{piece.closing}{piece.pad}" if piece.text else piece.pad


def _level(wanted: Sequence[int], room: int) -> float:
    """Return up to how much each may take of what it wants, so that all together take the room.

    Who wants little has all of it: a label that lacks a word stays on one line, a sentence wraps in any case.
    """
    left, level = float(room), 0.0
    for place, one in enumerate(sorted(wanted)):
        level = left / (len(wanted) - place)
        if one > level:
            break
        left -= one
    return level


def _shared(wishes: Sequence[_Wish], room: int) -> tuple[int, ...]:
    """Share the page's width among the columns: the least to each, then what they would like, then the rest."""
    least, ideal = _least(wishes), sum(wish.ideal for wish in wishes)
    if least > room:
        widths = [wish.least * room / least for wish in wishes]
    elif ideal > room:
        level = _level([wish.ideal - wish.least for wish in wishes], room - least)
        widths = [wish.least + min(level, wish.ideal - wish.least) for wish in wishes]
    else:
        widths = [wish.ideal + (room - ideal) * wish.ideal / ideal for wish in wishes]
    edges = [0]
    for width in widths:
        edges.append(edges[-1] + round(width))
    edges[-1] = room
    return tuple(right - left for left, right in pairwise(edges))
