from reports.render.grid import grid_of, read_grid, split_columns
from reports.tables.value import Cell, Column, Row, Table, blank_row, number_cell


def arms(*names, joint=" to "):
    """A table with an estimate and its interval for each arm."""
    headers = (("Mean", "number"), ("95 % CI", "low"), ("", "high"))
    columns = [Column(header, kind, spanner=name) for name in names for header, kind in headers]
    numbers = [cell for _ in names for cell in map(number_cell, ("9.25", "−1", "12.5"), (9.25, -1, 12.5))]
    words = [Cell("not estimable", span=3) for _ in names]
    rows = (
        blank_row("Week 12", len(columns)),
        Row(Cell("Face", notes=("face",)), tuple(numbers), indent=1),
        Row(Cell("Hand"), tuple(words)),
    )
    return Table("arms", "Arms", tuple(columns), rows, stub="Site", notes={"face": "Cheeks."}, joint=joint)


def test_numbers_align_on_the_decimal_point():
    table = Table(
        "areas",
        "Areas",
        (Column("Mean"), Column("", "paren"), Column("p")),
        (
            Row(Cell("Laser"), (Cell("9.25", 9.25), Cell("3", 3), Cell("<.001", 0.0001))),
            Row(Cell("PRP"), (Cell("10", 10), Cell("12.1", 12.1), Cell())),
        ),
    )
    (laser, _), (prp, empty) = (row.cells for row in grid_of(table).rows)
    assert [piece.pad for piece in (laser.pieces[0], prp.pieces[0])] == ["", ".00"]
    assert [(piece.lead, piece.pad) for piece in (laser.pieces[1], prp.pieces[1])] == [("0", ".0"), ("", "")]
    assert empty.pieces == ()


def test_a_reader_sees_intervals_and_not_their_columns():
    assert read_grid(arms("PRP")) == [
        ["Site", "PRP"],
        ["", "Mean", "95 % CI"],
        ["Week 12"],
        ["Face", "9.25", "−1 to 12.5"],
        ["Hand", "not estimable"],
    ]
    assert read_grid(arms("PRP", joint="–"))[3][2] == "−1–12.5"


def test_a_table_that_fits_is_not_cut():
    table = arms("Laser", "PRP")
    assert split_columns(table, 200) == (table,)


def test_a_wide_table_is_cut_between_its_groups_and_every_part_keeps_labels_and_notes():
    table = arms("Untreated", "Laser", "PRP", "Laser + PRP")
    parts = split_columns(table, 60)
    assert len(parts) > 1
    assert [column.spanner for part in parts for column in part.columns] == [
        column.spanner for column in table.columns
    ]
    for part in parts:
        assert [row.label for row in part.rows] == [row.label for row in table.rows]
        assert part.footnotes == (("a", "Cheeks."),)
        assert len(part.columns) % 3 == 0  # an arm is never parted from its interval
    assert [row[1:] for row in read_grid(parts[0])[3:4]] == [
        ["9.25", "−1 to 12.5"] * (len(parts[0].columns) // 3)
    ]


def test_key_columns_stand_in_every_part():
    table = arms("Laser", "PRP", "Both")
    keyed = Table(
        table.name,
        table.title,
        (Column("Side", "text", key=True), *table.columns),
        tuple(
            Row(
                row.label, (Cell(span=10),) if row.kind == "heading" else (Cell("left"), *row.cells), row.kind
            )
            for row in table.rows
        ),
        notes=table.notes,
    )
    parts = split_columns(keyed, 48)
    assert len(parts) == 3
    assert all(part.columns[0].header == "Side" for part in parts)
    assert all(part.rows[1].cells[0].text == "left" for part in parts)


def test_a_group_wider_than_the_page_is_cut_within_but_an_interval_is_not():
    parts = split_columns(arms("A treatment"), 22)
    assert [[column.header for column in part.columns] for part in parts] == [["Mean"], ["95 % CI", ""]]
    assert [row.cells for row in parts[1].rows][2] == (Cell("not estimable", span=2),)


def test_a_listing_of_many_rows_is_laid_out_in_time_proportional_to_its_rows():
    def listing(count):
        rows = tuple(Row(Cell(str(row)), (number_cell(str(row), row), Cell("left"))) for row in range(count))
        return Table("values", "Values", (Column("Value"), Column("Side", "text")), rows, kind="listing")

    assert len(grid_of(listing(20_000)).rows) == 20_000
