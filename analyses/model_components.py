"""Covariance components of a model frame: one structure a random term, and one a group of the residual."""

from __future__ import annotations

from analyses.covariance import Diagonal, Structure, Unstructured
from analyses.covariance_model import Component, CovarianceModel
from analyses.direct_product import DirectProduct, make_structure
from analyses.lag_covariance import ExponentialDecay
from analyses.model_frame import ModelFrame


def covariance_model(frame: ModelFrame) -> CovarianceModel:
    """Components of a frame's random terms, in their order, and of its residual by group."""
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
    if frame.residual.design.lags is not None:
        structure = ExponentialDecay(frame.residual.design.lags)
    for right in structures[1:]:
        structure = DirectProduct(structure, right)
    for group in frame.residual.groups:
        components.append(Component(f"{text} [{group}]" if group else text, structure, True))
    return CovarianceModel(tuple(components))
