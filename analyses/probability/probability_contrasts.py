"""Differences, ratios and odds ratios of standardised means, and numbers needed to treat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.contrasts import Weights, contrast_matrix, label
from analyses.inference import t_table
from analyses.means.adjustment import Family, adjust_family, check_adjustment, describe
from analyses.means.contrast_table import confidence, groups_of, number
from outcomes.errors import ModelError

if TYPE_CHECKING:
    from analyses.probability.probability_scale import MarginalProbabilities

__all__ = ["MEASURES", "ProbabilityContrasts", "number_needed", "probability_contrasts"]

Array = NDArray[np.float64]
MEASURES = ("difference", "ratio", "odds ratio")
"""How means are compared."""


@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityContrasts:
    """Contrasts of standardised means.

    Attributes
    ----------
    table
        ``contrast``, the ``by`` columns, the grade where there are several, then `analyses.inference.COLUMNS`.
    measure
        One of `MEASURES`.
    of
        What was compared, as `MarginalProbabilities.of`.
    alpha
        One minus the confidence level.
    adjustment
        How p-values and intervals were adjusted: a sentence.
    bounded
        Whether the means are probabilities or fractions.
    """

    table: pd.DataFrame
    measure: str
    of: str
    alpha: float
    adjustment: str
    bounded: bool

    def numbers_needed(self, higher_is_better: bool = True) -> pd.DataFrame:
        """Numbers needed to treat for one more patient (or lesion) to respond: one over the risk difference.

        Parameters
        ----------
        higher_is_better
            Whether the response is the good outcome; else a difference below zero is the benefit.

        Returns
        -------
        DataFrame
            The columns before the estimate, ``risk_difference, conf_low, conf_high`` of it, ``number_needed``,
            ``towards`` (``benefit`` or ``harm``), the limits ``benefit_low, benefit_high, harm_low, harm_high`` and a
            ``text``; see `number_needed`.

        Raises
        ------
        ModelError
            Where the contrasts are not differences of probabilities.
        """
        if self.measure != "difference" or not self.bounded or self.of == "mean grade":
            raise ModelError(
                "numbers needed to treat are of risk differences",
                expected='probabilities, measure="difference"',
                got=f"{self.of}, {self.measure}",
            )
        at = self.table.columns.get_loc("estimate")
        assert isinstance(at, int)
        found = self.table.iloc[:, :at].copy()
        limits = [
            number_needed(row.estimate, row.conf_low, row.conf_high, higher_is_better, self.alpha)
            for row in self.table.itertuples()
        ]
        found["risk_difference"] = self.table["estimate"]
        found["conf_low"], found["conf_high"] = self.table["conf_low"], self.table["conf_high"]
        return pd.concat([found, pd.DataFrame(limits, index=found.index)], axis=1)

    def __repr__(self) -> str:
        return str(self)

    @property
    def title(self) -> str:
        """What the contrasts are, in words."""
        what = {"difference": "Differences", "ratio": "Ratios", "odds ratio": "Odds ratios"}[self.measure]
        of = {"grade": "probabilities of grades", "at least": "probabilities of a grade or a higher one"}
        return f"{what} of marginal {of.get(self.of, self.of)}"

    def __str__(self) -> str:
        return "\n".join(
            [self.title, self.table.to_string(index=False, float_format=number), self.adjustment]
        )

    def _repr_html_(self) -> str:
        from analyses.display.html_views import probability_contrasts_html

        return probability_contrasts_html(self)


def number_needed(
    difference: float, low: float, high: float, higher_is_better: bool = True, alpha: float = 0.05
) -> dict[str, float | str]:
    """Number needed to treat of a risk difference, its interval in one piece or two.

    Where the difference's interval covers zero, that of its reciprocal passes through infinity: from the limit
    towards benefit up to infinity, and from the limit towards harm up to infinity (Altman DG 1998, BMJ 317:1309).

    Parameters
    ----------
    difference, low, high
        Risk difference and its limits.
    higher_is_better
        Whether a positive difference is benefit.
    alpha
        One minus the confidence level, for the text.

    Returns
    -------
    dict
        ``number_needed`` (infinite at a difference of zero), ``towards`` (``benefit``, ``harm``, or empty),
        ``benefit_low, benefit_high`` and ``harm_low, harm_high``: the parts of the interval, NaN where it has no such
        part; ``text`` in words.
    """
    if not all(isfinite(value) for value in (difference, low, high)):
        parts = dict.fromkeys(("benefit_low", "benefit_high", "harm_low", "harm_high"), nan)
        return {"number_needed": nan, "towards": "", **parts, "text": "not estimable"}
    if not higher_is_better:
        difference, low, high = -difference, -high, -low
    needed = inf if difference == 0 else 1 / abs(difference)
    benefit = (1 / high, 1 / low if low > 0 else inf) if high > 0 else (nan, nan)
    harm = (-1 / low, -1 / high if high < 0 else inf) if low < 0 else (nan, nan)
    towards = "benefit" if difference > 0 else "harm" if difference < 0 else ""
    pieces = []
    if benefit[0] == benefit[0]:
        pieces.append(f"benefit {_shown(benefit[0])} to {_shown(benefit[1])}")
    if harm[0] == harm[0]:
        pieces.append(f"harm {_shown(harm[0])} to {_shown(harm[1])}")
    text = f"{_shown(needed)} ({towards})" if towards else "∞"
    return {
        "number_needed": needed,
        "towards": towards,
        "benefit_low": benefit[0],
        "benefit_high": benefit[1],
        "harm_low": harm[0],
        "harm_high": harm[1],
        "text": f"{text}, {confidence(alpha)} CI {' and '.join(pieces) or 'not estimable'}",
    }


def _shown(value: float) -> str:
    return f"{value:.1f}" if isfinite(value) else "∞"


def probability_contrasts(
    means: MarginalProbabilities,
    method: str | Weights,
    measure: str,
    reference: Any,
    reverse: bool,
    adjust: str,
    alpha: float,
) -> ProbabilityContrasts:
    """Compare standardised means; see `MarginalProbabilities.contrast`."""
    bounded = means.bounds[1] is not None
    _check(means, measure, bounded, alpha)
    adjusted = check_adjustment(adjust, "two-sided")
    value, slope = _scaled(means, measure)
    columns, points = len(means.columns), len(means.grid)
    covariance = means.covariance * np.outer(slope, slope)
    tables, sizes = [], []
    for key, places in groups_of(means.grid, means.by) if points else []:
        levels = [_level(means, at) for at in places]
        names, weights = contrast_matrix(method, levels, reference, reverse, None)
        _check_ratio(names, weights, measure)
        for column in range(columns):
            at = np.array(places) * columns + column
            block = covariance[np.ix_(at, at)]
            table = _family(names, weights, value[at], block, means.df, alpha)
            if adjusted != "none":
                table, _ = adjust_family(
                    Family(table, tuple(names), weights, _correlation(weights, block)),
                    adjust,
                    alpha,
                    "two-sided",
                )
            sizes.append(int(table["statistic"].notna().sum()))
            quotients = measure != "difference" and not isinstance(method, Mapping)
            shown = pd.DataFrame({"contrast": _quotients(names, weights, levels) if quotients else names})
            for name, level in zip(means.by, key, strict=True):
                shown[name] = level
            if means.named is not None:
                shown[means.named] = pd.Categorical(
                    [means.columns[column]] * len(names), list(means.columns), ordered=True
                )
            tables.append(pd.concat([shown, table], axis=1))
    whole = pd.concat(tables, ignore_index=True)
    if measure != "difference":
        ratio = np.exp(whole["estimate"])
        whole = whole.assign(
            estimate=ratio,
            std_error=ratio * whole["std_error"],
            conf_low=np.exp(whole["conf_low"]),
            conf_high=np.exp(whole["conf_high"]),
        )
    families = (*means.by, *(() if means.named is None else (means.named,)))
    said = describe(adjusted, sizes, families, False, confidence(alpha))
    return ProbabilityContrasts(whole, measure, means.of, alpha, f"{said}.", bounded)


def _check(means: MarginalProbabilities, measure: str, bounded: bool, alpha: float) -> None:
    if measure not in MEASURES:
        raise ModelError("unknown measure of a comparison", expected=", ".join(MEASURES), got=repr(measure))
    if not 0 < alpha < 1:
        raise ModelError(
            "alpha is one minus the confidence level", expected="a number between 0 and 1", got=alpha
        )
    if (measure == "odds ratio" and not bounded) or (measure != "difference" and means.of == "mean grade"):
        raise ModelError(
            f"a {means.of} has no {measure}",
            expected="difference" if means.of == "mean grade" else "difference or ratio",
            got=repr(measure),
        )


def _check_ratio(names: tuple[str, ...], weights: Array, measure: str) -> None:
    if measure == "difference":
        return
    for name, row in zip(names, weights, strict=True):
        if abs(row.sum()) > 1e-8:
            raise ModelError(
                f"the weights of a {measure} must add up to zero",
                expected="as much above the line as below it",
                got=f"{row.sum():g}",
                where=name,
            )


def _level(means: MarginalProbabilities, at: int) -> Any:
    values = tuple(means.grid[name].iloc[at] for name in means.specs)
    return values[0] if len(values) == 1 else values


def _scaled(means: MarginalProbabilities, measure: str) -> tuple[Array, Array]:
    """Means on the scale that they are compared on, and its slope; NaN at the ends of a scale."""
    value = means.means.value.reshape(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure == "difference":
            return value, np.ones_like(value)
        if measure == "ratio":
            return np.log(value), 1 / value
        return np.log(value / (1 - value)), 1 / (value * (1 - value))


def _family(
    names: tuple[str, ...], weights: Array, value: Array, covariance: Array, df: float, alpha: float
) -> pd.DataFrame:
    estimates, errors = np.full(len(names), nan), np.full(len(names), nan)
    for row, own in enumerate(weights):
        at = np.flatnonzero(
            own
        )  # a level without an estimate spoils the contrasts that it is in, and no others
        estimates[row] = own[at] @ value[at]
        errors[row] = np.sqrt(max(float(own[at] @ covariance[np.ix_(at, at)] @ own[at]), 0.0))
    return t_table(estimates, errors, np.full(len(names), df), alpha)


def _correlation(weights: Array, covariance: Array) -> Any:
    def of(places: NDArray[np.intp]) -> Array:
        own = weights[places]
        used = np.flatnonzero((own != 0).any(axis=0))
        spread = own[:, used] @ covariance[np.ix_(used, used)] @ own[:, used].T
        size = np.sqrt(np.diag(spread))
        found: Array = spread / np.outer(size, size)
        return found

    return of


def _quotients(names: tuple[str, ...], weights: Array, levels: list[Any]) -> list[str]:
    """Names of contrasts that are ratios: where two levels are compared, the one over the other."""
    found = []
    for name, row in zip(names, weights, strict=True):
        above, below = np.flatnonzero(row == 1), np.flatnonzero(row == -1)
        simple = len(above) == len(below) == 1 and np.count_nonzero(row) == 2
        pair = [label(levels[int(at[0])]) for at in (above, below)] if simple else []
        pair = [f"({one})" if any(sign in one for sign in (" + ", " - ", " / ")) else one for one in pair]
        found.append(" / ".join(pair) if simple else name)
    return found
