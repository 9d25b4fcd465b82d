"""Columns and response brought to one scale before cross-products are formed, so that nothing cancels.

``X T`` has orthonormal columns times the square root of n, and the response is the scaled residual of ordinary least
squares, so that an outcome shifted by 1e8 or a covariate in other units changes no digit of the engine's work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from outcomes.errors import ModelError

Array = NDArray[np.float64]
ALIAS_TOLERANCE = 1e-7
"""A column whose part not explained by those before it is a smaller share of it is aliased, as in R's ``qr``."""


@dataclass(frozen=True, slots=True)
class Standardised:
    """A regression in standard columns.

    Attributes
    ----------
    w
        ``[X T, (y - X b) / s]``, rows times the square root of their weights, shape (n, p + 1).
    transform
        T, shape (p, p): coefficients of X are ``b + s T`` times those of the standard columns.
    offset
        b, shape (p,), the least-squares coefficients.
    scale
        s.
    kept
        Positions of the columns kept, shape (p,).
    log_determinant
        ``log |det T|``.
    """

    w: Array
    transform: Array
    offset: Array
    scale: float
    kept: NDArray[np.intp]
    log_determinant: float


def standardise(x: Array, y: Array, weights: Array) -> Standardised:
    """Standardise a weighted regression and drop the columns that depend on those before them.

    Parameters
    ----------
    x, y, weights
        Shapes (n, columns), (n,), (n,).

    Raises
    ------
    ModelError
        Where the columns leave no residual variation, so that no variance can be estimated.
    """
    root = np.sqrt(weights)[:, None]
    constant = np.flatnonzero((x == x[:1]).all(axis=0) & (x[:1] != 0).all(axis=0))
    centre = np.zeros(x.shape[1])
    if len(constant):
        centre = x.mean(axis=0)
        centre[constant[0]] = 0.0
    centred = x - centre
    norms = np.sqrt(np.einsum("np,np->p", root * centred, root * centred))
    size = np.sqrt(np.einsum("np,np->p", root * x, root * x))
    # A column that is constant but for rounding is aliased with the intercept.
    usable = norms > 1e-10 * np.maximum(size, 1e-300)
    scaled = centred / np.where(usable, norms, 1.0)
    kept = _independent(root * scaled, usable)
    if len(y) <= len(kept):
        raise ModelError(
            "too few rows to estimate a variance",
            expected=f"more than {len(kept)} complete rows for {len(kept)} fixed effects",
            got=f"{len(y)} rows",
        )
    r = np.linalg.qr(root * scaled[:, kept], mode="r")
    length = np.sqrt(len(y))
    turn = solve_triangular(r, np.eye(len(kept))) * length
    columns = root * (scaled[:, kept] @ turn)
    shift = float(y.mean())
    response = root[:, 0] * (y - shift)
    intercept = root[:, 0] * shift
    coefficients, constant_part = columns.T @ response / length**2, columns.T @ intercept / length**2
    residual = response - columns @ coefficients
    rest = intercept - columns @ constant_part
    if float(np.linalg.norm(rest)) > 1e-8 * float(np.linalg.norm(intercept)):
        residual = residual + rest  # otherwise the columns span the constant, and the rest is rounding
    scale = float(np.sqrt(residual @ residual / (len(y) - len(kept))))
    spread = float(np.sqrt(response @ response / len(y)))
    if not scale > 1e-10 * max(spread, 1e-300):
        raise ModelError(
            "the fixed effects explain the response without rest, so that no variance can be estimated",
            expected="responses that vary around their fitted values",
            got=f"residual standard deviation {scale:.3g}",
        )
    transform = np.zeros((len(kept), len(kept)))
    transform[:] = turn / norms[kept][:, None]
    offset_standard = coefficients + constant_part
    if len(constant) and constant[0] in kept:
        # Undo the centring: the constant column takes the means of the others.
        at = int(np.flatnonzero(kept == constant[0])[0])
        transform[at] -= centre[kept] @ transform / x[0, constant[0]]
    offset = transform @ offset_standard
    logs = np.log(np.abs(np.diag(turn))).sum() - np.log(norms[kept]).sum()
    return Standardised(
        np.column_stack([columns, residual / scale]), transform, offset, scale, kept, float(logs)
    )


def _independent(columns: Array, usable: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Columns (of unit length) that do not depend on those before them."""
    candidates = np.flatnonzero(usable)
    gram = columns[:, candidates].T @ columns[:, candidates]
    if len(candidates) and np.linalg.eigvalsh(gram)[0] > 1e-6:
        return candidates
    kept: list[int] = []
    basis = np.zeros((len(columns), 0))
    for at in candidates:
        rest = columns[:, at]
        for _ in range(2):  # twice is enough (Kahan; Parlett 1980)
            rest = rest - basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length > ALIAS_TOLERANCE:
            kept.append(int(at))
            basis = np.column_stack([basis, rest / length])
    return np.asarray(kept, dtype=np.intp)
