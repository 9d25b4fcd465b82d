"""Covariance components of a model frame: one structure a random term, and one a group of the residual."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analyses.covariance import Diagonal, Structure, Unstructured
from analyses.design.model_frame import ModelFrame
from analyses.engine.covariance_model import Component, CovarianceModel
from analyses.engine.direct_product import DirectProduct, make_structure
from analyses.engine.lag_covariance import ExponentialDecay
from outcomes.errors import ModelError

Array = NDArray[np.float64]
ALIKE = 1e-6
"""Smallest eigenvalue of a random design's products, columns of one size, whose square the information resolves."""


def covariance_model(frame: ModelFrame, grams: Sequence[Array] | None = None) -> CovarianceModel:
    """Components of a frame's random terms, in their order, and of its residual by group.

    Parameters
    ----------
    frame
        The model frame.
    grams
        Mean cross-products of every random term's design, shape (q, q) each; None to take them from the frame's rows.
    """
    components: list[Component] = []
    if grams is None:
        grams = [design.z.T @ design.z / max(len(design.z), 1) for design in frame.random]
    for term, labels, mean in zip(frame.formula.random, frame.random_labels, grams, strict=True):
        gram = mean if np.any(mean) else None
        units = () if gram is None else _units(gram)
        if gram is not None:
            _refuse_alike(gram * np.outer(units, units), labels, term.text)
        free = term.correlated or len(labels) == 1
        structure: Structure = Unstructured(labels, units) if free else Diagonal(labels, units)
        components.append(Component(term.text, structure, False, gram))
    residual = frame.formula.residual
    factors = [factor.structure for factor in residual.factors] if residual else ["us"]
    text = residual.text if residual else "residual"
    structures = [
        make_structure(name, labels, frame.residual.times)
        for name, labels in zip(factors, frame.residual.levels, strict=True)
    ]
    structure = structures[0]
    if frame.residual.design.lags is not None:
        structure = ExponentialDecay(frame.residual.design.lags)
    for right in structures[1:]:
        structure = DirectProduct(structure, right)
    for group in frame.residual.groups:
        components.append(Component(f"{text} [{group}]" if group else text, structure, True))
    return CovarianceModel(tuple(components))


def _refuse_alike(gram: Array, labels: tuple[str, ...], where: str) -> None:
    """Refuse effects whose columns are so alike that their variances, and degrees of freedom, would be rounding."""
    if len(gram) > 1 and np.linalg.eigvalsh(gram)[0] < ALIKE:
        raise ModelError(
            "the columns of a random term are almost the same",
            expected="effects that differ over the rows",
            got=f"{' and '.join(labels)} that are nearly proportional to one another",
            where=where,
            hint="count time from a start near the data (subtract its mean), or leave an effect out",
        )


def _units(gram: Array) -> tuple[float, ...]:
    """One over the size of every column of a random term's design, so that effects are searched on one scale."""
    size = np.sqrt(np.diag(gram))
    return tuple(float(1 / one) if one > 0 else 1.0 for one in size)
