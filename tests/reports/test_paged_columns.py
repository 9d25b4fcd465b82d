import pytest

from reports.render.paged_columns import lay_out
from reports.render.rtf_pages import pages
from reports.render.rtf_styles import TEXT_WIDTH
from reports.tables.value import Cell, Column, Row, Table, blank_row, number_cell
from tests.reports.paged_tables import WIDE, long_table


@pytest.mark.parametrize("count", range(36, 100))
def test_notes_stand_under_rows_and_pages_are_filled_but_not_overfull(count):
    """At 9 points a row takes 261 twips, and a page without its edges has 14,060: 54 rows at the most."""
    (layout,) = lay_out(long_table(count), TEXT_WIDTH)
    found = pages(layout)
    assert [row for page in found for row in range(count)[page]] == list(range(count))
    lengths = [len(range(count)[page]) for page in found]
    assert max(lengths) <= 50
    assert all(length >= 30 for length in lengths[:-1])
    assert lengths[-1] >= (3 if len(lengths) > 1 else 1)


def test_no_page_ends_with_a_heading():
    rows = [
        row for week in range(60) for row in (blank_row(f"Week {week}", 1), Row(Cell("a"), (Cell("1", 1),)))
    ]
    (layout,) = lay_out(Table("t", "T", (Column("N"),), tuple(rows)), TEXT_WIDTH)
    assert len(pages(layout)) > 1
    assert not any(layout.grid.rows[page][-1].is_heading for page in pages(layout))


def test_rows_of_many_lines_take_their_room():
    words = "word " * 200  # 415 twips each: about 9 lines of 207 twips, six rows a page
    rows = tuple(Row(Cell(str(row)), (Cell(words),)) for row in range(20))
    (layout,) = lay_out(Table("t", "T", (Column("Text", "text"),), rows), TEXT_WIDTH)
    lengths = [len(range(20)[page]) for page in pages(layout)]
    assert set(lengths[:-1]) <= {5, 6}
    huge = Table("t", "T", (Column("Text", "text"),), (Row(Cell("a"), (Cell("x" * 20_000),)), rows[0]))
    assert [len(range(2)[page]) for page in pages(lay_out(huge, TEXT_WIDTH)[0])] == [1, 1]


@pytest.mark.parametrize("table", [WIDE, long_table(5)], ids=lambda table: table.name)
def test_columns_fill_the_page_and_no_number_is_wider_than_its_column(table):
    for layout in lay_out(table, TEXT_WIDTH):
        assert layout.width == TEXT_WIDTH
        assert min(layout.widths) > 0
        assert all(
            width >= block.width for width, block in zip(layout.widths[1:], layout.blocks, strict=True)
        )


def test_a_table_that_is_a_little_too_wide_is_set_smaller_rather_than_cut():
    columns = tuple(Column(f"Visit {place}") for place in range(13))
    row = Row(Cell("face"), tuple(number_cell("12.25", 12.25) for _ in columns))
    (layout,) = lay_out(Table("t", "T", columns, (row,)), TEXT_WIDTH)
    assert layout.size == 16
