"""Whether a model of grades, responders or counts has maximum likelihood estimates at all.

The log-likelihood grows without end along a direction d where every observation's upper threshold does not
fall and its lower one does not rise (``u'd >= 0``, ``l'd <= 0``), not all of them staying put. That is the
ordinal form of complete and quasi-complete separation (Albert A & Anderson JA 1984, Biometrika 71:1). A linear
programme finds such a direction or proves that there is none (Konis K 2007, DPhil thesis, Oxford). For responders
a success has its predictor as upper threshold and a failure as lower one; for counts zero has the lower one only,
and any other count both.

Where such a direction exists, the marginal likelihood with random effects grows along it too, for it is an average
of likelihoods that do.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from analyses.links.cumulative_link import CumulativeRows
from analyses.links.integrand import predictors
from analyses.links.marginal_likelihood import Solution

__all__ = ["diverging_parameters", "surely_finite"]

Array = NDArray[np.float64]

_TOLERANCE = 1e-6
"""Slack below which a direction counts as none: far above the programme's 1e-9, far below its bound of 1."""

_CURVED = 1e-5
"""Curvature of a row's log-likelihood above which none of its ends is in a tail: the slope there is as large."""


def surely_finite(solution: Solution) -> bool:
    """Whether a search without random effects itself proves that the maximum exists.

    It does where it ended at a stationary point with full curvature and no row in a tail: along a direction of
    separation the gradient is not zero at any finite point.
    """
    block = solution.model.rows.blocks[0]
    direction = block.likelihood.direction
    with np.errstate(all="ignore"):
        at = predictors(block, solution.fixed, 0.0)
        _, _, second = block.likelihood.derivatives(at)
    bends = [
        second[a][a][np.isfinite(at[a]) & (block.weight > 0)] for a, along in enumerate(direction) if along
    ]
    size = np.sqrt(np.maximum(np.diag(solution.information), np.finfo(float).tiny))
    values = np.linalg.eigvalsh(solution.information / np.outer(size, size))
    return bool(
        solution.convergence.converged
        and solution.convergence.gradient < _CURVED / 10
        and max(float(bend.max(initial=-np.inf)) for bend in bends) < -_CURVED
        and values[0] > 1e-9
    )


def diverging_parameters(rows: CumulativeRows) -> NDArray[np.intp]:
    """Return the parameters that have no finite maximum likelihood estimate.

    Parameters
    ----------
    rows : CumulativeRows
        Every grade observed.

    Returns
    -------
    array of int
        Positions among the columns whose estimates are infinite, or which the data leave open (an effect at a
        threshold that nobody of the group is next to); empty where the maximum exists and is unique.
    """
    constraints = np.unique(np.vstack([rows.upper[rows.has_upper], -rows.lower[rows.has_lower]]), axis=0)
    # Columns of one size, so that the unit box and the tolerance mean the same for an age and for a 0/1 column.
    size = np.abs(constraints).max(axis=0)
    constraints = constraints / np.where(size > 0, size, 1.0)
    width = constraints.shape[1]
    rising = _best(constraints, constraints.sum(axis=0)) > _TOLERANCE
    if not rising and np.linalg.matrix_rank(constraints) == width:
        return np.array([], dtype=np.intp)
    unit = np.eye(width)
    moving = [
        column
        for column in range(width)
        if max(_best(constraints, unit[column]), _best(constraints, -unit[column])) > _TOLERANCE
    ]
    return np.array(moving, dtype=np.intp)


def _best(constraints: Array, objective: Array) -> float:
    """Largest ``objective'd`` over directions d in the unit box with ``constraints @ d >= 0``."""
    found = scipy.optimize.linprog(
        -objective, A_ub=-constraints, b_ub=np.zeros(len(constraints)), bounds=(-1, 1), method="highs"
    )
    return -float(found.fun)
