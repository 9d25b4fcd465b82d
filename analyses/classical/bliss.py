"""Bliss independence and additivity of response proportions.

Bliss: the parts act independently where those who respond to neither are the product of those who do not respond to
each, all relative to the background S: ``(1 - p_ab)(1 - p_S) = (1 - p_a)(1 - p_b)`` (Bliss CI 1939, Ann Appl
Biol 26:585; tests in Demidenko E & Miller TW 2019, PLoS ONE 14:e0224137). Without the background arm the excess
depends on a response that nobody measured: then only a curve over assumed values remains, labelled so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, log, nan, sqrt

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from analyses.claims import verdict_words as words
from analyses.claims.combination_questions import IMPOSSIBLE, InteractionQuestion
from analyses.classical.arm_samples import ArmSamples
from analyses.combination import t_comparison
from outcomes.arms import FactorialSquare
from outcomes.errors import ModelError

__all__ = ["Risks", "bliss_curve", "observed_risks", "response_interactions"]

Array = NDArray[np.float64]

BLISS = "Bliss independence"
"""The question, as the rows name it."""

EXCESS = "excess over Bliss independence, as a share of those who would not respond untreated"
"""What the curve holds: Abbott's adjustment divides by those who would not respond untreated."""

ROUNDING = 1e-12
"""What sums of proportions may be off by; sums of fractions of counts that differ at all lie much farther apart."""

ASSUMED = tuple(float(p) for p in np.round(np.linspace(0.0, 0.10, 11), 2))
"""Control responses assumed by default where none was measured."""


@dataclass(frozen=True, slots=True, eq=False)
class Risks:
    """Response proportions of the arms with their covariance.

    Attributes
    ----------
    proportion : dict of str to float
        Responders over lesions (or patients) by arm.
    covariance : DataFrame
        Arms x arms: binomial between patients, from the patients' sums within them.
    df : float
        Infinite between patients; patients minus one within.
    """

    proportion: Mapping[str, float]
    covariance: pd.DataFrame
    df: float

    def std_error(self, gradient: Mapping[str, float]) -> float:
        """Delta-method standard error of a function with this gradient."""
        g = np.array([gradient[name] for name in gradient])
        v = self.covariance.loc[list(gradient), list(gradient)].to_numpy()
        return sqrt(max(0.0, float(g @ v @ g)))

    def why_no_contrast(self, gradient: Mapping[str, float]) -> str:
        """Return why a contrast of these arms is not estimable; empty where it is.

        Where all answers are alike in all of its arms, and where patients do not differ in it, its interval would
        have no width.
        """
        found = {self.proportion[name] for name in gradient}
        if found == {0.0}:
            return f"{words.NOT_ESTIMABLE}: no response in any arm"
        if found == {1.0}:
            return f"{words.NOT_ESTIMABLE}: everyone responded in every arm"
        # Proportions are of the order of one, so a smaller error is none but rounding.
        if not self.std_error(gradient) > ROUNDING:
            return f"{words.NOT_ESTIMABLE}: no variation between patients"
        return ""


def observed_risks(samples: ArmSamples, paired: bool) -> Risks:
    """Estimate response proportions from 0/1 answers.

    Parameters
    ----------
    samples : ArmSamples
        Answers by arm and patient.
    paired : bool
        Whether patients have lesions in several arms.

    Returns
    -------
    Risks
        In the binomial variance an arm where nobody or everybody responded stands as (r + 1/2) / (n + 1), lest it
        count as known without error.
    """
    arms = samples.arms
    proportion = {name: float(samples.of(name).mean()) for name in arms}
    if not paired:
        variances = []
        for name in arms:
            n, p = len(samples.of(name)), proportion[name]
            p = (p * n + 0.5) / (n + 1) if p in (0.0, 1.0) else p
            variances.append(p * (1 - p) / n)
        covariance = np.diag(variances)
        return Risks(proportion, pd.DataFrame(covariance, index=arms, columns=arms), inf)
    patients = {person: row for row, person in enumerate(samples.patients)}
    influence = np.zeros((len(patients), len(arms)))
    for column, name in enumerate(arms):
        total = len(samples.of(name))
        for person, answers in samples.values[name].items():
            influence[patients[person], column] = float((answers - proportion[name]).sum()) / total
    n = len(patients)
    # A single patient tells nothing of how patients differ: no variance rather than a division by zero.
    covariance = influence.T @ influence * n / max(n - 1, 1)
    return Risks(proportion, pd.DataFrame(covariance, index=arms, columns=arms), n - 1)


def response_interactions(
    square: FactorialSquare, risks: Risks, higher_is_better: bool
) -> list[InteractionQuestion]:
    """Ask both interactions of four response proportions: on differences, and Bliss.

    Parameters
    ----------
    square : FactorialSquare
        Labels of S, S + a, S + b, S + a + b.
    risks : Risks
    higher_is_better : bool
        Whether a response is the good outcome.

    Returns
    -------
    list of InteractionQuestion
        Additive: ``p_ab - p_a - p_b + p_S``. Bliss: ``log(1-p_a) + log(1-p_b) - log(1-p_ab) - log(1-p_S)``,
        positive where the combination leaves fewer without response than independence would.
    """
    names = (square.combination, square.first, square.second, square.background)
    sign = 1.0 if higher_is_better else -1.0
    p = risks.proportion
    gradient = dict(zip(names, (sign, -sign, -sign, sign), strict=True))
    value = sum(weight * p[name] for name, weight in gradient.items())
    expected = p[square.first] + p[square.second] - p[square.background]
    name = words.interaction_name(*names, higher_is_better)
    alike = risks.why_no_contrast(gradient)
    if alike:
        return [
            InteractionQuestion("interaction", "Additive interaction", name, None, alike),
            InteractionQuestion("bliss", BLISS, _bliss_contrast(names), None, alike),
        ]
    additive = InteractionQuestion(
        "interaction",
        "Additive interaction",
        name,
        t_comparison(value, risks.std_error(gradient), risks.df),
        "" if -ROUNDING <= expected <= 1 + ROUNDING else IMPOSSIBLE,
    )
    return [additive, _bliss(names, risks, higher_is_better)]


def _bliss(names: tuple[str, str, str, str], risks: Risks, higher_is_better: bool) -> InteractionQuestion:
    p = risks.proportion
    _, first, second, background = names
    contrast = _bliss_contrast(names)

    def without(reason: str) -> InteractionQuestion:
        return InteractionQuestion("bliss", BLISS, contrast, None, reason)

    if not higher_is_better:
        return without("not asked: a response is the bad outcome here, and Bliss independence is of benefit")
    below = [name for name in (first, second) if p[name] < p[background]]
    if below:
        return without(f"undefined, since {words.join_words(below)} responded less than {background}")
    full = [name for name in names if p[name] >= 1]
    if full:
        return without(f"undefined, since everyone responded to {words.join_words(full)}")
    weights = dict(zip(names, (-1.0, 1.0, 1.0, -1.0), strict=True))
    value = sum(weight * log(1 - p[name]) for name, weight in weights.items())
    gradient = {name: -weight / (1 - p[name]) for name, weight in weights.items()}
    alike = risks.why_no_contrast(gradient)
    if alike:
        return without(alike)
    return InteractionQuestion(
        "bliss",
        BLISS,
        contrast,
        t_comparison(value, risks.std_error(gradient), risks.df),
        more="more than Bliss independence",
        less="less than Bliss independence",
    )


def _bliss_contrast(names: tuple[str, str, str, str]) -> str:
    """Name the contrast of Bliss's question: it is one of logarithms, which no other row of the table is."""
    interaction = words.interaction_name(*names, higher_is_better=False)
    return f"log(1 {words.MINUS} response): {interaction} (log scale)"


def bliss_curve(
    combination: str,
    parts: tuple[str, str],
    risks: Risks,
    assumed: tuple[float, ...] = ASSUMED,
    level: float = 0.95,
) -> pd.DataFrame:
    """Bliss excess over assumed responses of a control arm that was not studied.

    Parameters
    ----------
    combination : str
    parts : tuple of str
        Labels of the two parts.
    risks : Risks
    assumed : tuple of float
        Control responses to assume, each from 0 up to but not including 1.
    level : float
        Confidence level.

    Returns
    -------
    DataFrame
        ``assumed_control_response, expected, observed, excess, std_error, conf_low, conf_high, label, combination``;
        all but the first are shares of those who would not respond untreated.
        Responses are adjusted for the control, ``(p - p0) / (1 - p0)`` (Abbott WS 1925, J Econ Entomol 18:265);
        the interval holds p0 for known. NaN where a part responds less than the assumed control, and throughout
        where all answers are alike.

    Raises
    ------
    ModelError
        Where an assumed response is not a proportion below 1.
    """
    p, first, second = risks.proportion, *parts
    rows = []
    for p0 in assumed:
        if not 0 <= p0 < 1:
            raise ModelError("an assumed control response is out of range", expected="0 to below 1", got=p0)
        alone = [(p[part] - p0) / (1 - p0) for part in parts]
        observed = (p[combination] - p0) / (1 - p0)
        expected = alone[0] + alone[1] - alone[0] * alone[1]
        gradient = {
            combination: 1 / (1 - p0),
            first: -(1 - alone[1]) / (1 - p0),
            second: -(1 - alone[0]) / (1 - p0),
        }
        defined = min(alone) >= -ROUNDING
        alike = bool(risks.why_no_contrast(gradient))
        error = nan if alike else risks.std_error(gradient)
        half = float(scipy.stats.t.isf((1 - level) / 2, risks.df)) * error
        excess = observed - expected
        label = (
            f"assumption: {words.format_number(100 * p0, 0)} % of untreated would have responded; {EXCESS}"
        )
        numbers = [expected, observed, excess, error, excess - half, excess + half]
        rows.append(
            [p0, *(numbers if defined and isfinite(error) else [np.nan] * len(numbers)), label, combination]
        )
    columns = ["expected", "observed", "excess", "std_error", "conf_low", "conf_high", "label", "combination"]
    return pd.DataFrame(rows, columns=["assumed_control_response", *columns])
