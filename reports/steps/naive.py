"""What an analysis blind to the pairing would have said, how alike a patient's lesions are, and carry-across."""

from __future__ import annotations

import pandas as pd

from analyses.claims.verdict import Verdict
from outcomes.endpoint import EndpointFacts
from outcomes.protocol import Analysis
from reports.results import ResultsBuilder
from reports.steps.continuous import ContinuousModel

NAMES = {
    "lesions as independent": "Welch's t, lesions as if of different patients",
    "rows of all visits as independent": "Welch's t, rows of all visits as if independent",
}
"""Naive analyses, as `analyses.classical.naive` calls them -> as the report calls them."""

CONSISTENCY = "intraclass correlation for consistency, ICC(C,1)"
OF_LESIONS = (
    "the patients' share of the variance beyond the arms' means, over all lesions, by Henderson's method 3"
)
"""What the within-patient correlation is: with one lesion an arm, and with several."""

NUMBERS = ("n", "estimate", "std_error", "df", "p_value", "conf_low", "conf_high", "se_ratio")


def add_naive(
    model: ContinuousModel, analysis: Analysis, facts: EndpointFacts, rows: pd.DataFrame, out: ResultsBuilder
) -> None:
    """Write the naive analyses beside ours, and the within-patient correlation.

    Parameters
    ----------
    model
        Ours.
    analysis, facts
        The primary analysis and its endpoint.
    rows
        Endpoint frame over all visits.
    out
        Where the numbers go: "<analysis>/naive" and "<analysis>/correlation".
    """
    from analyses.classical.naive import compare_with_naive

    found = compare_with_naive(model.verdict, rows, analysis.visit, facts.higher_is_better)
    scope = out.scope(analysis=f"{analysis.name}/naive", method="Welch's t on values as if independent")
    for record in found.table.to_dict("records"):
        label = NAMES.get(str(record["analysis"]))
        if label is None:
            continue
        for name in NUMBERS:
            scope.add(name, record[name], contrast=str(record["contrast"]), level=label)
    if found.correlation is None:
        return
    likeness = found.correlation
    kind = OF_LESIONS if likeness.several_lesions else CONSISTENCY
    scope = out.scope(
        analysis=f"{analysis.name}/correlation", method=f"{kind}; Pearson's r over patients for pairs of arms"
    )
    scope.say("correlation_kind", kind)
    scope.add_all(
        {
            "icc": likeness.icc,
            "icc_conf_low": likeness.conf_low,
            "icc_conf_high": likeness.conf_high,
            "n_complete": likeness.n_complete,
        }
    )
    for record in likeness.pairs.to_dict("records"):
        level = f"{record['arm_1']} | {record['arm_2']}"
        for name in ("n", "correlation", "conf_low", "conf_high"):
            scope.add(name, record[name], level=level)


def add_carry_across(verdict: Verdict, analysis: Analysis, out: ResultsBuilder) -> None:
    """Write contrast / (1 − k): what it would be had a share k of each effect not reached the other lesions."""
    from analyses.classical.naive import carry_across_table

    scope = out.scope(analysis=f"{analysis.name}/carry-across", method="contrast / (1 − k) for an assumed k")
    table = carry_across_table(verdict)
    for share in table["k"].drop_duplicates():
        scope.add("spill_over", share, level=f"k = {share:g}")
    for record in table.to_dict("records"):
        if record["combination"] == verdict.combination:
            for name in ("estimate", "conf_low", "conf_high"):
                scope.add(name, record[name], contrast=str(record["contrast"]), level=f"k = {record['k']:g}")
