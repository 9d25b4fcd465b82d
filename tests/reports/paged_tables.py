"""Tables that are longer or wider than a page, for tests of what is printed."""

from reports.tables.value import Cell, Column, Row, Table, number_cell


def long_table(count):
    rows = tuple(
        Row(Cell(f"P{row:04d}"), (number_cell(f"{row / 10:.1f}", row / 10), Cell(f"site {row % 7}")))
        for row in range(count)
    )
    return Table(
        "values",
        "Values",
        (Column("Value"), Column("Site", "text")),
        rows,
        "Patient",
        kind="listing",
        source="values.csv",
    )


WIDE = Table(
    "wide",
    "Wide",
    (
        Column("Side", "text", key=True),
        *(
            Column(header, kind, spanner=f"Treatment number {arm}")
            for arm in range(7)
            for header, kind in (("Mean of the observed", "number"), ("95 % CI", "low"), ("", "high"))
        ),
    ),
    tuple(
        Row(
            Cell(f"Row {row}"),
            (
                Cell("left"),
                *(
                    number_cell(f"{arm * 100 + place + row / 10}", 1.0)
                    for arm in range(7)
                    for place in range(3)
                ),
            ),
        )
        for row in range(3)
    ),
    stub="Lesion",
    notes={"all": "Of all."},
    source="wide.csv",
)
