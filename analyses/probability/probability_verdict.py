"""The combination questions on the scale that a clinician reads: probabilities of a model of grades or responders.

`compare_therapies` answers on the scale of the model's link, in odds ratios. Here the same fit answers on the
probability scale: risk differences of standardised probabilities (g-computation, as guidance on covariate adjustment
asks: FDA 2023), and of grades the probability of superiority. The questions, their order and their error rates are the
same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import isfinite, nan
from typing import Any

import numpy as np
import pandas as pd
import scipy

from analyses.claims import verdict_words as words
from analyses.claims.combination_questions import (
    Evidence,
    InteractionQuestion,
    answer_questions,
    primary_combination,
    studied_arms,
)
from analyses.claims.verdict import Comparison, Rules, Scale, Verdict, VerdictRow, not_estimable
from analyses.claims.verdict_sentences import absent_note, footnotes, may_claim, may_not_claim
from analyses.classical.bliss import BLISS
from analyses.links.generalized_fit import GeneralizedFit
from analyses.links.ordinal_fit import OrdinalFit
from analyses.probability.link_combination import EXCESS_OVER, ResponseScale, response_scale
from analyses.probability.probability_scale import bounded_limits
from analyses.probability.superiority import PAIRS, model_superiority
from outcomes.arms import FactorialSquare
from outcomes.errors import ModelError

__all__ = ["compare_probabilities"]

RISKS = Scale(
    "difference of marginal response probabilities (standardisation)",
    "risk difference",
    show="percentage points",
)
OF_PAIRS = {
    "same patient": "of two lesions of the same patient",
    "different patients": "of different patients",
}
NO_SUM = (
    f"{words.NOT_ESTIMABLE} from a probability of superiority, which has no scale to add on; see the "
    f"odds ratios and the "
    "probabilities of grades"
)


def compare_probabilities(
    fit: OrdinalFit | GeneralizedFit,
    arms: Mapping[str, Iterable[str]],
    at: Mapping[str, Any] | None = None,
    factor: str = "arm",
    higher_is_better: bool = True,
    alpha: float = 0.05,
    sided: int = 2,
    margin: float | None = None,
    margin_source: str | None = None,
    allocation: str | None = None,
    pairs: str | None = None,
    over: str = "rows",
) -> Verdict:
    """Answer the combination questions on the probability scale of a model of grades or responders.

    Parameters
    ----------
    fit : OrdinalFit or GeneralizedFit
        A model of grades, or a binomial one, with the arm as a factor.
    arms : mapping of str to iterable of str
        Label of each arm -> its components, in the protocol's order.
    at : mapping, optional
        Values that other variables are set to, such as ``{"visit": "Week 24"}``.
    factor : str
        The factor whose levels are the arms.
    higher_is_better : bool
        Direction of the outcome. Every contrast is turned so that more is benefit.
    alpha, sided, margin_source, allocation
        As in `compare_therapies`.
    margin : float, optional
        Smallest benefit that matters: a difference of probabilities (0.15), or of grades the distance of the
        probability of superiority from one half.
    pairs : str, optional
        Of grades, whose lesions are compared: one of `analyses.probability.superiority.PAIRS`; by default
        those of the same patient
        where patients have several arms and the model has random effects.
    over : str
        As in `marginal_probabilities`.

    Returns
    -------
    Verdict
        Responders: risk differences, with the additive interaction of probabilities and Bliss' question. Grades:
        probabilities of superiority, one half being no benefit. ``.supplement`` has both arms' marginal probabilities
        and ratios (responders), or both kinds of superiority (grades).

    Raises
    ------
    ModelError
        Where the model is of another response, or an option is unknown or out of range.
    ConvergenceError
        Where the fit did not converge.
    DesignError
        Where no arm with data combines two components.

    Notes
    -----
    Errors are those of the delta method with the model's joint covariance (thresholds and variances included), tests
    and limits use the normal distribution; limits of a probability of superiority are made on the logit scale.
    """
    _check(fit, margin, pairs)
    rules = Rules(alpha, sided, margin, margin_source, allocation)
    response = response_scale(fit, factor, at, higher_is_better, None, over)
    value = response.means.means.value
    present = [arm for row, arm in enumerate(response.arms) if np.all(np.isfinite(value[row]))]
    studied, absent = studied_arms(arms, present)
    within = bool(fit.frame.varies_within("patient", factor)) if "patient" in fit.frame.data else False
    unit = "lesion" if within else "patient"
    if isinstance(fit, OrdinalFit):
        chosen = pairs or (PAIRS[0] if within and fit.random is not None else PAIRS[1])
        found = _Superiority(fit, factor, at, chosen, higher_is_better, over, 2 * rules.tail)
        evidence = found.evidence(unit)
    else:
        evidence = _of_risks(response, higher_is_better, unit)
    rows = answer_questions(studied, evidence, rules, planned=arms)
    supplement = found.supplement(rows) if isinstance(fit, OrdinalFit) else response.supplement(rows, rules)
    scale = evidence.scale
    return Verdict(
        rows=rows,
        combination=primary_combination(studied),
        combinations=studied.combinations,
        may_claim=may_claim(studied, rows, scale, rules),
        may_not_claim=may_not_claim(rows, scale, rules),
        footnotes=(
            *footnotes(rows, scale, rules),
            *absent_note(absent),
            f"Marginal: {' '.join(response.means.averaging)}",
        ),
        method=_method(fit, scale),
        scale=scale,
        rules=rules,
        supplement=supplement,
    )


def _check(fit: Any, margin: float | None, pairs: str | None) -> None:
    ordinal = isinstance(fit, OrdinalFit)
    if not ordinal and not (isinstance(fit, GeneralizedFit) and fit.family == "binomial"):
        got = f"the family {fit.family}" if isinstance(fit, GeneralizedFit) else type(fit).__name__
        raise ModelError(
            "the probability scale is that of grades and responders",
            expected="a fit of fit_ordinal_model, or of fit_generalized_model(family='binomial')",
            got=got,
            hint="compare_therapies(...) answers for counts and measurements",
        )
    if pairs is not None and not ordinal:
        raise ModelError("pairs are of grades", expected="pairs=None", got=repr(pairs))
    if margin is not None and not 0 < margin < (0.5 if ordinal else 1):
        what = (
            "a distance of the probability of superiority from 1/2"
            if ordinal
            else "a difference of probabilities"
        )
        raise ModelError(
            "the margin is out of range",
            expected=f"{what}: above 0 and below {0.5 if ordinal else 1}",
            got=margin,
        )


def _method(fit: OrdinalFit | GeneralizedFit, scale: Scale) -> str:
    kind = "cumulative" if isinstance(fit, OrdinalFit) else "binomial"
    return f"{_capital(scale.name)}, by the {kind} {fit.link} model {fit.formula}; delta method, normal reference."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _of_risks(response: ResponseScale, higher_is_better: bool, unit: str) -> Evidence:
    """Risk differences, their additive interaction, and Bliss' question."""
    quantity = response.quantities[0]

    def compare(label: str, other: str) -> Comparison:
        found = response.linear(quantity, {label: quantity.sign, other: -quantity.sign})
        return replace(found, limits=lambda tail: _within_one(found.limits(tail)))

    def interactions(square: FactorialSquare) -> list[InteractionQuestion]:
        additive, *others = response.interactions(square)
        own = replace(additive, kind="interaction", question="Additive interaction", scale=None)
        return [own, *others]

    return Evidence(
        compare=compare,
        interactions=interactions,
        interaction_kinds=[
            ("interaction", "Additive interaction"),
            ("bliss", BLISS),
            ("bliss_excess", EXCESS_OVER),
        ],
        higher_is_better=higher_is_better,
        scale=RISKS,
        unit=unit,
    )


def _within_one(limits: tuple[float, float]) -> tuple[float, float]:
    """A difference of probabilities lies between minus one and one."""
    return max(limits[0], -1.0), min(limits[1], 1.0)


class _Superiority:
    """Probabilities that one arm does better than another, of every pair of arms."""

    def __init__(
        self,
        fit: OrdinalFit,
        factor: str,
        at: Mapping[str, Any] | None,
        pairs: str,
        higher_is_better: bool,
        over: str,
        alpha: float,
    ) -> None:
        table = model_superiority(fit, factor, at, None, higher_is_better, over=over, alpha=alpha)
        known = list(dict.fromkeys(table["pairs"]))
        if pairs not in known:
            raise ModelError(
                "unknown pairs, or none of the same patient in a model without random effects",
                expected=" or ".join(known),
                got=repr(pairs),
            )
        self._higher_is_better = higher_is_better
        self.pairs = pairs
        self._rows = {(str(row["pairs"]), row["first"], row["second"]): row for _, row in table.iterrows()}

    def _row(self, pairs: str, label: str, other: str) -> dict[str, float]:
        """The numbers of one arm against another, in either order: the other way round it is one minus."""
        if (pairs, label, other) in self._rows:
            row = self._rows[pairs, label, other]
            return {name: float(row[name]) for name in NUMBERS}
        turned = self._rows.get((pairs, other, label))
        if turned is None:
            return dict.fromkeys(NUMBERS, nan)
        found = {name: float(turned[name]) for name in NUMBERS}
        low, high = 1 - found["conf_high"], 1 - found["conf_low"]
        return found | {
            "estimate": 1 - found["estimate"],
            "statistic": -found["statistic"],
            "conf_low": low,
            "conf_high": high,
        }

    def compare(self, label: str, other: str) -> Comparison:
        row = self._row(self.pairs, label, other)
        if not isfinite(row["estimate"]) or not isfinite(row["std_error"]):
            return not_estimable()
        value, error = np.array([row["estimate"]]), np.array([row["std_error"]])

        def limits(tail: float) -> tuple[float, float]:
            low, high = bounded_limits(value, error, row["df"], 2 * tail, (0.0, 1.0))
            return float(low[0]), float(high[0])

        benefit = float(scipy.stats.t.sf(row["statistic"], row["df"]))
        return Comparison(
            row["estimate"], row["std_error"], row["df"], row["statistic"], row["p_value"], benefit, limits
        )

    def evidence(self, unit: str) -> Evidence:
        whose = OF_PAIRS[self.pairs]
        return Evidence(
            compare=self.compare,
            interactions=lambda square: [
                InteractionQuestion("interaction", "Additive interaction", "", None, NO_SUM)
            ],
            interaction_kinds=[("interaction", "Additive interaction")],
            higher_is_better=self._higher_is_better,
            scale=Scale(
                f"probability of superiority {whose}, ties counted half",
                "probability of superiority",
                null=0.5,
                show="probability",
            ),
            name=lambda label, other: f"P({words.bracketed(label)} better than {words.bracketed(other)})",
            unit=unit,
        )

    def supplement(self, rows: Iterable[VerdictRow]) -> pd.DataFrame:
        """Both kinds of superiority of each comparison, with limits."""
        records = []
        for row in rows:
            if row.kind not in ("part", "control"):
                continue
            record: dict[str, Any] = {"combination": row.combination, "reference": row.reference}
            for pairs in PAIRS:
                found = self._row(pairs, row.combination, row.reference)
                name = f"superiority_{pairs.replace(' ', '_')}"
                if isfinite(found["estimate"]):
                    record |= {
                        name: found["estimate"],
                        f"{name}_conf_low": found["conf_low"],
                        f"{name}_conf_high": found["conf_high"],
                    }
            records.append(record)
        return pd.DataFrame(records)


NUMBERS = ("estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high")
"""What a probability of superiority comes with."""
