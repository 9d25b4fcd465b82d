"""Whether a cumulative link model has maximum likelihood estimates at all.

The log-likelihood grows without end along a direction d where every observation's upper threshold does not
fall and its lower one does not rise (``u'd >= 0``, ``l'd <= 0``), not all of them staying put. That is the
ordinal form of complete and quasi-complete separation (Albert A & Anderson JA 1984, Biometrika 71:1). A linear
programme finds such a direction or proves that there is none (Konis K 2007, DPhil thesis, Oxford).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from analyses.cumulative_link import CumulativeRows

__all__ = ["diverging_parameters"]

Array = NDArray[np.float64]

_TOLERANCE = 1e-6
"""Slack below which a direction counts as none: far above the programme's 1e-9, far below its bound of 1."""


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
    found = linprog(
        -objective, A_ub=-constraints, b_ub=np.zeros(len(constraints)), bounds=(-1, 1), method="highs"
    )
    return -float(found.fun)
