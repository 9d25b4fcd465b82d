"""The truth of a scenario against closed forms, an independent simulation and the trial's own derivations."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic_data import load_scenario, simulate_outcomes, simulate_trial, true_means, true_values
from synthetic_data.document import MAIN_ENDPOINT
from synthetic_data.scenario import DESIGNS
from synthetic_data.simulate import Outcomes
from synthetic_data.truth import endpoint_truths

RANGES = {
    "repigmentation": 110.0,  # a lesion may grow by a tenth
    "grade": 1.0,
    "responder50": 1.0,
    "responder75": 1.0,
    "vasi_change": 200.0,
    "vasi_percent_change": 110.0,
    "vasi50": 1.0,
    "posas_change": 108.0,
}


def values(name: str, endpoint: str | None = None, **changes) -> dict[str, float]:
    """Return contrast -> true value at the last visit, of the primary endpoint unless another is named."""
    scenario = load_scenario(name).replace(**changes)
    chosen = endpoint or MAIN_ENDPOINT[scenario.measurement.instrument]
    truth = true_values(scenario)
    rows = truth[(truth["endpoint"] == chosen) & (truth["visit"] == scenario.visits[-1].name)]
    rows = rows[~rows["definition"].str.contains("without")]
    return dict(zip(rows["contrast"], rows["value"], strict=True))


@pytest.mark.parametrize("design", DESIGNS)
def test_null_contrasts_are_exactly_nothing(design):
    truth = true_values(load_scenario(f"null/{design}"))
    differences = truth[truth["definition"] != "paired probability of superiority"]
    assert differences["value"].abs().max() < 1e-12  # only the rounding of sums
    superiority = truth[truth["definition"] == "paired probability of superiority"]
    assert ((superiority["value"] - 0.5).abs() < 1e-4).all()  # its own Monte Carlo error


@pytest.mark.parametrize("design", ["within-patient", "parallel-four-arm", "parallel-three-arm"])
def test_highest_single_agent_adds_exactly_nothing_to_prp(design):
    contrasts = values(f"highest-single-agent/{design}")
    name = "(Laser + PRP) − PRP" if design == "within-patient" else "PRP − (Laser + PRP)"
    assert contrasts[name] == pytest.approx(0.0, abs=1e-12)


def test_additive_effects_do_not_interact_on_the_recorded_scale():
    contrasts = values("additive/within-patient")
    # the grid of whole percents is fine and the bounds are far: nothing is left but Monte Carlo error (0.03)
    assert contrasts["[(Laser + PRP) − Laser] − [PRP − Untreated]"] == pytest.approx(0.0, abs=0.12)


def test_the_coarse_grid_of_the_vasi_makes_a_small_interaction_of_additive_effects():
    contrasts = values("additive/parallel-four-arm")
    interaction = contrasts["[Laser − (Laser + PRP)] − [Untreated − PRP]"]
    assert abs(interaction) < 0.03 * contrasts["Untreated − (Laser + PRP)"]
    assert interaction < 0


def test_means_are_those_of_the_mechanism_worked_by_hand():
    means = true_means(load_scenario("additive/within-patient"))
    rows = means[(means["endpoint"] == "repigmentation") & (means["visit"] == "Week 24")]
    by_arm = dict(zip(rows["arm"], rows["mean"], strict=True))
    # 3 untreated; 3 + 15 with the laser. Measurement is unbiased to second order: 100 (0.017)^2 < 0.03
    assert by_arm["Untreated"] == pytest.approx(3.0, abs=0.1)
    assert by_arm["Laser"] == pytest.approx(18.0, abs=0.1)
    # the effect of PRP at dose f / 4: 16 * 3.7 d / (d + 2.7), f normal (4, 1) cut at 2 and 7: 15.98 by quadrature
    fold = np.linspace(2.0, 7.0, 100_001)
    density = np.exp(-0.5 * (fold - 4.0) ** 2)
    effect = 16.0 * 3.7 * (fold / 4) / (fold / 4 + 2.7)
    expected = 3.0 + np.trapezoid(effect * density, fold) / np.trapezoid(density, fold)
    assert by_arm["PRP"] == pytest.approx(expected, abs=0.1)
    early = means[(means["endpoint"] == "repigmentation") & (means["visit"] == "Week 12")]
    # (1 - exp(-1)) / (1 - exp(-2.5)) of it at week 12
    assert early["mean"].to_numpy() / rows["mean"].to_numpy() == pytest.approx(np.full(4, 0.68864), abs=0.02)


def test_standard_deviations_are_reported_beside_the_means():
    means = true_means(load_scenario("synergy/within-patient"))
    rows = means[(means["endpoint"] == "repigmentation") & (means["visit"] == "Week 24")]
    assert rows["standard_deviation"].to_numpy() == pytest.approx([6.0, 20.0, 21.5, 11.0], rel=0.02)


def test_carry_across_has_two_truths_in_the_ratio_of_the_spill_over():
    truth = true_values(load_scenario("carry-across/within-patient"))
    rows = truth[(truth["endpoint"] == "repigmentation") & (truth["visit"] == "Week 24")]
    pairs = rows.groupby("contrast")["value"].agg(["first", "last"])
    assert rows["definition"].str.split(", ").str[1].value_counts().to_dict() == {
        "with spill-over": 6,
        "without spill-over": 6,
    }
    differences = pairs[~pairs.index.str.startswith("[")]
    # 1 - 0.075, to the Monte Carlo error of 0.02 in 15
    ratio = (differences["first"] / differences["last"]).to_numpy()
    assert ratio == pytest.approx(np.full(5, 0.925), abs=0.005)
    without = true_values(load_scenario("additive/within-patient"))
    same = without[(without["endpoint"] == "repigmentation") & (without["visit"] == "Week 24")]
    assert pairs.loc[same["contrast"], "last"].tolist() == same["value"].tolist()


@pytest.mark.parametrize(
    "name",
    [
        "synergy/within-patient",
        "carry-across/within-patient",
        "antagonism/parallel-four-arm",
        "synergy/parallel-three-arm",
        "additive/split-face",
    ],
)
def test_truth_is_what_a_large_trial_shows(name):
    """An independent simulation: real allocation, one outcome a lesion, other random numbers."""
    scenario = load_scenario(name).replace(patients=60_000)
    large = simulate_outcomes(scenario, np.random.default_rng(987_654))
    truth = true_values(load_scenario(name))
    truth = truth[(truth["visit"] == scenario.visits[-1].name) & ~truth["definition"].str.contains("without")]
    checked = 0
    for endpoint in endpoint_truths(scenario):
        derived = endpoint.derive(large.recorded)[..., -1]
        for row in truth[truth["endpoint"] == endpoint.name].itertuples():
            if row.definition.startswith("difference"):
                estimate, error = _difference(large, derived, row.contrast)
                # four standard errors of both simulations together
                assert abs(estimate - row.value) < 4 * np.hypot(error, row.monte_carlo_error) + 1e-9, row
                checked += 1
            elif row.definition.startswith("paired"):
                estimate, error = _superiority(large, derived, row.contrast)
                assert abs(estimate - row.value) < 4 * np.hypot(error, row.monte_carlo_error) + 1e-4, row
                checked += 1
    assert checked >= 1


def _arms_of(large: Outcomes, contrast: str) -> tuple[int, int]:
    labels = [arm.label for arm in large.scenario.arms]
    return tuple(labels.index(side.strip("()")) for side in contrast.split(" − "))


def _columns(large: Outcomes, derived: np.ndarray) -> np.ndarray:
    return np.take_along_axis(derived, np.argsort(large.recorded.arm, axis=1), axis=1)


def _difference(large: Outcomes, derived: np.ndarray, contrast: str) -> tuple[float, float]:
    first, second = _arms_of(large, contrast)
    if large.scenario.is_within_patient:
        columns = _columns(large, derived)
        difference = columns[:, first] - columns[:, second]
        return difference.mean(), difference.std() / np.sqrt(difference.size)
    groups = [derived[large.recorded.arm[:, 0] == k, 0] for k in (first, second)]
    error = np.sqrt(sum(group.var() / group.size for group in groups))
    return groups[0].mean() - groups[1].mean(), error


def _superiority(large: Outcomes, derived: np.ndarray, contrast: str) -> tuple[float, float]:
    first, second = _arms_of(large, contrast)
    columns = _columns(large, derived)
    win = (columns[:, first] > columns[:, second]) + 0.5 * (columns[:, first] == columns[:, second])
    return win.mean(), win.std() / np.sqrt(win.size)


@pytest.mark.parametrize("name", [f"synergy/{design}" for design in DESIGNS])
def test_monte_carlo_error_is_below_a_thousandth_of_the_range(name):
    truth = true_values(load_scenario(name))
    limits = truth["endpoint"].map(RANGES) / 1000
    # differences of two arms; an interaction adds four means and may have twice the error
    factor = np.where(truth["definition"].str.startswith("interaction"), 2.0, 1.0)
    assert (truth["monte_carlo_error"] / (limits * factor)).max() < 1
    assert set(truth["endpoint"]) == {endpoint.name for endpoint in endpoint_truths(load_scenario(name))}


@pytest.mark.parametrize("design", DESIGNS)
def test_truth_speaks_of_the_endpoints_as_the_trial_derives_them(design):
    scenario = load_scenario(f"synergy/{design}").replace(dropout={"rate": 0.0, "missed_visit_rate": 0.0})
    trial = simulate_trial(scenario, 8).trial
    recorded = simulate_outcomes(scenario, np.random.default_rng(8)).recorded
    analysed = {analysis.endpoint for analysis in trial.protocol.analyses}
    assert {endpoint.name for endpoint in endpoint_truths(scenario)} == analysed
    for endpoint in endpoint_truths(scenario):
        facts = trial.protocol.endpoint(endpoint.name)
        assert facts.higher_is_better == endpoint.higher_is_better
        assert (facts.scale == "ordinal") == endpoint.ordinal
        column = trial.endpoint(endpoint.name)["value"]
        numbers = column.cat.codes if endpoint.ordinal else column
        assert numbers.to_numpy() == pytest.approx(endpoint.derive(recorded).ravel(), abs=1e-9)


def test_contrasts_have_the_names_that_verdicts_give_them():
    from analyses import compare_therapies, fit_mixed_model

    for name, model in (
        ("synergy/within-patient", "value ~ arm + us(arm | patient)"),
        ("additive/parallel-four-arm", "value ~ arm * visit + us(visit | patient)"),
    ):
        trial = simulate_trial(name, 1).trial
        primary = trial.protocol.primary_analysis
        data = trial.endpoint(primary.endpoint)
        if trial.protocol.is_within_patient:
            data = data[data["visit"] == primary.visit]
        fit = fit_mixed_model(model, data)
        better = trial.protocol.endpoint(primary.endpoint).higher_is_better
        at = None if trial.protocol.is_within_patient else {"visit": primary.visit}
        verdict = compare_therapies(fit, trial.protocol.arms, at=at, higher_is_better=better)
        asked = {
            contrast for contrast in verdict.table["contrast"] if "−" in contrast and "max" not in contrast
        }
        assert asked <= set(values(name)), asked - set(values(name))


def test_truth_is_the_same_each_time():
    scenario = load_scenario("antagonism/split-face")
    again = load_scenario("antagonism/split-face").replace(patients=99)
    assert true_values(scenario, pairs=2000).equals(true_values(again, pairs=2000))
