"""Columns and response brought to one scale before cross-products are formed, so that nothing cancels.

``X T`` has orthonormal columns times the square root of n, and the response is the scaled residual of ordinary least
squares, so that an outcome shifted by 1e8 or a covariate in other units changes no digit of the engine's work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from outcomes.errors import ModelError

Array = NDArray[np.float64]
ALIAS_TOLERANCE = 1e-7
"""A column whose part not explained by those before it is a smaller share of it is aliased, as in R's ``qr``."""
CHUNK = 2048
"""Rows that are worked on at a time."""


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
    rows = _Rows.of(x, y, weights)
    gram, size = rows.gram()
    norms = np.sqrt(np.diag(gram)[:-1])
    # A column that is constant but for rounding is aliased with the intercept.
    usable = norms > 1e-10 * np.maximum(size, 1e-300)
    unit = np.where(usable, norms, 1.0)
    kept, lower = _factor(rows, gram[:-1, :-1] / np.outer(unit, unit), usable, unit)
    if len(y) <= len(kept):
        raise ModelError(
            "too few rows to estimate a variance",
            expected=f"more than {len(kept)} complete rows for {len(kept)} fixed effects",
            got=f"{len(y)} rows",
        )
    length = np.sqrt(len(y))
    turn = solve_triangular(lower, np.eye(len(kept)), lower=True).T * length
    columns = turn / norms[kept][:, None]
    coefficients = columns.T @ gram[kept, -1] / length**2
    w, rest = np.empty((len(y), len(kept) + 1)), np.empty(len(y))
    rows.transform(kept, columns, coefficients, w, rest)
    constant = rows.constant if rows.constant is not None and rows.constant in kept else None
    if constant is None:
        mean_part = columns.T @ rows.sums()[kept] * (rows.shift / length**2)
        rest += rows.rest_of_mean(w[:, :-1], mean_part)
        coefficients = coefficients + mean_part
    scale = float(np.sqrt(rest @ rest / (len(y) - len(kept))))
    spread = float(np.sqrt(gram[-1, -1] / len(y)))
    if not scale > 1e-10 * max(spread, 1e-300):
        raise ModelError(
            "the fixed effects explain the response without rest, so that no variance can be estimated",
            expected="responses that vary around their fitted values",
            got=f"residual standard deviation {scale:.3g}",
        )
    np.divide(rest, scale, out=w[:, -1])
    offset = columns @ coefficients
    if constant is not None:
        # Undo the centring: the constant column takes the means of the others, and the response's.
        at, value = int(np.flatnonzero(kept == constant)[0]), x[0, constant]
        means = rows.centre[kept] / value
        columns[at] -= means @ columns
        offset[at] += rows.shift / value - means @ offset
    logs = np.log(np.abs(np.diag(turn))).sum() - np.log(norms[kept]).sum()
    return Standardised(w, columns, offset, scale, kept, float(logs))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Weighted rows of a regression, centred as they are read, a few thousand at a time so that they stay in cache.

    Attributes
    ----------
    x, y
        Columns and response as given.
    root
        Square roots of the weights, shape (n, 1); None where all are one.
    constant
        Position of the first constant column, or None: then nothing is centred.
    centre
        Means of the columns, zero for the constant one.
    shift
        Mean of the response.
    """

    x: Array
    y: Array
    root: Array | None
    constant: int | None
    centre: Array
    shift: float

    @classmethod
    def of(cls, x: Array, y: Array, weights: Array) -> _Rows:
        root = None if (weights == 1.0).all() else np.sqrt(weights)[:, None]
        candidates = np.flatnonzero((x[0] == x[-1]) & (x[0] != 0))
        constant = next((int(at) for at in candidates if (x[:, at] == x[0, at]).all()), None)
        centre = np.zeros(x.shape[1])
        if constant is not None:
            centre = x.mean(axis=0)
            centre[constant] = 0.0
        return cls(x, y, root, constant, centre, float(y.mean()))

    def _chunks(self) -> Iterator[tuple[slice, Array, Array]]:
        """Rows taken, their centred columns (valid until the next ones) and the centred response, weighted."""
        buffer = np.empty((CHUNK, self.x.shape[1]))
        for start in range(0, len(self.y), CHUNK):
            here = slice(start, min(start + CHUNK, len(self.y)))
            columns = np.subtract(self.x[here], self.centre, out=buffer[: here.stop - start])
            response = self.y[here] - self.shift
            if self.root is not None:
                columns *= self.root[here]
                response *= self.root[here, 0]
            yield here, columns, response

    def gram(self) -> tuple[Array, Array]:
        """Products of the centred columns and response, shape (p + 1, p + 1), and sizes of the columns as given."""
        p = self.x.shape[1]
        gram, squares = np.zeros((p + 1, p + 1)), np.zeros(p)
        for here, columns, response in self._chunks():
            gram[:p, :p] += columns.T @ columns
            gram[:p, p] += columns.T @ response
            gram[p, p] += response @ response
            weight = here.stop - here.start if self.root is None else float((self.root[here] ** 2).sum())
            squares += weight * self.centre**2
        # The size only has to tell a column that is constant but for rounding, so that cross terms do not matter.
        return gram, np.sqrt(np.diag(gram)[:p] + squares)

    def sums(self) -> Array:
        """Weighted sums of the columns, shape (p,)."""
        sums = np.zeros(self.x.shape[1])
        for here, columns, _ in self._chunks():
            sums += columns.sum(axis=0) if self.root is None else self.root[here, 0] @ columns
        return sums

    def standard(self, kept: NDArray[np.intp], unit: Array) -> Array:
        """Columns centred, weighted and of unit length, shape (n, k)."""
        standard = np.empty((len(self.y), len(kept)))
        for here, columns, _ in self._chunks():
            standard[here] = columns[:, kept] / unit[kept]
        return standard

    def transform(
        self, kept: NDArray[np.intp], turn: Array, coefficients: Array, w: Array, rest: Array
    ) -> None:
        """Write the standard columns into w, and the centred response's residual into rest."""
        every = len(kept) == self.x.shape[1]
        for here, columns, response in self._chunks():
            found = (columns if every else columns[:, kept]) @ turn
            w[here, :-1] = found
            rest[here] = response - found @ coefficients

    def rest_of_mean(self, columns: Array, coefficients: Array) -> Array | float:
        """What the columns leave of the response's mean, shape (n,); zero where they span it but for rounding."""
        mean = self.shift * (np.ones(len(self.y)) if self.root is None else self.root[:, 0])
        rest: Array = mean - columns @ coefficients
        return rest if float(np.linalg.norm(rest)) > 1e-8 * float(np.linalg.norm(mean)) else 0.0


def _factor(
    rows: _Rows, gram: Array, usable: NDArray[np.bool_], unit: Array
) -> tuple[NDArray[np.intp], Array]:
    """Columns to keep, and the lower factor of their products: R' of their QR decomposition but for signs.

    Products square the condition number. Where it leaves no doubt (which is where no column is aliased) their Cholesky
    factor serves; otherwise the columns themselves are decomposed.
    """
    candidates = np.flatnonzero(usable)
    inner = gram[np.ix_(candidates, candidates)]
    if not len(candidates) or np.linalg.eigvalsh(inner)[0] > 1e-6:
        return candidates, np.asarray(np.linalg.cholesky(inner), dtype=float)
    kept = _independent(rows.standard(candidates, unit), candidates)
    upper: Array = np.asarray(np.linalg.qr(rows.standard(kept, unit), mode="r"))
    return kept, upper.T


def _independent(columns: Array, candidates: NDArray[np.intp]) -> NDArray[np.intp]:
    """Candidates whose columns (of unit length) do not depend on those before them."""
    kept: list[int] = []
    basis = np.zeros((len(columns), 0))
    for at, column in zip(candidates, columns.T, strict=True):
        rest = column
        for _ in range(2):  # twice is enough (Kahan; Parlett 1980)
            rest = rest - basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length > ALIAS_TOLERANCE:
            kept.append(int(at))
            basis = np.column_stack([basis, rest / length])
    return np.asarray(kept, dtype=np.intp)
