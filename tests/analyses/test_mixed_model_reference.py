"""The engine against R's mmrm, lme4, lmerTest, pbkrtest and emmeans on the cases of tests/reference."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses.marginal_means import marginal_means
from analyses.mixed_model import fit_mixed_model
from analyses.mixed_model_fit import MixedModelFit

REFERENCE = Path(__file__).parents[1] / "reference"

# Tolerances are those that the reference values' own README states for another program that converges properly:
LOGLIK = 1e-6  # absolute
ESTIMATE = 1e-6  # relative; estimates, covariance matrices
SATTERTHWAITE_DF = 1e-5
KENWARD_ROGER = {"se": 1e-6, "df": 1e-5}
LMER_VARIANCE = 1e-5  # lme4 stops by its optimiser's tolerance on a flatter surface
LMER_DF = 1e-4
STRUCTURES = ("us", "toep", "toeph", "ar1", "ar1h", "cs", "csh", "ad", "adh", "sp_exp")


def read(case: str, **levels: list[str]) -> tuple[pd.DataFrame, dict]:
    data = pd.read_csv(REFERENCE / case / "data.csv")
    for name, order in levels.items():
        data[name] = pd.Categorical(data[name], order)
    return data, json.loads((REFERENCE / case / "reference.json").read_text(encoding="utf-8"))


def r_name(term: str) -> str:
    """R's name of a coefficient that formulaic calls ``arm[T.prp]:visit[T.Week 8]``."""
    return term.replace("Intercept", "(Intercept)").replace("[T.", "").replace("]", "")


def values(table: list[dict], column: str) -> np.ndarray:
    return np.array([float(row[column]) for row in table])


def hypothesis(fit: MixedModelFit, weights: dict[str, float]) -> np.ndarray:
    names = [r_name(name) for name in fit.term_names]
    row = np.zeros(len(names))
    for name, weight in weights.items():
        row[names.index(name)] = weight
    return row


def matrix(fit: MixedModelFit, block: dict) -> np.ndarray:
    names = [r_name(name) for name in fit.term_names]
    order = [block["cols"].index(name) for name in names]
    return np.array(block["values"], dtype=float)[:, order]


@pytest.fixture(scope="module")
def parallel() -> tuple[pd.DataFrame, dict]:
    return read(
        "parallel_vasi", arm=["laser", "prp", "laser_prp"], visit=[f"Week {w}" for w in (4, 8, 12, 24)]
    )


PARALLEL = "chg ~ baseline + sex + site + arm * visit + "


def fit_parallel(data: pd.DataFrame, structure: str = "us", **options: object) -> MixedModelFit:
    coordinate = "week" if structure == "sp_exp" else "visit"
    return fit_mixed_model(f"{PARALLEL}{structure}({coordinate} | patient)", data, **options)


@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_structure_reaches_mmrms_optimum(parallel, structure, reml):
    data, reference = parallel
    block = reference["covariance_structures_reml" if reml else "covariance_structures_ml"][structure]
    fit = fit_parallel(data, structure, reml=reml, df_method="satterthwaite")
    assert fit.converged
    assert fit.loglik == pytest.approx(block["logLik"], abs=LOGLIK)
    assert (fit.n_obs, fit.n_subjects) == (block["n_obs"], block["n_subjects"])
    assert fit.n_covariance_parameters == block["n_theta"]
    np.testing.assert_allclose(fit.beta, list(block["beta"].values()), rtol=ESTIMATE)
    covariance = fit.covariance.to_numpy()
    if (
        structure == "sp_exp"
    ):  # mmrm prints it for two visits one week apart; the first two here are four apart
        variance = covariance[0, 0]
        apart = variance * (covariance[0, 1] / variance) ** (1 / 4)
        covariance = np.array([[variance, apart], [apart, variance]])
    np.testing.assert_allclose(covariance, block["covariance"]["values"], rtol=ESTIMATE)
    if reml:
        assert fit.aic == pytest.approx(block["AIC"], abs=2 * LOGLIK)
        assert fit.bic == pytest.approx(block["BIC"], abs=2 * LOGLIK)
    if "coefficients_satterthwaite" in block:
        table = block["coefficients_satterthwaite"]
        np.testing.assert_allclose(fit.coefficients["std_error"], values(table, "se"), rtol=ESTIMATE)
        np.testing.assert_allclose(fit.coefficients["df"], values(table, "df"), rtol=SATTERTHWAITE_DF)
        np.testing.assert_allclose(fit.coefficients["p_value"], values(table, "p"), rtol=1e-4)


@pytest.mark.parametrize("method", ["satterthwaite", "kenward-roger-linear"])
def test_inference_for_us_agrees_with_mmrm(parallel, method):
    data, reference = parallel
    fit = fit_parallel(data, df_method=method)
    block = reference["us_inference"][method.replace("-", "_")]
    tolerance = KENWARD_ROGER if method.startswith("kenward") else {"se": ESTIMATE, "df": SATTERTHWAITE_DF}
    table = block["coefficients"]
    np.testing.assert_allclose(fit.coefficients["std_error"], values(table, "se"), rtol=tolerance["se"])
    np.testing.assert_allclose(fit.coefficients["df"], values(table, "df"), rtol=tolerance["df"])
    for row in block["contrasts"]["rows"]:
        weights = reference["contrast_matrices"]["one_df"].get(row["contrast"])
        if weights is None:
            continue
        found = fit.test(hypothesis(fit, weights)).iloc[0]
        assert found["estimate"] == pytest.approx(row["estimate"], rel=ESTIMATE)
        assert found["std_error"] == pytest.approx(row["se"], rel=tolerance["se"])
        assert found["df"] == pytest.approx(row["df"], rel=tolerance["df"])
        assert found["conf_low"] == pytest.approx(row["lower95"], rel=1e-5)


ROBUST = {
    "empirical_cr0": ("CR0", "satterthwaite"),
    "empirical_jackknife_cr3": ("CR3", "satterthwaite"),
    "empirical_cr0_between_within": ("CR0", "between-within"),
    "between_within": ("model", "between-within"),
    "residual": ("model", "residual"),
}


@pytest.mark.parametrize("case", ROBUST)
def test_other_covariances_and_degrees_of_freedom_agree_with_mmrm(parallel, case):
    data, reference = parallel
    vcov, method = ROBUST[case]
    fit = fit_parallel(data, df_method=method, vcov=vcov)
    block = reference["us_inference"][case]
    table = block["coefficients"]
    np.testing.assert_allclose(fit.coefficients["std_error"], values(table, "se"), rtol=ESTIMATE)
    np.testing.assert_allclose(fit.coefficients["df"], values(table, "df"), rtol=SATTERTHWAITE_DF)
    for row in block["contrasts"]["rows"]:
        found = fit.test(hypothesis(fit, reference["contrast_matrices"]["one_df"][row["contrast"]])).iloc[0]
        assert found["std_error"] == pytest.approx(row["se"], rel=ESTIMATE)
        assert found["df"] == pytest.approx(row["df"], rel=SATTERTHWAITE_DF)
    for name, test in block["f_tests"]["tests"].items():
        found = fit.test(matrix(fit, reference["contrast_matrices"]["multi_df"][name])).iloc[0]
        assert found["statistic"] == pytest.approx(test["f_stat"], rel=1e-5)
        assert found["den_df"] == pytest.approx(test["denom_df"], rel=1e-5)


def test_cr2_agrees_with_clubsandwich(parallel):
    data, reference = parallel
    fit = fit_parallel(data, vcov="CR2")
    block = reference["second_opinion_gls"]["clubSandwich"]["CR2"]
    order = [[r_name(name) for name in fit.term_names].index(name) for name in block["vcov"]["rows"]]
    # nlme's fit, which clubSandwich starts from, is right to about 1e-6
    np.testing.assert_allclose(
        fit.vcov.to_numpy()[np.ix_(order, order)], block["vcov"]["values"], rtol=1e-5, atol=1e-8
    )


@pytest.mark.parametrize("method", ["satterthwaite", "kenward-roger-linear"])
def test_f_tests_agree_with_mmrm(parallel, method):
    data, reference = parallel
    fit = fit_parallel(data, df_method=method)
    tests = reference["us_inference"][method.replace("-", "_")]["f_tests"]["tests"]
    assert tests
    for name, block in tests.items():
        found = fit.test(matrix(fit, reference["contrast_matrices"]["multi_df"][name])).iloc[0]
        assert found["num_df"] == block["num_df"]
        assert found["statistic"] == pytest.approx(block["f_stat"], rel=1e-5)
        assert found["den_df"] == pytest.approx(block["denom_df"], rel=1e-5)
        assert found["p_value"] == pytest.approx(block["p_val"], rel=1e-4)


def test_kenward_roger_with_expected_information_is_the_classical_formula(parallel):
    data, reference = parallel
    written_out = reference["kenward_roger_written_out_us"]
    for information in ("observed", "expected"):
        fit = fit_parallel(data, df_method="kenward-roger", information=information)
        block = written_out[f"{information}_information"]["vcov"]
        # 1e-5: the written-out reference differentiates numerically
        np.testing.assert_allclose(fit.vcov, block["values"], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("structure", [s for s in STRUCTURES if s != "us"])
def test_kenward_roger_linear_does_not_depend_on_the_parameterisation(parallel, structure):
    data, reference = parallel
    block = reference["other_structures_kenward_roger"][structure]
    linear = next((value for key, value in block.items() if "linear" in key), None)
    fit = fit_parallel(data, structure, df_method="kenward-roger-linear")
    table = (linear or block).get("coefficients") or block["coefficients"]
    # mmrm's plain and linear methods share their degrees of freedom
    np.testing.assert_allclose(fit.coefficients["df"], values(table, "df"), rtol=KENWARD_ROGER["df"])
    if linear:
        np.testing.assert_allclose(
            fit.coefficients["std_error"], values(table, "se"), rtol=KENWARD_ROGER["se"]
        )


@pytest.mark.parametrize("kind", [2, 3])
def test_tests_of_terms_agree_with_mmrm(parallel, kind):
    data, reference = parallel
    block = reference["anova"]["satterthwaite"]["type_" + "I" * kind]
    fit = fit_parallel(data, df_method="satterthwaite")
    table = fit.anova(type=kind).set_index("term")
    for row in block["rows"]:
        found = table.loc[row["term"]]
        assert found["num_df"] == row["Df"]
        assert found["statistic"] == pytest.approx(row["F"], rel=1e-6)
        if row["Df"] == 1:
            assert found["den_df"] == pytest.approx(row["Res.Df"], rel=1e-5)
        # the df of a multi-df Satterthwaite test depend on the rows that span it: give mmrm's rows, get mmrm's df
        given = fit.test(matrix(fit, block["L"][row["term"]])).iloc[0]
        assert given["den_df"] == pytest.approx(row["Res.Df"], rel=1e-5)


def test_type_3_does_not_depend_on_the_coding(parallel):
    data, _ = parallel
    fit = fit_parallel(data)
    other = data.assign(arm=data["arm"].cat.reorder_categories(["prp", "laser_prp", "laser"]))
    again = fit_parallel(other)
    np.testing.assert_allclose(again.anova()["statistic"], fit.anova()["statistic"], rtol=1e-8)
    # type 1 of the last term is type 3 of it; type 1 of the first is not
    assert fit.anova(1)["statistic"].iloc[-1] == pytest.approx(fit.anova(3)["statistic"].iloc[-1], rel=1e-8)


def test_covariance_by_group_agrees_with_mmrm(parallel):
    data, reference = parallel
    block = reference["grouped_us_by_arm"]
    fit = fit_mixed_model(f"{PARALLEL}us(visit | arm / patient)", data, df_method="satterthwaite")
    assert fit.loglik == pytest.approx(block["logLik"], abs=LOGLIK)
    for arm, covariance in block["covariance"].items():
        np.testing.assert_allclose(fit.covariance[arm], covariance["values"], rtol=ESTIMATE)
    table = block["satterthwaite"]["coefficients"]
    np.testing.assert_allclose(fit.coefficients["df"], values(table, "df"), rtol=SATTERTHWAITE_DF)


@pytest.mark.parametrize("weights", ["equal", "proportional"])
def test_marginal_means_and_contrasts_agree_with_emmeans(parallel, weights):
    data, reference = parallel
    block = reference["emmeans"][f"satterthwaite_{weights}"]
    fit = fit_parallel(data, df_method="satterthwaite")
    means = marginal_means(fit, "arm", by="visit", weights=weights)
    assert means.at["baseline"] == pytest.approx(block["baseline_held_at"], rel=1e-12)
    table = means.table.set_index(["arm", "visit"])
    for row in block["arm_by_visit"]:
        found = table.loc[(row["arm"], row["visit"])]
        assert found["estimate"] == pytest.approx(row["emmean"], rel=ESTIMATE)
        assert found["std_error"] == pytest.approx(row["SE"], rel=ESTIMATE)
        assert found["df"] == pytest.approx(row["df"], rel=SATTERTHWAITE_DF)


def test_hard_mmrm_with_55_parameters():
    weeks = (2, 4, 6, 8, 10, 12, 16, 20, 24, 36)
    data, reference = read("hard_mmrm", arm=["laser", "prp", "laser_prp"], visit=[f"Week {w}" for w in weeks])
    fit = fit_mixed_model("chg ~ baseline + site + arm * visit + us(visit | patient)", data)
    block, linear = reference["us_reml"], reference["kenward_roger_linear"]
    assert fit.converged
    assert fit.loglik == pytest.approx(block["logLik"], abs=1e-5)
    np.testing.assert_allclose(fit.covariance, block["covariance"]["values"], rtol=1e-4)
    np.testing.assert_allclose(fit.coefficients["std_error"], values(linear["coefficients"], "se"), rtol=1e-5)
    np.testing.assert_allclose(fit.coefficients["df"], values(linear["coefficients"], "df"), rtol=1e-4)
    for name, test in linear["f_tests"].items():
        found = fit.test(matrix(fit, reference["L_matrices"][name])).iloc[0]
        assert found["statistic"] == pytest.approx(test["f_stat"], rel=1e-4)
        assert found["den_df"] == pytest.approx(test["denom_df"], rel=1e-4)


WITHIN = "repigmentation ~ laser * prp * visit + body_site + "
RANDOM = {
    "lesion_nested": "(1 | patient/lesion)",
    "laser_slope": "(1 + laser | patient)",
    "laser_slope_and_lesion": "(1 + laser | patient) + (1 | patient:lesion)",
}


@pytest.fixture(scope="module")
def within() -> tuple[pd.DataFrame, dict]:
    return read(
        "within_patient_factorial",
        visit=[f"Week {w}" for w in (4, 12, 24)],
        body_site=["trunk", "face", "extremity", "acral"],
    )


@pytest.mark.parametrize("case", RANDOM)
def test_random_effects_agree_with_lme4(within, case):
    data, reference = within
    block = reference["lmer_reml"][case]
    fit = fit_mixed_model(WITHIN + RANDOM[case], data, df_method="satterthwaite")
    assert fit.loglik == pytest.approx(block["logLik"], abs=LOGLIK)
    beta = {r_name(name): value for name, value in zip(fit.term_names, fit.beta, strict=True)}
    for name, value in block["beta"].items():
        assert beta[name] == pytest.approx(value, rel=ESTIMATE)


@pytest.mark.parametrize("case", RANDOM)
@pytest.mark.parametrize("method", ["satterthwaite", "kenward-roger"])
def test_contrasts_of_random_effects_models_agree_with_lmertest_and_pbkrtest(within, case, method):
    data, reference = within
    block = reference["lmer_reml"][case][method.replace("-", "_")]
    # pbkrtest uses the expected information (Kenward and Roger 1997)
    information = "expected" if method == "kenward-roger" else "observed"
    fit = fit_mixed_model(WITHIN + RANDOM[case], data, df_method=method, information=information)
    rows = block["contrasts"]["rows"] if isinstance(block["contrasts"], dict) else block["contrasts"]
    assert rows
    for row in rows:
        found = fit.test(hypothesis(fit, reference["contrasts"][row["contrast"]])).iloc[0]
        assert found["estimate"] == pytest.approx(row["estimate"], rel=ESTIMATE)
        assert found["std_error"] == pytest.approx(row["se"], rel=ESTIMATE)
        assert found["df"] == pytest.approx(row["df"], rel=LMER_DF)


@pytest.mark.parametrize("case", RANDOM)
def test_conditional_modes_agree_with_lme4(within, case):
    data, reference = within
    fit = fit_mixed_model(WITHIN + RANDOM[case], data)
    found = fit.random_effects.set_index(["group", "unit", "term"])
    rows = reference["lmer_reml"][case]["random_effects"]["rows"]
    assert len(rows) == len(found)
    for row in rows:
        # lme4 writes lesion:patient for a nested term; the labels say which is which
        group = ":".join(sorted(row["grpvar"].split(":"), key=["patient", "lesion"].index))
        unit = ":".join(sorted(row["grp"].split(":"), reverse=True))
        mine = found.loc[(group, unit, row["term"].replace("(Intercept)", "Intercept"))]
        assert mine["estimate"] == pytest.approx(row["condval"], abs=1e-5)
        assert mine["std_error"] == pytest.approx(row["condsd"], abs=1e-5)


def test_ar1_within_lesion_beside_random_intercepts(within):
    """RANDOM and REPEATED together, against the likelihood written out in base R."""
    data, reference = within
    block = reference["ar1_within_lesion_direct"]
    fit = fit_mixed_model(
        WITHIN + "(1 | patient/lesion) + ar1(visit | patient:lesion)", data, df_method="satterthwaite"
    )
    assert fit.loglik == pytest.approx(block["logLik"], abs=LOGLIK)
    np.testing.assert_allclose(
        [matrix[0, 0] ** 0.5 for matrix in fit.component_matrices],
        [block["sd_patient"], block["sd_lesion"], block["sd_residual"]],
        rtol=1e-5,
    )
    for row in block["contrasts"]:
        found = fit.test(hypothesis(fit, reference["contrasts"][row["contrast"]])).iloc[0]
        assert found["std_error"] == pytest.approx(row["se"], rel=1e-5)
        assert found["df"] == pytest.approx(row["df_satterthwaite"], rel=1e-4)


RANK_DEFICIENT = {
    "full_rank": "baseline + site + arm * visit",
    "aliased_factor": "baseline + region + site + arm * visit",
    "aliased_factor_other_order": "baseline + site + region + arm * visit",
    "aliased_number": "baseline + baseline_fraction + site + arm * visit",
    "empty_cell": "baseline + arm * site + arm * visit",
}


@pytest.mark.parametrize("case", RANK_DEFICIENT)
@pytest.mark.parametrize("package", ["mmrm", "lmer"])
def test_aliased_columns_are_dropped_as_r_drops_them(case, package):
    data, reference = read(
        "rank_deficient", arm=["laser", "prp", "laser_prp"], visit=["Week 4", "Week 12", "Week 24"]
    )
    covariance = "us(visit | patient)" if package == "mmrm" else "(1 | patient)"
    fit = fit_mixed_model(f"chg ~ {RANK_DEFICIENT[case]} + {covariance}", data, df_method="satterthwaite")
    block = reference[package][case]
    assert [r_name(name) for name in fit.aliased] == block.get("dropped", [])
    assert fit.loglik == pytest.approx(block["logLik"], abs=LOGLIK)
    answer = block["emmeans_satterthwaite"]
    table = marginal_means(fit, "arm", by="visit").table.set_index(["arm", "visit"])
    for row in answer["means"]:
        found = table.loc[(row["arm"], row["visit"])]
        if row["emmean"] is None:
            assert found[["estimate", "std_error", "p_value"]].isna().all()
        else:
            assert found["estimate"] == pytest.approx(row["emmean"], rel=1e-6)
            assert found["df"] == pytest.approx(row["df"], rel=1e-4)
