"""Marginal means and contrasts by closed forms."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses import fit_mixed_model, marginal_means
from analyses.contrasts import contrast_matrix
from analyses.inference import f_table, t_table
from analyses.multiplicity import adjust_p_values
from outcomes.errors import ModelError


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    rows = [
        (f"P{p}", arm, site)
        for p in range(30)
        for arm, site in zip("ABC", rng.permutation(["x", "y", "y"]), strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["patient", "arm", "site"])
    frame["size"] = rng.normal(10, 2, len(frame))
    frame["value"] = np.repeat(rng.normal(0, 2, 30), 3) + rng.normal(size=len(frame)) * frame["arm"].map(
        {"A": 1, "B": 2, "C": 3}
    )
    return frame


def test_balanced_means_are_the_arms_means_and_their_standard_errors(data):
    table = marginal_means(fit_mixed_model("value ~ arm + us(arm | patient)", data), "arm").table.set_index(
        "arm"
    )
    for arm, values in data.groupby("arm")["value"]:
        assert table.loc[arm, "estimate"] == pytest.approx(values.mean(), rel=1e-9)
        # complete data: the unstructured covariance is the sample covariance, so each mean
        # has its own s / sqrt(n) and n - 1 df
        assert table.loc[arm, "std_error"] == pytest.approx(values.std(ddof=1) / np.sqrt(30), rel=1e-7)
        assert table.loc[arm, "df"] == pytest.approx(29, rel=1e-6)


def test_contrasts_are_paired_t_tests(data):
    fit = fit_mixed_model("value ~ arm + us(arm | patient)", data)
    table = marginal_means(fit, "arm").contrast("pairwise").table.set_index("contrast")
    wide = data.pivot(index="patient", columns="arm", values="value")
    for a, b in (("A", "B"), ("A", "C"), ("B", "C")):
        paired = stats.ttest_rel(wide[a], wide[b])
        assert table.loc[f"{a} - {b}", "p_value"] == pytest.approx(paired.pvalue, rel=1e-6)
        low, high = paired.confidence_interval()
        assert table.loc[f"{a} - {b}", "conf_low"] == pytest.approx(low, rel=1e-6)
        assert table.loc[f"{a} - {b}", "conf_high"] == pytest.approx(high, rel=1e-6)


def test_named_weights_and_control_contrasts(data):
    means = marginal_means(fit_mixed_model("value ~ arm + us(arm | patient)", data), "arm")
    estimate = means.table.set_index("arm")["estimate"]
    table = means.contrast({"interaction": {"C": 1, "B": -1, "A": -0.5}}).table
    assert table["contrast"].tolist() == ["interaction"]
    assert table["estimate"].iloc[0] == pytest.approx(
        estimate["C"] - estimate["B"] - 0.5 * estimate["A"], rel=1e-9
    )
    assert means.contrast("trt.vs.ctrl").table["contrast"].tolist() == ["B - A", "C - A"]


def test_averaging_is_equal_or_proportional(data):
    fit = fit_mixed_model("value ~ arm + site + size + us(arm | patient)", data)
    effects = fit.coefficients.set_index("term")["estimate"]
    start = effects["Intercept"] + effects["size"] * data["size"].mean()
    share = (data["site"] == "y").mean()
    for weights, of_y in (("equal", 0.5), ("proportional", share)):
        table = marginal_means(fit, "arm", weights=weights).table
        assert table["estimate"].iloc[0] == pytest.approx(start + of_y * effects["site[T.y]"], rel=1e-9)
    held = marginal_means(fit, "arm", at={"size": 12, "site": "x"})
    assert held.table["estimate"].iloc[0] == pytest.approx(
        effects["Intercept"] + 12 * effects["size"], rel=1e-9
    )
    assert held.at["size"] == 12


def test_columns_are_those_of_the_contract(data):
    fit = fit_mixed_model("value ~ arm * site + us(arm | patient)", data)
    columns = ["estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high"]
    means = marginal_means(fit, "arm", by="site")
    assert list(means.table.columns) == ["arm", "site", *columns]
    assert list(means.contrast("pairwise", adjust="holm").table.columns) == ["contrast", "site", *columns]
    assert list(fit.coefficients.columns) == ["term", *columns]


def test_adjustment_works_within_each_by_group(data):
    fit = fit_mixed_model("value ~ arm * site + us(arm | patient)", data)
    means = marginal_means(fit, "arm", by="site")
    plain, holm = means.contrast().table, means.contrast(adjust="holm").table
    for _, rows in plain.groupby("site"):
        p = rows["p_value"].sort_values()
        expected = np.maximum.accumulate(np.minimum(1, p * [3, 2, 1]))
        np.testing.assert_allclose(holm.loc[p.index, "p_value"], expected, rtol=1e-12)


def test_unknown_families_weights_and_adjustments_are_refused(data):
    fit = fit_mixed_model("value ~ arm + us(arm | patient)", data)
    means = marginal_means(fit, "arm")
    with pytest.raises(ModelError, match="contrast family"):
        means.contrast("dunnet")
    with pytest.raises(ModelError, match="unknown level"):
        means.contrast({"x": {"D": 1}})
    with pytest.raises(ModelError, match="unknown adjustment"):
        means.contrast(adjust="fdr")
    with pytest.raises(ModelError, match="unknown weights"):
        marginal_means(fit, "arm", weights="cells")


def test_contrast_names_bracket_arms_that_hold_a_plus():
    names, matrix = contrast_matrix("pairwise", ["Laser", "Laser + PRP"])
    assert names == ("Laser - (Laser + PRP)",)
    np.testing.assert_array_equal(matrix, [[1, -1]])


def test_t_and_f_are_one_law():
    """t squared is F with one numerator df; infinite df are the normal and chi-squared distributions."""
    t = t_table(np.array([1.7]), np.array([0.8]), np.array([11.3]))
    f = f_table([float(t["statistic"].iloc[0]) ** 2], [1], [11.3])
    assert f["p_value"].iloc[0] == pytest.approx(t["p_value"].iloc[0], rel=1e-12)
    z = t_table(np.array([1.96]), np.array([1.0]), np.array([np.inf]))
    assert z["p_value"].iloc[0] == pytest.approx(2 * stats.norm.sf(1.96), rel=1e-12)
    assert f_table([3.0], [2], [np.inf])["p_value"].iloc[0] == pytest.approx(stats.chi2.sf(6.0, 2), rel=1e-12)
    # far tails keep their digits
    assert t_table(np.array([40.0]), np.array([1.0]), np.array([100.0]))["p_value"].iloc[0] > 0
    assert t_table(np.array([1.0]), np.array([0.0]), np.array([5.0]))["statistic"].isna().all()


def test_not_estimable_does_not_count_in_an_adjustment():
    adjusted = adjust_p_values([0.01, np.nan, 0.04], "bonferroni")
    np.testing.assert_allclose(adjusted, [0.02, np.nan, 0.08])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("bonferroni", "bonferroni"), ("holm", "holm"), ("hochberg", "simes-hochberg"), ("sidak", "sidak")],
)
def test_adjustments_are_those_of_statsmodels(ours, theirs):
    from statsmodels.stats.multitest import multipletests

    rng = np.random.default_rng(4)
    for size in (1, 2, 3, 8):
        p = rng.random(size) ** 3
        p[: size // 3] = p[0]  # ties
        np.testing.assert_allclose(adjust_p_values(p, ours), multipletests(p, method=theirs)[1], rtol=1e-12)
