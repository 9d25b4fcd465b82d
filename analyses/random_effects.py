"""Conditional modes of the random effects, given the estimates: best linear unbiased predictions.

``b = G Z' V^-1 (y - X beta)`` with the conditional covariance ``G - G Z' V^-1 Z G`` (Henderson 1975; lme4),
which holds the fixed effects and the covariance at their estimates.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.crossproducts import Layout
from analyses.model_frame import ModelFrame

Array = NDArray[np.float64]


def conditional_modes(
    frame: ModelFrame,
    layout: Layout,
    covariances: tuple[Array, ...],
    inverses: tuple[Array, ...],
    residuals: Array,
) -> pd.DataFrame:
    """Conditional modes with their standard errors, a row an effect of a unit.

    Parameters
    ----------
    frame, layout
        The rows used and their patterns.
    covariances
        G of every random term, in the response's unit.
    inverses
        ``Sigma^-1`` of every pattern by block, in the response's unit.
    residuals
        Weighted residuals, ``sqrt(w) (y - X beta)``, shape (n,).

    Returns
    -------
    DataFrame
        ``group`` (the subject's columns), ``unit`` (its labels), ``term``, ``estimate``, ``std_error``; in the order of
        the terms, then of the units' first rows.
    """
    root = np.sqrt(frame.weights)[:, None]
    tables: list[pd.DataFrame] = []
    terms = zip(frame.formula.random, frame.random, frame.random_labels, covariances, strict=False)
    for term, design, labels, covariance in terms:
        names = _unit_names(frame, term.subject)
        for block, inverse in zip(layout.blocks, inverses, strict=True):
            for pattern in range(block.n_patterns):
                rows = block.rows[block.pattern == pattern]
                units, modes, errors = _of_pattern(
                    rows, design.z * root, design.subject, covariance, inverse[pattern], residuals
                )
                first = rows[:, units].reshape(-1)
                table = pd.DataFrame(
                    {
                        "group": ":".join(term.subject),
                        "unit": np.repeat(names[first], len(labels)),
                        "term": np.tile(labels, len(first)),
                        "estimate": modes.reshape(-1),
                        "std_error": np.tile(errors, len(rows)),
                        "row": np.repeat(first, len(labels)),
                    }
                )
                tables.append(table)
    if not tables:
        return pd.DataFrame(columns=["group", "unit", "term", "estimate", "std_error"])
    whole = pd.concat(tables, ignore_index=True)
    order = {":".join(term.subject): at for at, term in enumerate(frame.formula.random)}
    whole["place"] = whole["group"].map(order)
    return whole.sort_values(["place", "row"], kind="stable", ignore_index=True).drop(
        columns=["place", "row"]
    )


def _unit_names(frame: ModelFrame, subject: tuple[str, ...]) -> NDArray[np.object_]:
    labels = frame.data[list(subject)].astype(str).agg(":".join, axis=1)
    return np.asarray(labels, dtype=object)


def _of_pattern(
    rows: NDArray[np.intp],
    z: Array,
    subject: NDArray[np.intp],
    covariance: Array,
    inverse: Array,
    residuals: Array,
) -> tuple[NDArray[np.intp], Array, Array]:
    """Positions of the units' first rows, modes (clusters, units, effects) and standard errors (units * effects)."""
    shape = subject[rows[0]]
    _, first, unit = np.unique(shape, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.argsort(order)[unit.reshape(-1)]
    q, n_units = z.shape[1], len(first)
    wide = np.zeros((rows.shape[1], n_units * q))
    for effect in range(q):
        wide[np.arange(rows.shape[1]), rank * q + effect] = z[rows[0], effect]
    prior = np.kron(np.eye(n_units), covariance)
    gain = prior @ wide.T @ inverse
    modes = residuals[rows] @ gain.T
    spread = np.diag(prior - gain @ wide @ prior)
    errors: Array = np.sqrt(np.maximum(spread, 0.0))
    return first[order], modes.reshape(len(rows), n_units, q), errors
