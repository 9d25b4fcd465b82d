"""Cook's distance by patient: R, deletion by dense algebra with the covariance held, and by fitting again."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses import fit_mixed_model
from analyses.examine.influence import rows_of_frame
from outcomes.errors import ModelError

REFERENCE = Path(__file__).parents[1] / "reference"
SLOPES = "Reaction ~ Days + (1 + Days | Subject)"


@pytest.fixture(scope="module")
def unbalanced() -> tuple[pd.DataFrame, dict]:
    data = pd.read_csv(REFERENCE / "sleepstudy" / "data.csv")
    text = (REFERENCE / "sleepstudy_inference" / "reference.json").read_text(encoding="utf-8")
    return data.drop(index=data.index[6::7]), json.loads(text)["influence"]


@pytest.mark.parametrize("refit", [False, True])
def test_against_r(unbalanced, refit):
    data, reference = unbalanced
    kind = "refit" if refit else "held"
    table = fit_mixed_model(SLOPES, data).cooks_distance(coefficients=True, refit=refit)
    assert table["subject"].astype(str).tolist() == reference["subject"]
    # lmer's derivative-free search is right to 1e-4 in its parameters; changes are differences of its coefficients
    expected = np.array(reference[f"change_{kind}"])
    np.testing.assert_allclose(table[["Intercept", "Days"]], expected, atol=5e-4 if refit else 5e-5)
    np.testing.assert_allclose(table["distance"], reference[f"distance_{kind}"], rtol=1e-3 if refit else 1e-4)


def lesions(patients: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = [(p, arm, v) for p in range(patients) for arm in ("A", "B") for v in range(3)]
    data = pd.DataFrame(rows, columns=["patient", "arm", "visit"])
    lesion = data["patient"] * 2 + data["arm"].map({"A": 0, "B": 1})
    data["y"] = rng.normal(0, 1.5, patients)[data["patient"]] + rng.normal(0, 1, 2 * patients)[lesion]
    data["y"] = 1e3 * (data["y"] + rng.normal(size=len(data))) + 5e4
    data["rater"] = np.arange(len(data)) % 3
    data["site"] = data["patient"] // 4
    data["lesion"] = np.where(data["arm"] == "A", "left", "right")
    data["twice"] = 2.0 * data["visit"]
    data["group"] = np.where(data["patient"] % 2, "x", "y")
    return data.assign(w=rng.uniform(0.5, 2, len(data))).drop(index=[3, 17, 30, 31, 44])


def dense_covariance(fit) -> np.ndarray:
    """V of the rows used, written out pair by pair."""
    frame, n = fit.frame, fit.n_obs
    v = np.zeros((n, n))
    for design, g in zip(frame.random, fit.component_matrices, strict=False):
        v += np.where(design.subject[:, None] == design.subject, design.z @ g @ design.z.T, 0.0)
    residual, matrices = frame.residual.design, fit.component_matrices[len(frame.random) :]
    root = np.sqrt(frame.weights)
    for at, matrix in enumerate(matrices):
        mine = (residual.group == at) & (residual.subject[:, None] == residual.subject)
        v += np.where(mine, matrix[residual.slot[:, None], residual.slot], 0.0) / np.outer(root, root)
    return v


def deleted(fit, keep: np.ndarray, v: np.ndarray) -> np.ndarray:
    x = fit.frame.x[:, fit.standard.kept][keep]
    inverse = np.linalg.inv(v[np.ix_(keep, keep)])
    return np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ fit.frame.y[keep])


CASES = [
    ("y ~ visit + (1 + visit | patient)", {"weights": "w"}, None),
    ("y ~ arm * visit + (1 | patient/lesion)", {}, None),
    ("y ~ arm * visit + (1 | patient/lesion)", {"vcov": "CR2"}, "site"),
    ("y ~ arm * visit + (1 | patient/lesion)", {"weights": "w"}, ["patient", "lesion"]),
    ("y ~ arm * visit + (1 | patient/lesion)", {}, "visit"),
    ("y ~ arm + visit + twice + (1 | patient)", {}, None),
    ("y ~ arm + csh(visit | group / patient:lesion)", {"reml": False}, "patient"),
    ("y ~ arm + us(arm | patient) @ ar1(visit)", {"weights": "w"}, None),
    ("y ~ arm + (1 | patient) + ar1(visit | patient:lesion)", {}, None),
    ("y ~ arm + visit + (1 | patient) + (1 | rater)", {"weights": "w"}, None),
    ("y ~ arm + visit + (1 | patient) + (1 | rater)", {}, "rater"),
]


@pytest.mark.parametrize(("formula", "options", "by"), CASES)
def test_against_deletion_by_dense_algebra(formula, options, by):
    data = lesions()
    if "site" in str(by):
        formula = formula.replace("arm *", "site + arm *")
    fit = fit_mixed_model(formula, data, **options)
    table = fit.cooks_distance(by=by, coefficients=True)
    names = ["patient"] if by is None else [by] if isinstance(by, str) else by
    units = fit.frame.data[names].astype(str).agg(":".join, axis=1)
    assert table["subject"].astype(str).tolist() == list(dict.fromkeys(units))
    v, x = dense_covariance(fit), fit.frame.x[:, fit.standard.kept]
    information = x.T @ np.linalg.solve(v, x)
    whole = deleted(fit, np.ones(fit.n_obs, dtype=bool), v)
    np.testing.assert_allclose(whole, fit.beta, rtol=1e-9)
    for _, row in table.iterrows():
        keep = (units != str(row["subject"])).to_numpy()
        change = whole - deleted(fit, keep, v)
        # two estimates of about 5e4, whose digits the difference loses
        np.testing.assert_allclose(
            row[list(fit.term_names)].astype(float), change, rtol=1e-8, atol=1e-8 * 5e4
        )
        distance = change @ information @ change / len(change)
        assert row["distance"] == pytest.approx(distance, rel=1e-7)
        assert row["n_obs"] == (~keep).sum()
        assert row["note"] == ""


def test_both_ways_agree():
    """Whole clusters all at once, and row by row."""
    from analyses.examine.influence import _of_clusters, _of_rows

    fit = fit_mixed_model("y ~ arm * visit + (1 | patient/lesion)", lesions(), weights="w")
    x = fit.standard.w[:, :-1]
    codes = fit.cluster
    steps, alone = _of_clusters(fit, codes, x, fit.standard.w[:, -1])
    again, _ = _of_rows(fit, codes, x, fit.standard.w[:, -1])
    np.testing.assert_allclose(steps, again, rtol=1e-9, atol=1e-12)
    assert not alone.any()


def test_the_distance_has_no_unit():
    data = lesions()
    one = fit_mixed_model("y ~ arm + (1 | patient)", data).cooks_distance()
    two = fit_mixed_model("y ~ arm + (1 | patient)", data.assign(y=1e-3 * data["y"] - 7)).cooks_distance()
    np.testing.assert_allclose(one["distance"], two["distance"], rtol=1e-9)


def test_a_patient_who_carries_a_coefficient_alone():
    data = lesions().assign(treated=lambda d: (d["patient"] == 3).astype(float))
    fit = fit_mixed_model("y ~ treated + (1 | patient)", data)
    for refit in (False, True):
        table = fit.cooks_distance(coefficients=True, refit=refit).set_index("subject")
        assert np.isnan(table.loc[3, "distance"])
        assert table.loc[3, "note"] == "some coefficient cannot be estimated without this subject"
        assert np.isnan(table.loc[3, "treated"])
        assert table["distance"].drop(3).notna().all()
    rows = fit.cooks_distance(by="treated")
    assert rows["distance"].isna().tolist() == [True, True][: len(rows)]


def test_fitting_again_is_fitting_the_data_without_the_patient():
    data = lesions()
    formula = "y ~ arm + (1 | patient) + ar1(visit | patient:lesion)"
    fit = fit_mixed_model(formula, data)
    table = fit.cooks_distance(coefficients=True, refit=True).set_index("subject")
    for patient in (0, 5, 11):
        other = fit_mixed_model(formula, data[data["patient"] != patient])
        # both are optima of the same deviance, found from the same start
        np.testing.assert_allclose(
            table.loc[patient, ["Intercept", "arm[T.B]"]].astype(float), fit.beta - other.beta, rtol=1e-7
        )


def test_what_cannot_be_fitted_again_is_said():
    fit = fit_mixed_model("y ~ arm + (1 | patient)", lesions().query("patient < 2"))
    table = fit.cooks_distance(refit=True)
    assert table["distance"].isna().all()
    assert table["note"].tolist() == ["too few subjects for a mixed model"] * 2
    assert fit.cooks_distance()["distance"].notna().all()


def test_rows_of_a_frame():
    fit = fit_mixed_model("y ~ arm + (1 | patient/lesion)", lesions())
    rows = np.flatnonzero(fit.frame.data["patient"] != 4)
    frame = rows_of_frame(fit.frame, rows)
    assert len(frame.y) == len(frame.data) == len(frame.random[1].z) == len(rows)
    assert sorted(set(frame.random[0].subject)) == list(range(11))
    assert frame.columns == fit.frame.columns


def test_errors():
    fit = fit_mixed_model("y ~ arm + (1 | patient)", lesions())
    with pytest.raises(ModelError, match="no such column"):
        fit.cooks_distance(by="site")
    one = fit_mixed_model("y ~ visit + twice + (1 | patient)", lesions().assign(twice=1.0))
    with pytest.raises(ModelError, match="leaves nothing"):
        one.cooks_distance(by="twice")
    for wrong in (3, [], [3]):
        with pytest.raises(ModelError, match="named by columns"):
            fit.cooks_distance(by=wrong)
    with pytest.raises(ModelError, match="without fixed effects"):
        fit_mixed_model("y ~ 0 + (1 | patient)", lesions()).cooks_distance()
