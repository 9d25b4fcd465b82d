"""How far two groups lie apart before treatment, in standard deviations: no test, and no dependence on their size.

Of a number (Austin 2009, Stat Med 28:3083, eq. 1)

    d = |m1 - m2| / sqrt((s1^2 + s2^2) / 2),

of a characteristic with K levels (Yang & Dalton 2012, SAS Global Forum 335-2012)

    d = sqrt((t - c)' S^-1 (t - c)),   S = (V(t) + V(c)) / 2,   V(p) = diag(p) - p p',

with t and c the proportions of all levels but one in the two groups; which one is left out does not matter. With two
levels it is |p1 - p2| / sqrt((p1 (1 - p1) + p2 (1 - p2)) / 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

TOLERANCE = 1e-9
"""Below it a spread or a difference of proportions counts as zero."""


def difference_of_numbers(first: pd.Series, second: pd.Series) -> float | None:
    """Return the standardised difference of a number; None where a group has fewer than two values, or no spread.

    Two groups without spread and with the same mean differ by 0.
    """
    one, two = (pd.to_numeric(group.dropna()).to_numpy(dtype=float) for group in (first, second))
    if len(one) < 2 or len(two) < 2:
        return None
    apart = abs(one.mean() - two.mean())
    spread = float(np.sqrt((one.var(ddof=1) + two.var(ddof=1)) / 2))
    size = max(abs(one.mean()), abs(two.mean()), 1.0)
    if spread <= TOLERANCE * size:
        return 0.0 if apart <= TOLERANCE * size else None
    return float(apart / spread)


def difference_of_levels(first: pd.Series, second: pd.Series, levels: Sequence[str]) -> float | None:
    """Return the standardised difference of a characteristic with levels.

    None where a group has no value, and where the groups have no level in common, so that no variance sets a scale.
    """
    shares = []
    for group in (first, second):
        known = group.dropna().astype(str)
        if not len(known):
            return None
        shares.append(np.array([(known == level).mean() for level in levels]))
    present = (shares[0] + shares[1]) > 0
    one, two = (share[present][1:] for share in shares)
    if not len(one):
        return 0.0
    variance = sum(np.diag(share) - np.outer(share, share) for share in (one, two)) / 2
    apart = one - two
    solved = np.linalg.pinv(variance, rcond=TOLERANCE, hermitian=True) @ apart
    if np.abs(variance @ solved - apart).max() > TOLERANCE:  # apart where neither group varies
        return None
    return float(np.sqrt(max(0.0, apart @ solved)))


def pairwise(
    groups: Mapping[str, pd.Series], levels: Sequence[str] | None
) -> dict[tuple[str, str], float | None]:
    """Return the standardised difference of each pair of groups, in their order."""
    return {
        (a, b): (
            difference_of_numbers(groups[a], groups[b])
            if levels is None
            else difference_of_levels(groups[a], groups[b], levels)
        )
        for a, b in combinations(groups, 2)
    }


def largest(differences: Mapping[tuple[str, str], float | None]) -> float | None:
    """Return the largest difference of any pair; None where one of them cannot be said."""
    values = list(differences.values())
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None
