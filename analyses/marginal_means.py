"""Marginal means: a grid over the factors, averaged to estimable linear functions of the coefficients.

Searle, Speed and Milliken (1980); Lenth (2016). Numeric covariates stand at their mean over the rows used. A mean or
contrast that depends on coefficients which the data cannot tell apart is answered by NaN: not estimable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.contrasts import FamilyOptions, Weights, contrast_matrix, interaction_matrix, label
from analyses.means.adjustment import SINGLE_STEP, Family, adjust_family, check_adjustment, describe
from analyses.means.back_transform import back_transformed
from analyses.means.contrast_table import ContrastTable, confidence, groups_of, number
from analyses.means.graphical import GraphicalProcedure
from analyses.means.linear_functions import FittedModel, correlation, estimate_rows, joint_test, reasons
from analyses.means.reference_grid import WEIGHTS, GridWeights, ReferenceGrid, reference_grid
from outcomes.errors import ConvergenceError, ModelError

__all__ = ["WEIGHTS", "ContrastTable", "MarginalMeans", "estimate_rows", "marginal_means"]

Array = NDArray[np.float64]
Interaction = str | Sequence[str | Weights] | Mapping[str, str | Weights]


@dataclass(frozen=True, slots=True, eq=False)
class MarginalMeans:
    """Marginal means of a fit.

    Attributes
    ----------
    fit
        The model.
    grid
        One row a mean: its factors, the ``by`` factors last.
    rows
        The linear functions over all design columns, shape (means, columns).
    specs, by
        Names of the factors.
    weights
        How the other factors were averaged: ``equal``, ``proportional`` or ``given``.
    averaged
        Names of the factors averaged over.
    at
        Where numeric covariates were held, and what the caller held.
    shares
        Share of each level of the factors averaged over.
    held
        Variables that take one value in the grid: the value, and whether it is the mean over the rows used.
    shares_vary
        Whether shares differ between the means, since levels are averaged within those they are nested in; ``shares``
        then holds their mean.
    """

    fit: FittedModel
    grid: pd.DataFrame
    rows: Array
    specs: tuple[str, ...]
    by: tuple[str, ...]
    weights: str
    averaged: tuple[str, ...]
    at: Mapping[str, Any]
    shares: Mapping[str, Mapping[Any, float]]
    held: Mapping[str, tuple[Any, bool]]
    shares_vary: bool = False

    @property
    def table(self) -> pd.DataFrame:
        """The factors, then ``estimate, std_error, df, statistic, p_value, conf_low, conf_high``."""
        return self.interval(0.05)

    def interval(self, alpha: float) -> pd.DataFrame:
        """`table` with intervals at another level: 1 - ``alpha``."""
        return pd.concat([self.grid, estimate_rows(self.fit, self.rows, _checked_alpha(alpha))], axis=1)

    def back_transformed(self, alpha: float = 0.05) -> pd.DataFrame:
        """Geometric means, for a model of ``log(y)``; see `analyses.means.back_transform`."""
        return back_transformed(self.fit.formula, self.interval(alpha))

    @property
    def not_estimable(self) -> tuple[str, ...]:
        """A sentence for each mean that is not estimable."""
        bad = np.flatnonzero(~self.fit.estimable(self.rows))
        named = [label(tuple(self.grid.iloc[at])) for at in bad]
        return _sentences(named, reasons(self.fit, self.rows[bad]))

    def contrast(
        self,
        method: str | Weights = "pairwise",
        adjust: str | GraphicalProcedure = "none",
        alpha: float = 0.05,
        *,
        interaction: Interaction | None = None,
        reference: Any = None,
        reverse: bool = False,
        spacing: str | Sequence[float] | None = None,
        across_by: bool = False,
        alternative: str = "two-sided",
        null: float = 0.0,
    ) -> ContrastTable:
        """Contrasts of the means within each level of the ``by`` factors.

        Parameters
        ----------
        method
            ``pairwise`` (each level minus each later one), ``trt.vs.ctrl`` (each minus the reference), ``consec``
            (each minus the one before), ``poly``, ``eff``, ``del.eff``, or ``{"name": {level: weight}}``; levels of
            several factors are tuples. See `analyses.contrasts.contrast_matrix`.
        adjust
            ``none``; single-step ``bonferroni``, ``sidak``, ``tukey`` (of all pairwise differences), ``dunnett`` (of
            differences from one control), ``mvt`` (multivariate t with the contrasts' own correlation, for any
            contrasts), ``scheffe``, whose intervals are simultaneous; stepwise ``holm``, ``hochberg``,
            ``fixed-sequence`` (in the order of the table) or a `GraphicalProcedure` (by the contrasts' names where
            its hypotheses are named), whose intervals stay those of each contrast by itself. Contrasts that are not
            estimable do not count in the family; in the last two they are not rejected and pass nothing on.
        alpha
            One minus the confidence level.
        interaction
            In place of ``method``: a family for all of the factors, a list of one each, or ``{factor: family}``. Their
            products are the interaction contrasts.
        reference
            Level that ``trt.vs.ctrl`` compares with; the first where None.
        reverse
            Turn the differences round.
        spacing
            Positions of the levels for ``poly``; equal where None.
        across_by
            Adjust over all ``by`` groups as one family, not within each.
        alternative
            ``two-sided``, ``greater`` or ``less`` than ``null``.
        null
            Value that contrasts are tested against, such as minus a margin of non-inferiority.

        Raises
        ------
        ModelError
            Where a family, level, option or adjustment is unknown or does not suit the contrasts.
        """
        adjusted_by = check_adjustment(adjust, alternative)
        alpha = _checked_alpha(alpha)
        if not isinstance(null, (int, float, np.number)) or not np.isfinite(null):
            raise ModelError("the null value is no number", expected="a finite number", got=repr(null))
        options = FamilyOptions(reference, reverse, spacing)
        found, of_groups = [], []
        for key, places in groups_of(self.grid, self.by):
            names, weights = self._matrix(method, interaction, places, options)
            over_means = np.zeros((len(names), len(self.grid)))
            over_means[:, places] = weights
            by = {name: [value] * len(names) for name, value in zip(self.by, key, strict=True)}
            found.append((names, over_means, pd.DataFrame({"contrast": names, **by})))
            of_groups.append(weights)
        over_means = np.concatenate([weights for _, weights, _ in found])
        rows = _without_rounding(over_means, self.rows)
        tests = estimate_rows(self.fit, rows, alpha, null)
        ends = np.cumsum([0, *(len(names) for names, _, _ in found)]).tolist()
        families = [(0, ends[-1])] if across_by else list(pairwise(ends))
        tables, sizes, errors = [], [], [0.0]
        named = pd.concat([frame for _, _, frame in found], ignore_index=True)
        weights_of = [over_means] if across_by else of_groups
        for (low, high), weights in zip(families, weights_of, strict=True):
            family = self._family(
                tests.iloc[low:high], named.iloc[low:high], weights, rows[low:high], across_by
            )
            sizes.append(int(family.table["statistic"].notna().sum()))
            if adjusted_by == "none" and alternative == "two-sided":
                tables.append(family.table)
                continue
            table, error = adjust_family(family, adjust, alpha, alternative)
            tables.append(table)
            errors.append(error)
        table = pd.concat([named, pd.concat(tables, ignore_index=True)], axis=1)
        return ContrastTable(
            table,
            rows,
            adjusted_by,
            alpha,
            alternative,
            float(null),
            self.by,
            adjusted_by in SINGLE_STEP,
            describe(adjusted_by, sizes, self.by, across_by, confidence(alpha)),
            max(errors),
            self._not_estimable(table, rows),
            self.fit,
        )

    def _matrix(
        self,
        method: str | Weights,
        interaction: Interaction | None,
        places: list[int],
        options: FamilyOptions,
    ) -> tuple[tuple[str, ...], Array]:
        if interaction is None:
            levels = [self._level(at) for at in places]
            return contrast_matrix(method, levels, options.reference, options.reverse, options.spacing)
        if method != "pairwise":
            raise ModelError(
                "contrasts are given twice",
                expected="a method or an interaction",
                got="both",
                where=repr(method),
            )
        levels = [list(dict.fromkeys(self.grid[name].iloc[places].tolist())) for name in self.specs]
        return interaction_matrix(self._families(interaction), levels, options)

    def _families(self, interaction: Interaction) -> list[str | Weights]:
        if isinstance(interaction, str):
            return [interaction] * len(self.specs)
        if isinstance(interaction, Mapping):
            given = {name: interaction[name] for name in self.specs if name in interaction}
            families = list(given.values()) if set(interaction) == set(self.specs) else []
        else:
            families = list(interaction)
        if len(families) != len(self.specs) or not families:
            raise ModelError(
                "interaction contrasts need a family for each factor of the means",
                expected=f"families of {', '.join(self.specs) or 'no factor'}",
                got=repr(interaction),
            )
        return families

    def _family(
        self, tests: pd.DataFrame, named: pd.DataFrame, weights: Array, rows: Array, across_by: bool
    ) -> Family:
        table = tests.reset_index(drop=True)
        names = tuple(named["contrast"])
        if across_by and self.by:
            keys = named[list(self.by)].itertuples(index=False, name=None)
            names = tuple(label((name, *key)) for name, key in zip(names, keys, strict=True))

        def correlated(places: NDArray[np.intp]) -> Array:
            return correlation(self.fit, rows[places], table["std_error"].to_numpy(dtype=float)[places])

        return Family(table, names, weights, correlated)

    def _not_estimable(self, table: pd.DataFrame, rows: Array) -> tuple[str, ...]:
        bad = np.flatnonzero(table["estimate"].isna().to_numpy())
        zero = np.flatnonzero(~rows.any(axis=1))
        if not len(bad) and not len(zero):
            return ()
        named = [
            label(tuple(row)) for row in table[["contrast", *self.by]].itertuples(index=False, name=None)
        ]
        nothing = (f"Not tested: {named[at]} is zero in this model, whatever the data." for at in zero)
        return (*_sentences([named[at] for at in bad], reasons(self.fit, rows[bad])), *nothing)

    def joint_test(self) -> pd.DataFrame:
        """F test that the means are equal within each level of the ``by`` factors; see `ContrastTable.joint_test`."""
        return self.contrast("consec").joint_test()

    def joint_tests(self) -> pd.DataFrame:
        """F tests of the factors of the means and of their interactions, within each level of the ``by`` factors.

        A factor's test is that its means, averaged equally over the other factors named, are equal; an interaction's
        that its interaction contrasts are zero (emmeans' ``joint_tests``).

        Returns
        -------
        DataFrame
            ``term``, the ``by`` columns, ``num_df, den_df, statistic, p_value, note``.
        """
        found = []
        for size in range(1, len(self.specs) + 1):
            for term in combinations(self.specs, size):
                for key, places in groups_of(self.grid, self.by):
                    matrix: Array = np.ones((1, 1))
                    for name in self.specs:
                        count = self.grid[name].iloc[places].nunique()
                        part = (
                            np.diff(np.eye(count), axis=0) if name in term else np.full((1, count), 1 / count)
                        )
                        matrix = np.asarray(np.kron(matrix, part), dtype=float)
                    tested = joint_test(self.fit, _without_rounding(matrix, self.rows[places]))
                    by = dict(zip(self.by, key, strict=True))
                    found.append({"term": ":".join(term), **by, **tested})
        return pd.DataFrame(found)

    def _level(self, at: int) -> Any:
        values = tuple(self.grid[name].iloc[at] for name in self.specs)
        return values[0] if len(values) == 1 else values

    @property
    def averaging(self) -> tuple[str, ...]:
        """Sentences: what was averaged over with which shares, and where the other variables were held."""
        said = []
        if self.averaged:
            how = {"equal": "equal weights", "proportional": "weights in proportion to the rows used"}
            each = [
                f"{name} ({', '.join(f'{level}: {share:.3g}' for level, share in shares.items())})"
                for name, shares in self.shares.items()
            ]
            said.append(
                f"Averaged over {', '.join(each)}, with {how.get(self.weights, 'the weights given')}."
            )
            if self.shares_vary:
                said.append("These are mean shares: each mean has only the levels that occur with it.")
        held = [
            f"{name} = {value:.6g}{' (mean of the rows used)' if mean else ''}"
            if isinstance(value, float)
            else f"{name} = {value}"
            for name, (value, mean) in self.held.items()
        ]
        if held:
            said.append(f"Held at {', '.join(held)}.")
        return tuple(said)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from analyses.display.html_views import means_html

        return means_html(self)

    def __str__(self) -> str:
        of = ", ".join(self.specs) or "the response"
        within = f" by {', '.join(self.by)}" if self.by else ""
        method = getattr(self.fit, "df_method", "")
        df = f"Degrees of freedom: {method}; " if method else ""
        return "\n".join(
            [
                f"Marginal means of {of}{within}: {self.fit.formula}",
                self.table.to_string(index=False, float_format=number),
                *self.averaging,
                f"{df}{confidence(0.05)} intervals, each mean by itself.",
                *self.not_estimable,
            ]
        )


def marginal_means(
    fit: FittedModel,
    specs: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    weights: GridWeights = "equal",
) -> MarginalMeans:
    """Marginal means of a fitted model.

    Parameters
    ----------
    fit
        The model.
    specs
        Factor, or factors, whose means are wanted; an empty list for the mean of all.
    by
        Factors within whose levels contrasts are formed.
    at
        Values at which variables are held: a number, a level, or a list of them. A variable of the means takes the
        values listed (a grid over a covariate); over those of another variable the means are averaged. Numeric
        covariates not named stand at their mean over the rows used.
    weights
        ``equal`` over the combinations of the other factors; ``proportional`` to their numbers of rows; or by
        factor, ``{"visit": {"Week 12": 0.5, "Week 24": 0.5}}``, where a factor may also have ``equal`` or
        ``proportional`` (to its own rows), levels not named have none, and factors not named are averaged equally.
        Numbers are relative: they are divided by their sum. Several values of a numeric covariate are averaged
        equally unless weights are given.

    Raises
    ------
    ModelError
        Where a name, level or weight is not of the model.
    ConvergenceError
        Where the fit did not converge.
    """
    if not fit.converged:
        raise ConvergenceError(
            "marginal means of a fit that did not converge are refused",
            got=fit.convergence.sentence,
            where=fit.formula,
        )
    wanted, within = _names(specs), _names(by)
    if at is not None and not isinstance(at, Mapping):
        raise ModelError("values to hold variables at need names", expected="{variable: value}", got=repr(at))
    held = dict(at or {})
    grid: ReferenceGrid = reference_grid(fit, wanted, within, held, weights)
    numbers = {name: value for name, (value, _) in grid.held.items() if isinstance(value, float)}
    return MarginalMeans(
        fit,
        grid.table,
        grid.rows,
        wanted,
        within,
        weights if isinstance(weights, str) else "given",
        grid.averaged,
        {**numbers, **held},
        grid.shares,
        grid.held,
        grid.shares_vary,
    )


def _names(given: str | Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    return tuple(given) if pd.api.types.is_list_like(given) else (given,)  # type: ignore[return-value]


def _without_rounding(weights: Array, rows: Array) -> Array:
    """``weights @ rows``, with zeros for what only rounding leaves: a curvature in a model that is linear."""
    found: Array = weights @ rows
    found[np.abs(found) <= 1e-12 * (np.abs(weights) @ np.abs(rows))] = 0.0
    return found


def _checked_alpha(alpha: float) -> float:
    if not isinstance(alpha, (int, float, np.number)) or not 0 < alpha < 1:
        raise ModelError(
            "alpha is one minus the confidence level", expected="a number between 0 and 1", got=alpha
        )
    return float(alpha)


def _sentences(named: list[str], why: list[str]) -> tuple[str, ...]:
    return tuple(f"Not estimable: {name} {reason}." for name, reason in zip(named, why, strict=True))
