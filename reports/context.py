"""What tables and sentences need to know beside the results: the protocol, the style, units and abbreviations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from outcomes.endpoint import EndpointFacts
from outcomes.protocol import Analysis, Protocol
from reports.format import Formatter, counted, decimals_of, sentence_case, style_named
from reports.results import Number, Results
from reports.tables.value import Table
from reports.verdicts import VerdictLine, lines_of, verdict_lines

if TYPE_CHECKING:
    from outcomes import Trial

ABBREVIATIONS = {
    "CI": "confidence interval",
    "SD": "standard deviation",
    "SE": "standard error",
    "df": "degrees of freedom",
    "REML": "residual maximum likelihood",
    "AIC": "Akaike information criterion",
    "IQR": "interquartile range",
    "Q1": "first quartile",
    "Q3": "third quartile",
    "ICH": "International Council for Harmonisation",
    "MMRM": "mixed model for repeated measures",
    "OR": "odds ratio",
    "NB-UVB": "narrow-band ultraviolet B",
    "NBUVB": "narrow-band ultraviolet B",
    "FCO2": "fractional CO2 laser",
    "VASI": "Vitiligo Area Scoring Index",
    "POSAS": "Patient and Observer Scar Assessment Scale",
    "PIH": "post-inflammatory hyperpigmentation",
    "vs": "versus",
}
"""Abbreviations that reports use. "N" and "n" are spelled where they stand."""

SCALES = {"continuous": "Mean", "ordinal": "Grade", "binary": "Responders"}


@dataclass(frozen=True, slots=True)
class ReportContext:
    """The results with the protocol that they belong to.

    Parameters
    ----------
    protocol
        The trial's.
    results
        Every number of the report.
    trial
        The data, for the listings; None leaves them out.
    """

    protocol: Protocol
    results: Results
    trial: Trial | None = None

    @property
    def formatter(self) -> Formatter:
        """Writes numbers in the protocol's journal style."""
        return Formatter(style_named(self.protocol.report.style))

    @property
    def primary(self) -> Analysis:
        """The primary analysis."""
        return self.protocol.primary_analysis

    @property
    def analyses(self) -> tuple[Analysis, ...]:
        """The analyses that have a verdict, the primary one first."""
        others = [one for one in self.protocol.analyses if one.name != self.primary.name]
        return tuple(one for one in (self.primary, *others) if self.has_verdict(one.name))

    def has_verdict(self, analysis: str) -> bool:
        """Whether an analysis answered the combination questions."""
        return bool(self.results.text(analysis, "combination"))

    def facts(self, analysis: Analysis | None = None) -> EndpointFacts:
        """The endpoint of an analysis, by default of the primary one."""
        return self.protocol.endpoint((analysis or self.primary).endpoint)

    def lines(self, kind: str, analysis: str | None = None) -> tuple[VerdictLine, ...]:
        """The verdict's rows of a kind for the primary combination."""
        return lines_of(self.results, analysis or self.primary.name, kind)

    def all_lines(self, analysis: str | None = None) -> tuple[VerdictLine, ...]:
        """Every row of a verdict."""
        return verdict_lines(self.results, analysis or self.primary.name)

    def decimals(self, analysis: str | None = None, digits: int = 2) -> int:
        """Decimals of an analysis's numbers, from the most precise of its comparisons."""
        errors = [line.std_error for line in self.all_lines(analysis) if line.std_error > 0]
        return decimals_of(min(errors), digits) if errors else decimals_of(None, digits)

    def level(self, analysis: str | None = None) -> float:
        """Confidence level of an analysis's intervals."""
        value = self.results.get(analysis or self.primary.name, "level")
        return 0.95 if value is None else float(value)

    def interval_header(self, analysis: str | None = None) -> str:
        """Header of a column of intervals: "95 % CI"."""
        return f"{self.formatter.level(self.level(analysis))} CI"

    @property
    def abbreviations(self) -> dict[str, str]:
        """Abbreviations and what they stand for: the product's, and the protocol's components."""
        own: dict[str, str] = {}
        for name, text in self.protocol.components.items():
            own[name.upper()] = text[:1].lower() + text[1:] if not text[:2].isupper() else text
        known = {**ABBREVIATIONS, **{short: text for short, text in own.items() if len(short) <= 6}}
        return {short: text for short, text in known.items() if short.lower() != text.lower()}

    def spelled(self, texts: Iterable[str]) -> str:
        """Return a footnote that spells the abbreviations found in some texts; empty where there are none."""
        found = used_abbreviations(texts, self.abbreviations)
        return "; ".join(f"{short}, {text}" for short, text in found.items()) + "." if found else ""

    def finished(
        self, table: Table, analysis: Analysis | None = None, described: bool = False, model: str = ""
    ) -> Table:
        """Return the table with its population, its journal's joint of limits, and a remark on its abbreviations.

        Parameters
        ----------
        table
            Any table; a population that it has already is kept.
        analysis
            Whose numbers it shows; None where it is of everyone in the data.
        described
            Whether it is of everyone planned to be seen, with a value or without, and not of those analysed.
        model
            Where the results count whom the numbers rest on, if not under the analysis's own name.
        """
        if table.kind == "listing":  # an identifier or a remark in the data is no abbreviation of ours
            texts = [*table_texts(replace(table, rows=())), *self.protocol.arms]
        else:
            texts = table_texts(table)
        note = self.spelled(texts)
        return replace(
            table.with_note("abbreviations", note) if note else table,
            population=table.population or self.population_line(analysis, described, model),
            joint=self.formatter.joint(_limits(table)),
        )

    def population_line(
        self, analysis: Analysis | None = None, described: bool = False, model: str = ""
    ) -> str:
        """Return a population with both numbers: "All: 30 patients, 120 lesions".

        Where an analysis could not use everyone of its population, both are named: "All: 28 of 30 patients, 110 of 120
        lesions". Empty where the results do not hold the numbers.
        """
        if analysis is None:
            planned = self._units("populations", "", population="all")
            return _population("all", planned, planned)
        planned = self._units(f"{analysis.name}/planned", "n_")
        used = planned if described else self._units(model or analysis.name, "n_")
        return _population(analysis.population, used if used[0] is not None else planned, planned)

    def _units(self, analysis: str, prefix: str, **address: str) -> tuple[Number, Number]:
        patients, lesions = (
            self.results.get(analysis, f"{prefix}{unit}", arm="", **address)
            for unit in ("patients", "lesions")
        )
        return patients, lesions


def _population(name: str, used: tuple[Number, Number], planned: tuple[Number, Number]) -> str:
    """Return a population's name and numbers; empty where its patients are not counted."""
    words = []
    for unit, here, everyone in zip(("patient", "lesion"), used, planned, strict=True):
        if everyone is None or here is None:
            continue
        of = f"{int(here)} of " if here != everyone else ""
        words.append(f"{of}{counted(everyone, unit)}")
    return f"{sentence_case(name)}: {', '.join(words)}" if words else ""


def _limits(table: Table) -> Iterator[str]:
    """Yield the texts of every limit of an interval in a table."""
    if not any(column.kind in ("low", "high") for column in table.columns):
        return
    for row in table.rows:
        place = 0
        for cell in row.cells:
            if table.columns[place].kind in ("low", "high") and cell.value is not None:
                yield cell.text
            place += cell.span


def used_abbreviations(texts: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the abbreviations that occur as words of some texts, in alphabetical order."""
    words = set(re.findall(r"[A-Za-z0-9][A-Za-z0-9-]*", " ".join(texts)))
    return {short: known[short] for short in sorted(known, key=str.lower) if short in words}


def table_texts(table: Table) -> list[str]:
    """Return every text of a table."""
    texts = [table.title, table.stub, table.source, *table.notes.values()]
    for column in table.columns:
        texts += [column.header, column.spanner, *column.spanner_lines]
    for row in table.rows:
        texts += [row.label.text, *(cell.text for cell in row.cells)]
    return texts
