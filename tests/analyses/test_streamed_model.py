"""Data read in chunks give the answer of the rows in memory, whatever the chunks, and refuse what needs the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

from analyses import compare_therapies, fit_mixed_model, marginal_means
from analyses.design.standardise import standardise
from analyses.mixed_model_fit import MixedModelFit
from analyses.streaming.gram import gram, standard_columns
from outcomes.errors import FormulaError, ModelError

VISITS = ["Week 4", "Week 12", "Week 24"]
ARMS = {"Control": frozenset(), "Laser": frozenset({"laser"}), "Both": frozenset({"laser", "prp"})}
MODEL = "value ~ baseline + arm * visit + us(visit | patient)"


def trial(seed: int = 3, patients: int = 90, arms_within: bool = False) -> pd.DataFrame:
    """Patients in an order of their own, with missing rows, values and a case weight."""
    rng = np.random.default_rng(seed)
    lesions = len(ARMS) if arms_within else 1
    n = patients * lesions
    patient = np.repeat(np.arange(patients), lesions)
    arm = np.tile(np.arange(lesions), patients) if arms_within else rng.integers(0, len(ARMS), n)
    visit = np.tile(np.arange(3), n)
    unit = np.repeat(np.arange(n), 3)
    value = rng.normal(0, 3, patients)[patient[unit]] + rng.normal(0, 1 + visit) + 2.0 * arm[unit] * visit
    labels = rng.permutation(patients)
    frame = pd.DataFrame(
        {
            "patient": [f"P{labels[number]:03d}" for number in patient[unit]],
            "site": pd.Categorical.from_codes(patient[unit] % 2, ["south", "north"]),
            "arm": pd.Categorical.from_codes(arm[unit], list(ARMS)),
            "visit": pd.Categorical.from_codes(visit, VISITS),
            "baseline": rng.normal(50, 10, patients)[patient[unit]],
            "weight": rng.choice([0.5, 1.0, 2.0], patients)[patient[unit]],
            "value": value,
        }
    )
    frame.loc[rng.random(len(frame)) < 0.08, "value"] = np.nan
    return frame[rng.random(len(frame)) < 0.95].reset_index(drop=True)


def stored(data: pd.DataFrame, folder: Path, rows: int = 40) -> Path:
    path = folder / "trial.parquet"
    data.to_parquet(path, row_group_size=rows)
    return path


def assert_same(streamed: MixedModelFit, whole: MixedModelFit) -> None:
    """To 1e-10: other orders of summation in a well-conditioned problem lose about 1e-13."""
    assert streamed.loglik == pytest.approx(whole.loglik, rel=1e-12)
    assert (streamed.n_obs, streamed.n_dropped, streamed.n_subjects) == (
        whole.n_obs,
        whole.n_dropped,
        whole.n_subjects,
    )
    assert streamed.aliased == whole.aliased
    assert list(streamed.coefficients["term"]) == list(whole.coefficients["term"])
    for table in ("coefficients", "covariance_parameters"):
        ours, theirs = (getattr(fit, table).iloc[:, 1:].to_numpy(dtype=float) for fit in (streamed, whole))
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)
    assert streamed.bic == pytest.approx(whole.bic, rel=1e-12)


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        (MODEL, {}),
        (MODEL, {"df_method": "kenward-roger", "weights": "weight"}),
        ("value ~ baseline + arm * visit + us(visit | site / patient)", {"reml": False}),
        ("value ~ arm * visit + (1 | patient)", {"df_method": "between-within"}),
        ("value ~ 0 + arm:visit + ar1h(visit | patient)", {"df_method": "satterthwaite"}),
        ("log(value + 100) ~ I(baseline - 50) + arm + (1 | patient)", {"information": "expected"}),
    ],
)
@pytest.mark.parametrize("order", ["by patient", "by visit"])
def test_chunks_give_the_answer_of_the_rows_in_memory(formula, options, order, tmp_path):
    data = trial()
    if order == "by visit":  # the rows of a patient stand apart, and are gathered first
        data = data.sort_values(["visit", "patient"], kind="stable")
    assert_same(
        fit_mixed_model(formula, stored(data, tmp_path), **options), fit_mixed_model(formula, data, **options)
    )


@pytest.mark.parametrize("rows", [1, 2, 7, 10_000])
def test_parts_may_cut_a_patient_anywhere(rows, tmp_path):
    data = trial(patients=25)
    assert_same(fit_mixed_model(MODEL, stored(data, tmp_path, rows)), fit_mixed_model(MODEL, data))


def test_several_lesions_of_a_patient_nest_and_may_change_their_order(tmp_path):
    data = trial(arms_within=True, patients=60)
    for formula in (
        "value ~ arm * visit + (0 + visit | patient) + cs(visit | patient:arm)",
        "value ~ arm * visit + us(arm | patient) @ us(visit)",
    ):
        assert_same(fit_mixed_model(formula, stored(data, tmp_path)), fit_mixed_model(formula, data))


def test_declared_order_is_kept_and_text_is_sorted(tmp_path):
    data = trial().assign(site=lambda d: d["site"].astype(str))
    formula = "value ~ arm + site + us(visit | patient)"
    streamed = fit_mixed_model(formula, stored(data, tmp_path))
    assert streamed.term_names == ("Intercept", "arm[T.Laser]", "arm[T.Both]", "site[T.south]")
    assert_same(streamed, fit_mixed_model(formula, data))


def test_columns_that_depend_on_others_are_dropped_alike(tmp_path):
    data = trial().assign(double=lambda d: 2 * d["baseline"] - 7)
    formula = "value ~ baseline + double + arm * visit + us(visit | patient)"
    streamed, whole = fit_mixed_model(formula, stored(data, tmp_path)), fit_mixed_model(formula, data)
    assert streamed.aliased == ("double",)
    assert_same(streamed, whole)
    means = [marginal_means(fit, "arm", at={"baseline": 40.0, "double": 0.0}) for fit in (streamed, whole)]
    assert means[0].table["estimate"].isna().all()
    assert means[1].table["estimate"].isna().all()


def test_a_shifted_response_loses_nothing(tmp_path):
    data = trial()
    whole = fit_mixed_model(MODEL, data)
    moved = fit_mixed_model(MODEL, stored(data.assign(value=data["value"] + 1e8), tmp_path))
    # the shifted value itself is stored to 1.5e-8 only
    np.testing.assert_allclose(moved.coefficients["std_error"], whole.coefficients["std_error"], rtol=1e-7)
    np.testing.assert_allclose(
        moved.coefficients["estimate"].iloc[1:], whole.coefficients["estimate"].iloc[1:], atol=2e-7
    )


def test_a_folder_and_a_dataset_are_read_alike(tmp_path):
    data = trial()
    whole = fit_mixed_model(MODEL, data)
    half = len(data) // 2
    for name, part in (("a.parquet", data.iloc[:half]), ("b.parquet", data.iloc[half:])):
        part.to_parquet(tmp_path / name)
    assert_same(fit_mixed_model(MODEL, tmp_path), whole)
    assert_same(fit_mixed_model(MODEL, str(tmp_path)), whole)
    assert_same(fit_mixed_model(MODEL, pads.dataset(tmp_path)), whole)


def test_means_contrasts_tests_and_verdict_of_a_stream(tmp_path):
    data = trial(patients=60, arms_within=True)
    formula = "value ~ baseline + site + arm * visit + (1 | patient) + us(visit | patient:arm)"
    streamed, whole = fit_mixed_model(formula, stored(data, tmp_path)), fit_mixed_model(formula, data)
    for weights in ("equal", "proportional"):
        ours, theirs = (marginal_means(fit, "arm", by="visit", weights=weights) for fit in (streamed, whole))
        for one, other in (
            (ours.table, theirs.table),
            (ours.contrast("pairwise").table, theirs.contrast("pairwise").table),
        ):
            pd.testing.assert_frame_equal(one, other, rtol=1e-9)
    for kind in (1, 2, 3):
        pd.testing.assert_frame_equal(streamed.anova(kind), whole.anova(kind), rtol=1e-8)
    new = data.dropna().head(20)
    pd.testing.assert_frame_equal(streamed.predict(new), whole.predict(new), rtol=1e-9)
    verdicts = [compare_therapies(fit, ARMS, at={"visit": "Week 24"}) for fit in (streamed, whole)]
    pd.testing.assert_frame_equal(verdicts[0].table, verdicts[1].table, rtol=1e-8)
    assert verdicts[0].may_claim == verdicts[1].may_claim
    assert str(streamed) == str(whole)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::UserWarning")
def test_workers_of_a_cluster_add_up_to_the_same_bits(tmp_path):
    distributed = pytest.importorskip("dask.distributed")
    data = trial()
    apart = data.sort_values("visit", kind="stable")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        for rows in (data, apart):
            path = stored(rows, tmp_path)
            shared = fit_mixed_model(MODEL, path, client=client)
            alone = fit_mixed_model(MODEL, path)
            # sums are added in the order of the parts, whoever made them
            assert shared.loglik == alone.loglik
            pd.testing.assert_frame_equal(shared.coefficients, alone.coefficients, check_exact=True)
            assert_same(shared, fit_mixed_model(MODEL, rows))


def test_what_needs_the_rows_says_so(tmp_path):
    fit = fit_mixed_model(MODEL, stored(trial(), tmp_path))
    for ask in (
        lambda: fit.residuals(),
        lambda: fit.fitted,
        lambda: fit.predict(),
        lambda: fit.random_effects,
        lambda: fit.simulate(np.random.default_rng(1)),
        lambda: fit.cooks_distance(),
        lambda: fit.refit(reml=False),
    ):
        with pytest.raises(ModelError, match="a streamed model does not keep"):
            ask()


@pytest.mark.parametrize(
    ("formula", "options", "error", "said"),
    [
        ("value ~ arms + us(visit | patient)", {}, FormulaError, "did you mean 'arm'"),
        (
            "value ~ center(baseline) + us(visit | patient)",
            {},
            FormulaError,
            "takes its encoding from the rows",
        ),
        ("value ~ C(weight) + us(visit | patient)", {}, FormulaError, "takes its encoding from the rows"),
        ("value ~ arm + (1 | patient) + (1 | site)", {}, ModelError, "nest in one another by their names"),
        ("value ~ arm + sp_exp(weight | patient)", {}, FormulaError, "cannot be streamed"),
        ("value ~ arm + us(baseline | patient)", {}, ModelError, "more than one row|never|too many"),
        ("value ~ arm + us(site | patient)", {}, ModelError, "more than one row"),
        ("visit ~ arm + us(visit | patient)", {}, FormulaError, "must be one number a row"),
        ("log(value - 1000) ~ arm + us(visit | patient)", {}, ModelError, "not finite"),
        (MODEL, {"weights": "value"}, ModelError, "weights must be positive"),
        (MODEL, {"weights": "wait"}, FormulaError, "did you mean 'weight'"),
        (MODEL, {"weights": [1.0]}, ModelError, "one of their columns"),
        (MODEL, {"vcov": "CR2"}, ModelError, "does not keep"),
        (MODEL, {"client": object()}, ModelError, "not one of Dask's"),
    ],
)
def test_bad_models_of_a_stream(formula, options, error, said, tmp_path):
    with pytest.raises(error, match=said):
        fit_mixed_model(formula, stored(trial(), tmp_path), **options)


def test_bad_files(tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        fit_mixed_model(MODEL, tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("patient,value\n")
    with pytest.raises(ModelError, match="cannot be read as Parquet"):
        fit_mixed_model(MODEL, tmp_path / "text.parquet")
    empty = stored(trial().iloc[:0], tmp_path)
    with pytest.raises(ModelError, match=r"no row has every model variable|data set is empty"):
        fit_mixed_model(MODEL, empty)
    one = stored(trial().query("patient == 'P001'"), tmp_path)
    with pytest.raises(ModelError, match=r"too few subjects|too few rows"):
        fit_mixed_model("value ~ 1 + (1 | patient)", one)
    never = trial().query("not (visit == 'Week 4')")
    never = pd.concat(
        [
            never.query("site == 'south' and visit == 'Week 12'"),
            never.query("site == 'north' and visit == 'Week 24'"),
        ]
    )
    with pytest.raises(ModelError, match="was observed at both Week 12 and Week 24"):
        fit_mixed_model("value ~ 1 + us(visit | patient)", stored(never, tmp_path))


def test_parts_that_declare_other_orders_are_refused(tmp_path):
    data = trial()
    half = len(data) // 2
    other = data.iloc[half:].assign(
        arm=lambda d: d["arm"].cat.reorder_categories(["Both", "Laser", "Control"])
    )
    tables = [pa.Table.from_pandas(part, preserve_index=False) for part in (data.iloc[:half], other)]
    for name, table in zip(("a.parquet", "b.parquet"), tables, strict=True):
        pq.write_table(table, tmp_path / name)
    with pytest.raises(ModelError, match="levels of arm in different orders"):
        fit_mixed_model(MODEL, tmp_path)


@pytest.mark.parametrize("columns", [[0, 1, 2, 3], [1, 2, 3], [0, 1, 2, 3, 4], [1, 2, 4]])
def test_standard_columns_of_cross_products_are_those_of_the_rows(columns):
    rng = np.random.default_rng(5)
    group = rng.integers(0, 3, 300)
    everything = np.column_stack(
        [np.ones(300), group == 1, group == 2, rng.normal(30, 4, 300), group == 0]
    ).astype(float)
    x, y = everything[:, columns], everything[:, 3] + group + rng.normal(size=300) + 50
    weights, cluster = rng.uniform(0.5, 2, 300), np.arange(300) // 3
    shift = np.append(x[:30].mean(axis=0), y[:30].mean())
    parts = [slice(start, start + 60) for start in range(0, 300, 60)]
    sums = [gram(x[part], y[part], weights[part], shift, cluster[part]) for part in parts]
    total = sums[0]
    for part in sums[1:]:
        total = total + part
    found = standard_columns(total, shift)
    whole = standardise(x, y, weights)
    assert found.standard.kept.tolist() == whole.kept.tolist()
    # cross-products of columns thirty from zero lose three of sixteen digits at most
    assert found.standard.scale == pytest.approx(whole.scale, rel=1e-11)
    assert found.standard.log_determinant == pytest.approx(whole.log_determinant, rel=1e-10)
    rows, root = found.rows(x, y, weights), np.sqrt(weights)[:, None]
    kept = x[:, found.standard.kept]
    np.testing.assert_allclose(rows[:, :-1], root * kept @ found.standard.transform, atol=1e-9)
    fitted = root[:, 0] * (y - kept @ found.standard.offset)
    np.testing.assert_allclose(rows[:, -1] * found.standard.scale, fitted, atol=1e-9)
    assert total.n_clusters == 100
    np.testing.assert_allclose(
        found.triangle.T @ found.triangle, x.T @ (weights[:, None] * x), rtol=1e-8, atol=1e-8
    )
