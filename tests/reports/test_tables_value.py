import dataclasses

import pytest

from outcomes.errors import ReportError
from reports.tables.value import EMPTY, Cell, Column, Row, Table, blank_row, number_cell


def make_table(**changes):
    table = Table(
        name="areas",
        title="Areas",
        columns=(Column("Mean", notes=("mean",)), Column("", "paren"), Column("p")),
        rows=(
            Row(Cell("Laser", notes=("laser",)), (Cell("9.25", 9.25), Cell("(3)", 3), Cell("<.001", 0.0001))),
            Row(Cell("PRP"), (Cell("10", 10), Cell("2.1", 2.1), EMPTY)),
            Row(Cell("Both"), (Cell("not estimable", span=3, notes=("mean",)),)),
        ),
        notes={"laser": "CO2.", "mean": "By lesion.", "abbreviations": "PRP, platelet-rich plasma."},
    )
    return dataclasses.replace(table, **changes)


def test_footnotes_are_lettered_in_reading_order_and_the_rest_are_remarks():
    table = make_table()
    assert table.letters == {"mean": "a", "laser": "b"}
    assert table.footnotes == (("a", "By lesion."), ("b", "CO2."))
    assert table.remarks == ("PRP, platelet-rich plasma.",)


def test_more_than_26_footnotes_have_two_letters():
    keys = [f"note {number}" for number in range(28)]
    table = make_table(
        columns=(),
        rows=tuple(Row(Cell(key, notes=(key,))) for key in keys),
        notes={key: key for key in keys},
    )
    assert list(table.letters.values())[-3:] == ["z", "aa", "ab"]


def test_a_row_must_fill_the_columns():
    with pytest.raises(ReportError, match="does not fill"):
        make_table(rows=(Row(Cell("short"), (EMPTY,)),))


def test_a_footnote_must_have_a_text():
    with pytest.raises(ReportError, match="no text"):
        make_table(notes={})


def test_tables_are_changed_by_copying():
    table = make_table()
    longer = table.with_rows([blank_row("More", 3)]).with_note("more", "More.")
    assert len(longer.rows) == 4
    assert "more" in longer.notes
    assert table == make_table()
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.title = "changed"


def test_cells():
    assert number_cell("3", 3) == Cell("3", 3)
    assert number_cell("not estimable", float("nan")).value is None
    assert Cell("x").noted("a").noted("a", "b").notes == ("a", "b")
