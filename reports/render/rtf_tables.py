"""Tables in RTF: a caption, rows with their edges, and the notes in a last row that the page does not part from them.

Numbers are set to the right with an indent for the digits that they lack, so that they stand under each other on the
decimal point and a cell's text is the number alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from reports.render.grid import BodyCell, GridRow, HeaderCell, Piece
from reports.render.paged_columns import INDENT, Block, Layout, is_number, lay_out, raised
from reports.render.rtf_pages import HANGING, pages
from reports.render.rtf_styles import CAPTION, CELL, POPULATION, TABLE_NOTE, TEXT_WIDTH
from reports.render.rtf_text import escape, link, numbered, prose, reference, superscript
from reports.render.text_widths import width_of
from reports.tables.value import Table

_HEAVY, _LIGHT = r"\brdrs\brdrw20", r"\brdrs\brdrw10"
_TOP, _BOTTOM, _RULE, _SUM = (
    rf"\clbrdrt{_HEAVY}",
    rf"\clbrdrb{_HEAVY}",
    rf"\clbrdrb{_LIGHT}",
    rf"\clbrdrt{_LIGHT}",
)


def draw_table(table: Table, labels: Mapping[str, str]) -> Iterator[str]:
    """Yield a table in RTF, in as many parts as its width takes.

    Parameters
    ----------
    table
        Any table.
    labels
        What the document calls its tables and sections (`reports.document.Document.labels`).
    """
    parts = lay_out(table, TEXT_WIDTH)
    label = labels[f"table:{table.name}"]
    for place, layout in enumerate(parts, start=1):
        part = f"part {place} of {len(parts)}" if len(parts) > 1 else ""
        rows = pages(layout)
        for page in rows:
            called = numbered(label) if place == 1 and page is rows[0] else reference(label)
            continued = "continued" if page is not rows[0] else ""
            yield from _caption(table, called, ", ".join(filter(None, (part, continued))), bool(continued))
            yield from _rows(layout, page, labels, is_last=page is rows[-1])


def _caption(table: Table, called: str, place: str, breaks: bool) -> Iterator[str]:
    """Yield what stands above a table: "Table 3 (part 1 of 2). Title", and whom it describes."""
    opening = CAPTION.opening.replace("\\pard\\plain", "\\pard\\plain\\pagebb") if breaks else CAPTION.opening
    placed = f" ({place})" if place else ""
    yield f"{opening}{{\\b {called}{placed}.}} {prose(table.title)}\\par\n"
    if table.population:
        yield f"{POPULATION.opening}{prose(table.population)}\\par\n"


def _rows(layout: Layout, page: slice, labels: Mapping[str, str], is_last: bool) -> Iterator[str]:
    """Yield the rows of a table, or of a page of it: header, body, and notes after the last.

    All stay on one page: each row with the next.
    """
    table, grid = layout.table, layout.grid
    yield from _header(layout)
    headed = bool(grid.upper or grid.lower)
    noted = is_last and bool(_notes_of(table))
    rows = grid.rows[page]
    for place, row in enumerate(rows, start=1):
        borders = ("" if headed or place > 1 else _TOP) + (_BOTTOM if place == len(rows) else "")
        if row.kind == "total":
            borders += _SUM
        yield _body_row(layout, row, labels, borders, kept=place < len(rows) or noted)
    if noted:
        yield _notes(layout, has_rows=bool(rows) or headed)
    elif is_last:
        # Word joins a table to the one that follows at once, and a file may not end with a row.
        yield f"{TABLE_NOTE.opening}\\par\n"


def _row(
    layout: Layout, cells: Sequence[tuple[str, int]], content: Sequence[str], header: bool = False
) -> str:
    """Return a row from its cells' properties with their right edges, and from their paragraphs."""
    head = "\\trhdr" if header else ""
    edges = "".join(f"{properties}\\cellx{edge}" for properties, edge in cells)
    return f"\\trowd\\trgaph{layout.gap}\\trleft0\\trkeep{head}{edges}\n{''.join(content)}\\row\n"


def _header(layout: Layout) -> Iterator[str]:
    """Yield the header rows, which Word repeats on each page."""
    grid = layout.grid
    headers = [(cells, cells is grid.upper) for cells in (grid.upper, grid.lower) if cells]
    for place, (cells, is_upper) in enumerate(headers):
        first, last = place == 0, place == len(headers) - 1
        rules = (_TOP if first else "") + (_RULE if last else "") + "\\clvertalb"
        merged = ("\\clvmgf" if first else "\\clvmrg") if len(headers) > 1 else ""
        properties = [(f"{merged}{rules}", layout.edge(0))]
        content = [_header_paragraph(layout, layout.table.stub if first else "", "\\ql")]
        column = 0
        for cell in cells:
            column += cell.span
            properties.append((rules, layout.edge(column)))
            content.append(_header_cell(layout, cell, ruled=is_upper and not last))
        yield _row(layout, properties, content, header=True)


def _header_cell(layout: Layout, cell: HeaderCell, ruled: bool) -> str:
    """Return a header cell; the rule under a spanner is the paragraph's, which leaves a gap to its neighbour's."""
    alignment = "\\ql" if cell.kind == "text" else "\\qc"
    if ruled and cell.text:
        alignment += rf"\brdrb{_LIGHT}\brsp20"
    lines = "".join(f"\\line {{\\b0 {escape(line)}}}" for line in cell.lines)
    return _header_paragraph(layout, cell.text, alignment, superscript(cell.letters) + lines)


def _header_paragraph(layout: Layout, text: str, alignment: str, further: str = "") -> str:
    return f"{_opening(layout)}{alignment}\\sb40\\sa40\\keepn{{\\b {escape(text)}{further}}}\\cell\n"


def _opening(layout: Layout) -> str:
    """Return what begins the first paragraph of a row's cell, in the size of this table."""
    opening = CELL.opening.replace(f"fs{CELL.size}", f"fs{layout.size}")
    return opening.replace("\\pard\\plain", "\\pard\\plain\\intbl")


def _next(layout: Layout) -> str:
    """Return what begins the paragraph of a further cell: letters stay as they are, paragraphs begin anew."""
    return f"\\pard\\intbl\\s{CELL.number}{CELL.paragraph}"


def _body_row(layout: Layout, row: GridRow, labels: Mapping[str, str], borders: str, kept: bool) -> str:
    """Return a row of the body."""
    keep = "\\keepn" if kept else ""
    above = "\\sb80" if row.kind == "heading" else ""
    label = _linked(prose(row.label) + superscript(row.letters), row.target, labels)
    left = row.indent * INDENT + HANGING
    content = [f"{_opening(layout)}\\fi-{HANGING}\\li{left}{above}{keep} {label}\\cell\n"]
    if row.is_heading or not row.cells:
        return _row(layout, [(borders, layout.width)], content)
    properties = [(borders, layout.edge(0))]
    column = 0
    for cell in row.cells:
        width = layout.edge(column + cell.span) - layout.edge(column)
        content.append(
            f"{_next(layout)}{above}{keep}"
            f"{_body_cell(layout, cell, width, layout.blocks[column], labels)}\\cell\n"
        )
        column += cell.span
        properties.append((borders, layout.edge(column)))
    return _row(layout, properties, content)


def _body_cell(layout: Layout, cell: BodyCell, width: int, block: Block, labels: Mapping[str, str]) -> str:
    """Return the alignment and the text of a body cell."""
    if not cell.pieces:
        return " "
    if not is_number(cell):
        alignment = " " if cell.classes.startswith("text") else "\\qc "
        words = "".join(prose(piece.read) + superscript(piece.letters) for piece in cell.pieces)
        return alignment + _linked(words, cell.target, labels)
    text, after = _numbers(cell.pieces, layout.size)
    margin = max(0, (width - 2 * layout.gap - block.width) // 2)
    return f"\\qr\\ri{margin + block.letters + after} {_linked(text, cell.target, labels)}"


def _numbers(pieces: Sequence[Piece], size: int) -> tuple[str, int]:
    """Return the text of a cell's numbers, and the twips of room after its last digit (less where letters stand)."""
    measured = partial(width_of, half_points=size)
    text, room = "", 0
    for piece in pieces:
        if piece.text:
            text += _joint(piece.joint, room, measured(piece.lead))
            text += escape(f"{piece.opening}{piece.text}{piece.closing}")
            room = 0
        text += superscript(piece.letters)
        room += measured(piece.pad)
    return text, room - raised(pieces[-1].letters, size)


def _joint(joint: str, before: int, after: int) -> str:
    """Return what joins two numbers, widened by the room that the one before and the one after it lack."""
    if not before and not after:
        return escape(joint)
    if len(joint) < 2:
        return _widened(joint, before + after)
    return f"{_widened(joint[0], before)}{escape(joint[1:-1])}{_widened(joint[-1], after)}"


def _widened(letter: str, twips: int) -> str:
    return f"{{\\expndtw{twips} {escape(letter)}}}" if twips and letter else escape(letter)


def _linked(content: str, target: str, labels: Mapping[str, str]) -> str:
    return link(labels[target], content) if target in labels and content else content


def _notes_of(table: Table) -> list[str]:
    """Return remarks, footnotes and the source."""
    notes = [prose(remark) for remark in table.remarks]
    notes += [f"{superscript(letter)}\\~{prose(text)}" for letter, text in table.footnotes]
    return [*notes, f"Source: {prose(table.source)}"] if table.source else notes


def _notes(layout: Layout, has_rows: bool) -> str:
    """Return the last row: all notes in one cell over the whole width, which no page parts from the row above."""
    opening = TABLE_NOTE.opening.replace("\\pard\\plain", "\\pard\\plain\\intbl")
    first, last = opening.replace("\\sb30", "\\sb80"), "\\sa200"
    paragraphs = [(opening if place else first) + note for place, note in enumerate(_notes_of(layout.table))]
    paragraphs[-1] = paragraphs[-1].replace("\\sa0", last, 1)
    return _row(layout, [("" if has_rows else _TOP, layout.width)], ["\\par\n".join(paragraphs), "\\cell\n"])
