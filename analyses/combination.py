"""What the combination adds: every combination question asked of a fitted model.

The rules are those of intersection-union testing (Laska & Meisner 1989, Biometrics 45:1139; Berger 1982,
Technometrics 24:295): a combination is better than every part where each comparison with a part says so. Synergy
is another question, asked of the additive interaction, and needs an arm that received neither component.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite, log
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy

from analyses.claims import verdict_words as words
from analyses.claims.combination_questions import (
    IMPOSSIBLE,
    Evidence,
    InteractionQuestion,
    answer_questions,
    primary_combination,
    studied_arms,
)
from analyses.claims.verdict import Comparison, Rules, Scale, Verdict
from analyses.claims.verdict_sentences import absent_note, footnotes, may_claim, may_not_claim
from analyses.inference import t_table
from analyses.links.link_fit import LinkFit
from analyses.marginal_means import marginal_means
from outcomes.arms import FactorialSquare
from outcomes.errors import ModelError

if TYPE_CHECKING:
    from analyses.probability.link_combination import ResponseScale

__all__ = ["compare_therapies"]


def compare_therapies(
    fit: Any,
    arms: Mapping[str, Iterable[str]],
    at: Mapping[str, Any] | None = None,
    factor: str = "arm",
    higher_is_better: bool = True,
    alpha: float = 0.05,
    sided: int = 2,
    margin: float | None = None,
    margin_source: str | None = None,
    scale_range: tuple[float | None, float | None] | None = None,
    unit: str = "",
    allocation: str | None = None,
    baseline: float | None = None,
    response: str | None = None,
) -> Verdict:
    """Answer the combination questions from a fitted model.

    Parameters
    ----------
    fit : MixedModelFit, OrdinalFit, GeneralizedFit or MarginalFit
        A model with the arm as a factor. Contrasts of models of grades, responders and counts are on the scale of
        their link: log odds ratios, log rate ratios. Their interaction is answered on the scale of probabilities (or
        means) too, averaged over patients and covariates, with Bliss' question; where the scales disagree, the
        verdict says so.
    arms : mapping of str to iterable of str
        Label of each arm -> its components, in the protocol's order; `outcomes.Arms` or a dict of sets.
    at : mapping, optional
        Values at which other variables are held, such as ``{"visit": "Week 24"}``; see `marginal_means`.
    factor : str
        The factor of the model whose levels are the arms.
    higher_is_better : bool
        Direction of the outcome as it was analysed. Every contrast is turned so that positive is benefit.
    alpha : float
        Error rate, two-sided or one-sided as `sided` says.
    sided : {1, 2}
        Sides of the tests. One-sided tests are towards benefit; intervals stay two-sided, at 1 - 2 alpha.
    margin : float, optional
        Smallest difference that matters: positive, in the unit of the contrasts.
    margin_source : str, optional
        Where the margin comes from.
    scale_range : (float, float), optional
        Lowest and highest possible value of the outcome as it was analysed; None for an open end. Where the
        parts add up to a mean outside it, additivity is impossible and the log residual scale stands beside.
        Where `baseline` is given, of the quantity as it was measured.
    unit : str
        Unit of the contrasts, for sentences.
    allocation : str, optional
        How patients or lesions were allocated. Without it no causal sentence is offered.
    baseline : float, optional
        For an outcome that is a change, the mean before treatment: additivity is impossible where it and the
        changes that the parts add up to lie outside `scale_range`. (The range of a change itself, plus or minus
        the width of the scale, is hardly ever left.) No log residual scale is offered then.
    response : str, optional
        Of an ordinal model, the worst grade that counts as a response, such as "G3": then probabilities are of this
        grade or a better one. Without it every cut between grades is shown.

    Returns
    -------
    Verdict
        ``.table`` with a row a question; ``.may_claim`` and ``.may_not_claim``. Other factors of the model are
        averaged in the proportions of the rows used, numeric covariates stand at their means.

    Raises
    ------
    DesignError
        Where no arm with data combines two components, or the model has an arm that `arms` does not name.
    ModelError
        Where alpha, sides, margin or range are impossible.

    Examples
    --------
    >>> verdict = compare_therapies(fit, trial.protocol.arms, at={"visit": "Week 24"})  # doctest: +SKIP
    """
    rules = Rules(alpha, sided, margin, margin_source, allocation)
    means = _Means(fit, factor, at)
    studied, absent = studied_arms(arms, means.levels)
    beside = _response_scale(fit, factor, at, higher_is_better, response)
    scale = _scale_of(fit, unit)
    limits = _checked_range(scale_range)
    if baseline is not None and not isfinite(baseline):
        raise ModelError("the mean before treatment must be a number", expected="a finite mean", got=baseline)
    evidence = Evidence(
        compare=lambda label, other: means.contrast(_difference(label, other, higher_is_better)),
        interactions=lambda square: [
            *_interactions(square, means, higher_is_better, limits, baseline),
            *(beside.interactions(square) if beside is not None else ()),
        ],
        interaction_kinds=[("interaction", "Additive interaction")],
        higher_is_better=higher_is_better,
        scale=scale,
        unit=means.unit,
    )
    rows = answer_questions(studied, evidence, rules, planned=arms)
    notes = [*footnotes(rows, scale, rules), *absent_note(absent)]
    if any(row.kind == "interaction_log_residual" for row in rows):
        notes.append(
            "Log residual scale: the interaction of the logarithms of what is left to the best possible value, "
            "so that zero means that each component removes the same share alone and in the combination; "
            "delta method on the marginal means."
        )
    unsaid: tuple[str, ...] = ()
    supplement = pd.DataFrame()
    if beside is not None:
        from analyses.probability.link_combination import scale_sentences

        unsaid = scale_sentences(rows, scale, rules)
        supplement = beside.supplement(rows, rules)
        notes += beside.notes()
    return Verdict(
        rows=rows,
        combination=primary_combination(studied),
        combinations=studied.combinations,
        may_claim=may_claim(studied, rows, scale, rules),
        may_not_claim=" ".join([may_not_claim(rows, scale, rules), *unsaid]),
        footnotes=tuple(notes),
        method=f"Contrasts of the model's marginal means of {factor}{means.conditions}; scale: {scale.name}.",
        scale=scale,
        rules=rules,
        supplement=supplement,
    )


def _response_scale(
    fit: Any, factor: str, at: Mapping[str, Any] | None, higher_is_better: bool, response: str | None
) -> ResponseScale | None:
    """Return the arms on the response's own scale, where the model has a link; else None."""
    if isinstance(fit, LinkFit):
        from analyses.probability.link_combination import response_scale

        return response_scale(fit, factor, at, higher_is_better, response)  # type: ignore[arg-type]
    if response is not None:
        raise ModelError("a response is chosen among grades", expected="response=None", got=repr(response))
    return None


def t_comparison(estimate: float, std_error: float, df: float, null: float = 0.0) -> Comparison:
    """Return the `Comparison` of an estimate with a t (or, for infinite df, normal) reference."""

    def limits(tail: float) -> tuple[float, float]:
        row = t_table(np.array([estimate]), np.array([std_error]), np.array([df]), alpha=2 * tail, null=null)
        return float(row["conf_low"].iloc[0]), float(row["conf_high"].iloc[0])

    tested = t_table(np.array([estimate]), np.array([std_error]), np.array([df]), null=null)
    statistic, p_value = (float(tested[name].iloc[0]) for name in ("statistic", "p_value"))
    return Comparison(
        estimate, std_error, df, statistic, p_value, float(scipy.stats.t.sf(statistic, df)), limits
    )


class _Means:
    """Marginal means of the arms, and contrasts of them given as {arm: weight}."""

    def __init__(self, fit: Any, factor: str, at: Mapping[str, Any] | None) -> None:
        self._at = dict(at or {})
        _needs_factor(fit, factor)
        # The trial's own mix of covariates, as the report's means: equal shares would answer for other patients.
        self._means: Any = marginal_means(fit, factor, at=at, weights="proportional")
        table: pd.DataFrame = self._means.table
        labels = [str(level) for level in table[factor]]
        self.estimates = dict(zip(labels, table["estimate"].astype(float), strict=True))
        self._labels = dict(zip(labels, table[factor], strict=True))
        assessed = self._assessed(fit, factor)
        self._within = bool(fit.frame.varies_within("patient", factor))
        self.levels = [label for label in labels if isfinite(self.estimates[label]) or label in assessed]

    def _assessed(self, fit: Any, factor: str) -> set[str]:
        """Return the arms that have rows where the means stand, such as at the visit."""
        known = fit.frame.variables
        held = {name: str(value) for name, value in self._at.items() if not known.is_numeric(name)}
        cells = known.combinations([factor, *held])
        return {str(key[0]) for key in cells if [str(level) for level in key[1:]] == list(held.values())}

    @property
    def unit(self) -> str:
        """Who is assessed in an arm: a lesion where patients have several arms."""
        return "lesion" if self._within else "patient"

    @property
    def conditions(self) -> str:
        """Where the means stand and what they average over, for a sentence."""
        held = [f"{name} {value}" for name, value in self._at.items()]
        over = self._means.averaged
        at = f" at {words.join_words(held)}" if held else ""
        mixed = f", averaged over {words.join_words(list(over))} in the observed proportions" if over else ""
        return at + mixed

    def contrast(self, weights: Mapping[str, float]) -> Comparison:
        """Return the weighted sum of the arms' means."""
        by_level = {self._labels[label]: float(weight) for label, weight in weights.items()}
        row = self._means.contrast({"contrast": by_level}).table.iloc[0]
        return t_comparison(float(row["estimate"]), float(row["std_error"]), float(row["df"]))

    def linearised(self, value: float, gradient: Mapping[str, float]) -> Comparison:
        """Return a function of the means with its delta-method error, the contrast with its gradient."""
        slope = self.contrast(gradient)
        return t_comparison(value, slope.std_error, slope.df)


def _needs_factor(fit: Any, factor: str) -> None:
    """Refuse a model without the arms' factor.

    Raises
    ------
    ModelError
        Where the model has the components, say, and not the arm.
    """
    variables = sorted(str(name) for name in fit.frame.spec.required_variables)
    if factor not in variables:
        raise ModelError(
            f"the model has no factor {factor!r}",
            expected=f"the arm among its terms, such as '~ {factor} + ...'",
            got=", ".join(variables) or "no variable",
            where=fit.formula,
            hint=f"a model of components (laser * prp) is the same with {factor} in their place",
        )


def _difference(label: str, other: str, higher_is_better: bool) -> dict[str, float]:
    sign = 1.0 if higher_is_better else -1.0
    return {label: sign, other: -sign}


def _interactions(
    square: FactorialSquare,
    means: _Means,
    higher_is_better: bool,
    limits: tuple[float | None, float | None] | None,
    baseline: float | None,
) -> list[InteractionQuestion]:
    sign = 1.0 if higher_is_better else -1.0
    names = (square.combination, square.first, square.second, square.background)
    additive = means.contrast(dict(zip(names, (sign, -sign, -sign, sign), strict=True)))
    impossible = _adds_up_outside(square, means, limits, baseline or 0.0)
    asked = [
        InteractionQuestion(
            "interaction",
            "Additive interaction",
            words.interaction_name(*names, higher_is_better),
            additive,
            IMPOSSIBLE if impossible else "",
        )
    ]
    if impossible and limits is not None and baseline is None:
        asked += _log_residual(names, means, limits, higher_is_better)
    return asked


def _adds_up_outside(
    square: FactorialSquare,
    means: _Means,
    limits: tuple[float | None, float | None] | None,
    baseline: float,
) -> bool:
    """Return whether part + part - background, from where the lesions began, leaves the range of the outcome."""
    if limits is None:
        return False
    m = means.estimates
    expected = baseline + m[square.first] + m[square.second] - m[square.background]
    low, high = limits
    # A sum on the end itself is possible: rounding, and the search's own error, must not carry it over.
    slack = 1e-7 * max(1.0, *(abs(end) for end in limits if end is not None), abs(expected))
    return (low is not None and expected < low - slack) or (high is not None and expected > high + slack)


def _log_residual(
    names: tuple[str, str, str, str],
    means: _Means,
    limits: tuple[float | None, float | None],
    higher_is_better: bool,
) -> list[InteractionQuestion]:
    """Interaction of log(what is left to the best value); sensible where that value means cure.

    With r = |best - mean|, positive is log r_a + log r_b - log r_ab - log r_S: the combination leaves less
    than the product of the shares that its parts leave. A range symmetric about zero is that of a change score,
    whose end is no state of a lesion, so the scale is not offered there.
    """
    best = limits[1] if higher_is_better else limits[0]
    symmetric = None not in limits and limits[0] == -limits[1]  # type: ignore[operator]
    if best is None or symmetric:
        return []
    sign = -1.0 if higher_is_better else 1.0
    left = {name: sign * (means.estimates[name] - best) for name in names}
    if not all(isfinite(value) and value > 0 for value in left.values()):
        return []
    weights = dict(zip(names, (-1.0, 1.0, 1.0, -1.0), strict=True))
    value = sum(weight * log(left[name]) for name, weight in weights.items())
    gradient = {name: weight * sign / left[name] for name, weight in weights.items()}
    return [
        InteractionQuestion(
            "interaction_log_residual",
            "Interaction on the log residual scale",
            f"log residual: {words.interaction_name(*names, higher_is_better=False)}",
            means.linearised(value, gradient),
            more="more than multiplicative",
            less="less than multiplicative",
        )
    ]


def _scale_of(fit: Any, unit: str) -> Scale:
    if getattr(fit, "link", None) is not None:
        from analyses.probability.link_combination import link_scale

        return link_scale(fit)
    return Scale("difference of means", "difference", unit=unit)


def _checked_range(
    scale_range: tuple[float | None, float | None] | None,
) -> tuple[float | None, float | None] | None:
    if scale_range is None:
        return None
    low, high = (None if end is None or not isfinite(end) else float(end) for end in scale_range)
    if low is not None and high is not None and low >= high:
        raise ModelError("the range of the scale is empty", expected="(lowest, highest)", got=scale_range)
    return low, high
