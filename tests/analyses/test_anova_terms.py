"""Tests of terms whose variables enter through expressions, and means over them: the hypotheses written out."""

import numpy as np
import pandas as pd
import pytest

from analyses import fit_mixed_model, marginal_means
from outcomes.errors import ModelError, NotEstimableError


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(12)
    rows = pd.DataFrame({"patient": np.repeat(range(40), 3), "week": rng.choice([4, 8, 12, 24], 120)})
    rows["arm"] = rng.choice(["Control", "Laser", "PRP"], 120)
    rows["dose"] = rng.normal(3, 1, 120)
    rows["value"] = rows["week"] ** 2 / 50 + rng.normal(0, 1, 40)[rows["patient"]] + rng.normal(0, 1, 120)
    rows["visit"] = pd.Categorical(rows["week"])
    rows["dose:mJ"] = rows["dose"]
    return rows


def anova_of(data: pd.DataFrame, fixed: str, type: int) -> pd.DataFrame:
    return fit_mixed_model(f"value ~ {fixed} + (1 | patient)", data).anova(type)


def written_out(data: pd.DataFrame, fixed: str, terms: list[str]) -> pd.DataFrame:
    """F test that the named coefficients are zero."""
    fit = fit_mixed_model(f"value ~ {fixed} + (1 | patient)", data)
    rows = np.eye(len(fit.term_names))[[fit.term_names.index(term) for term in terms]]
    return fit.test(rows).select_dtypes("number")


@pytest.mark.parametrize("type", [1, 2, 3])
@pytest.mark.parametrize(
    "fixed", ["arm * C(week)", "C(arm) * visit", "C(arm, contr.sum) * C(week)", "C(arm) * C(visit)"]
)
def test_factors_named_in_the_formula_are_tested_as_those_of_the_data(data, fixed, type):
    declared = anova_of(data, "arm * visit", type).select_dtypes("number")
    assert list(declared["num_df"]) == [2, 3, 6]
    found = anova_of(data, fixed, type).select_dtypes("number")
    np.testing.assert_allclose(found, declared, rtol=1e-6)  # two codings of one space


@pytest.mark.parametrize("type", [2, 3])
@pytest.mark.parametrize(
    ("fixed", "term", "coefficients"),
    [
        # A number besides is not containment (SAS, mmrm): the arms are compared at a dose of zero.
        ("arm * dose", "arm", ["arm[T.Laser]", "arm[T.PRP]"]),
        ("arm * `dose:mJ`", "arm", ["arm[T.Laser]", "arm[T.PRP]"]),
        # Functions that remember the rows: zero is where the fit's own columns are zero.
        ("arm * center(dose)", "arm", ["arm[T.Laser]", "arm[T.PRP]"]),
        ("arm * poly(dose, 2)", "arm", ["arm[T.Laser]", "arm[T.PRP]"]),
        ("arm + dose + I(dose**2) + I(dose**3)", "dose", ["dose"]),
        ("arm + dose + I(dose**2) + I(dose**3)", "I(dose ** 3)", ["I(dose ** 3)"]),
        ("0 + arm + dose", "dose", ["dose"]),
        ("0 + arm + dose", "arm", ["arm[Control]", "arm[Laser]", "arm[PRP]"]),
        ("dose:arm", "dose:arm", [f"dose:arm[{arm}]" for arm in ("Control", "Laser", "PRP")]),
    ],
)
def test_terms_against_their_coefficients(data, fixed, term, coefficients, type):
    fit = fit_mixed_model(f"value ~ {fixed} + (1 | patient)", data)
    names = [name for name in coefficients if name in fit.term_names]
    if len(names) < len(coefficients):  # formulaic orders the factors of an interaction by itself
        names = [name for name in fit.term_names if ":" in name]
    found = anova_of(data, fixed, type).set_index("term").loc[[term]].select_dtypes("number")
    np.testing.assert_allclose(found, written_out(data, fixed, names), rtol=1e-8)


def test_a_model_without_an_intercept_has_the_same_tests_of_what_is_within(data):
    with_it, without = (
        anova_of(data, fixed, 3).set_index("term") for fixed in ("arm * visit", "0 + arm * visit")
    )
    np.testing.assert_allclose(
        without.loc[["visit", "arm:visit"], "statistic"],
        with_it.loc[["visit", "arm:visit"], "statistic"],
        rtol=1e-8,
    )
    assert without.loc["arm", "num_df"] == 3


def test_type_3_is_refused_where_a_term_is_no_function_of_its_columns(data):
    with pytest.raises(NotEstimableError, match="own columns"):
        anova_of(data, "arm:visit", 3)


def test_numbers_taken_by_their_levels_are_averaged_over_their_levels(data):
    """A mean week of 12.3 is no visit, and the reference level is not the answer."""
    fits = [fit_mixed_model(f"value ~ arm * {by} + (1 | patient)", data) for by in ("C(week)", "visit")]
    for options in ({}, {"weights": "proportional"}):
        ours, theirs = (marginal_means(fit, "arm", **options).table for fit in fits)
        np.testing.assert_allclose(ours.iloc[:, 1:], theirs.iloc[:, 1:], rtol=1e-6)
    at = marginal_means(fits[0], "arm", at={"week": 8}).table["estimate"]
    np.testing.assert_allclose(
        at, marginal_means(fits[1], "arm", at={"visit": 8}).table["estimate"], rtol=1e-8
    )
    with pytest.raises(ModelError, match="no such level"):
        marginal_means(fits[0], "arm", at={"week": 10})


@pytest.mark.parametrize("fixed", ["arm * C(week)", "arm * C(week) + week"])
def test_levels_that_were_not_seen_are_not_the_reference(data, fixed):
    fit = fit_mixed_model(f"value ~ {fixed} + (1 | patient)", data)
    with pytest.raises(ModelError, match="not fitted to"):
        fit.predict(pd.DataFrame({"arm": ["PRP"], "week": [10]}))


def test_a_number_that_is_level_and_slope_has_no_mean_to_stand_at(data):
    fit = fit_mixed_model("value ~ arm * C(week) + week + (1 | patient)", data)
    with pytest.raises(ModelError, match="not fitted to"):
        marginal_means(fit, "arm")
    assert np.isfinite(marginal_means(fit, "arm", at={"week": 8}).table["estimate"]).all()
