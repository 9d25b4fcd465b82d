"""Equal rows, partitions and orders agree with pandas and numpy, whichever way they are found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analyses.design.grouping import ROOM, equal_rows, same_partition, sorted_order


@pytest.mark.parametrize("high", [1, 3, 50, ROOM // 4])
def test_rows_are_numbered_by_first_appearance(high: int) -> None:
    rng = np.random.default_rng(41)
    columns = [rng.integers(-1, high, 300), rng.integers(0, 3, 300), np.repeat(rng.normal(size=100), 3)]
    table = pd.DataFrame(dict(enumerate(columns)))
    expected = table.groupby(list(table), sort=False).ngroup().to_numpy()
    np.testing.assert_array_equal(equal_rows(columns), expected)


def test_many_wide_columns_are_hashed_in_stages() -> None:
    rng = np.random.default_rng(42)
    few = rng.integers(0, ROOM // 3, (7, 6))
    table = few[rng.integers(0, 7, 200)]
    codes = equal_rows(table.T)
    assert codes.max() == 6
    assert all((table[codes == code] == table[codes == code][0]).all() for code in range(7))


def test_rows_without_columns_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="without columns"):
        equal_rows([])


@pytest.mark.parametrize("high", [5, ROOM // 4])
@pytest.mark.parametrize("presorted", [False, True])
def test_orders_are_lexsorts(high: int, presorted: bool) -> None:
    rng = np.random.default_rng(43)
    keys = [rng.integers(-2, high, 400), rng.integers(0, 4, 400), rng.integers(0, high, 400)]
    if presorted:
        order = np.lexsort(keys[::-1])
        keys = [key[order] for key in keys]
    np.testing.assert_array_equal(sorted_order(keys), np.lexsort(keys[::-1]))


def test_partitions_are_compared_whatever_their_labels() -> None:
    one = np.array([0, 0, 1, 2, 2])
    assert same_partition(one, np.array([2, 2, 0, 1, 1]))
    assert same_partition(one, np.array([7, 7, 0, 3, 3]))
    assert not same_partition(one, np.array([0, 0, 1, 1, 2]))
    assert not same_partition(one, np.array([0, 0, 1, 2, 3]))
