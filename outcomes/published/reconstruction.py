"""Counts behind a published mean and SD of grades: all of them, by exhaustive search.

A trial that prints n, mean and SD of an ordered grade, and how many patients had some of the grades, often
leaves only few vectors of whole counts possible. Where one vector is left, every patient's grade is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from outcomes.errors import TandemError


def possible_counts(
    n: int,
    mean: float,
    sd: float,
    *,
    grades: int,
    known: Mapping[int, int] | None = None,
    decimals: int = 3,
) -> tuple[tuple[int, ...], ...]:
    """Every vector of counts whose n, mean, SD and known counts agree with what was printed.

    Parameters
    ----------
    n
        Patients.
    mean, sd
        As printed; the SD with denominator n − 1.
    grades
        Number of grades, 0 to ``grades − 1``.
    known
        Grade -> count, where counts were printed.
    decimals
        Decimals that mean and SD were printed to. A candidate agrees where it differs from the printed number
        by at most half a unit of the last of them, so that either way of rounding a five is allowed for.

    Returns
    -------
    tuple of tuple of int
        Counts of grade 0, 1, ...; vectors with more patients in grade 0 first, then fewer in grade 1, and so
        on. Empty where nothing agrees.

    Raises
    ------
    TandemError
        Where the known counts name no grade, are negative, or exceed n.

    Notes
    -----
    The search is exhaustive: at most ``C(n + grades − 1, grades − 1)`` vectors (53,130 for 20 patients in six
    grades), fewer with known counts. Sums are exact integers; only the last comparison is in floating point.

    Examples
    --------
    >>> possible_counts(20, 4.4, 0.503, grades=6, known={5: 8})
    ((0, 0, 0, 0, 12, 8),)
    """
    fixed = dict(known or {})
    wrong = [grade for grade, count in fixed.items() if not 0 <= grade < grades or count < 0]
    if n < 2 or wrong or sum(fixed.values()) > n:
        raise TandemError(
            "the known counts fit no trial of this size",
            expected=f"grades 0 to {grades - 1}, counts of at least 0 that add up to at most n, and n of at "
            f"least 2",
            got=f"n = {n}, known = {fixed}",
        )
    half_unit = 0.5 * 10.0**-decimals + 1e-12  # the slack lets an exact half agree in binary too
    free = [grade for grade in range(grades) if grade not in fixed]
    found = []
    for spread in _compositions(n - sum(fixed.values()), len(free)):
        counts = [0] * grades
        for grade, count in (*fixed.items(), *zip(free, spread, strict=True)):
            counts[grade] = count
        total = sum(grade * count for grade, count in enumerate(counts))
        squares = sum(grade * grade * count for grade, count in enumerate(counts))
        variance = (n * squares - total * total) / (n * (n - 1))
        if abs(total / n - mean) <= half_unit and abs(math.sqrt(variance) - sd) <= half_unit:
            found.append(tuple(counts))
    return tuple(sorted(found, key=lambda counts: (-counts[0], counts[1:])))


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write `total` as `parts` ordered whole numbers of at least 0."""
    if parts == 0:
        if total == 0:
            yield ()
        return
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)
