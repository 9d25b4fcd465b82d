"""Gaussian mixed models: residual covariance over visits or arms, random effects, or both, by REML or ML.

The data enter once, as cross-products (`analyses.crossproducts`); the likelihood and its exact derivatives
(`analyses.likelihood`) are maximised by Newton's method (`analyses.optimise`); inference is small-sample
(`analyses.small_sample`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.covariance import Diagonal, Structure, Unstructured, to_matrix
from analyses.covariance_model import Component, CovarianceModel
from analyses.crossproducts import CrossProducts, Layout, accumulate, make_layout
from analyses.direct_product import DirectProduct, make_structure
from analyses.likelihood import Profile, derivatives, profile
from analyses.mixed_model_fit import MixedModelFit
from analyses.model_frame import ModelFrame, make_model_frame
from analyses.optimise import Convergence, Minimum, Point, minimise
from analyses.sandwich import SANDWICHES, sandwich
from analyses.small_sample import (
    DF_METHODS,
    SmallSample,
    between_within_df,
    kenward_roger_covariance,
    parameter_covariance,
)
from analyses.standardise import Standardised, standardise
from outcomes.errors import ModelError

Array = NDArray[np.float64]
BOUNDARY = 1e-8
"""Share of the residual variance below which a variance component is reported as lying on the boundary."""


def fit_mixed_model(
    formula: str,
    data: pd.DataFrame,
    weights: str | Sequence[float] | None = None,
    reml: bool = True,
    df_method: str = "kenward-roger-linear",
    vcov: str = "model",
    information: str = "observed",
) -> MixedModelFit:
    """Fit a Gaussian mixed model.

    Parameters
    ----------
    formula
        Such as ``"change ~ baseline + arm * visit + us(visit | patient)"`` or ``"value ~ arm + (1 | patient/lesion)"``;
        the grammar stands in `analyses.formula`.
    data
        One row an observation. Rows that miss a model variable are left out and counted in ``n_dropped``.
        Categoricals keep their declared order; the first level is the reference.
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

    Returns
    -------
    MixedModelFit
        Also where the search did not converge: then ``converged`` is False, and marginal means refuse it.

    Raises
    ------
    FormulaError, ModelError
        Where the formula cannot be read or the data cannot carry the model.
    """
    _check_options(df_method, vcov, information)
    return fit_model_frame(make_model_frame(formula, data, weights), reml, df_method, information, vcov)


def fit_model_frame(
    frame: ModelFrame,
    reml: bool = True,
    df_method: str = "kenward-roger-linear",
    information: str = "observed",
    vcov: str = "model",
) -> MixedModelFit:
    """Fit the model of a frame that was evaluated before: `fit_mixed_model` without reading formula and data.

    Parameters and errors are those of `fit_mixed_model`.
    """
    _enough_subjects(frame)
    standard = standardise(frame.x, frame.y, frame.weights)
    root = np.sqrt(frame.weights)[:, None]
    random = [replace(design, z=design.z * root) for design in frame.random]
    layout = make_layout(random, frame.residual.design)
    cross = accumulate(layout, standard.w)
    model = _covariance_model(frame)
    minimum, how = minimise(lambda theta: _point(theta, model, cross, reml), _starts(model, cross, frame))
    eta = model.natural_values(minimum.theta)
    natural = model.natural(eta)
    at = profile(np.asarray(layout.elements.T @ natural.value), cross, reml)
    if at is None:
        raise ModelError(
            "the covariance that was found is singular",
            got=frame.formula.text,
            hint="use a structure with fewer parameters",
        )
    small = _small_sample(at, model, eta, cross, frame, standard, reml, df_method, information)
    if vcov != "model":
        robust = sandwich(vcov, layout, standard.w, at.beta, at.phi, at.inverses)
        method = "satterthwaite" if df_method.startswith("kenward-roger") else df_method
        small = replace(small, method=method, adjusted=robust.vcov, sandwich=robust)
    squared = standard.scale**2
    matrices = tuple(squared * matrix for matrix in model.matrices(natural.value))
    return MixedModelFit(
        frame=frame,
        model=model,
        layout=layout,
        standard=standard,
        beta=standard.offset + standard.scale * standard.transform @ at.beta,
        small_sample=small,
        loglik=_loglik(at, standard, frame, reml),
        reml=reml,
        convergence=_convergence(minimum, how, frame, model, matrices),
        covariance_parameters=_parameter_table(model, minimum.theta, small.w, standard.scale),
        component_matrices=matrices,
        inverses=at.inverses,
    )


def _check_options(df_method: str, vcov: str, information: str) -> None:
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


def _covariance_model(frame: ModelFrame) -> CovarianceModel:
    components: list[Component] = []
    for term, labels in zip(frame.formula.random, frame.random_labels, strict=True):
        structure: Structure = (
            Unstructured(labels) if term.correlated or len(labels) == 1 else Diagonal(labels)
        )
        components.append(Component(term.text, structure, False))
    residual = frame.formula.residual
    factors = [factor.structure for factor in residual.factors] if residual else ["us"]
    text = residual.text if residual else "residual"
    structures = [
        make_structure(name, labels, frame.residual.times)
        for name, labels in zip(factors, frame.residual.levels, strict=True)
    ]
    structure = structures[0]
    for right in structures[1:]:
        structure = DirectProduct(structure, right)
    for group in frame.residual.groups:
        components.append(Component(f"{text} [{group}]" if group else text, structure, True))
    return CovarianceModel(tuple(components))


def _point(theta: Array, model: CovarianceModel, cross: CrossProducts, reml: bool) -> Point | None:
    elements = model.search(theta)
    if not np.all(np.isfinite(elements.value)):
        return None
    at = profile(np.asarray(cross.layout.elements.T @ elements.value), cross, reml)
    if at is None or not np.isfinite(at.deviance):
        return None
    reached: Profile = at

    def slope() -> tuple[Array, Array]:
        found = derivatives(reached, elements, cross, reml)
        return found.gradient, found.hessian

    return Point(at.deviance, slope)


def _starts(model: CovarianceModel, cross: CrossProducts, frame: ModelFrame) -> list[Array]:
    """Moments of the least-squares residuals, shared between the components; then two plainer splits."""
    moments = _residual_moments(cross, frame)
    starts = []
    for residual_share, plain in ((0.5, False), (0.5, True), (0.9, True)):
        parts = []
        n_random = len(frame.random)
        share = 1.0 if not n_random else residual_share
        for component in model.components[:n_random]:
            parts.append(component.structure.start((1 - share) / n_random * np.eye(component.structure.size)))
        for group, component in enumerate(model.components[n_random:]):
            size = component.structure.size
            matrix = np.eye(size) * np.trace(moments[group]) / size if plain else moments[group]
            parts.append(component.structure.start(share * matrix))
        starts.append(np.concatenate(parts))
    return starts


def _residual_moments(cross: CrossProducts, frame: ModelFrame) -> list[Array]:
    """Second moments of the standardised response over slots, by group, from the pairs at hand."""
    design, layout = frame.residual.design, cross.layout
    m = design.n_slots
    per_group = m * (m + 1) // 2
    lines = layout.elements[-design.n_groups * per_group :]
    clusters = np.concatenate([np.repeat(b.counts, b.size * (b.size + 1) // 2) for b in layout.blocks])
    sums = np.asarray(lines @ (cross.products[:, -1] / layout.multiplicity))
    counts = np.asarray(lines @ clusters)
    found = []
    for group in range(design.n_groups):
        mine = slice(group * per_group, (group + 1) * per_group)
        values = to_matrix(sums[mine] / np.maximum(counts[mine], 1.0), m)
        spread = np.diag(values).copy()
        spread[spread <= 0] = 1.0
        np.fill_diagonal(values, spread)
        found.append(values)
    return found


def _small_sample(
    at: Profile,
    model: CovarianceModel,
    eta: Array,
    cross: CrossProducts,
    frame: ModelFrame,
    standard: Standardised,
    reml: bool,
    df_method: str,
    information: str,
) -> SmallSample:
    natural = model.natural(eta)
    slopes = derivatives(at, natural, cross, reml)
    w, used = parameter_covariance(slopes, information)
    adjusted = at.phi
    if df_method.startswith("kenward-roger"):
        adjusted = kenward_roger_covariance(at, natural, cross, slopes.m, w, df_method == "kenward-roger")
    columns = frame.x[:, standard.kept]
    return SmallSample(
        method=df_method,
        phi=at.phi,
        adjusted=adjusted,
        w=w,
        m=slopes.m,
        information=used,
        residual_df=float(len(columns) - columns.shape[1]),
        coefficient_df=between_within_df(columns, _clusters(cross.layout))
        if df_method == "between-within"
        else None,
        to_coefficients=np.asarray(np.linalg.inv(standard.transform), dtype=float),
    )


def _clusters(layout: Layout) -> NDArray[np.intp]:
    """Code of every row's cluster."""
    codes = np.empty(layout.n_rows, dtype=np.intp)
    before = 0
    for block in layout.blocks:
        codes[block.rows] = before + np.arange(len(block.rows))[:, None]
        before += len(block.rows)
    return codes


def _loglik(at: Profile, standard: Standardised, frame: ModelFrame, reml: bool) -> float:
    """Log-likelihood in the response's and the columns' own units."""
    n, p = len(frame.y), len(standard.kept)
    deviance = (
        at.deviance
        + (n - (p if reml else 0)) * 2 * np.log(standard.scale)
        - float(np.log(frame.weights).sum())
    )
    if reml:
        deviance -= 2 * standard.log_determinant
    return float(-deviance / 2)


def _convergence(
    minimum: Minimum, how: str, frame: ModelFrame, model: CovarianceModel, matrices: tuple[Array, ...]
) -> Convergence:
    boundary: list[str] = []
    residual = max(float(np.diag(matrix).max()) for matrix in matrices[len(frame.random) :])
    for component, matrix in zip(model.components, matrices, strict=True):
        for label, variance in zip(_labels(component), np.diag(matrix), strict=True):
            if variance < BOUNDARY * residual:
                boundary.append(f"{component.name}: variance of {label}")
        smallest = np.linalg.eigvalsh(matrix)[0]
        if (
            len(matrix) > 1
            and smallest < BOUNDARY * np.diag(matrix).max()
            and not any(component.name in name for name in boundary)
        ):
            boundary.append(f"{component.name}: a perfect correlation")
    if not minimum.converged:
        sentence = (
            f"The search did not converge: after {minimum.iterations} steps ({how}) the largest derivative is "
            f"{minimum.gradient:.2g}. "
            "Do not use these numbers; try a covariance with fewer parameters."
        )
    elif boundary:
        sentence = (
            f"Converged ({how}, {minimum.iterations} steps) on the boundary of the parameter space: "
            f"{'; '.join(boundary)} estimated as zero or degenerate."
        )
    else:
        sentence = (
            f"Converged ({how}, {minimum.iterations} steps; largest derivative {minimum.gradient:.1g})."
        )
    return Convergence(
        minimum.converged, sentence, how, minimum.iterations, minimum.value, minimum.gradient, tuple(boundary)
    )


def _labels(component: Component) -> tuple[str, ...]:
    structure = component.structure
    return getattr(structure, "labels", tuple(str(at + 1) for at in range(structure.size)))


def _parameter_table(model: CovarianceModel, theta: Array, w: Array, scale: float) -> pd.DataFrame:
    """Natural parameters with standard errors, in the response's unit; dimensionless ones stay as they are."""
    factor = np.array(
        [scale**2 if "ariance" in name and "relative" not in name else 1.0 for name in model.parameter_names]
    )
    return pd.DataFrame(
        {
            "parameter": model.parameter_names,
            "estimate": model.natural_values(theta) * factor,
            "std_error": np.sqrt(np.maximum(np.diag(w), 0.0)) * factor,
        }
    )
