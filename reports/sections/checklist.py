"""The checklist of the reporting guideline, filled in from what the report holds."""

from __future__ import annotations

from collections.abc import Iterator

from reports.bibliography.citations import cite
from reports.document import Block, Document, Headline, Paragraph
from reports.sections.checklist_items import NOT_PROVIDED, Item, Place
from reports.sections.checklist_parallel import CONSORT_2025
from reports.sections.checklist_within import WITHIN_PERSON
from reports.sections.parts import Parts
from reports.tables.value import Cell, Column, Row, Table, blank_row

PARAPHRASE = "In our words; the guideline's own wording counts."


def checklist(parts: Parts) -> Iterator[Block]:
    """Yield every item of the guideline with its place in this report, or "not provided"."""
    within = parts.context.protocol.is_within_patient
    items = WITHIN_PERSON if within else CONSORT_2025
    places = [item.find(parts) for item in items]
    missing = [item.number for item, place in zip(items, places, strict=True) if place is None]
    name = (
        f"CONSORT 2010 with its extension to within-person trials{cite('consort-within')}"
        if within
        else f"the CONSORT 2025 statement{cite('consort-2025')}"
    )
    given = len(items) - len(missing)
    yield Paragraph(
        f"Of the {len(items)} items of {name}, {given} have a place in this report"
        + (f"; not provided are {', '.join(missing)}." if missing else ".")
        + " An item has its place where the protocol or the data give what it asks for; the authors of a manuscript "
        "judge whether that is enough."
    )
    yield _table(parts, items, places)


def _table(parts: Parts, items: tuple[Item, ...], places: list[Place | None]) -> Table:
    labels = _labels(parts)
    titles = {one.key: one.title for one in parts.built}
    rows: list[Row] = []
    topic = ""
    for item, place in zip(items, places, strict=True):
        if item.topic != topic:
            topic = item.topic
            rows.append(blank_row(topic, 2))
        notes = ("paraphrase",) if item.paraphrase else ()
        rows.append(
            Row(
                Cell(item.number),
                (Cell(item.asks, notes=notes), _place_cell(place, labels, titles)),
                indent=1,
            )
        )
    within = parts.context.protocol.is_within_patient
    return parts.context.finished(
        Table(
            "checklist",
            "CONSORT checklist for within-person trials" if within else "CONSORT 2025 checklist",
            (Column("What it asks for", "text"), Column("Where in this report", "text")),
            tuple(rows),
            stub="Item",
            notes={"paraphrase": PARAPHRASE},
            source="this report.",
        )
    )


def _place_cell(place: Place | None, labels: dict[str, str], titles: dict[str, str]) -> Cell:
    if place is None:
        return Cell(NOT_PROVIDED)
    remark = f" ({place.remark})" if place.remark else ""
    if not place.target:
        return Cell(f"{place.text}{remark}")
    kind, _, key = place.target.partition(":")
    label = labels.get(place.target, place.text)
    text = f"{label}, {titles[key]}" if kind == "section" and key in titles else label
    return Cell(f"{text}{remark}", target=place.target)


def _labels(parts: Parts) -> dict[str, str]:
    """Return what sections, tables and figures are called: numbered as in the finished report."""
    first = parts.figures.get("verdict")
    headline = Headline("", "", "", "", (), first, "", "")
    return Document(headline, parts.built).labels
