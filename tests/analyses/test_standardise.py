"""Standard columns are the regression given, however badly it is scaled, without the columns that are aliased."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from analyses.design.standardise import CHUNK, standardise
from outcomes.errors import ModelError

Array = NDArray[np.float64]
ROWS = 2 * CHUNK + 77  # two whole chunks and a part of one


def _regression(kind: str) -> tuple[Array, Array]:
    rng = np.random.default_rng(31)
    dummies = np.eye(3)[rng.integers(0, 3, ROWS)]
    one, z = np.ones((ROWS, 1)), rng.normal(size=ROWS)
    x = {
        "intercept and slopes": np.column_stack([one, z, dummies[:, 1:], z * dummies[:, 1]]),
        "no intercept": np.column_stack([dummies, z]),
        "slope alone": z[:, None],
        "far from zero": np.column_stack([one, z + 1e8, dummies[:, 1:]]),
        "aliased": np.column_stack([one, z, 2 * z + 3, dummies]),
        "intercept last": np.column_stack([dummies, z, 3 * one]),
    }[kind]
    return x, x @ rng.normal(size=x.shape[1]) + rng.normal(size=ROWS)


KINDS = ["intercept and slopes", "no intercept", "slope alone", "far from zero", "aliased", "intercept last"]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_least_squares_are_those_of_numpy(kind: str, weighted: bool) -> None:
    x, y = _regression(kind)
    weights = np.random.default_rng(32).uniform(0.5, 2, ROWS) if weighted else np.ones(ROWS)
    found = standardise(x, y, weights)
    root = np.sqrt(weights)
    p = len(found.kept)
    columns = found.w[:, :-1]
    # Orthonormal but for the rounding of a product of n terms.
    np.testing.assert_allclose(columns.T @ columns / ROWS, np.eye(p), atol=1e-12)
    # numpy's least squares lose digits where a column lies 1e8 from zero; with an intercept it may be centred.
    plain = x[:, found.kept] - np.where(np.abs(x[0, found.kept]) > 1e6, 1e8, 0.0)
    fitted = plain @ np.linalg.lstsq(root[:, None] * plain, root * y, rcond=None)[0]
    # Responses, and products of columns, near 1e8 are themselves rounded at 1e-8.
    loose = 1e-6 if kind == "far from zero" else 1e-10
    np.testing.assert_allclose(found.scale * found.w[:, -1], root * (y - fitted), atol=loose)
    np.testing.assert_allclose(x[:, found.kept] @ found.offset, fitted, atol=loose)
    np.testing.assert_allclose(columns, root[:, None] * (x[:, found.kept] @ found.transform), atol=loose)


def test_the_determinant_is_that_of_the_transform() -> None:
    x, y = _regression("intercept and slopes")
    found = standardise(x, y, np.ones(ROWS))
    assert found.log_determinant == pytest.approx(np.linalg.slogdet(found.transform)[1], abs=1e-12)


def test_a_response_shifted_by_1e8_loses_nothing_but_its_own_rounding() -> None:
    for kind in ("intercept and slopes", "no intercept", "aliased"):
        x, y = _regression(kind)
        plain, shifted = (standardise(x, response, np.ones(ROWS)) for response in (y, y + 1e8))
        # A number near 1e8 is itself rounded at 1e-8.
        np.testing.assert_allclose(shifted.w, plain.w, atol=3e-8)
        assert shifted.scale == pytest.approx(plain.scale, rel=1e-9)


def test_the_response_without_an_intercept_keeps_its_mean() -> None:
    x, y = _regression("slope alone")
    found = standardise(x, y + 50, np.ones(ROWS))
    slope = float(x[:, 0] @ (y + 50) / (x[:, 0] @ x[:, 0]))
    np.testing.assert_allclose(found.scale * found.w[:, -1], y + 50 - slope * x[:, 0], atol=1e-10)


def test_aliased_columns_are_the_later_ones() -> None:
    x, y = _regression("aliased")
    np.testing.assert_array_equal(standardise(x, y, np.ones(ROWS)).kept, [0, 1, 3, 4])
    x[:, 2] = 1e6 * (1 + 1e-13 * np.arange(ROWS) / ROWS)  # constant but for rounding
    np.testing.assert_array_equal(standardise(x, y, np.ones(ROWS)).kept, [0, 1, 3, 4])


def test_nearly_aliased_columns_are_kept() -> None:
    rng = np.random.default_rng(33)
    z = rng.normal(size=ROWS)
    x = np.column_stack([np.ones(ROWS), z, z + 1e-5 * rng.normal(size=ROWS)])
    found = standardise(x, z + rng.normal(size=ROWS), np.ones(ROWS))
    np.testing.assert_array_equal(found.kept, [0, 1, 2])
    # Two columns that differ in the fifth digit: ten digits are left for their difference.
    np.testing.assert_allclose(found.w[:, :-1].T @ found.w[:, :-1] / ROWS, np.eye(3), atol=1e-9)


def test_too_few_rows_and_perfect_fits_are_refused() -> None:
    x, y = _regression("intercept and slopes")
    with pytest.raises(ModelError, match="too few rows"):
        standardise(x[:4], y[:4], np.ones(4))
    with pytest.raises(ModelError, match="without rest"):
        standardise(x, x @ np.ones(x.shape[1]), np.ones(ROWS))
