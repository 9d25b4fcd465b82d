"""Equal rows, equal partitions and sorting of integer codes: what finding patterns of rows consists of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Codes = NDArray[np.intp]
ROOM = 2**62
"""Codes are combined into one number while it stays below this."""


def equal_rows(columns: Iterable[NDArray[np.generic]]) -> Codes:
    """Codes of equal rows, in order of first appearance.

    Columns of small numbers are combined into one, so that rows are hashed once and not once a column.

    Parameters
    ----------
    columns
        Columns of the rows to compare, shape (n,) each; at least one.
    """
    codes: NDArray[np.int64] | None = None
    room, fresh = 1, True
    for column in columns:
        values, count = _counted(column)
        if codes is None:
            codes, room, fresh = values, count, True
            continue
        if count == 1:
            continue
        if room > ROOM // count:
            codes, levels = pd.factorize(codes)
            room = len(levels)
            if room > ROOM // count:
                values, levels = pd.factorize(values)
                count = len(levels)
        codes, room, fresh = codes * count + values, room * count, True
    if codes is None:
        raise ValueError("rows without columns cannot be compared")
    return np.asarray(pd.factorize(codes)[0] if fresh else codes, dtype=np.intp)


def _counted(column: NDArray[np.generic]) -> tuple[NDArray[np.int64], int]:
    """Column as whole numbers from zero, and a bound of them."""
    if column.dtype.kind not in "iu":
        values, levels = pd.factorize(column)
        return values.astype(np.int64, copy=False), max(len(levels), 1)
    whole = column.astype(np.int64, copy=False)
    low, high = int(whole.min()), int(whole.max())
    return (whole - low if low else whole), high - low + 1


def sorted_order(keys: Sequence[Codes]) -> Codes:
    """Order of rows by several keys, the first one before all others; equal rows stay in their order.

    The keys are combined into one number where they fit, and rows that are sorted already are found so.
    """
    combined, room = np.zeros(len(keys[0]), dtype=np.int64), 1
    for key in keys:
        low, high = int(key.min()), int(key.max())
        count = high - low + 1
        if room > ROOM // count:
            return np.lexsort(tuple(reversed(keys)))
        if count > 1:
            combined, room = combined * count + (key - low), room * count
    if (combined[1:] >= combined[:-1]).all():
        return np.arange(len(combined))
    return np.argsort(combined, kind="stable")


def same_partition(one: Codes, other: Codes) -> bool:
    """Whether two codings of rows tell the same rows apart."""
    if one is other or np.array_equal(one, other):
        return True
    if int(one.max()) == int(other.max()) or not (_dense(one) and _dense(other)):
        return np.array_equal(pd.factorize(one)[0], pd.factorize(other)[0])
    return False


def _dense(codes: Codes) -> bool:
    """Whether every code from zero to the largest occurs."""
    seen = np.zeros(int(codes.max()) + 1, dtype=bool)
    seen[codes] = True
    return bool(seen.all())
