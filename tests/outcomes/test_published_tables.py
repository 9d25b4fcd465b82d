import math

import numpy as np
import pytest
from scipy import stats

from outcomes.errors import TandemError
from outcomes.published import list_published, published_table

# Published numbers are rounded: what follows from them is compared at the decimals that the sources state.


def _paired_sd(difference, n, p):
    """SD of the differences that a two-sided paired t test with this p implies."""
    return abs(difference) * math.sqrt(n) / stats.t.isf(p / 2, n - 1)


def _correlation(sd_1, sd_2, sd_difference):
    """From Var(a − b) = Var(a) + Var(b) − 2 rho sd_a sd_b."""
    return (sd_1**2 + sd_2**2 - sd_difference**2) / (2 * sd_1 * sd_2)


def _independent_p(mean_1, sd_1, mean_2, sd_2, n):
    """Two-sided p of Student's t with equal n: as if the two sides came from different patients."""
    t = (mean_1 - mean_2) / math.sqrt((sd_1**2 + sd_2**2) / n)
    return 2 * stats.t.sf(abs(t), 2 * n - 2)


def test_every_table_has_a_source_and_describes_its_columns():
    table = list_published()
    assert len(table) == 13
    for name in table["name"]:
        found = published_table(name)
        assert list(found.columns) == list(found.attrs["columns"])
        assert found.attrs["source"]
        assert found.attrs["licence"] == "CC0-1.0"
        assert set(found.attrs["unverified_columns"]) <= set(found.columns)
    assert set(table["status"]) == {"verified", "derived", "partly verified"}
    assert (table["verified"] == (table["status"] != "partly verified")).all()


def test_a_table_is_a_fresh_copy():
    first = published_table("sayed2023_striae_improvement")
    first.loc[0, "sd"] = -1
    first.attrs["columns"].clear()
    again = published_table("sayed2023_striae_improvement")
    assert again.loc[0, "sd"] == 26.49
    assert again.attrs["columns"]


def test_an_unknown_table_is_told_the_nearest():
    with pytest.raises(TandemError, match="nearest known: 'dai2021_hypertrophic_burn_scar'"):
        published_table("dai2021_hypertrophic_burn_scars")


def test_lee_2011_erythema():
    table = published_table("lee2011_acne_scar_splitface").set_index("side")
    saline, prp = table.loc["FCO2+saline"], table.loc["FCO2+PRP"]
    derived = table.attrs["derived"]
    difference = saline["erythema_days_mean"] - prp["erythema_days_mean"]
    sd = _paired_sd(difference, 14, derived["erythema_p"])
    rho = _correlation(saline["erythema_days_sd"], prp["erythema_days_sd"], sd)
    assert round(rho, 2) == derived["erythema_within_patient_correlation"] == 0.17
    p = _independent_p(
        saline["erythema_days_mean"],
        saline["erythema_days_sd"],
        prp["erythema_days_mean"],
        prp["erythema_days_sd"],
        14,
    )
    assert round(p, 3) == derived["erythema_p_if_independent"] == 0.056


def test_sayed_2023_striae():
    table = published_table("sayed2023_striae_improvement").set_index("side")
    both, laser = table.loc["FCO2+PRP"], table.loc["FCO2"]
    derived = table.attrs["derived"]
    difference = both["mean_improvement_pct"] - laser["mean_improvement_pct"]
    sd = _paired_sd(difference, 30, derived["p"])
    assert round(sd, 1) == derived["sd_of_difference"] == 24.7
    assert (
        round(_correlation(both["sd"], laser["sd"], sd), 2) == derived["within_patient_correlation"] == 0.58
    )
    sd_of_grade = _paired_sd(difference, 30, derived["p_of_grade"])
    rho = _correlation(both["sd"], laser["sd"], sd_of_grade)
    assert round(rho, 2) == derived["within_patient_correlation_at_p_of_grade"] == 0.33
    p = _independent_p(
        both["mean_improvement_pct"], both["sd"], laser["mean_improvement_pct"], laser["sd"], 30
    )
    assert round(p, 3) == derived["p_if_independent"] == 0.021


def test_vachiramon_2016_hands():
    table = published_table("vachiramon2016_hand_vitiligo").set_index("arm")
    laser, control = table.loc["FCO2+NBUVB+clobetasol"], table.loc["NBUVB+clobetasol"]
    derived = table.attrs["derived"]
    difference = laser["mean_improvement_score"] - control["mean_improvement_score"]
    sd = _paired_sd(difference, 26, derived["p"])
    assert round(sd, 2) == derived["sd_of_difference"] == 1.06
    assert (
        round(_correlation(laser["sd"], control["sd"], sd), 2)
        == derived["within_patient_correlation"]
        == 0.64
    )
    p = _independent_p(
        laser["mean_improvement_score"],
        laser["sd"],
        control["mean_improvement_score"],
        control["sd"],
        26,
    )
    assert round(p, 3) == derived["p_if_independent"] == 0.013


def test_wu_2015_ecca():
    table = published_table("ecca_wu2015_splitface")
    focal, derived = table.iloc[0], table.attrs["derived"]
    difference = focal["baseline_mean"] - focal["month3_mean"]
    sd = difference * math.sqrt(focal["n"]) / derived["focal_paired_t"]
    assert round(sd, 2) == derived["focal_sd_of_difference"] == 9.52
    rho = _correlation(focal["baseline_sd"], focal["month3_sd"], sd)
    assert round(rho, 2) == derived["focal_correlation_baseline_month3"] == 0.84


def test_striae_grades_as_if_the_sides_were_independent():
    table = published_table("striae_jcas_fco2_prp_counts").set_index("side")
    counts = table[["moderate", "good", "excellent"]]
    assert (counts.sum(axis=1) == table["n"]).all()
    both, laser = (np.repeat([0, 1, 2], counts.loc[side]) for side in ("FCO2+PRP", "FCO2"))
    p = stats.mannwhitneyu(both, laser, method="asymptotic").pvalue
    assert round(p, 2) == table.attrs["derived"]["mann_whitney_p_if_independent"] == 0.30


def test_safety_rates_agree_with_their_counts():
    table = published_table("safety_rates").dropna(subset=["events"])
    # rates are printed to two or three significant digits
    assert np.allclose(table["events"] / table["n"], table["rate"], atol=0.002)
