"""A fitted generalised linear (mixed) model: responders, counts and fractions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from analyses.links.firth import FirthLimits
from analyses.links.integrand import predictors
from analyses.links.link_estimation import check_spread
from analyses.links.link_fit import LinkFit
from analyses.links.link_prediction import Means, averaged, check_random, with_limits
from analyses.links.marginal_likelihood import at_optimum
from analyses.links.response_likelihood import Binomial, Poisson
from outcomes.errors import ModelError, NotEstimableError

__all__ = ["DISPERSIONS", "GeneralizedFit"]

Array = NDArray[np.float64]
DISPERSIONS = {"negative-binomial": "theta", "beta": "phi"}
"""Name of the dispersion of the families that have one."""


@dataclass(frozen=True, slots=True, eq=False)
class GeneralizedFit(LinkFit):
    """A fitted generalised linear model, mixed where the formula has random effects.

    Attributes
    ----------
    frame
        The rows used, their design and its encoding; the response is as modelled (successes, counts, fractions).
    family
        ``binomial``, ``poisson``, ``negative-binomial`` or ``beta``.
    trials
        Trials of every row of a binomial model, shape (n,); ones elsewhere.
    offset
        Added to the linear predictor, shape (n,).
    poisson_limit
        Whether a negative binomial model ended at its boundary, the Poisson model (theta infinite).
    limits
        Penalised profile-likelihood limits and tests under Firth's penalty; else None.
    written
        The formula as written, offsets included.
    """

    family: str
    trials: Array
    offset: Array
    poisson_limit: bool
    limits: FirthLimits | None
    written: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the data and the fit, in sentences; of counts, whether they are overdispersed."""
        return (*self.remarks, *check_spread(self.solution, self.random), *_overdispersion(self))

    @property
    def formula(self) -> str:
        """The formula as written."""
        return self.written

    @property
    def penalty(self) -> str | None:
        """``firth``, or None."""
        return None if self.limits is None else "firth"

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return tuple(self.frame.columns[at] for at in self.kept)

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Coefficients, then the log of the dispersion where the family has one (and it is finite)."""
        own = DISPERSIONS.get(self.family)
        return self.term_names if own is None or self.poisson_limit else (*self.term_names, f"log {own}")

    @property
    def beta(self) -> Array:
        """Coefficients, shape (terms,)."""
        return self.psi[: len(self.kept)]

    @property
    def coefficients(self) -> pd.DataFrame:
        """Coefficients: ``term`` and the columns of `analyses.inference.COLUMNS`; df is infinite.

        Under Firth's penalty the statistic is the signed root of the penalised likelihood ratio, and the limits are
        those of the penalised profile likelihood, which need not be symmetric (Heinze and Schemper 2002).
        """
        table = LinkFit.coefficients.fget(self)  # type: ignore[attr-defined]
        if self.limits is None:
            return pd.DataFrame(table)
        root = np.sign(self.beta) * np.sqrt(self.limits.ratio)
        return pd.DataFrame(table).assign(
            statistic=root,
            p_value=2 * scipy.stats.norm.sf(np.abs(root)),
            conf_low=self.limits.low,
            conf_high=self.limits.high,
        )

    @property
    def n_parameters(self) -> int:
        """All parameters, a dispersion at its boundary included."""
        return len(self.solution.parameters) + int(self.poisson_limit)

    @property
    def aic(self) -> float:
        """Akaike's criterion; all parameters count."""
        return -2 * self.loglik + 2 * self.n_parameters

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the number of rows as sample size, as lme4."""
        return float(-2 * self.loglik + np.log(self.n_obs) * self.n_parameters)

    @property
    def dispersion(self) -> pd.DataFrame:
        """The family's dispersion: ``parameter, estimate, log_std_error, conf_low, conf_high``; empty without one.

        ``theta``: the variance is ``mu + mu^2 / theta``; ``phi``: it is ``mu (1 - mu) / (1 + phi)``. The limits are
        made on the log scale.
        """
        columns = ["parameter", "estimate", "log_std_error", "conf_low", "conf_high"]
        own = DISPERSIONS.get(self.family)
        if own is None:
            return pd.DataFrame(columns=columns)
        if self.poisson_limit:
            return pd.DataFrame([[own, np.inf, np.nan, np.nan, np.nan]], columns=columns)
        at = len(self.kept)
        error = float(np.sqrt(self.solution.inverse[at, at]))
        half = scipy.stats.norm.isf(0.025) * error
        log = float(self.psi[at])
        row = [own, np.exp(log), error, np.exp(log - half), np.exp(log + half)]
        return pd.DataFrame([row], columns=columns)

    def linear_predictor(self, new_data: pd.DataFrame | None = None) -> Array:
        """Linear predictor at random effects of zero: with the rows' own offsets, or with none for new data."""
        design = self.frame.x if new_data is None else self.design_rows(new_data)
        bad = np.flatnonzero(~self.estimable(design))
        if len(bad):
            raise NotEstimableError(
                "a prediction is not estimable from these data",
                got=f"{len(bad)} rows, the first at position {bad[0]}",
                where=self.formula,
                hint=f"it depends on {', '.join(self.aliased)}",
            )
        values: Array = design[:, self.kept] @ self.beta
        return values + (self.offset if new_data is None else 0.0)

    def response_means(
        self, new_data: pd.DataFrame | None = None, random: str = "zero", offset: float | Array = 0.0
    ) -> Means:
        """Mean response (a probability, a count, a fraction) with its derivatives by all parameters.

        Parameters
        ----------
        new_data
            One row each; None for the rows used, with their own offsets.
        random
            ``zero``: for a patient at the centre; ``average``: over patients.
        offset
            Added to the linear predictor of new rows.

        Returns
        -------
        Means
            Shapes (n, 1) and (n, 1, q); of a binomial model, per trial.
        """
        check_random(random)
        design = self.frame.x if new_data is None else self.design_rows(new_data)
        predictor = self.linear_predictor(new_data) + (0.0 if new_data is None else offset)
        n, size = len(design), len(self.solution.parameters)
        variance, by_entry = self.random_spread(new_data) if random == "average" else (np.zeros(n), None)
        value, slope, bend = averaged(self.link, predictor, variance)
        jacobian = np.zeros((n, 1, size))
        jacobian[:, 0, : len(self.kept)] = slope[:, None] * design[:, self.kept]
        if by_entry is not None:
            jacobian[:, 0, self.solution.model.n_fixed :] = bend[:, None] * by_entry
        return Means(value[:, None], jacobian)

    def predict(
        self,
        new_data: pd.DataFrame | None = None,
        kind: str = "link",
        random: str = "zero",
        alpha: float = 0.05,
        offset: float | Array = 0.0,
    ) -> pd.DataFrame:
        """Predictions for each row: ``estimate, std_error, df, conf_low, conf_high``.

        Parameters
        ----------
        new_data
            One row each; None for the rows used, with their own offsets.
        kind
            ``link``: the linear predictor; ``response``: the mean response.
        random
            For the response: ``zero`` (a patient whose random effects are zero) or ``average`` (over patients).
        alpha
            One minus the confidence level.
        offset
            Added to the linear predictor of new rows.

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
            shift = self.linear_predictor(new_data) - design[:, self.kept] @ self.beta
            table = self.estimates(design[:, self.kept], alpha)
            moved = shift + (0.0 if new_data is None else offset)
            for column in ("estimate", "conf_low", "conf_high"):
                table[column] += moved
            table.index = index
            return table[["estimate", "std_error", "df", "conf_low", "conf_high"]]
        if kind != "response":
            raise ModelError("unknown kind of prediction", expected="link or response", got=repr(kind))
        bounds = (0.0, None if self.link == "log" else 1.0)
        means = self.response_means(new_data, random, offset)
        return with_limits(means, self.solution.inverse, index, alpha, bounds)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from analyses.display.html_views import generalized_html

        return generalized_html(self)

    def __str__(self) -> str:
        name = {"binomial": "Binomial", "poisson": "Poisson", "beta": "Beta"}.get(
            self.family, "Negative binomial"
        )
        penalised = " with Firth's penalty" if self.penalty else ""
        text = self._text(f"{name} model ({self.link} link){penalised}: {self.formula}")
        if len(self.dispersion):
            row = self.dispersion.iloc[0]
            text += f"\n{row['parameter']} {row['estimate']:.4g} (log SE {row['log_std_error']:.4g})"
        return text


def _overdispersion(fit: GeneralizedFit) -> tuple[str, ...]:
    """A sentence on Pearson's dispersion of counts, random effects at their modes."""
    grouped = fit.family == "binomial" and bool(np.any(fit.trials > 1))
    df = fit.n_obs - len(fit.solution.parameters)
    if not (fit.family == "poisson" or grouped) or df < 1 or not fit.converged:
        return ()
    chisq = 0.0
    for block, at in zip(
        fit.solution.model.rows.blocks,
        at_optimum(fit.solution),
        strict=True,
    ):
        part = (at.v @ at.mode[:, :, None])[:, :, 0] if block.n_effects else 0.0
        (eta,) = predictors(block, fit.psi, part)
        own = block.likelihood
        if isinstance(own, Poisson):
            squares = (own.counts - np.exp(eta)) ** 2 / np.exp(eta)
        else:
            assert isinstance(own, Binomial)  # the other family with this sentence
            p = own.link.cdf(eta)
            squares = (own.successes - own.trials * p) ** 2 / (own.trials * p * (1 - p))
        chisq += float(block.count @ (block.weight * squares).sum(axis=1))
    ratio = chisq / df
    where = " given the random effects' modes" if fit.random is not None else ""
    sentence = f"Pearson's dispersion{where} is {ratio:.2f} ({chisq:.1f} on {df} degrees of freedom)"
    if ratio <= 1.2:
        return (f"{sentence}.",)
    other = "family='negative-binomial'" if fit.family == "poisson" else "a random effect for every row"
    return (
        f"{sentence}: more spread than the model has, so that standard errors may be too small; try {other}.",
    )
