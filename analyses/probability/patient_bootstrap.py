"""Bootstrap of patients: the model fitted again to patients drawn with replacement, each with all of his rows.

Draws take whole clusters, so that the correlation of a patient's lesions is drawn with them (Davison AC & Hinkley DV
1997, section 3.8; Field CA & Welsh AH 2007, J R Stat Soc B 69:369). The standardised means of each draw are averages
over the covariates of the patients drawn, so that the intervals cover their sampling.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.contrasts import Weights
from analyses.design.model_frame import ModelFrame
from analyses.examine.bootstrap import FEWEST
from analyses.examine.progress import track
from analyses.examine.simulate_responses import check_draws, check_generator
from analyses.generalized import fit_responses
from analyses.links.generalized_response import Responses
from analyses.links.ordinal_fit import OrdinalFit
from analyses.ordinal import fit_grades
from analyses.probability.probability_scale import MarginalProbabilities, points_of, quantity_of
from analyses.probability.standardisation import LinkModel, clusters_of, prepare_points
from outcomes.errors import ConvergenceError, ModelError, TandemError

__all__ = ["BootstrappedProbabilities", "bootstrap_probabilities", "drawn_fit"]

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
SAME = 1e-10
"""Standard deviation of draws, on scales of the order of one, that is rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class BootstrappedProbabilities:
    """Standardised means of every draw.

    Attributes
    ----------
    means
        The means of the data themselves.
    draws
        Means of every draw that could be fitted, shape (draws, points x columns), points first.
    failures
        What went wrong, by draw.
    strata
        Column within whose levels patients were drawn; None where they were drawn from all.
    alpha
        One minus the confidence level.
    """

    means: MarginalProbabilities
    draws: Array
    failures: dict[int, str]
    strata: str | None
    alpha: float

    @property
    def table(self) -> pd.DataFrame:
        """`MarginalProbabilities.table` with the draws' standard deviation and percentile limits, then their counts.

        ``n_draws`` could be fitted, ``n_failed`` could not. NaN where all draws are the same: an arm without a
        responder has no spread that draws could show.
        """
        shown = self.means.table.drop(columns=["df"])
        return self._with_draws(shown, self.draws)

    def contrast(
        self,
        method: str | Weights = "pairwise",
        measure: str = "difference",
        reference: Any = None,
        reverse: bool = False,
    ) -> pd.DataFrame:
        """Contrasts as `MarginalProbabilities.contrast`, with percentile limits of the draws.

        Returns
        -------
        DataFrame
            ``contrast``, the ``by`` columns, the grade, ``estimate, std_error, conf_low, conf_high, n_draws,
            n_failed``.
            A draw in which a ratio is undefined takes no part in its limits.
        """
        shown = self.means.contrast(method, measure, reference, reverse, "none", self.alpha).table
        shown = shown.drop(columns=["df", "statistic", "p_value"])
        found = np.full((len(self.draws), len(shown)), np.nan)
        shape = self.means.means.value.shape
        for at, draw in enumerate(self.draws):
            drawn = replace(self.means, means=replace(self.means.means, value=draw.reshape(shape)))
            table = drawn.contrast(method, measure, reference, reverse, "none", self.alpha).table
            found[at] = table["estimate"].to_numpy(dtype=float)
        return self._with_draws(shown, found)

    def _with_draws(self, shown: pd.DataFrame, draws: Array) -> pd.DataFrame:
        usable = np.where(np.isfinite(draws), draws, np.nan)
        columns = [column[~np.isnan(column)] for column in usable.T]
        low, high = (
            [float(np.quantile(column, share)) if len(column) else np.nan for column in columns]
            for share in (self.alpha / 2, 1 - self.alpha / 2)
        )
        spread = np.array([float(column.std(ddof=1)) if len(column) > 1 else np.nan for column in columns])
        # Where every draw is the same (an arm in which nobody responded) draws tell nothing of the error.
        same = ~(spread > SAME)
        return shown.assign(
            std_error=np.where(same, np.nan, spread),
            conf_low=np.where(same, np.nan, low),
            conf_high=np.where(same, np.nan, high),
            n_draws=[len(column) for column in columns],
            n_failed=len(self.failures),
        )


def bootstrap_probabilities(
    means: MarginalProbabilities,
    rng: np.random.Generator,
    draws: int = 1000,
    alpha: float = 0.05,
    strata: str | None = None,
) -> BootstrappedProbabilities:
    """Fit a model again to patients drawn with replacement, and standardise each fit over the patients drawn.

    Parameters
    ----------
    means
        What is wanted, of the data themselves.
    rng
        Source of randomness; each draw has a generator of its own, spawned from it.
    draws
        Number of draws.
    alpha
        One minus the confidence level.
    strata
        Column within whose levels patients are drawn. None draws within arms where every patient is in one arm only
        (a parallel trial), so that their numbers stay, and from all patients otherwise.

    Returns
    -------
    BootstrappedProbabilities
        Draws that could not be fitted (separation, a level or response that was not drawn) are counted.

    Raises
    ------
    ModelError
        Where an argument is not usable.
    ConvergenceError
        Where more than half of the draws could not be fitted.
    """
    check_generator(rng)
    check_draws(draws, FEWEST)
    if not 0 < alpha < 1:
        raise ModelError(
            "alpha is one minus the confidence level", expected="a number between 0 and 1", got=alpha
        )
    fit = means.fit
    cluster = clusters_of(fit)
    own, group = _strata(means, cluster, strata)
    rows_of = _rows_of(cluster)
    transform = quantity_of(fit, means.of if means.named or means.scores else None, means.scores)[0]
    points = prepare_points(
        fit, points_of(fit, means.specs, means.by, means.every_at)[1], means.over, means.offset
    )
    found, failures = [], {}
    for number, generator in enumerate(track(_spawned(rng, draws), draws, "Bootstrap of patients")):
        chosen = _drawn(group, generator)
        try:
            fitted = drawn_fit(fit, chosen, rows_of)
            if not fitted.converged:
                raise ConvergenceError("the search did not converge")
        except TandemError as error:
            failures[number] = error.message
            continue
        times = np.bincount(chosen, minlength=len(rows_of)).astype(float)[cluster]
        value = _at_grades(fit, fitted, points.value(fitted, times))
        found.append((value @ transform.T).reshape(-1))
    if len(failures) > draws / 2:
        reasons = pd.Series(list(failures.values())).value_counts()
        raise ConvergenceError(
            "most draws of the bootstrap could not be fitted",
            expected="a model that fits the patients drawn",
            got=f"{len(failures)} of {draws} draws failed: {reasons.index[0]}",
            where=fit.formula,
            hint="use fewer terms, or the delta method's intervals",
        )
    return BootstrappedProbabilities(means, np.array(found), failures, own, alpha)


def _spawned(rng: np.random.Generator, draws: int) -> Iterator[np.random.Generator]:
    yield from rng.spawn(draws)


def _strata(means: MarginalProbabilities, cluster: Codes, strata: str | None) -> tuple[str | None, Codes]:
    """Column of the strata, and the stratum of every cluster."""
    data = means.fit.frame.data
    count = int(cluster.max()) + 1
    if strata is not None and strata not in data.columns:
        raise ModelError(
            "strata are a column of the model's rows",
            expected=", ".join(map(str, data.columns)),
            got=repr(strata),
        )
    names = [strata] if strata is not None else list(means.specs)
    for name in names:
        codes, _ = pd.factorize(data[name].astype(str))
        pairs = np.unique(np.column_stack([cluster, codes]), axis=0)
        if len(pairs) == count:
            return name, pairs[:, 1].astype(np.intp)
        if strata is not None:
            raise ModelError(
                "a patient belongs to one stratum",
                expected="one level a patient",
                got="several",
                where=strata,
            )
    return None, np.zeros(count, dtype=np.intp)


def _drawn(group: Codes, rng: np.random.Generator) -> Codes:
    """Clusters drawn with replacement within their strata."""
    parts = []
    for level in range(int(group.max()) + 1):
        mine = np.flatnonzero(group == level)
        parts.append(mine[rng.integers(len(mine), size=len(mine))])
    return np.concatenate(parts).astype(np.intp)


def _rows_of(cluster: Codes) -> list[Codes]:
    order = np.argsort(cluster, kind="stable")
    return np.split(order, np.cumsum(np.bincount(cluster))[:-1])


def drawn_fit(fit: LinkModel, clusters: Codes, rows_of: list[Codes]) -> LinkModel:
    """Fit a model again to some of its clusters, in any number of copies, each copy a patient of its own.

    Parameters
    ----------
    fit
        The model.
    clusters
        Clusters drawn, as often as they were drawn.
    rows_of
        Rows of every cluster.

    Raises
    ------
    ModelError, ConvergenceError
        Where the draw cannot be fitted.
    """
    rows = np.concatenate([rows_of[cluster] for cluster in clusters])
    copy = np.repeat(np.arange(len(clusters)), [len(rows_of[cluster]) for cluster in clusters])
    frame = _drawn_frame(fit.frame, rows, copy)
    if isinstance(fit, OrdinalFit):
        fitted: LinkModel = fit_grades(
            frame, fit.labels, fit.link, fit.threshold, fit.nominal, fit.quadrature
        )
    else:
        read = Responses(frame, fit.trials[rows], fit.offset[rows], fit.written)
        if fit.family in ("binomial", "poisson", "negative-binomial") and not frame.y.any():
            raise ModelError("no response in the patients drawn")
        if fit.family == "binomial" and np.all(frame.y == read.trials):
            raise ModelError("responses only in the patients drawn")
        fitted = fit_responses(read, fit.family, fit.link, fit.quadrature, fit.penalty)
    if len(fitted.kept) < len(fit.kept):
        raise ModelError("a level or a combination of levels was not drawn")
    return fitted


def _drawn_frame(frame: ModelFrame, rows: Codes, copy: Codes) -> ModelFrame:
    random = tuple(
        replace(design, z=design.z[rows], subject=_own_codes(copy, design.subject[rows]))
        for design in frame.random
    )
    return replace(
        frame,
        data=frame.data.iloc[rows].reset_index(drop=True),
        kept=np.arange(len(rows)),
        x=frame.x[rows],
        y=frame.y[rows],
        weights=frame.weights[rows],
        random=random,
    )


def _own_codes(copy: Codes, subject: Codes) -> Codes:
    """Subjects of different copies are different: codes in the order of their first rows."""
    codes, _ = pd.factorize(copy * (int(subject.max()) + 1) + subject)
    return np.asarray(codes, dtype=np.intp)


def _at_grades(fit: LinkModel, fitted: LinkModel, value: Array) -> Array:
    """Probabilities of the data's grades; zero for those that nobody drawn has."""
    if not (isinstance(fit, OrdinalFit) and isinstance(fitted, OrdinalFit)):
        return value
    whole = np.zeros((len(value), len(fit.grades)))
    whole[:, [fit.grades.index(grade) for grade in fitted.grades]] = value
    return whole
