"""Data sets that every mixed-model program knows: sleepstudy (lme4) and Orthodont (nlme)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses import fit_mixed_model

REFERENCE = Path(__file__).parents[1] / "reference"


@pytest.fixture(scope="module")
def sleepstudy() -> tuple[pd.DataFrame, dict]:
    folder = REFERENCE / "sleepstudy"
    return pd.read_csv(folder / "data.csv"), json.loads(
        (folder / "reference.json").read_text(encoding="utf-8")
    )


@pytest.fixture(scope="module")
def orthodont() -> tuple[pd.DataFrame, dict]:
    folder = REFERENCE / "orthodont"
    data = pd.read_csv(folder / "data.csv").assign(visit=lambda d: d["age"].astype(str).str.zfill(2))
    data["Sex"] = pd.Categorical(data["Sex"], ["Male", "Female"])
    return data, json.loads((folder / "reference.json").read_text(encoding="utf-8"))


RANDOM = {
    "correlated": "(1 + Days | Subject)",
    "uncorrelated": "(1 + Days || Subject)",
    "intercept": "(1 | Subject)",
}


@pytest.mark.parametrize("case", RANDOM)
def test_sleepstudy(sleepstudy, case):
    data, reference = sleepstudy
    block = reference[case]
    for method, information in (("satterthwaite", "observed"), ("kenward-roger", "expected")):
        fit = fit_mixed_model(
            f"Reaction ~ Days + {RANDOM[case]}", data, df_method=method, information=information
        )
        assert fit.loglik == pytest.approx(block["logLik"], abs=1e-6)
        np.testing.assert_allclose(fit.beta, block["beta"], rtol=1e-6)
        # lme4 stops where its derivative-free optimiser does: 1e-4 in df, as lmerTest differentiates numerically
        np.testing.assert_allclose(
            fit.coefficients["std_error"], block[method.replace("-", "_")]["se"], rtol=1e-5
        )
        np.testing.assert_allclose(fit.coefficients["df"], block[method.replace("-", "_")]["df"], rtol=1e-4)


@pytest.mark.parametrize("structure", ["us", "csh", "ar1"])
def test_orthodont_by_generalised_least_squares(orthodont, structure):
    data, reference = orthodont
    block = reference[structure]
    fit = fit_mixed_model(
        f"distance ~ Sex * visit + {structure}(visit | Subject)", data, df_method="satterthwaite"
    )
    # nlme's optimiser differentiates numerically: its own README-level agreement is 1e-6
    assert fit.loglik == pytest.approx(block["logLik"], abs=1e-6)
    order = ["Intercept", "Sex[T.Female]", "visit[T.10]", "visit[T.12]", "visit[T.14]"]
    order += [f"Sex[T.Female]:visit[T.{age}]" for age in (10, 12, 14)]
    table = fit.coefficients.set_index("term").loc[order]
    np.testing.assert_allclose(table["estimate"], block["beta"], rtol=1e-5)
    np.testing.assert_allclose(table["std_error"], block["se"], rtol=1e-5)


def test_orthodont_slopes(orthodont):
    data, reference = orthodont
    block = reference["slope"]
    for method, information in (("satterthwaite", "observed"), ("kenward-roger", "expected")):
        fit = fit_mixed_model(
            "distance ~ Sex * age + (1 + age | Subject)", data, df_method=method, information=information
        )
        assert fit.loglik == pytest.approx(block["logLik"], abs=1e-6)
        np.testing.assert_allclose(fit.beta, block["beta"], rtol=1e-6)
        np.testing.assert_allclose(
            fit.coefficients["std_error"], block[method.replace("-", "_")]["se"], rtol=1e-5
        )
        np.testing.assert_allclose(fit.coefficients["df"], block[method.replace("-", "_")]["df"], rtol=1e-4)
