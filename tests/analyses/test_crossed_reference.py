"""Crossed random effects (patients and raters) against lme4, lmerTest, pbkrtest, emmeans and nlme."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses import fit_mixed_model, marginal_means
from analyses.mixed_model_fit import MixedModelFit

REFERENCE = Path(__file__).parents[1] / "reference" / "crossed_raters"
FORMULAS = {
    "intercepts": "value ~ severity + arm * visit + (1 | patient) + (1 | rater)",
    "slopes": "value ~ severity + arm * week + (1 | patient) + (1 + week | rater)",
    "uncorrelated": "value ~ severity + arm * week + (1 | patient) + (1 + week || rater)",
    "nested": "value ~ severity + arm * visit + (1 | patient/lesion) + (1 | rater)",
    "weighted": "value ~ severity + arm * visit + (1 | patient) + (1 | rater)",
    "three": "value ~ severity + arm + (1 | patient) + (1 | rater) + (1 | visit)",
    "centre": "value ~ severity + arm * visit + (1 | centre) + (1 | patient) + (1 | rater)",
    "none": "flat ~ arm * visit + (1 | patient) + (1 | rater)",
}
INTERIOR = [case for case in FORMULAS if case != "none"]


@pytest.fixture(scope="module")
def reference() -> dict:
    return json.loads((REFERENCE / "reference.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    table = pd.read_csv(REFERENCE / "data.csv")
    table["arm"] = pd.Categorical(table["arm"], ["Laser", "PRP", "Laser + PRP"])
    table["visit"] = pd.Categorical(table["visit"], ["Week 0", "Week 4", "Week 12"])
    return table


def fit(case: str, data: pd.DataFrame, **options) -> MixedModelFit:
    weights = "precision" if case == "weighted" else None
    return fit_mixed_model(FORMULAS[case], data, weights=weights, **options)


def in_order_of(found: MixedModelFit, terms: list[str]) -> list[int]:
    """Positions of R's terms among ours."""
    names = [
        name.replace("[T.", "").replace("]", "").replace("Intercept", "(Intercept)")
        for name in found.term_names
    ]
    return [names.index(term) for term in terms]


@pytest.mark.parametrize("case", FORMULAS)
def test_likelihoods_and_estimates_are_those_of_lme4(data, reference, case):
    block = reference[case]
    found = fit(case, data, df_method="asymptotic")
    order = in_order_of(found, block["terms"])
    assert found.converged
    # The deviance is flat at its optimum, so both programs agree to rounding there.
    assert found.loglik == pytest.approx(block["logLik"], rel=1e-10)
    assert fit(case, data, reml=False).loglik == pytest.approx(block["logLik_ml"], rel=1e-10)
    # lme4 stops where its derivative-free search does: 1e-5 in theta, less in the estimates
    np.testing.assert_allclose(found.beta[order], block["beta"], rtol=1e-5)
    np.testing.assert_allclose(
        found.coefficients["std_error"].to_numpy()[order], block["satterthwaite"]["se"], rtol=1e-6
    )


@pytest.mark.parametrize("case", FORMULAS)
def test_variances_are_those_of_lme4(data, reference, case):
    found = fit(case, data)
    ours = found.variance_components
    for row in reference[case]["variances"]:
        group = {"lesion:patient": "patient:lesion", "rater.1": "rater"}.get(row["grp"], row["grp"])
        mine = ours[ours["group"] == group]
        if "var2" in row:
            sd = mine["sd"].to_numpy()
            assert mine["correlation"].iloc[1] * sd[0] * sd[1] == pytest.approx(row["vcov"], rel=1e-4)
            continue
        term = row.get("var1", "").replace("(Intercept)", "Intercept")
        value = mine.loc[mine["term"] == term, "variance"].item()
        # absolutely 1e-9 of a residual variance near 5 where lme4 and we say zero
        assert value == pytest.approx(row["vcov"], rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("case", INTERIOR)
def test_satterthwaite_is_that_of_lmertest(data, reference, case):
    block = reference[case]
    found = fit(case, data, df_method="satterthwaite")
    order = in_order_of(found, block["terms"])
    # lmerTest differentiates the deviance numerically
    np.testing.assert_allclose(
        found.coefficients["df"].to_numpy()[order], block["satterthwaite"]["df"], rtol=1e-5
    )
    table = found.anova(type=3)
    np.testing.assert_allclose(table["statistic"], block["satterthwaite"]["anova_f"], rtol=1e-5)
    # of several hypotheses: matched along eigenvectors, which depend on the basis of the hypothesis chosen
    np.testing.assert_allclose(table["den_df"], block["satterthwaite"]["anova_df"], rtol=1e-2)


@pytest.mark.parametrize("case", [case for case in FORMULAS if case != "weighted"])
def test_kenward_roger_is_that_of_pbkrtest(data, reference, case):
    """Also at the boundary; pbkrtest leaves case weights out of its derivatives, so that case is held elsewhere."""
    block = reference[case]
    found = fit(case, data, df_method="kenward-roger", information="expected")
    order = in_order_of(found, block["terms"])
    table, ours = found.anova(type=3), found.coefficients.iloc[order]
    np.testing.assert_allclose(ours["std_error"], block["kenward_roger"]["se"], rtol=1e-6)
    np.testing.assert_allclose(ours["df"], block["kenward_roger"]["df"], rtol=1e-5)
    np.testing.assert_allclose(table["statistic"], block["kenward_roger"]["anova_f"], rtol=1e-5)
    np.testing.assert_allclose(table["den_df"], block["kenward_roger"]["anova_df"], rtol=1e-5)


@pytest.mark.parametrize("case", ["intercepts", "slopes", "nested", "weighted", "none"])
def test_conditional_modes_are_those_of_lme4(data, reference, case):
    theirs = pd.DataFrame(reference[case]["modes"])
    theirs["term"] = theirs["term"].str.replace("(Intercept)", "Intercept")
    nested = theirs["group"] == "lesion:patient"
    theirs.loc[nested, "unit"] = theirs.loc[nested, "unit"].str.split(":").str[::-1].str.join(":")
    theirs.loc[nested, "group"] = "patient:lesion"
    ours = fit(case, data).random_effects
    both = ours.merge(theirs, on=["group", "unit", "term"], suffixes=("", "_lme4"), validate="one_to_one")
    assert len(both) == len(ours) == len(theirs)
    # lme4's variance parameters are right to about 1e-5, and so are shrunken effects
    np.testing.assert_allclose(both["estimate"], both["estimate_lme4"], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(both["std_error"], both["std_error_lme4"], rtol=2e-5, atol=1e-6)


def test_marginal_means_are_those_of_emmeans(data, reference):
    block = reference["intercepts"]["emmeans"]
    found = fit("intercepts", data, df_method="kenward-roger", information="expected")
    means = marginal_means(found, "arm", by="visit")
    table = means.table.sort_values(["visit", "arm"])
    pairs = means.contrast("pairwise").table
    for ours, name in (("estimate", "means"), ("std_error", "se"), ("df", "df")):
        np.testing.assert_allclose(table[ours], block[name], rtol=1e-5)
    np.testing.assert_allclose(pairs["estimate"], block["pairs"], rtol=1e-5)
    np.testing.assert_allclose(pairs["std_error"], block["pairs_se"], rtol=1e-5)
    np.testing.assert_allclose(pairs["df"], block["pairs_df"], rtol=1e-5)


def test_a_repeated_covariance_beside_raters_is_that_of_nlme(data, reference):
    """PROC MIXED's RANDOM and REPEATED together, where the random effects cross the repeated subjects."""
    block, one = reference["repeated"], data[data["lesion"] == "left"]
    found = fit_mixed_model(
        "value ~ severity + arm * visit + us(visit | patient) + (1 | rater)", one, df_method="asymptotic"
    )
    assert found.loglik == pytest.approx(block["logLik"], rel=1e-10)
    # nlme's optimum is right to about 1e-6 in its own parameters
    np.testing.assert_allclose(found.beta, block["beta"], rtol=1e-4)
    np.testing.assert_allclose(found.coefficients["std_error"], block["se"], rtol=1e-5)
    sd = block["sigma"] * np.asarray(block["residual_sd_ratio"])
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), sd, rtol=1e-4)
    low = np.tril_indices(3, -1)
    correlation = found.covariance.to_numpy() / np.outer(sd, sd)
    np.testing.assert_allclose(correlation[low], block["correlation"], rtol=1e-4)
    rater = found.variance_components.query("group == 'rater'")["variance"].item()
    assert rater == pytest.approx(block["rater_variance"], rel=1e-4)
