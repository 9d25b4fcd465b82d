"""Whether an unstructured covariance has so few subjects that its likelihood has no maximum.

With ``Y`` the responses of the N subjects seen at all m levels and ``X_c`` their fixed effects along a combination c of
the levels, ``X_c[i] = c' X_i``, suppose that some c and beta have ``Y c = X_c beta``: the model then fits this
combination without residual. Along ``c' Sigma c = e -> 0`` the deviance falls as ``(N - rank X_c) log e`` (by maximum
likelihood as ``N log e``) without end, since all else stays bounded: subjects that miss a level that c uses have a
covariance that stays regular. With means of every group at every level such a c exists where the subjects less their
groups are fewer than the levels (Anderson 2003, An Introduction to Multivariate Statistical Analysis, section 3.2).

The combination is looked for and held against the data, so that nothing is refused that could be estimated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analyses.design.model_frame import ModelFrame
from outcomes.errors import ModelError

Array = NDArray[np.float64]
ROUNDING = 1e-9
"""Share of the largest below which a singular value, a residual or a weight is rounding."""


def refuse_unbounded(frame: ModelFrame, w: Array) -> None:
    """Raise where the likelihood of an unstructured residual covariance has no maximum for want of subjects.

    Random effects and weights that differ between rows are left to the search.

    Parameters
    ----------
    frame
        The model frame.
    w
        ``[X y]``, X of full rank, shape (n, p + 1).

    Raises
    ------
    ModelError
        Where a combination of the levels is fitted without residual.
    """
    term, design = frame.formula.residual, frame.residual.design
    if term is None or len(term.factors) != 1 or term.factors[0].structure != "us" or frame.random:
        return
    if np.ptp(frame.weights) > 0:
        return
    m = design.n_slots
    seen = np.bincount(design.subject)
    for group in range(design.n_groups):
        mine = design.group == group
        complete = mine & (seen[design.subject] == m)
        n_complete = int(complete.sum()) // m
        if m == 1 or not 0 < n_complete < m + w.shape[1]:
            continue
        rows = np.flatnonzero(complete)
        ordered = w[rows[np.lexsort((design.slot[rows], design.subject[rows]))]].reshape(n_complete, m, -1)
        combination = _fitted_combination(ordered[..., :-1], ordered[..., -1])
        if combination is None:
            continue
        c, rank = combination
        if bool((mine & ~complete).any()) and np.abs(c).min() <= ROUNDING * np.abs(c).max():
            continue  # subjects with missing levels may have a residual along it
        name = frame.residual.groups[group]
        raise ModelError(
            "too few subjects for an unstructured covariance: its likelihood has no maximum",
            expected=f"at least {m + rank} subjects with all {m} levels, of which the fixed effects take {rank}",
            got=f"{n_complete}{f' in group {name}' if name else ''}",
            where=frame.formula.text,
            hint="use a structure with fewer parameters, such as toeph, csh, ar1 or cs in place of us, or "
            'on_failure="fallback", which tries simpler ones in order',
        )


def _fitted_combination(x: Array, y: Array) -> tuple[Array, int] | None:
    """Combination of levels that fixed effects fit without residual, and their rank along it; None without one.

    Parameters
    ----------
    x, y
        Complete subjects' designs and responses, shapes (N, m, p) and (N, m).
    """
    count, m = y.shape
    generic = 1.0 + np.sqrt(np.arange(2.0, m + 2.0))  # no combination that a design is likely to be blind to
    along = np.einsum("nmp,m->np", x, generic)
    left, sizes, _ = np.linalg.svd(along, full_matrices=False)
    basis = left[:, sizes > ROUNDING * max(float(sizes.max(initial=0.0)), 1.0)]
    rest = y - basis @ (basis.T @ y)
    _, sizes, right = np.linalg.svd(rest, full_matrices=True)
    null = right[int((sizes > ROUNDING * max(float(sizes.max(initial=0.0)), ROUNDING)).sum()) :]
    if not len(null):
        return None
    c = null.T @ np.sqrt(np.arange(2.0, len(null) + 2.0))
    own = np.einsum("nmp,m->np", x, c)
    beta, _, rank, _ = np.linalg.lstsq(own, y @ c, rcond=ROUNDING)
    off = float(np.abs(y @ c - own @ beta).max())
    # With coefficients beyond all measure a fit is none: c is then blind to a fixed effect that it needs.
    fits = (
        off <= 1e-7 * float(np.abs(y).max()) * float(np.abs(c).max()) and np.abs(beta).max(initial=0.0) < 1e6
    )
    return (c, int(rank)) if fits and count > rank else None
