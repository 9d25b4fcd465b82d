"""What fits of grades, responders, counts and fractions share: estimates, tests, variances, conditional modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import ArrayLike, NDArray

from analyses.anova import term_hypotheses
from analyses.design.encoding import encode
from analyses.design.model_frame import ModelFrame
from analyses.engine.clustered_rows import RandomPart
from analyses.engine.optimise import Convergence
from analyses.inference import f_table, t_table
from analyses.links.integrand import factor
from analyses.links.link_estimation import check_spread
from analyses.links.marginal_likelihood import Solution, at_optimum, log_likelihood, scores
from outcomes.errors import ModelError

__all__ = ["EstimableColumns", "LinkFit"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EstimableColumns:
    """Positions of the design's columns, shape (columns,), under the name that `marginal_means` reads."""

    kept: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class LinkFit:
    """A model fitted on a link scale by maximum (marginal) likelihood.

    Attributes
    ----------
    frame
        The rows used, their design and its encoding.
    kept
        Positions of the design's columns that have an effect of their own.
    solution
        Estimates of all parameters, their exact observed information, and how the search ended.
    random
        Random terms; None where rows are independent.
    link
        Name of the link.
    remarks
        What a reader must know of the data, in sentences; see `notes`.
    """

    frame: ModelFrame
    kept: NDArray[np.intp]
    solution: Solution
    random: RandomPart | None
    link: str
    remarks: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the data and the fit, in sentences."""
        return (*self.remarks, *check_spread(self.solution, self.random))

    @property
    def formula(self) -> str:
        """The formula as written."""
        return self.frame.formula.text

    @property
    def convergence(self) -> Convergence:
        """How the search ended, with a sentence."""
        return self.solution.convergence

    @property
    def converged(self) -> bool:
        """Whether the optimum was reached."""
        return self.convergence.converged

    @property
    def loglik(self) -> float:
        """(Marginal) log-likelihood with all constants, as `quadrature` approximates it."""
        return self.solution.loglik

    @property
    def quadrature(self) -> int:
        """Quadrature nodes used: 1 is Laplace's approximation."""
        return self.solution.model.quadrature

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return len(self.frame.y)

    @property
    def n_dropped(self) -> int:
        """Rows left out because a model variable was missing."""
        return self.frame.n_dropped

    @property
    def n_subjects(self) -> int:
        """Clusters: units of the coarsest grouping; rows where there are no random effects."""
        return self.n_obs if self.random is None else int(self.random.cluster.max()) + 1

    @property
    def psi(self) -> Array:
        """Fixed parameters (a dispersion among them), shape (n_fixed,)."""
        return self.solution.fixed

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        raise NotImplementedError

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Names of all fixed parameters: the coefficients, then a dispersion where the family has one."""
        return self.term_names

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of all parameters of `joint_vcov`: fixed ones, then the covariance's.

        A random effect alone has the log of its standard deviation; correlated ones have the entries of the lower
        Cholesky factor of their covariance matrix.
        """
        found = list(self.fixed_names)
        terms = self.frame.formula.random
        for term, row, column in self.solution.model.rows.entries:
            label = self.frame.random_labels[term]
            if self._is_log_sd(term):
                found.append(f"log sd {label[row]} | {':'.join(terms[term].subject)}")
            else:
                found.append(f"factor {label[row]}, {label[column]} | {':'.join(terms[term].subject)}")
        return tuple(found)

    @property
    def parameters(self) -> Array:
        """Estimates of `parameter_names`, shape (q,); minus infinity is the log of a zero standard deviation."""
        values = self.solution.parameters.copy()
        with np.errstate(divide="ignore"):
            for at, (term, _, _) in enumerate(self.solution.model.rows.entries):
                place = self.solution.model.n_fixed + at
                values[place] = np.log(values[place]) if self._is_log_sd(term) else values[place]
        return values

    def _is_log_sd(self, term: int) -> bool:
        assert self.random is not None  # only called for its terms
        return self.random.z[term].shape[1] == 1 or not self.random.correlated[term]

    @property
    def joint_vcov(self) -> pd.DataFrame:
        """Covariance of all parameters together: the inverse of the exact observed information.

        Rows and columns of a standard deviation at zero are NaN: it has no standard error.
        """
        inverse = self.solution.inverse
        slope = np.ones(len(inverse))
        for at, (term, _, _) in enumerate(self.solution.model.rows.entries):
            place = self.solution.model.n_fixed + at
            value = self.solution.parameters[place]
            # the optimum's gradient is zero, so the information of log(sd) is that of sd times sd squared
            slope[place] = 1 / value if self._is_log_sd(term) and value != 0 else 1.0
        names = list(self.parameter_names)
        return pd.DataFrame(inverse * np.outer(slope, slope), index=names, columns=names)

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance of the coefficients, the variances' uncertainty included, terms x terms."""
        n = len(self.term_names)
        matrix = self.solution.inverse[:n, :n]
        return pd.DataFrame(matrix, index=list(self.term_names), columns=list(self.term_names))

    @property
    def aic(self) -> float:
        """Akaike's criterion; all parameters count."""
        return -2 * self.loglik + 2 * len(self.solution.parameters)

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the number of rows as sample size, as lme4 and ordinal."""
        return float(-2 * self.loglik + np.log(self.n_obs) * len(self.solution.parameters))

    @property
    def coefficients(self) -> pd.DataFrame:
        """Coefficients: ``term`` and the columns of `analyses.inference.COLUMNS`; df is infinite."""
        table = self.linear(np.eye(len(self.term_names)))
        table.insert(0, "term", self.term_names)
        return table

    def linear(self, rows: ArrayLike, alpha: float = 0.05, null: float = 0.0) -> pd.DataFrame:
        """Normal (Wald) tests of linear functions of the coefficients, a row each, shape (k, terms)."""
        given = np.atleast_2d(np.asarray(rows, dtype=float))
        variance = np.einsum("kp,pq,kq->k", given, self.vcov.to_numpy(), given)
        infinite = np.full(len(given), np.inf)
        values = given @ self.psi[: given.shape[1]]
        return t_table(values, np.sqrt(np.maximum(variance, 0)), infinite, alpha, null)

    def test(self, hypothesis: ArrayLike, rhs: ArrayLike = 0.0) -> pd.DataFrame:
        """Wald test of ``L beta = rhs``.

        Parameters
        ----------
        hypothesis
            L, shape (terms,) or (k, terms), over ``term_names``.
        rhs
            Number, or shape (k,).

        Returns
        -------
        DataFrame
            One row: for a vector the columns of ``coefficients`` without the term; for a matrix
            ``num_df, den_df, statistic, p_value`` with an infinite ``den_df``, where the statistic times ``num_df`` is
            the chi-square.

        Raises
        ------
        ModelError
            Where L has not one column a coefficient, or its rows depend on one another.
        """
        rows = np.asarray(hypothesis, dtype=float)
        names = self.term_names
        if rows.ndim not in (1, 2) or rows.shape[-1] != len(names):
            raise ModelError(
                "a hypothesis needs one number a parameter",
                expected=f"{len(names)} numbers: {', '.join(names)}",
                got=f"shape {rows.shape}",
            )
        if rows.ndim == 1:
            return self.linear(rows, null=float(np.asarray(rhs)))
        rank = int(np.linalg.matrix_rank(rows))
        if rank < len(rows):
            raise ModelError(
                "the rows of a hypothesis depend on one another",
                expected=f"rank {len(rows)}",
                got=f"rank {rank}",
            )
        difference = rows @ self.psi[: len(names)] - np.asarray(rhs, dtype=float)
        spread = rows @ self.vcov.to_numpy() @ rows.T
        statistic = float(difference @ np.linalg.solve(spread, difference)) / rank
        return f_table([statistic], [rank], [np.inf])

    def likelihood_ratio_test(self, smaller: LinkFit) -> pd.DataFrame:
        """Likelihood-ratio test of this model against a smaller one within it.

        Parameters
        ----------
        smaller
            A fit of the same rows and response with fewer parameters, by the same quadrature.

        Returns
        -------
        DataFrame
            One row: ``df, statistic, p_value``. Where the smaller model has fewer random effects its value lies on the
            boundary, and the p-value is too large (half of it for one variance; Self and Liang 1987).

        Raises
        ------
        ModelError
            Where the fits cannot be compared.
        """
        same = len(self.frame.y) == len(smaller.frame.y) and np.array_equal(self.frame.y, smaller.frame.y)
        df = len(self.solution.parameters) - len(smaller.solution.parameters)
        mixed = self.random is not None and smaller.random is not None
        if not same or df < 1 or not (self.converged and smaller.converged):
            raise ModelError(
                "these fits cannot be compared by a likelihood ratio",
                expected="two converged fits of the same rows, the second with fewer parameters",
                got=f"{self.formula!r} ({self.n_obs} rows) and {smaller.formula!r} ({smaller.n_obs} rows)",
            )
        if self.link != smaller.link or (mixed and self.quadrature != smaller.quadrature):
            raise ModelError(
                "these fits approximate different likelihoods",
                expected="one link and one number of quadrature nodes",
                got=f"{self.link}, {self.quadrature} nodes and {smaller.link}, {smaller.quadrature} nodes",
            )
        statistic = max(0.0, 2 * (self.loglik - smaller.loglik))
        return pd.DataFrame(
            {"df": [df], "statistic": [statistic], "p_value": [float(scipy.stats.chi2.sf(statistic, df))]}
        )

    def term_rows(self, columns: Array) -> Array:
        """Functions of the coefficients, (k, terms), for functions of the kept columns, (k, columns of `standard`)."""
        return columns

    @property
    def standard(self) -> EstimableColumns:
        """The columns that marginal means are made of."""
        return EstimableColumns(self.kept)

    def estimates(self, rows: ArrayLike, alpha: float = 0.05, null: float = 0.0) -> pd.DataFrame:
        """Normal tests of linear functions of the design's columns ``standard.kept``, a row each."""
        return self.linear(self.term_rows(np.atleast_2d(np.asarray(rows, dtype=float))), alpha, null)

    def anova(self, type: int = 3) -> pd.DataFrame:
        """Wald chi-square tests of the terms: ``term, df, statistic, p_value``.

        Parameters
        ----------
        type
            1, 2 or 3; see `analyses.anova`. Types 1 and 2 take the design's rows as equally informative.
        """
        kept = self.standard.kept
        rows = []
        for term, hypothesis in term_hypotheses(self.frame, kept, type).items():
            tested = self.test(self.term_rows(np.atleast_2d(hypothesis))).iloc[0]
            chisq = float(tested["statistic"] * tested["num_df"])
            df = int(tested["num_df"])
            rows.append(
                {"term": term, "df": df, "statistic": chisq, "p_value": float(scipy.stats.chi2.sf(chisq, df))}
            )
        return pd.DataFrame(rows, columns=["term", "df", "statistic", "p_value"])

    @property
    def aliased(self) -> tuple[str, ...]:
        """Columns dropped because they depend on those before them."""
        kept = set(self.standard.kept.tolist())
        return tuple(name for at, name in enumerate(self.frame.columns) if at not in kept)

    def estimable(self, rows: Array) -> NDArray[np.bool_]:
        """Whether functions of all columns (aliased ones included) are estimable, for rows (k, columns)."""
        if not self.aliased:
            return np.ones(len(rows), dtype=bool)
        x = self.frame.x
        size = np.sqrt((x**2).mean(axis=0))
        size = np.where(size > 0, size, 1.0)  # a combination of levels that never occurs
        _, _, basis = np.linalg.svd(x / size, full_matrices=True)
        outside = np.abs((rows / size) @ basis[len(self.standard.kept) :].T).max(axis=1)
        found: NDArray[np.bool_] = outside <= 1e-8 * np.maximum(np.linalg.norm(rows / size, axis=1), 1e-300)
        return found

    def design_rows(self, new_data: pd.DataFrame) -> Array:
        """Rows of the full design (aliased columns included) for new data, by the encoding remembered."""
        return encode(self.frame, new_data)

    @property
    def component_matrices(self) -> tuple[Array, ...]:
        """Covariance matrix of the random effects of every term, on the link scale."""
        if self.random is None:
            return ()
        return tuple(lower @ lower.T for lower in self.random.factors(self.solution.covariance))

    @property
    def variance_components(self) -> pd.DataFrame:
        """Random effects on the link scale: ``group, term, variance, sd, correlation, log_sd_std_error``.

        The correlation is with the term's first effect; the standard error is that of the log of the standard
        deviation, NaN at zero.
        """
        rows: list[dict[str, Any]] = []
        for at, matrix in enumerate(self.component_matrices):
            spread = np.sqrt(np.diag(matrix))
            for effect, label in enumerate(self.frame.random_labels[at]):
                product = spread[0] * spread[effect]
                correlation = matrix[0, effect] / product if effect and product > 0 else np.nan
                rows.append(
                    {
                        "group": ":".join(self.frame.formula.random[at].subject),
                        "term": label,
                        "variance": matrix[effect, effect],
                        "sd": spread[effect],
                        "correlation": correlation,
                        "log_sd_std_error": self._log_sd_error(at, effect, matrix[effect, effect]),
                    }
                )
        return pd.DataFrame(
            rows, columns=["group", "term", "variance", "sd", "correlation", "log_sd_std_error"]
        )

    def _log_sd_error(self, term: int, effect: int, variance: float) -> float:
        n, entries = self.solution.model.n_fixed, self.solution.model.rows.entries
        at = [n + k for k, (t, row, _) in enumerate(entries) if (t, row) == (term, effect)]
        if not variance > 0:
            return float("nan")
        slope = self.solution.parameters[at] / variance  # of log sqrt(sum of squares of the factor's row)
        inverse = self.solution.inverse[np.ix_(at, at)]
        free = self.solution.free[at]
        return float(np.sqrt(slope[free] @ inverse[np.ix_(free, free)] @ slope[free]))

    @property
    def random_effects(self) -> pd.DataFrame:
        """Conditional modes with their standard errors: ``group, unit, term, estimate, std_error``.

        The standard errors hold the parameters at their estimates (as lme4's and ordinal's conditional variances).
        """
        tables: list[pd.DataFrame] = []
        if self.random is None:
            return pd.DataFrame(columns=["group", "unit", "term", "estimate", "std_error"])
        rows = self.solution.model.rows
        per_block = []
        for block, at in zip(rows.blocks, at_optimum(self.solution), strict=True):
            lower = factor(block, self.solution.covariance)
            spread = np.einsum("ab,cbd,ad->ca", lower, at.inverse, lower)
            per_block.append((at.mode @ lower.T, np.sqrt(np.maximum(spread, 0.0))))
        for term, labels in enumerate(self.frame.random_labels):
            subject = self.frame.formula.random[term].subject
            unit = self.random.unit[term]
            _, first = np.unique(unit, return_index=True)
            names = self.frame.data[list(subject)].iloc[first].astype(str).agg(":".join, axis=1).to_numpy()
            modes, errors = np.empty((len(first), len(labels))), np.empty((len(first), len(labels)))
            for number, (value, error) in enumerate(per_block):
                mine = np.flatnonzero(rows.block[self.random.cluster[first]] == number)
                position = rows.position[self.random.cluster[first[mine]]]
                start = rows.blocks[number].slots[term] + self.random.slot[term][mine] * len(labels)
                for effect in range(len(labels)):
                    modes[mine, effect] = value[position, start + effect]
                    errors[mine, effect] = error[position, start + effect]
            tables.append(
                pd.DataFrame(
                    {
                        "group": ":".join(subject),
                        "unit": np.repeat(names, len(labels)),
                        "term": np.tile(labels, len(first)),
                        "estimate": modes.reshape(-1),
                        "std_error": errors.reshape(-1),
                    }
                )
            )
        return pd.concat(tables, ignore_index=True)

    def random_spread(self, new_data: pd.DataFrame | None = None) -> tuple[Array, Array]:
        """Variance of the random part of the linear predictor, for averages over patients.

        Parameters
        ----------
        new_data
            One row each, with the variables of the random effects' columns; None for the rows used.

        Returns
        -------
        array, array
            Variance, shape (n,), and its gradient by the covariance's entries (`solution.covariance`), shape
            (n, entries).
        """
        entries = self.solution.model.rows.entries
        size = self.n_obs if new_data is None else len(new_data)
        variance, gradient = np.zeros(size), np.zeros((size, len(entries)))
        if self.random is None:
            return variance, gradient
        lowers = self.random.factors(self.solution.covariance)
        for term, lower in enumerate(lowers):
            z = self.random.z[term] if new_data is None else self.random_columns(term, new_data)
            along = z @ lower
            variance += (along**2).sum(axis=1)
            for at, (t, row, column) in enumerate(entries):
                if t == term:
                    gradient[:, at] = 2 * along[:, column] * z[:, row]
        return variance, gradient

    def random_columns(self, term: int, new_data: pd.DataFrame) -> Array:
        """Return the columns of a random term's effects for new data, shape (n, effects)."""
        from formulaic import Formula

        design = Formula(self.frame.formula.random[term].design)
        spec = design.get_model_matrix(self.frame.data, na_action="raise").model_spec
        matrix: Array = spec.get_model_matrix(new_data, na_action="raise").to_numpy(dtype=float)
        return matrix

    @property
    def cluster_scores(self) -> Array:
        """Gradient of each cluster's log-likelihood by all parameters of `solution.parameters`, (clusters, q).

        Clusters are in the order of their first rows; rows where there are no random effects.
        """
        found = scores(self.solution)
        return found * self.frame.weights[:, None] if self.random is None else found

    def log_likelihood(self, parameters: ArrayLike) -> float:
        """Log-likelihood at other values of `solution.parameters`."""
        return log_likelihood(self.solution.model, np.asarray(parameters, dtype=float), self.solution.modes)

    def _text(self, title: str) -> str:
        counts = f"{self.n_obs} rows"
        if self.random is not None:
            counts += f" of {self.n_subjects} clusters"
        counts += f", {self.n_dropped} left out for missing values" if self.n_dropped else ""
        numbers = f"log-likelihood {self.loglik:.4f}, AIC {self.aic:.2f}, BIC {self.bic:.2f}"
        lines = [title, counts, numbers, self.convergence.sentence, *self.notes]
        lines += [f"dropped as aliased: {', '.join(self.aliased)}"] if self.aliased else []
        lines.append(self.coefficients.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
        if self.random is not None:
            table = self.variance_components
            lines.append(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
        return "\n".join(lines)
