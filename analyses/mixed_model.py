"""Gaussian mixed models: residual covariance over visits or arms, random effects, or both, by REML or ML.

The data enter once, as cross-products (`analyses.crossproducts`); the likelihood and its exact derivatives
(`analyses.likelihood`) are maximised by Newton's method (`analyses.engine.optimise`); inference is small-sample
(`analyses.small_sample`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.crossproducts import Layout, accumulate
from analyses.design.model_frame import ModelFrame, make_model_frame
from analyses.design.standardise import standardise
from analyses.engine.batched_products import batch, reducible
from analyses.engine.border import border_columns, choose_border, make_border
from analyses.engine.cluster_products import ClusterProducts
from analyses.engine.direct_products import direct
from analyses.engine.estimation import convergence, estimate, log_likelihood
from analyses.engine.identifiability import refuse_fixed_and_random
from analyses.engine.model_components import covariance_model
from analyses.engine.own_patterns import choose_layout
from analyses.engine.pattern_products import PatternProducts
from analyses.engine.sandwich import SANDWICHES, sandwich
from analyses.engine.sparse_products import accumulate_sparse, has_empty_columns
from analyses.engine.unbounded import refuse_unbounded
from analyses.fallback import fit_or_fall_back
from analyses.likelihood import Likelihood
from analyses.mixed_model_fit import MixedModelFit
from analyses.small_sample import DF_METHODS, SmallSample, between_within_df
from analyses.streaming.streamed_fit import fit_stream
from outcomes.errors import ModelError

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

Array = NDArray[np.float64]


def fit_mixed_model(
    formula: str,
    data: pd.DataFrame | str | PathLike[str] | Dataset,
    weights: str | Sequence[float] | None = None,
    reml: bool = True,
    df_method: str = "kenward-roger-linear",
    vcov: str = "model",
    information: str = "observed",
    bounded: bool = True,
    on_failure: str = "return",
    fallback: Sequence[str] | None = None,
    client: Any = None,
) -> MixedModelFit:
    """Fit a Gaussian mixed model.

    Parameters
    ----------
    formula
        Such as ``"change ~ baseline + arm * visit + us(visit | patient)"`` or ``"value ~ arm + (1 | patient/lesion)"``;
        the grammar stands in `analyses.formula`.
    data
        One row an observation. Rows that miss a model variable are left out and counted in ``n_dropped``.
        Categoricals keep their declared order; the first level is the reference. Data that do not fit into memory may
        be the path of a Parquet file, or of a folder of them, or a ``pyarrow.dataset.Dataset``: they are read in
        chunks, and the fit then answers everything but what needs the rows (residuals, conditional modes).
    weights
        Case weights (a column's name or an array): the residual covariance is divided by them.
    reml
        Residual maximum likelihood (True) or maximum likelihood.
    df_method
        ``kenward-roger-linear``, ``kenward-roger``, ``satterthwaite``, ``residual`` or ``asymptotic``.
    vcov
        ``model``, or a sandwich clustered by the coarsest subject: ``CR0``, ``CR2``, ``CR3``. With a sandwich the
        degrees of freedom are Bell and McCaffrey's for ``satterthwaite`` and both Kenward-Roger methods (which adjust
        the model's own covariance).
    information
        ``observed`` (as PROC MIXED and mmrm) or ``expected`` (as pbkrtest).
    bounded
        Whether variances of random effects are at least zero (True, as in lme4 and PROC MIXED). With False they may
        be negative as long as the data's covariance is positive definite (PROC MIXED's NOBOUND); conditional modes of
        such effects are not defined.
    on_failure
        What happens where the search does not converge or the data cannot carry the covariance: ``return`` (a fit
        that did not converge is returned, a covariance that cannot be is an error), ``raise`` (an error in both
        cases), or ``fallback`` (simpler covariances are tried in order, and the walk is kept in ``fit.walk``). An
        estimate on the boundary is an answer, not a failure.
    fallback
        With ``on_failure="fallback"``: covariance terms, random terms or whole formulas to try, in order, as a
        protocol names them; None for `analyses.fallback.default_fallback`.
    client
        A ``dask.distributed.Client`` whose workers read the chunks of a Parquet data set.

    Returns
    -------
    MixedModelFit
        Also where the search did not converge: then ``converged`` is False, and marginal means refuse it.

    Raises
    ------
    FormulaError, ModelError
        Where the formula cannot be read or the data cannot carry the model.
    ConvergenceError
        With ``raise`` where the search did not converge; with ``fallback`` where no model of the list could be
        fitted: it lists the whole walk.
    """
    check_options(df_method, vcov, information)

    def fit(one: str) -> MixedModelFit:
        if isinstance(data, (str, PathLike)) or type(data).__module__.startswith("pyarrow."):
            return fit_stream(
                one, data, _streamed_weights(weights, vcov), reml, df_method, information, bounded, client
            )
        frame = make_model_frame(one, data, weights)
        return fit_model_frame(frame, reml, df_method, information, vcov, bounded)

    found, walk = fit_or_fall_back(formula, fit, on_failure, fallback)
    return replace(found, walk=walk)


def fit_model_frame(
    frame: ModelFrame,
    reml: bool = True,
    df_method: str = "kenward-roger-linear",
    information: str = "observed",
    vcov: str = "model",
    bounded: bool = True,
) -> MixedModelFit:
    """Fit the model of a frame that was evaluated before: `fit_mixed_model` without reading formula and data.

    Parameters and errors are those of `fit_mixed_model`.
    """
    _enough_subjects(frame)
    standard = standardise(frame.x, frame.y, frame.weights)
    root = np.sqrt(frame.weights)[:, None]
    random = [replace(design, z=design.z * root) for design in frame.random]
    refuse_fixed_and_random(standard.w[:, :-1], frame.formula.random, random, frame.formula.text)
    refuse_unbounded(frame, standard.w)
    model = covariance_model(frame)
    clustering = choose_border(random, frame.residual.design, keep_nested=vcov != "model")
    border, w = None, standard.w
    if clustering.border:
        border = make_border(model, clustering.border, random)
        w = np.column_stack([w[:, :-1], border_columns(clustering.border, random), w[:, -1:]])
    within = [design for at, design in enumerate(random) if at not in clustering.border]
    layout = choose_layout(within, frame.residual.design, w.shape[1])
    likelihood = Likelihood(make_products(layout, w), len(standard.kept), reml, border)
    found = estimate(likelihood, model, df_method, information, frame.formula.text, bounded)
    model = found.model
    at = found.profile
    small = SmallSample(
        method=df_method,
        phi=at.phi,
        adjusted=found.adjusted,
        w=found.w,
        m=found.m,
        information=found.information,
        residual_df=float(len(frame.y) - len(standard.kept)),
        coefficient_df=between_within_df(frame.x[:, standard.kept], clustering.cluster)
        if df_method == "between-within"
        else None,
        to_coefficients=np.asarray(np.linalg.inv(standard.transform), dtype=float),
    )
    inverses = likelihood.products.inverses(at.whitened)
    if vcov != "model":
        _independent_clusters(frame, clustering.crossed, vcov)
        robust = sandwich(vcov, layout, standard.w, at.beta, at.phi, inverses)
        method = "satterthwaite" if df_method.startswith("kenward-roger") else df_method
        small = replace(small, method=method, adjusted=robust.vcov, sandwich=robust)
    return MixedModelFit(
        frame=frame,
        model=model,
        layout=layout,
        standard=standard,
        beta=standard.offset + standard.scale * standard.transform @ at.beta,
        small_sample=small,
        loglik=log_likelihood(at.deviance, standard, len(frame.y), float(np.log(frame.weights).sum()), reml),
        reml=reml,
        convergence=convergence(found, model),
        theta=found.minimum.theta,
        component_matrices=tuple(standard.scale**2 * matrix for matrix in found.matrices),
        inverses=inverses,
        crossed=clustering.border,
        cluster=clustering.cluster,
        n_subjects=int(clustering.cluster.max()) + 1,
    )


def make_products(layout: Layout, w: Array) -> ClusterProducts:
    """The data in the form that answers the likelihood's questions fastest.

    Parameters
    ----------
    layout
        The clusters: patterns, or single clusters where hardly any are alike (`analyses.engine.own_patterns`).
    w
        Columns ``[X U y]``, shape (n, P).
    """
    if layout.own is None:
        form = accumulate_sparse if has_empty_columns(w) else accumulate
        return PatternProducts(form(layout, w))
    if reducible(layout.own, layout.blocks):
        return batch(layout, w)
    return direct(layout, w)


def _streamed_weights(weights: str | Sequence[float] | None, vcov: str) -> str | None:
    """Weights of a stream, or an error for what a stream cannot have."""
    if vcov != "model":
        raise ModelError(
            "a sandwich needs every subject's residuals, which a stream does not keep",
            expected='vcov="model"',
            got=repr(vcov),
            hint="read the data into memory",
        )
    if weights is None or isinstance(weights, str):
        return weights
    raise ModelError(
        "the weights of streamed data must be one of their columns",
        expected="a column's name",
        got=type(weights).__name__,
    )


def _independent_clusters(frame: ModelFrame, crossed: Sequence[int], vcov: str) -> None:
    if crossed:
        names = ", ".join(":".join(frame.formula.random[at].subject) for at in crossed)
        raise ModelError(
            "a sandwich needs clusters that are independent of one another",
            expected="subjects nested in one another",
            got=f"{names} crossing them, vcov={vcov!r}",
            where=frame.formula.text,
            hint='use vcov="model", or enter the crossed factor as a fixed effect',
        )


def check_options(df_method: str, vcov: str, information: str) -> None:
    """Refuse unknown names of methods.

    Raises
    ------
    ModelError
    """
    options = {
        "df_method": (df_method, DF_METHODS),
        "vcov": (vcov, ("model", *SANDWICHES)),
        "information": (information, ("observed", "expected")),
    }
    for name, (value, known) in options.items():
        if value not in known:
            raise ModelError(f"unknown {name}", expected=f"one of {', '.join(known)}", got=repr(value))


def _enough_subjects(frame: ModelFrame) -> None:
    subjects = [design.subject for design in frame.random] + [frame.residual.design.subject]
    fewest = min(int(codes.max()) + 1 for codes in subjects)
    if fewest < 2:
        raise ModelError(
            "too few subjects for a mixed model",
            expected="at least two",
            got=f"{fewest}",
            where=frame.formula.text,
        )
