"""The combination questions on the response's own scale, beside those on a link scale.

Whether a combination does more than its parts add up to depends on the scale: odds may multiply where probabilities
fall short of adding up (Greenland S, Lash TL & Rothman KJ 2008, in: Modern Epidemiology, 3rd ed., chapter 5). So models
of grades, responders and counts answer on both, and where the answers differ, the verdict says so.

Probabilities are standardised and averaged over patients (`analyses.probability.standardisation`), and their
errors come from the
model's joint covariance: lesions of one patient are no independent samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.claims import verdict_words as words
from analyses.claims.combination_questions import (
    IMPOSSIBLE,
    LESS_THAN_ADDITIVE,
    MORE_THAN_ADDITIVE,
    InteractionQuestion,
)
from analyses.claims.verdict import Comparison, Rules, Scale, VerdictRow
from analyses.classical.bliss import BLISS, EXCESS
from analyses.combination import t_comparison
from analyses.links.ordinal_fit import OrdinalFit
from analyses.probability.gee import MarginalFit
from analyses.probability.probability_scale import MarginalProbabilities, marginal_probabilities
from analyses.probability.standardisation import LinkModel
from analyses.probability.superiority import model_superiority
from outcomes.arms import FactorialSquare
from outcomes.errors import ModelError

__all__ = ["ResponseScale", "link_scale", "response_scale", "scale_sentences"]

Array = NDArray[np.float64]
SLACK = 1e-9
"""What sums of probabilities may be off by."""
EXCESS_OVER = "Excess over Bliss independence"
LOG_SHARE = Scale("log of the share without response", "ratio of shares", show="ratio")
ADJUSTED = Scale("control-adjusted response", "excess", show="percentage points")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A good outcome's probability, or a mean.

    Attributes
    ----------
    column
        Column of the standardised means.
    flipped
        Whether the good outcome is the other one: one minus the column's probability.
    sign
        1 where more of it is benefit, else -1.
    name
        For contrasts; empty where it goes without saying.
    bliss
        Whether Bliss' question is asked of it.
    """

    column: int
    flipped: bool
    sign: float
    name: str
    bliss: bool


@dataclass(frozen=True, slots=True, eq=False)
class ResponseScale:
    """Arms on the scale of the response.

    Attributes
    ----------
    means
        Standardised means of the arms.
    quantities
        What is compared.
    higher_is_better
        Direction of the outcome.
    scale
        How its differences are read.
    arms
        Label of every arm, in the order of the means.
    """

    means: MarginalProbabilities
    quantities: tuple[Quantity, ...]
    higher_is_better: bool
    scale: Scale
    arms: tuple[str, ...]

    def _values(self, quantity: Quantity, names: Sequence[str]) -> tuple[Array, Array]:
        """Values of arms and their covariance."""
        size = len(self.means.columns)
        at = np.array([self.arms.index(name) * size + quantity.column for name in names])
        value = self.means.means.value.reshape(-1)[at]
        return (1 - value if quantity.flipped else value), self.means.covariance[np.ix_(at, at)]

    def linear(self, quantity: Quantity, weights: Mapping[str, float]) -> Comparison:
        """Return a weighted sum of the arms' values."""
        value, covariance = self._values(quantity, list(weights))
        return self._compared(float(np.array([*weights.values()]) @ value), [*weights.values()], covariance)

    def _compared(self, estimate: float, gradient: Sequence[float], covariance: Array) -> Comparison:
        slope = np.array(gradient)
        error = float(np.sqrt(max(0.0, float(slope @ covariance @ slope))))
        return t_comparison(estimate, error, self.means.df)

    def interactions(self, square: FactorialSquare) -> list[InteractionQuestion]:
        """Ask whether the combination does more than additive on this scale, and more than Bliss independence."""
        asked = []
        for quantity in self.quantities:
            asked.append(self._additive(square, quantity))
            asked += self._bliss(square, quantity) if quantity.bliss else []
        return asked

    def _additive(self, square: FactorialSquare, quantity: Quantity) -> InteractionQuestion:
        names = _names(square)
        better = self.higher_is_better or quantity.flipped
        contrast = words.interaction_name(*names, higher_is_better=better)
        value, _ = self._values(quantity, names)
        signs = [quantity.sign * weight for weight in (1.0, -1.0, -1.0, 1.0)]
        reason = _impossible(value[1] + value[2] - value[3], self.means.bounds)
        return InteractionQuestion(
            "interaction_response",
            f"Additive interaction of {self.scale.noun}",
            f"{quantity.name}: {contrast}" if quantity.name else contrast,
            self.linear(quantity, dict(zip(names, signs, strict=True))),
            reason,
            scale=_excess_scale(self.scale),
        )

    def _bliss(self, square: FactorialSquare, quantity: Quantity) -> list[InteractionQuestion]:
        """Bliss' question as a test of logarithms, and the excess itself.

        With ``s = 1 - p`` the test is of ``log s_a + log s_b - log s_ab - log s_S``, and the excess
        ``s_a s_b / s_S^2 - s_ab / s_S``: the control-adjusted response of the combination beyond that of its parts
        together (Abbott 1925; Bliss 1939).
        """
        names = _names(square)
        inside = words.interaction_name(*names, higher_is_better=False)
        ahead = f"{quantity.name}: " if quantity.name else ""
        contrasts = {
            "bliss": f"{ahead}log(1 {words.MINUS} response): {inside} (log scale)",
            "bliss_excess": f"{ahead}{EXCESS}",
        }
        value, covariance = self._values(quantity, names)
        undefined = self._why_no_bliss(square, value)
        if undefined:
            return [
                InteractionQuestion("bliss", BLISS, contrasts["bliss"], None, undefined, scale=LOG_SHARE),
                InteractionQuestion(
                    "bliss_excess", EXCESS_OVER, contrasts["bliss_excess"], None, undefined, scale=ADJUSTED
                ),
            ]
        both, first, second, neither = (float(s) for s in 1 - value)
        logs = self._compared(
            log(first) + log(second) - log(both) - log(neither),
            [1 / both, -1 / first, -1 / second, 1 / neither],
            covariance,
        )
        excess = self._compared(
            first * second / neither**2 - both / neither,
            [
                1 / neither,
                -second / neither**2,
                -first / neither**2,
                2 * first * second / neither**3 - both / neither**2,
            ],
            covariance,
        )
        more, less = "more than Bliss independence", "less than Bliss independence"
        return [
            InteractionQuestion(
                "bliss", BLISS, contrasts["bliss"], logs, scale=LOG_SHARE, more=more, less=less
            ),
            InteractionQuestion(
                "bliss_excess",
                EXCESS_OVER,
                contrasts["bliss_excess"],
                excess,
                scale=ADJUSTED,
                more=more,
                less=less,
            ),
        ]

    def _why_no_bliss(self, square: FactorialSquare, value: Array) -> str:
        if not np.all(np.isfinite(value)):
            return words.NOT_ESTIMABLE
        if not (self.higher_is_better or isinstance(self.means.fit, OrdinalFit)):
            return "not asked: a response is the bad outcome here, and Bliss independence is of benefit"
        below = [name for name, p in ((square.first, value[1]), (square.second, value[2])) if p < value[3]]
        if below:
            return f"undefined, since {words.join_words(below)} responded less than {square.background}"
        return ""

    def supplement(self, rows: Sequence[VerdictRow], rules: Rules) -> pd.DataFrame:
        """Return, for each comparison, both arms' values, their difference, ratios and number needed to treat.

        They are left out where several quantities are compared. Values are of the outcome as it was coded;
        differences and ratios are of the combination over the other arm. Of grades, the probability of superiority
        too: of two lesions of the same patient, and of different patients.
        """
        superiority = self._superiority(2 * rules.tail)
        records = [
            {
                "combination": row.combination,
                "reference": row.reference,
                **(self._record(row, rules) if len(self.quantities) == 1 else {}),
                **superiority.get((row.combination, row.reference), {}),
            }
            for row in rows
            if row.kind in ("part", "control") and row.reference in self.arms
        ]
        return pd.DataFrame(records)

    def _superiority(self, alpha: float) -> dict[tuple[str, str], dict[str, float]]:
        """Probability that the first arm does better than the second, by arms."""
        fit = self.means.fit
        if not isinstance(fit, OrdinalFit):
            return {}
        table = model_superiority(
            fit,
            self.means.specs[0],
            self.means.every_at,
            higher_is_better=self.higher_is_better,
            over=self.means.over,
            vcov=self.means.vcov,
            alpha=alpha,
        )
        found: dict[tuple[str, str], dict[str, float]] = {}
        for row in table.itertuples():
            name = f"superiority_{str(row.pairs).replace(' ', '_')}"
            numbers = (row.estimate, row.conf_low, row.conf_high)
            turned = (1 - row.estimate, 1 - row.conf_high, 1 - row.conf_low)
            for pair, own in (((row.first, row.second), numbers), ((row.second, row.first), turned)):
                columns = (name, f"{name}_conf_low", f"{name}_conf_high")
                found.setdefault((str(pair[0]), str(pair[1])), {}).update(zip(columns, own, strict=True))
        return found

    def _record(self, row: VerdictRow, rules: Rules) -> dict[str, Any]:
        quantity = self.quantities[0]
        value, _ = self._values(quantity, [row.combination, row.reference])
        difference = self.linear(quantity, {row.combination: 1.0, row.reference: -1.0})
        low, high = difference.limits(rules.tail)
        found: dict[str, Any] = {
            "quantity": quantity.name or self.means.of,
            "marginal_combination": float(value[0]),
            "marginal_reference": float(value[1]),
            "difference": difference.estimate,
            "difference_conf_low": low,
            "difference_conf_high": high,
            "difference_p_value": difference.p_value,
        }
        bounded = self.means.bounds[1] is not None
        for name in ("ratio", "odds_ratio") if bounded else ("ratio",):
            found |= self._ratio(name, quantity, row, rules)
        if bounded and self.means.of != "mean fraction":
            from analyses.probability.probability_contrasts import number_needed

            needed = number_needed(
                difference.estimate, low, high, quantity.sign > 0 or quantity.flipped, 2 * rules.tail
            )
            found["number_needed_to_treat"] = needed["text"]
        return found

    def _ratio(self, name: str, quantity: Quantity, row: VerdictRow, rules: Rules) -> dict[str, float]:
        value, covariance = self._values(quantity, [row.combination, row.reference])
        slopes = 1 / value if name == "ratio" else 1 / (value * (1 - value))
        logs = np.log(value) if name == "ratio" else np.log(value / (1 - value))
        # the covariance of one minus a probability is that of the probability, and the slope's sign turns with it
        compared = self._compared(float(logs[0] - logs[1]), [slopes[0], -slopes[1]], covariance)
        low, high = compared.limits(rules.tail)
        return {
            name: exp(compared.estimate),
            f"{name}_conf_low": exp(low),
            f"{name}_conf_high": exp(high),
        }

    def notes(self) -> list[str]:
        """Footnotes: what stands on this scale, and what it was averaged over."""
        found = [f"{_capital(self.scale.name)}: {' '.join(self.means.averaging)}"]
        if isinstance(self.means.fit, OrdinalFit) and len(self.quantities) > 1:
            found.append(
                "No grade was named as a response (response=...), so the probability scale shows every cut between "
                "grades, and Bliss independence is not asked."
            )
        return found


def response_scale(
    fit: LinkModel,
    factor: str,
    at: Mapping[str, Any] | None,
    higher_is_better: bool,
    response: str | None,
    over: str = "rows",
    vcov: str = "model",
) -> ResponseScale:
    """Prepare the arms' probabilities or means.

    Parameters
    ----------
    fit
        The model.
    factor
        The arm's variable.
    at
        Values that other variables are set to.
    higher_is_better
        Direction of the outcome.
    response
        Of an ordinal model, the worst grade that counts as a response: this grade or better. None shows every cut
        between the grades.
    over, vcov
        As in `marginal_probabilities`.

    Raises
    ------
    ModelError
        Where ``response`` is no grade with a worse one, or the model has no grades.
    """
    ordinal = isinstance(fit, OrdinalFit)
    means = marginal_probabilities(
        fit, factor, at=at, of="at least" if ordinal else None, over=over, vcov=vcov
    )
    arms = tuple(str(level) for level in means.grid[factor])
    if isinstance(fit, OrdinalFit):
        quantities = _cuts(fit, higher_is_better, response)
    else:
        if response is not None:
            raise ModelError(
                "a response is chosen among grades", expected="response=None", got=repr(response)
            )
        sign = 1.0 if higher_is_better else -1.0
        quantities = (Quantity(0, False, sign, "", fit.family == "binomial"),)
    return ResponseScale(means, quantities, higher_is_better, _response_scale(means), arms)


def _cuts(fit: OrdinalFit, higher_is_better: bool, response: str | None) -> tuple[Quantity, ...]:
    grades = fit.grades
    best = grades[1:] if higher_is_better else grades[:-1]
    if response is not None and str(response) not in best:
        raise ModelError(
            "a response is a grade, or a better one, that not all have",
            expected=f"one of {', '.join(best)}",
            got=repr(response),
            where=fit.formula,
        )
    sign = "≥" if higher_is_better else "≤"
    return tuple(
        Quantity(at, not higher_is_better, 1.0, f"P(grade {sign} {grade})", response is not None)
        for at, grade in enumerate(best)
        if response is None or grade == str(response)
    )


def _response_scale(means: MarginalProbabilities) -> Scale:
    if means.of == "mean count":
        return Scale("mean counts", "mean counts")
    noun = "mean fractions" if means.of == "mean fraction" else "probabilities"
    return Scale(
        "mean fractions" if means.of == "mean fraction" else "probability scale",
        noun,
        show="percentage points",
    )


def _excess_scale(scale: Scale) -> Scale:
    return Scale(f"difference of {scale.noun}", "excess", show=scale.show)


def _names(square: FactorialSquare) -> tuple[str, str, str, str]:
    return square.combination, square.first, square.second, square.background


def _impossible(expected: float, bounds: tuple[float, float | None]) -> str:
    low, high = bounds
    outside = expected < low - SLACK or (high is not None and expected > high + SLACK)
    return IMPOSSIBLE if outside else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def link_scale(fit: LinkModel | MarginalFit) -> Scale:
    """Return how contrasts on the link scale are read and written."""
    if isinstance(fit, MarginalFit):
        if fit.link == "log":
            return Scale("marginal log rate ratio", "marginal rate ratio", show="ratio")
        return Scale("marginal log odds ratio of a response", "marginal odds ratio", show="odds ratio")
    if isinstance(fit, OrdinalFit):
        if fit.link == "logit":
            return Scale("log odds ratio of a higher grade", "odds ratio", show="odds ratio")
        return Scale(f"{fit.link} scale of the ordinal model", "difference on the latent scale")
    if fit.link == "log":
        return Scale("log rate ratio", "rate ratio", show="ratio")
    what = "mean fraction" if fit.family == "beta" else "response"
    if fit.link == "logit":
        return Scale(f"log odds ratio of a {what}", "odds ratio", show="odds ratio")
    return Scale(f"{fit.link} scale of the {fit.family} model", f"difference on the {fit.link} scale")


def scale_sentences(rows: Sequence[VerdictRow], scale: Scale, rules: Rules) -> tuple[str, ...]:
    """Say in words where the interaction's answers on the link scale and the response's own scale differ.

    Each interval is read by itself: above zero, below zero, or covering it. One sentence for every combination and
    pair whose intervals do not agree, and one where all do and leave zero out.
    """
    found = []
    for row in rows:
        if row.kind != "interaction" or not isfinite(row.conf_low):
            continue
        others = [
            other
            for other in rows
            if other.kind in ("interaction_response", "bliss_excess")
            and (other.combination, other.reference, other.background)
            == (row.combination, row.reference, row.background)
            and isfinite(other.conf_low)
        ]
        if not others:
            continue
        answers = {_by_interval(one) for one in (row, *others)}
        subject = (
            f"{row.reference} on a background of {row.background}" if row.background else row.combination
        )
        listed = [_described(one, scale, rules) for one in (row, *others)]
        if len(answers) > 1:
            found.append(
                f"Whether {subject} is synergistic depends on the scale: {'; '.join(listed)}. Synergy may be claimed "
                "on a scale that was named beforehand, and not in general."
            )
        elif answers != {words.INCONCLUSIVE}:
            found.append(
                f"The interaction of {subject} points the same way on every scale: {'; '.join(listed)}."
            )
    return tuple(found)


def _by_interval(row: VerdictRow) -> str:
    if row.conf_low > 0:
        return MORE_THAN_ADDITIVE
    return LESS_THAN_ADDITIVE if row.conf_high < 0 else words.INCONCLUSIVE


def _described(row: VerdictRow, scale: Scale, rules: Rules) -> str:
    own = row.scale or scale
    name = row.contrast.partition(": ")[0] if row.contrast.startswith("P(grade") else ""
    where = f"{own.name} of {name}" if name else own.name
    answer = _by_interval(row)
    if row.kind == "bliss_excess":
        answer = answer.replace("additive", "Bliss independence")
    ratio = own.show in ("odds ratio", "ratio")
    noun = f"ratio of {own.noun}s " if ratio else ""
    beyond = f", though {IMPOSSIBLE}" if IMPOSSIBLE in row.answer else ""
    return f"by the {where} {answer}{beyond} ({noun}{words.row_numbers(row, scale, rules)})"
