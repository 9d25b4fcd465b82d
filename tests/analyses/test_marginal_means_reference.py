"""Contrast families, adjustments and joint tests against R's emmeans, pbkrtest, lmerTest and mvtnorm."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses import fit_mixed_model, marginal_means
from analyses.means.simultaneous import critical_value, largest_t

CASE = Path(__file__).parents[1] / "reference" / "contrast_families"
ARMS = ["control", "laser", "prp", "laser_prp"]
VISITS = ["Week 4", "Week 12", "Week 24"]
FIXED = "value ~ baseline + sex + arm * visit"
VALUE = 1e-6
"""Estimates and standard errors: lme4 stops by its optimiser's tolerance."""
DF = 1e-4
"""Degrees of freedom: lmerTest takes numeric derivatives."""
P_VALUE = 2e-4
"""Of p-values, relative: what the tolerance of df leaves in the tails."""
NAMES = {
    "estimate": "estimate",
    "SE": "std_error",
    "df": "df",
    "t.ratio": "statistic",
    "p.value": "p_value",
    "lower.CL": "conf_low",
    "upper.CL": "conf_high",
}


@pytest.fixture(scope="module")
def reference():
    return json.loads((CASE / "reference.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def fits():
    data = pd.read_csv(CASE / "data.csv")
    data["arm"] = pd.Categorical(data["arm"], ARMS)
    data["visit"] = pd.Categorical(data["visit"], VISITS)
    mixed = FIXED + " + (1 | patient)"
    return {
        "lm": fit_mixed_model(FIXED, data, df_method="residual"),
        "lmer_satterthwaite": fit_mixed_model(mixed, data, df_method="satterthwaite"),
        "lmer_kenward_roger": fit_mixed_model(mixed, data, df_method="kenward-roger", information="expected"),
    }


MODELS = ["lm", "lmer_satterthwaite", "lmer_kenward_roger"]


def assert_rows(found: pd.DataFrame, expected: list[dict], keys: list[str], value: float = VALUE) -> None:
    """The rows agree by their keys: emmeans has the first factor vary fastest, tandem the last."""
    assert len(found) == len(expected)
    placed = found.assign(**{key: found[key].astype(str) for key in keys}).set_index(keys)
    for row in expected:
        at = tuple(str(row[key]) for key in keys)
        one = placed.loc[at if len(at) > 1 else at[0]]
        for theirs, ours in NAMES.items():
            if theirs not in row:
                continue
            if row[theirs] is None or isinstance(row[theirs], str):  # an infinite limit
                assert np.isinf(one[ours]), (at, theirs)
                continue
            tolerance = {"df": DF, "p.value": P_VALUE, "t.ratio": 1e-5}.get(theirs, value)
            floor = {"p.value": 1e-12, "SE": 0.0, "df": 0.0}.get(theirs, 2e-5)
            assert one[ours] == pytest.approx(row[theirs], rel=tolerance, abs=floor), (at, theirs)


@pytest.mark.parametrize("model", MODELS)
def test_pairwise_adjustments_within_visits(fits, reference, model):
    means = marginal_means(fits[model], "arm", by="visit")
    for adjust, rows in reference[model]["pairwise"].items():
        if adjust in (
            "holm",
            "hochberg",
        ):  # emmeans gives Bonferroni intervals there; tandem leaves them as they are
            plain = means.contrast("pairwise").table
            found = means.contrast("pairwise", adjust=adjust)
            np.testing.assert_array_equal(found.table["conf_low"], plain["conf_low"])
            assert not found.intervals_adjusted
            rows = [{k: v for k, v in row.items() if not k.endswith(".CL")} for row in rows]
        table = means.contrast("pairwise", adjust=adjust).table
        assert_rows(table, rows, ["contrast", "visit"])


@pytest.mark.parametrize("model", MODELS)
def test_one_family_across_visits(fits, reference, model):
    means = marginal_means(fits[model], "arm", by="visit")
    for adjust, rows in reference[model]["pairwise_across_visits"].items():
        if adjust == "holm":
            rows = [{k: v for k, v in row.items() if not k.endswith(".CL")} for row in rows]
        table = means.contrast("pairwise", adjust=adjust, across_by=True).table
        assert_rows(table, rows, ["contrast", "visit"])


@pytest.mark.parametrize("model", MODELS)
def test_families(fits, reference, model):
    block, fit = reference[model], fits[model]
    by_visit, by_arm = marginal_means(fit, "arm", by="visit"), marginal_means(fit, "visit", by="arm")
    for name, table in {
        "pairwise_reversed": by_visit.contrast("pairwise", reverse=True),
        "control_laser": by_visit.contrast("trt.vs.ctrl", reference="laser"),
        "control_laser_greater": by_visit.contrast(
            "trt.vs.ctrl", "sidak", reference="laser", alternative="greater", null=-2
        ),
        "control_laser_less": by_visit.contrast(
            "trt.vs.ctrl", "bonferroni", reference="laser", alternative="less"
        ),
        "eff": by_visit.contrast("eff"),
        "del_eff": by_visit.contrast("del.eff"),
    }.items():
        assert_rows(table.table, block[name], ["contrast", "visit"])
    for name in ("consec", "poly"):
        assert_rows(by_arm.contrast(name).table, block[name], ["contrast", "arm"])


@pytest.mark.parametrize("model", MODELS)
def test_interaction_and_several_factors(fits, reference, model):
    means = marginal_means(fits[model], ["arm", "visit"])
    found = means.contrast(interaction={"arm": "pairwise", "visit": "consec"}).table
    rows = [
        {**row, "contrast": f"({row['arm_pairwise']}) : ({row['visit_consec']})"}
        for row in reference[model]["interaction"]
    ]
    assert_rows(found, rows, ["contrast"])
    gain = {"gain": {("laser_prp", "Week 24"): 1, ("laser_prp", "Week 4"): -1}}
    assert_rows(means.contrast(gain).table, reference[model]["two_factors"], ["contrast"])


@pytest.mark.parametrize("model", MODELS)
def test_averages_over_visits_and_grids(fits, reference, model):
    block, fit = reference[model], fits[model]
    late = {"visit": ["Week 12", "Week 24"]}
    for name, means, keys in [
        ("averaged_visits", marginal_means(fit, "arm", at=late), ["arm"]),
        (
            "averaged_visits_proportional",
            marginal_means(fit, "arm", at=late, weights="proportional"),
            ["arm"],
        ),
        (
            "averaged_given",
            marginal_means(fit, "arm", at={"sex": "F"}, weights={"visit": {"Week 12": 1, "Week 24": 3}}),
            ["arm"],
        ),
        (
            "grid_of_baseline",
            marginal_means(fit, "arm", by="baseline", at={"baseline": [10, 20, 30]}),
            ["arm", "baseline"],
        ),
        ("overall", marginal_means(fit, []), []),
    ]:
        rows = [{**row, "estimate": row["emmean"]} for row in block[name]]
        table = means.table
        if not keys:
            table, rows, keys = table.assign(one="1"), [{**row, "one": "1"} for row in rows], ["one"]
        if "baseline" in keys:
            table = table.assign(baseline=table["baseline"].map(lambda value: f"{value:g}"))
        assert_rows(table, rows, keys)


def test_joint_tests_of_a_linear_model(fits, reference):
    block, fit = reference["joint"], fits["lm"]
    by_visit = marginal_means(fit, "arm", by="visit")
    for table, name, keys in [
        (by_visit.joint_test(), "lm_arm_equal_by_visit", ["visit"]),
        (by_visit.contrast("pairwise").joint_test(), "lm_arm_equal_by_visit", ["visit"]),
        (marginal_means(fit, ["arm", "visit"]).joint_tests(), "lm_all", ["term"]),
        (by_visit.joint_tests(), "lm_by_visit", ["visit", "term"]),
    ]:
        for row in block[name]:
            row = {"term": row.get("model term"), **row}
            at = tuple(row[key] for key in keys)
            if row["term"] in ("sex", "baseline"):
                continue
            one = table.assign(visit=table.get("visit", "")).set_index(keys).loc[at if len(at) > 1 else at[0]]
            assert one["num_df"] == row["df1"]
            assert one["den_df"] == pytest.approx(row["df2"], abs=0.006)  # emmeans rounds df to 2 decimals
            assert one["statistic"] == pytest.approx(row["F.ratio"], abs=6e-4)  # and F to 3
            assert one["p_value"] == pytest.approx(row["p.value"], rel=1e-6)  # but not p


def test_joint_tests_of_a_mixed_model(fits, reference):
    for model, name in (("lmer_kenward_roger", "kr"), ("lmer_satterthwaite", "satterthwaite")):
        table = marginal_means(fits[model], "arm", by="visit").joint_test().set_index("visit")
        for row in reference["joint"]["lmer_arm_equal_by_visit"]:
            found = table.loc[row["visit"]]
            assert found["num_df"] == 3
            assert found["statistic"] == pytest.approx(row[f"{name}_F"], rel=1e-5)
            assert found["den_df"] == pytest.approx(row[f"{name}_den_df"], rel=DF)
            assert found["p_value"] == pytest.approx(row[f"{name}_p"], rel=P_VALUE)


def test_multivariate_t_of_contrasts_against_mvtnorm(fits, reference):
    for block in reference["mvt_lm"]:
        means = marginal_means(fits["lm"], "arm", by="visit")
        table = means.contrast(block["family"], adjust="mvt").table.set_index(["visit", "contrast"])
        for name, statistic, tail in zip(block["names"], block["t"], block["tails"], strict=True):
            found = table.loc[(block["visit"], name)]
            assert found["statistic"] == pytest.approx(statistic, rel=1e-7)
            # pmvt's own error is stated as three standard errors; ours is below 1e-9 here
            assert found["p_value"] == pytest.approx(tail["tail"], abs=2 * tail["error"] + 1e-7)


def test_multivariate_t_of_given_correlations_against_mvtnorm(reference):
    for block in reference["mvt_given"]:
        by_sides = {sides: largest_t(np.array(block["correlation"]), sides) for sides in (1, 2)}
        for tail in block["tails"]:
            largest, df = by_sides[tail["sides"]], tail["df"] or np.inf
            # both programs' own statement of their error, which is three standard errors in pmvt's case
            tolerance = 2 * tail["error"] + 4 * largest.error(tail["t"], df)
            assert tolerance < 3e-4
            assert largest.tail(tail["t"], df) == pytest.approx(tail["tail"], abs=tolerance), (
                block["name"],
                tail,
            )
        critical = critical_value(by_sides[2], 0.05, 12.0, 2)
        assert by_sides[2].tail(critical, 12.0) == pytest.approx(0.05, abs=1e-9)
