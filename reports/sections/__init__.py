"""The sections of a report: a module each, and the order in which they stand.

A section is a function from `Parts` to blocks; one that yields nothing is left out of the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reports.document import Block
from reports.sections.baseline import baseline
from reports.sections.checklist import checklist
from reports.sections.diagnostics import diagnostics
from reports.sections.estimand import estimand
from reports.sections.flow import flow
from reports.sections.harms import harms
from reports.sections.listings import listings
from reports.sections.methods import limitations, methods_section
from reports.sections.model import model
from reports.sections.naive import naive
from reports.sections.outcome import outcome
from reports.sections.parts import Parts
from reports.sections.provenance import provenance
from reports.sections.referee import referee
from reports.sections.references import references
from reports.sections.results_text import results_text
from reports.sections.scales import scales
from reports.sections.second_opinion import second_opinion
from reports.sections.sensitivity import sensitivity
from reports.sections.subgroups import subgroups
from reports.sections.verdict import verdict

SECTIONS: dict[str, tuple[str, Callable[[Parts], Iterator[Block]]]] = {
    "flow": ("Flow of patients and lesions", flow),
    "baseline": ("Who they were", baseline),
    "outcome": ("The outcome over time", outcome),
    "estimand": ("What is estimated", estimand),
    "model": ("The primary model", model),
    "verdict": ("What the combination adds", verdict),
    "scales": ("The same question on other scales", scales),
    "sensitivity": ("How far the answer rests on assumptions", sensitivity),
    "subgroups": ("By subgroup", subgroups),
    "naive": ("What ignoring the pairing would have said", naive),
    "harms": ("Harm and downtime", harms),
    "diagnostics": ("Does the model fit?", diagnostics),
    "second-opinion": ("A second opinion", second_opinion),
    "results-text": ("Results, ready to paste", results_text),
    "methods": ("Methods", methods_section),
    "referee": ("What a referee asks for", referee),
    "limitations": ("Limitations", limitations),
    "checklist": ("Reporting checklist", checklist),
    "references": ("References", references),
    "provenance": ("Provenance", provenance),
    "listings": ("Data listings", listings),
}
"""Sections by the key that ``[report] sections`` uses, in their order: title and builder."""

LATE = ("checklist", "references")
"""Sections that speak of the others, and so are built after them."""

__all__ = ["LATE", "SECTIONS", "Parts"]
