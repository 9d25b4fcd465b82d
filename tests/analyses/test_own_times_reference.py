"""Random slopes and serial correlation at times that no two patients share, against lme4 and nlme."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses import fit_mixed_model
from analyses.engine.batched_products import BatchedProducts
from analyses.engine.direct_products import DirectProducts
from analyses.mixed_model import make_products
from analyses.mixed_model_fit import MixedModelFit

REFERENCE = Path(__file__).parents[1] / "reference"
# Both programs stop by their optimisers' tolerances on a surface that is flat at its top: the deviance agrees to 1e-7,
# covariance parameters and with them standard errors to about its root.
LOGLIK = 1e-6
ESTIMATE = 1e-4
VARIANCE = 1e-3
DF = 1e-3


def read(case: str) -> tuple[pd.DataFrame, dict]:
    data = pd.read_csv(REFERENCE / case / "data.csv")
    return data, json.loads((REFERENCE / case / "reference.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def slopes() -> tuple[pd.DataFrame, dict]:
    return read("own_times_slopes")


@pytest.fixture(scope="module")
def decay() -> tuple[pd.DataFrame, dict]:
    return read("own_times_decay")


SLOPES = {
    "correlated": "value ~ arm * week + (1 + week | patient)",
    "weighted": "value ~ arm * week + (1 + week | patient)",
    "lesions": "value ~ arm * week + (1 + week | patient) + (1 | patient:lesion)",
    "boundary": "flat ~ arm * week + (1 | patient) + (0 + week | patient)",
}


def fit_slopes(data: pd.DataFrame, case: str, **options: object) -> MixedModelFit:
    return fit_mixed_model(SLOPES[case], data, weights="area" if case == "weighted" else None, **options)


@pytest.mark.parametrize("case", SLOPES)
def test_lmer_and_its_satterthwaite_degrees_of_freedom(slopes, case):
    data, reference = slopes
    block = reference[case]
    fit = fit_slopes(data, case, df_method="satterthwaite")
    assert isinstance(make_products(fit.layout, fit.standard.w), BatchedProducts)
    assert fit.loglik == pytest.approx(block["loglik"], abs=LOGLIK)
    table = fit.coefficients
    np.testing.assert_allclose(table["estimate"], block["estimate"], rtol=ESTIMATE)
    np.testing.assert_allclose(table["std_error"], block["std_error"], rtol=ESTIMATE)
    if (
        case != "boundary"
    ):  # lmerTest leaves a variance of zero out of the information; here every parameter counts
        np.testing.assert_allclose(table["df"], block["satterthwaite_df"], rtol=DF)
    found = {
        f"{row['group'].split(':')[-1]} {row['term']}": row["variance"]
        for _, row in fit.variance_components.iterrows()
    }
    for row in block["components"]:
        if "var2" not in row:
            group = row["grp"].removesuffix(".1")
            name = f"{group} {row.get('var1', '')}".replace("(Intercept)", "Intercept")
            # a variance of zero is zero in units of the residual variance of about 6
            assert found[name] == pytest.approx(row["vcov"], rel=VARIANCE, abs=1e-6), name


@pytest.mark.parametrize("case", ["correlated", "lesions"])
def test_kenward_roger_of_pbkrtest(slopes, case):
    data, reference = slopes
    block = reference[case]
    table = fit_slopes(data, case, df_method="kenward-roger", information="expected").coefficients
    np.testing.assert_allclose(table["std_error"], block["kr_std_error"], rtol=ESTIMATE)
    np.testing.assert_allclose(table["df"], block["kr_df"], rtol=DF)


@pytest.mark.parametrize("case", SLOPES)
def test_maximum_likelihood_of_lmer(slopes, case):
    data, reference = slopes
    block = reference[case]
    fit = fit_slopes(data, case, reml=False, df_method="asymptotic")
    assert fit.loglik == pytest.approx(block["loglik_ml"], abs=LOGLIK)
    np.testing.assert_allclose(fit.beta, block["estimate_ml"], rtol=ESTIMATE)
    np.testing.assert_allclose(fit.coefficients["std_error"], block["std_error_ml"], rtol=ESTIMATE)


@pytest.mark.parametrize("case", ["correlated", "weighted", "lesions"])
def test_conditional_modes_of_lmer(slopes, case):
    data, reference = slopes
    block = reference[case]
    found = fit_slopes(data, case).random_effects
    mine = found[found["group"] == "patient"]
    for at, term in enumerate(("Intercept", "week")):
        rows = mine[mine["term"] == term].set_index("unit").loc[block["modes_unit"]]
        # in units of a spread of 5 and 0.3: shrinkage is a function of the variances, right to 1e-4
        np.testing.assert_allclose(rows["estimate"], np.array(block["modes"])[:, at], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(rows["std_error"], np.array(block["modes_std_error"])[:, at], rtol=1e-3)


DECAY = {
    "decay": "steady ~ arm * week + sp_exp(week | patient)",
    "slope_decay": "value ~ arm * week + (0 + week | patient) + sp_exp(week | patient)",
    "slope_ar1": "value ~ arm * week + (0 + week | patient) + ar1(visit | patient)",
    "line_ar1": "value ~ arm * week + (1 + week | patient) + ar1(visit | patient)",
    "boundary": "steady ~ arm * week + (0 + week | patient) + sp_exp(week | patient)",
}


@pytest.mark.parametrize("method", ["reml", "ml"])
@pytest.mark.parametrize("case", DECAY)
def test_serial_correlation_of_nlme(decay, case, method):
    data, reference = decay
    block = reference[case][method]
    fit = fit_mixed_model(DECAY[case], data, reml=method == "reml", df_method="asymptotic")
    assert isinstance(make_products(fit.layout, fit.standard.w), DirectProducts)
    assert fit.converged
    assert bool(fit.convergence.boundary) == (case == "boundary")
    assert fit.loglik == pytest.approx(block["loglik"], abs=LOGLIK)
    np.testing.assert_allclose(fit.beta, block["estimate"], rtol=ESTIMATE)
    if method == "reml":  # under ML nlme's standard errors have a divisor of n - p of their own
        np.testing.assert_allclose(fit.coefficients["std_error"], block["std_error"], rtol=ESTIMATE)
    parameters = fit.covariance_parameters.set_index("parameter")["estimate"]
    residual = DECAY[case].rsplit(" + ", 1)[1]
    kind = "correlation" if "ar1" in case else "range"
    assert parameters[f"{residual}: variance"] == pytest.approx(block["residual_variance"], rel=VARIANCE)
    assert parameters[f"{residual}: {kind}"] == pytest.approx(block["correlation"], rel=VARIANCE)
    if case != "decay":
        g = fit.component_matrices[0]
        np.testing.assert_allclose(g, block["random"], rtol=VARIANCE, atol=1e-6)
