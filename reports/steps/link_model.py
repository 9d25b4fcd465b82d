"""Write a model of grades or responders as results: how it came about, coefficients, probabilities, odds ratios."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from analyses.claims.verdict import Verdict, VerdictRow
from outcomes.endpoint import EndpointFacts
from outcomes.errors import ModelError
from outcomes.protocol import Analysis
from reports.format import join_words
from reports.results import ResultsBuilder
from reports.verdicts import store_verdict

if TYPE_CHECKING:
    from analyses.default_link_model import LinkOutcome
    from analyses.links.generalized_fit import GeneralizedFit
    from analyses.links.ordinal_fit import OrdinalFit

MODEL, PROBABILITIES, ODDS = "model", "probabilities", "odds ratios"
"""Suffixes of the analyses that hold a model, its marginal probabilities, and its verdict in odds ratios."""

EXPONENTIATED = ("part", "control", "highest_single_agent", "interaction")
"""Rows of the verdict in odds ratios whose estimates are their logarithms."""


def say_walk_of_link(outcome: LinkOutcome, rows: pd.DataFrame, out: ResultsBuilder) -> None:
    """Write down every model that was left before the one that was fitted, and why; no patient is named."""
    from analyses.fallback import FITTED
    from reports.steps.continuous import without_names

    for step in outcome.walk:
        if step.outcome != FITTED:
            out.say("fallback", without_names(step.sentence.rstrip("."), rows), subject=step.formula)
            if step.detail:
                out.say("fallback_detail", without_names(step.detail, rows), subject=step.formula)
    for arm in outcome.left_out:
        out.say("left_out", arm)


def add_fit(outcome: LinkOutcome, out: ResultsBuilder) -> None:
    """Write coefficients, the random effects' spread, sizes, and what the search said."""
    from analyses.links.generalized_fit import GeneralizedFit

    fit = outcome.fit
    assert fit is not None  # asked by the caller
    scope = out.scope(method="maximum likelihood; normal reference")
    out.say("formula", outcome.formula)
    penalty = fit.penalty if isinstance(fit, GeneralizedFit) else None
    if penalty:
        out.say("penalty", penalty)
    for record in fit.coefficients.to_dict("records"):
        for name in ("estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high"):
            scope.add(f"coefficient_{name}", record[name], level=str(record["term"]))
    scope.add_all(
        {
            "loglik": fit.loglik,
            "aic": fit.aic,
            "bic": fit.bic,
            "n_rows": fit.n_obs,
            "n_dropped": fit.n_dropped,
            "n_subjects": fit.n_subjects,
            "quadrature": fit.quadrature,
            "converged": int(fit.converged),
        }
    )
    scope.say("convergence", fit.convergence.sentence)
    for note in fit.notes:
        scope.say("note", note)
    for record in fit.variance_components.to_dict("records"):
        level = ", ".join(filter(None, (str(record["group"]), str(record["term"]))))
        scope.add("variance", record["variance"], level=level)
        scope.add("variance_component_sd", record["sd"], level=level)


def add_probabilities(
    fit: OrdinalFit | GeneralizedFit, at: Mapping[str, str], analysis: Analysis, out: ResultsBuilder
) -> None:
    """Write the marginal probabilities of the arms: of a response, or of each grade."""
    from analyses import marginal_probabilities

    alpha = analysis.alpha if analysis.sided == 2 else 2 * analysis.alpha
    try:
        found = marginal_probabilities(fit, "arm", at=at or None)
    except ModelError as error:
        out.say("not_estimable", error.message)
        return
    scope = out.scope(method="marginal probabilities: standardisation, averaged over the random effects")
    for record in found.intervals(alpha).to_dict("records"):
        address = {"arm": str(record["arm"]), "level": str(record.get("grade", ""))}
        for name in ("estimate", "std_error", "conf_low", "conf_high"):
            scope.add(name, record[name], **address)
    scope.say("averaging", " ".join(found.averaging))


def add_odds(verdict: Verdict, out: ResultsBuilder, spell: Callable[[str], str]) -> None:
    """Write the verdict in odds ratios: as logarithms as it is, and the ratios themselves."""
    from analyses.probability.link_combination import scale_sentences

    store_verdict(verdict, out, spell)
    for row in verdict.rows:
        if row.kind not in EXPONENTIATED:
            continue
        level = f"{row.kind}: {row.reference}" if row.reference else row.kind
        for name, value in _ratios(row).items():
            out.add(name, value, arm=row.combination, contrast=row.contrast, level=level)
    for sentence in scale_sentences(verdict.rows, verdict.scale, verdict.rules):
        out.say("scales", spell(sentence))


def _ratios(row: VerdictRow) -> dict[str, float | None]:
    numbers = {"": row.estimate, "_conf_low": row.conf_low, "_conf_high": row.conf_high}
    return {
        f"odds_ratio{name}": None if math.isnan(value) else _exp(value) for name, value in numbers.items()
    }


def _exp(value: float) -> float:
    """The exponential; infinite where it is beyond the largest number."""
    return math.exp(value) if value < 700 else math.inf


def add_proportionality(fit: OrdinalFit | GeneralizedFit, analysis: Analysis, out: ResultsBuilder) -> None:
    """Write the test of one odds ratio for every threshold between grades, of each term."""
    from analyses.links.ordinal_fit import OrdinalFit
    from analyses.links.proportional_odds import proportional_odds_test

    if not isinstance(fit, OrdinalFit):
        return
    try:
        tested = proportional_odds_test(fit, analysis.alpha)
    except ModelError as error:
        out.say("proportionality_not_testable", f"not testable: {error.message}")
        return
    for record in tested.to_dict("records"):
        for name in ("df", "statistic", "p_value"):
            out.add(f"proportionality_{name}", record[name], level=str(record["term"]))
        out.say("proportionality", str(record["answer"]), subject=str(record["term"]))


def worded(verdict: Verdict, outcome: LinkOutcome, facts: EndpointFacts) -> Verdict:
    """Return a verdict that says of arms left out why they have no odds, and not that nobody was assessed in them."""
    if not outcome.left_out:
        return verdict
    arms = join_words(outcome.left_out)
    each = "responded alike" if facts.scale == "binary" else "had the same extreme grade"
    why = f"not estimable: every {facts.level} with {arms} {each}, so that there are no finite odds"
    rows = tuple(
        replace(row, answer=why) if row.answer.endswith("was assessed at this visit") else row
        for row in verdict.rows
    )
    notes = tuple(note for note in verdict.footnotes if not note.startswith("Arms of the protocol without"))
    left = f"Left out of the model, since every {facts.level} {each}: {arms}."
    return replace(verdict, rows=rows, footnotes=(*notes, left))
