"""Designs built from codes are formulaic's to the last bit, and whatever formulaic has to judge is left to it."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from formulaic import Formula

from analyses import fit_mixed_model
from analyses.design.model_frame import interaction_codes, make_model_frame
from analyses.design.plain_design import plain_design
from outcomes.errors import ModelError


@pytest.fixture
def data() -> pd.DataFrame:
    rng = np.random.default_rng(20)
    n = 60
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "my weight": rng.normal(70, 10, n),
            "whole": rng.integers(-3, 4, n),
            "yes": rng.random(n) < 0.5,
            "arm": pd.Categorical(rng.choice(["b", "a", "c"], n), ["b", "a", "c"]),
            "visit": pd.Categorical(rng.choice([4, 1, 2], n)),
            "site": rng.choice(["rome", "lima", "oslo", "bern"], n),
            "single": pd.Categorical(["one"] * n),
            "dose": pd.Categorical(rng.choice([0.5, 1.0], n)),
        },
        index=pd.RangeIndex(100, 100 + n),
    )


PLAIN = [
    "y ~ 1",
    "y ~ x",
    "y ~ arm",
    "y ~ arm * visit",
    "y ~ x + whole + yes + arm * site",
    "y ~ x * arm * visit",
    "y ~ `my weight` + x:whole + x:`my weight`:whole",
    "y ~ arm + x:arm + x",
    "y ~ (arm + visit + site)**2",
    "y ~ site*x + site*whole",
    "whole ~ arm",
]
OTHERS = [
    "y ~ 0 + arm",
    "y ~ arm:visit",
    "y ~ x:arm",
    "y ~ C(arm, contr.sum)",
    "y ~ I(x**2)",
    "y ~ single",
    "y ~ dose",
    "y ~ arm + visit + arm:visit:site",
]


@pytest.mark.parametrize("text", PLAIN)
def test_equals_formulaic_bit_for_bit(text: str, data: pd.DataFrame) -> None:
    formula = Formula(text)
    expected = formula.get_model_matrix(data, na_action="ignore").rhs
    found = plain_design(formula.rhs, data)
    assert found is not None
    assert found.names == tuple(expected.columns)
    np.testing.assert_array_equal(found.x, expected.to_numpy(dtype=float))


@pytest.mark.parametrize("text", OTHERS)
def test_what_formulaic_has_to_judge_is_left_to_it(text: str, data: pd.DataFrame) -> None:
    assert plain_design(Formula(text).rhs, data) is None


@pytest.mark.parametrize("text", [*PLAIN, *OTHERS])
def test_the_frame_is_formulaics_whichever_way_it_was_built(text: str, data: pd.DataFrame) -> None:
    frame = make_model_frame(text, data)
    expected = Formula(text).get_model_matrix(data, na_action="ignore").rhs
    assert frame.columns == tuple(expected.columns)
    np.testing.assert_array_equal(frame.x, expected.to_numpy(dtype=float))
    assert frame.spec.term_slices == expected.model_spec.term_slices
    assert frame.spec.required_variables == expected.model_spec.required_variables
    again = frame.spec.get_model_matrix(data.iloc[::-1])
    np.testing.assert_array_equal(np.asarray(again, dtype=float), frame.x[::-1])


def test_the_deferred_memory_survives_pickling(data: pd.DataFrame) -> None:
    frame = make_model_frame("y ~ site * x", data)
    copy = pickle.loads(pickle.dumps(frame.spec))
    assert copy.term_slices == frame.spec.term_slices
    new = pd.DataFrame({"site": ["oslo"], "x": [2.0]})
    np.testing.assert_array_equal(
        np.asarray(copy.get_model_matrix(new), dtype=float)[0], [1, 0, 1, 0, 2, 0, 2, 0]
    )


def test_numbers_that_overflow_in_a_product_are_reported(data: pd.DataFrame) -> None:
    huge = data.assign(x=1e200, whole=np.full(len(data), 1e200))
    with pytest.raises(ModelError, match="not finite"):
        make_model_frame("y ~ x:whole", huge)


def test_codes_number_combinations_by_first_appearance() -> None:
    rng = np.random.default_rng(21)
    frame = pd.DataFrame(
        {
            "a": pd.Categorical(rng.integers(0, 9, 200), list(range(12))),
            "b": rng.choice(["u", "v", "w"], 200),
            "c": rng.integers(0, 4, 200).astype(float),
        }
    )
    for names in (["a"], ["b"], ["a", "b"], ["c", "a", "b"]):
        expected = frame.groupby(names, sort=False, observed=True).ngroup().to_numpy()
        np.testing.assert_array_equal(interaction_codes(frame, names), expected)


def test_the_data_given_stay_as_they_are() -> None:
    rng = np.random.default_rng(22)
    data = pd.DataFrame(
        {
            "y": rng.normal(size=80),
            "patient": pd.Categorical(np.repeat(np.arange(20), 4), range(25)),
            "visit": pd.Categorical(np.tile(list("abcd"), 20), list("abcde")),
        }
    )
    before = data.copy(deep=True)
    fit_mixed_model("y ~ visit + us(visit | patient)", data)
    pd.testing.assert_frame_equal(data, before)
    frame = make_model_frame("y ~ visit + us(visit | patient)", data)
    data.loc[0, "y"] = 99.0
    assert frame.y[0] == before.loc[0, "y"]
    assert frame.data["y"].iloc[0] == before.loc[0, "y"]
