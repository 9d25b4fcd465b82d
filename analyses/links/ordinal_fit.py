"""A fitted cumulative link model: its thresholds, grade probabilities and the test of its proportionality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.links.link_fit import EstimableColumns, LinkFit
from analyses.links.link_prediction import Means, averaged, check_random, with_limits
from analyses.links.thresholds import Thresholds
from outcomes.errors import ModelError, NotEstimableError

__all__ = ["OrdinalFit"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class OrdinalFit(LinkFit):
    """A fitted cumulative link model.

    Attributes
    ----------
    frame
        The rows used, their design and its encoding; the response is the grade's position among `labels`.
    kept
        Positions of the design's columns that have effects of their own (the intercept left out).
    grades
        Labels of the observed grades, lowest first.
    labels
        Labels of all grades that were declared.
    thresholds_of
        Structure of the thresholds.
    nominal
        Positions of the columns with an effect at every threshold; among `kept`.
    """

    grades: tuple[str, ...]
    labels: tuple[str, ...]
    thresholds_of: Thresholds
    nominal: NDArray[np.intp]

    @property
    def threshold(self) -> str:
        """Structure of the thresholds: ``flexible``, ``symmetric`` or ``equidistant``."""
        return self.thresholds_of.kind

    @property
    def thresholds(self) -> tuple[str, ...]:
        """Names of the thresholds: ``G0|G1`` lies between G0 and G1."""
        return tuple(f"{low}|{high}" for low, high in zip(self.grades[:-1], self.grades[1:], strict=True))

    @property
    def located(self) -> NDArray[np.intp]:
        """Positions of the columns with one effect over all thresholds."""
        return self.kept[~np.isin(self.kept, self.nominal)]

    @property
    def intercept(self) -> int:
        """Position of the intercept's column, which the thresholds stand for."""
        return self.frame.columns.index("Intercept")

    @property
    def standard(self) -> EstimableColumns:
        """The columns that marginal means are made of: the intercept's, then those with an effect."""
        return EstimableColumns(np.concatenate([[self.intercept], self.kept]).astype(np.intp))

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of all coefficients: thresholds, effects at each threshold, effects."""
        own = self.thresholds_of.names
        at_each = [f"{self.frame.columns[column]} at {name}" for column in self.nominal for name in own]
        return (*own, *at_each, *(self.frame.columns[at] for at in self.located))

    def threshold_rows(self, design: Array) -> Array:
        """Every threshold's distance from the linear predictor as a function of the fixed parameters.

        Parameters
        ----------
        design
            Rows of the full design, shape (n, columns), as `design_rows` gives them.

        Returns
        -------
        array
            Shape (n, thresholds, fixed parameters): ``P(Y <= k) = F(rows[:, k] @ psi)`` at random effects of zero.
        """
        structure = self.thresholds_of.matrix
        nominal = np.column_stack([np.ones(len(design)), -design[:, self.nominal]])
        blocks = np.einsum("nb,ka->nkba", nominal, structure).reshape(len(design), len(structure), -1)
        located = np.repeat(-design[:, None, self.located], len(structure), axis=1)
        return np.concatenate([blocks, located], axis=2)

    @property
    def threshold_table(self) -> pd.DataFrame:
        """Thresholds at a design of zeros: ``threshold`` and the columns of `analyses.inference.COLUMNS`."""
        rows = np.zeros((len(self.thresholds), len(self.term_names)))
        rows[:, : self.thresholds_of.matrix.shape[1]] = self.thresholds_of.matrix
        table = self.linear(rows)
        table.insert(0, "threshold", self.thresholds)
        return table

    def term_rows(self, columns: Array) -> Array:
        """Functions of the coefficients for functions of the design's columns (intercept, then `kept`).

        The intercept stands for minus the mean of the thresholds, so that a marginal mean is on the latent scale (as
        emmeans' ``mode = "latent"``) and contrasts are differences of the linear predictor; an effect at every
        threshold counts by its mean over them.
        """
        mean = self.thresholds_of.matrix.mean(axis=0)
        place = {int(column): at + 1 for at, column in enumerate(self.kept)}
        free = [columns[:, [place[int(column)]]] * mean for column in self.nominal]
        located = [columns[:, [place[int(column)]]] for column in self.located]
        return np.hstack([-columns[:, :1] * mean, *free, *located])

    def grade_means(self, new_data: pd.DataFrame | None = None, random: str = "zero") -> Means:
        """Probability of every grade, with its derivatives by all parameters.

        Parameters
        ----------
        new_data
            One row each; None for the rows used.
        random
            ``zero``: for a patient at the centre; ``average``: over patients.

        Returns
        -------
        Means
            Shapes (n, grades) and (n, grades, q).
        """
        check_random(random)
        design = self.frame.x if new_data is None else self.design_rows(new_data)
        self._must_be_estimable(design)
        rows = self.threshold_rows(design)
        distance = rows @ self.psi
        n, count, n_fixed = rows.shape
        variance, by_entry = self.random_spread(new_data) if random == "average" else (np.zeros(n), None)
        spread = np.repeat(variance, count)
        value, slope, bend = averaged(self.link, distance.reshape(-1), spread)
        jacobian = np.zeros((n, count, len(self.solution.parameters)))
        jacobian[..., :n_fixed] = slope.reshape(n, count, 1) * rows
        if by_entry is not None:
            jacobian[..., n_fixed:] = bend.reshape(n, count, 1) * by_entry[:, None, :]
        edges = np.zeros((n, count + 2))
        edges[:, 1:-1], edges[:, -1] = value.reshape(n, count), 1.0
        slopes = np.zeros((n, count + 2, jacobian.shape[2]))
        slopes[:, 1:-1] = jacobian
        return Means(np.diff(edges, axis=1), np.diff(slopes, axis=1))

    def probabilities(self, new_data: pd.DataFrame, random: str = "zero") -> pd.DataFrame:
        """Probability of every grade, a row a row of the new data, a column a grade.

        Parameters
        ----------
        new_data
            One row each.
        random
            ``zero``: for a patient whose random effects are zero; ``average``: over patients, which is what a trial's
            arms show.

        Raises
        ------
        ModelError
            Where a level was not in the data that the model was fitted to.
        """
        return pd.DataFrame(
            self.grade_means(new_data, random).value, index=new_data.index, columns=list(self.grades)
        )

    def predict(
        self,
        new_data: pd.DataFrame | None = None,
        kind: str = "link",
        random: str = "zero",
        alpha: float = 0.05,
    ) -> pd.DataFrame:
        """Predictions with ``estimate, std_error, df, conf_low, conf_high``.

        Parameters
        ----------
        new_data
            One row each; None for the rows used.
        kind
            ``link``: the linear predictor on the latent scale; ``probabilities``: of every grade, a row a row and
            grade, with the columns ``row`` and ``grade`` first.
        random
            For probabilities: ``zero`` or ``average``, as in `probabilities`.
        alpha
            One minus the confidence level.

        Raises
        ------
        ModelError
            For another kind, or a level that the model was not fitted to.
        NotEstimableError
            Where a row's prediction depends on an aliased coefficient.
        """
        index = self.frame.data.index if new_data is None else new_data.index
        if kind == "link":
            design = self.frame.x if new_data is None else self.design_rows(new_data)
            self._must_be_estimable(design)
            table = self.estimates(design[:, self.standard.kept], alpha)
            table.index = index
            return table[["estimate", "std_error", "df", "conf_low", "conf_high"]]
        if kind != "probabilities":
            raise ModelError("unknown kind of prediction", expected="link or probabilities", got=repr(kind))
        means = self.grade_means(new_data, random)
        n, count = means.value.shape
        flat = Means(means.value.reshape(-1, 1), means.jacobian.reshape(n * count, 1, -1))
        table = with_limits(flat, self.solution.inverse, pd.RangeIndex(n * count), alpha, (0.0, 1.0))
        table.insert(0, "row", np.repeat(index.to_numpy(), count))
        table.insert(1, "grade", pd.Categorical(np.tile(self.grades, n), list(self.grades), ordered=True))
        return table

    def _must_be_estimable(self, design: Array) -> None:
        bad = np.flatnonzero(~self.estimable(design))
        if len(bad):
            raise NotEstimableError(
                "a prediction is not estimable from these data",
                got=f"{len(bad)} rows, the first at position {bad[0]}",
                where=self.formula,
                hint=f"it depends on {', '.join(self.aliased)}",
            )

    def proportional_odds_test(self) -> pd.DataFrame:
        """Likelihood-ratio test of each term's proportionality; see `analyses.links.proportional_odds`."""
        from analyses.links.proportional_odds import proportional_odds_test

        return proportional_odds_test(self)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from analyses.display.html_views import ordinal_html

        return ordinal_html(self)

    def __str__(self) -> str:
        title = f"Cumulative {self.link} model: {self.formula}"
        return self._text(title + ("" if self.threshold == "flexible" else f" ({self.threshold} thresholds)"))
