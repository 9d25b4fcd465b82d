"""Simulated trials: grids, spreads, correlations, streams, bytes, and the trial that comes of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from outcomes import read_trial
from outcomes.errors import ScenarioError
from synthetic_data import load_scenario, simulate_frames, simulate_outcomes, simulate_trial, write_scenario
from synthetic_data.safety import adverse_events, erythema_days
from synthetic_data.scenario import DESIGNS
from synthetic_data.scenario_tables import ITEMS, Days

ROOT = Path(__file__).parents[2]


def outcomes_of(name: str, seed: int = 3, **changes):
    return simulate_outcomes(load_scenario(name).replace(**changes), np.random.default_rng(seed))


@pytest.fixture(scope="module")
def large_within():
    """Many patients of the additive within-patient scenario."""
    return outcomes_of("additive/within-patient", patients=40_000)


def by_arm(outcomes) -> np.ndarray:
    """Return the outcome at the last visit with a column an arm, shape (patients, arms)."""
    order = np.argsort(outcomes.recorded.arm, axis=1)
    return np.take_along_axis(outcomes.recorded.value[..., -1], order, axis=1)


class TestGrids:
    def test_percent_repigmentation_is_whole_and_at_most_100(self):
        recorded = outcomes_of("synergy/within-patient", patients=2000).recorded
        assert np.array_equal(recorded.value, np.round(recorded.value))
        assert recorded.value.max() <= 100
        assert recorded.value.min() < 0  # lesions may grow, and nothing is clipped
        for area in (recorded.baseline_area, recorded.area):
            assert area == pytest.approx(np.round(area, 1), abs=1e-9)
            assert area.min() >= 0
        percent = (
            100 * (recorded.baseline_area[..., None] - recorded.area) / recorded.baseline_area[..., None]
        )
        assert np.abs(percent - recorded.value).max() <= 0.5 + 1e-9

    def test_vasi_is_a_sum_of_whole_hand_units_times_classes(self):
        recorded = outcomes_of("synergy/parallel-four-arm", patients=2000).recorded
        assert set(np.unique(recorded.depigmentation)) <= {0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0}
        assert np.array_equal(recorded.hand_units, np.round(recorded.hand_units))
        total = np.einsum("nr,nrv->nv", recorded.hand_units, recorded.depigmentation)
        assert recorded.baseline[:, 0] == pytest.approx(total[:, 0], abs=1e-9)
        assert recorded.value[:, 0] == pytest.approx(total[:, 1:], abs=1e-9)
        assert recorded.baseline.min() > 0

    def test_posas_items_are_whole_from_1_to_10(self):
        recorded = outcomes_of("additive/split-face", patients=2000).recorded
        assert set(np.unique(recorded.items)) == set(range(1, 11))
        assert recorded.items.shape[-1] == len(ITEMS)
        assert np.array_equal(recorded.items.sum(axis=-1)[..., 0], recorded.baseline)
        assert np.array_equal(recorded.items.sum(axis=-1)[..., 1:], recorded.value)


class TestDefaults:
    def test_spreads_by_arm_are_those_of_the_scenario(self, large_within):
        # 6, 20, 21.5 and 11 points; 2 % for first-order measurement error and chance (0.4 %)
        assert by_arm(large_within).std(axis=0) == pytest.approx([6.0, 20.0, 21.5, 11.0], rel=0.02)

    def test_means_by_arm_are_those_of_the_scenario(self, large_within):
        # 3; 3 + 15; about 3 + 16 (a dose varies, and its effect is curved); and both effects
        assert by_arm(large_within).mean(axis=0) == pytest.approx([3.0, 18.0, 19.0, 34.0], abs=0.5)

    def test_spread_grows_over_visits(self, large_within):
        sd = large_within.recorded.value.std(axis=(0, 1))
        assert sd[0] < 0.9 * sd[1]

    @pytest.mark.parametrize(
        "name", ["additive/within-patient", "synergy/within-patient", "null/within-patient"]
    )
    def test_lesions_of_a_patient_correlate_as_published(self, name):
        values = by_arm(outcomes_of(name, patients=20_000))
        correlation = np.corrcoef(values.T)[np.triu_indices(4, 1)]
        # 0.55 to 0.60 between recorded improvements, on average over the pairs of arms; 0.02 either side
        assert 0.53 <= correlation.mean() <= 0.62

    def test_sides_of_a_face_correlate_in_their_improvement(self):
        recorded = outcomes_of("additive/split-face", patients=20_000).recorded
        order = np.argsort(recorded.arm, axis=1)  # sides by arm: their difference is no lack of correlation
        change = np.take_along_axis(recorded.baseline - recorded.value[..., -1], order, axis=1)
        assert 0.53 <= np.corrcoef(change.T)[0, 1] <= 0.62

    def test_scar_scores_before_treatment_are_as_described(self):
        recorded = outcomes_of("additive/split-face", patients=20_000).recorded
        assert recorded.baseline.mean() == pytest.approx(30.0, abs=0.3)
        assert recorded.baseline.std() == pytest.approx(7.0, abs=0.8)
        assert np.corrcoef(recorded.baseline[:, 0], recorded.value[:, 0, -1])[0, 1] > 0.6

    def test_dropout_is_near_its_rate(self):
        parallel = outcomes_of(
            "additive/parallel-three-arm", patients=30_000, dropout={"missed_visit_rate": 0.0}
        )
        assert 1 - parallel.assessed[:, -1].mean() == pytest.approx(0.10, abs=0.025)
        within = outcomes_of("additive/within-patient", patients=30_000, dropout={"missed_visit_rate": 0.0})
        assert 1 - within.assessed[:, -1].mean() == pytest.approx(0.04, abs=0.005)

    def test_poor_responders_leave_in_the_parallel_design(self):
        outcomes = outcomes_of("additive/parallel-three-arm", patients=30_000)
        benefit, last = outcomes.recorded.benefit, outcomes.assessed[:, -1]
        assert benefit[~last, -1].mean() < benefit[last, -1].mean() - 3

    def test_sessions_are_missed_at_their_rate_but_never_the_first(self):
        sessions = outcomes_of("additive/within-patient", patients=30_000).recorded.sessions
        assert sessions.min() >= 1
        assert sessions.max() == 6
        assert sessions.mean() == pytest.approx(1 + 5 * 0.95, abs=0.02)


class TestAllocation:
    def test_every_patient_has_every_arm_once_in_random_order(self):
        arm = outcomes_of("synergy/within-patient", patients=4000).recorded.arm
        assert np.array_equal(np.sort(arm, axis=1), np.tile(np.arange(4), (4000, 1)))
        share = np.array([(arm == k).mean(axis=0) for k in range(4)])
        assert share == pytest.approx(np.full((4, 4), 0.25), abs=4 * np.sqrt(0.1875 / 4000))

    def test_parallel_arms_are_balanced_in_blocks(self):
        arm = outcomes_of("synergy/parallel-three-arm").recorded.arm[:, 0]
        blocks = arm.reshape(-1, 6)
        assert np.array_equal(np.sort(blocks, axis=1), np.tile([0, 0, 1, 1, 2, 2], (20, 1)))
        assert np.unique(blocks, axis=0).shape[0] > 10


class TestStreams:
    @pytest.mark.parametrize("design", DESIGNS)
    def test_one_more_patient_leaves_the_others_as_they_were(self, design):
        name = f"informative-dropout/{design}"
        few, many = outcomes_of(name, patients=30), outcomes_of(name, patients=31)
        for field in ("arm", "value", "baseline", "site", "fold", "sessions"):
            was, now = getattr(few.recorded, field), getattr(many.recorded, field)
            assert (was is None and now is None) or np.array_equal(was, now[:30])
        for field in ("assessed", "age", "female", "phototype"):
            assert np.array_equal(getattr(few, field), getattr(many, field)[:30])

    def test_roles_have_streams_of_their_own(self):
        base = outcomes_of("additive/within-patient")
        other = outcomes_of("additive/within-patient", dropout={"rate": 0.5}, people={"female_share": 0.1})
        assert np.array_equal(base.recorded.value, other.recorded.value)
        assert not np.array_equal(base.assessed, other.assessed)
        assert not np.array_equal(base.female, other.female)

    def test_a_generator_gives_another_trial_each_time(self):
        rng = np.random.default_rng(1)
        scenario = load_scenario("null")
        first, second = simulate_outcomes(scenario, rng), simulate_outcomes(scenario, rng)
        assert not np.array_equal(first.recorded.value, second.recorded.value)


class TestEvents:
    def events(self, name: str, **changes):
        outcomes = outcomes_of(name, patients=8000, **changes)
        arm = outcomes.recorded.arm
        late = np.full(8000, 100.0)
        return adverse_events(
            outcomes.scenario, arm, outcomes.phototype, late, np.random.default_rng(2)
        ), outcomes

    def test_rates_by_arm(self):
        events, outcomes = self.events("synergy/within-patient")
        arm = outcomes.recorded.arm[events.patient, np.maximum(events.unit, 0)]
        pigmented = events.term == "Postinflammatory hyperpigmentation"
        rate = np.bincount(arm[pigmented], minlength=4) / 8000
        # 0, 20 %, 2 %, 20 %: the multipliers of the phototypes have mean 1; four standard errors are 1.8 points
        assert rate == pytest.approx([0.0, 0.20, 0.02, 0.20], abs=0.018)
        koebner = np.bincount(arm[events.term == "Koebner phenomenon"], minlength=4) / 8000
        assert koebner == pytest.approx([0.0, 0.015, 0.005, 0.015], abs=0.006)

    def test_erythema_days_are_whole_with_the_published_mean_and_spread(self):
        days = erythema_days(np.random.default_rng(1).standard_normal(100_000), Days(mean=10.4, sd=2.7))
        assert days.mean() == pytest.approx(10.4, abs=0.05)
        assert days.std() == pytest.approx(2.7, abs=0.06)  # rounding adds 1/12 to the variance: 2.72
        assert days.min() >= 1

    def test_erythema_touches_treated_lesions_alone(self):
        events, outcomes = self.events("synergy/within-patient")
        arm = outcomes.recorded.arm[events.patient, np.maximum(events.unit, 0)]
        counts = np.bincount(arm[events.term == "Erythema"], minlength=4)
        assert counts.tolist() == [0, 8000, 8000, 8000]

    def test_venepuncture_harms_the_patient_and_no_lesion(self):
        events, _ = self.events("synergy/within-patient")
        vasovagal = events.term == "Vasovagal reaction"
        assert vasovagal.sum() / 8000 == pytest.approx(0.03, abs=0.008)
        assert np.all(events.unit[vasovagal] == -1)
        assert np.all(events.unit[~vasovagal] >= 0)

    def test_scars_do_not_koebnerise(self):
        events, _ = self.events("additive/split-face")
        assert "Koebner phenomenon" not in set(events.term)

    def test_what_starts_after_the_last_visit_is_not_reported(self):
        outcomes = outcomes_of("synergy/within-patient", patients=4000)
        early = np.zeros(4000)
        events = adverse_events(
            outcomes.scenario, outcomes.recorded.arm, outcomes.phototype, early, np.random.default_rng(2)
        )
        assert events.start_week.max() <= 4.0
        assert np.nanmax(events.end_week) <= 4.0


@pytest.mark.parametrize("design", DESIGNS)
class TestTrial:
    def test_the_quick_frame_is_the_trial_s_own(self, design):
        scenario = load_scenario(f"synergy/{design}")
        trial = simulate_trial(scenario, 5).trial
        quick = simulate_frames(scenario, np.random.default_rng(5))
        primary = trial.endpoint(trial.protocol.primary_analysis.endpoint).reset_index(drop=True)
        pd.testing.assert_frame_equal(primary, quick)

    def test_a_written_trial_reads_back(self, design, tmp_path):
        synthetic = simulate_trial(f"carry-across/{design}", 6)
        toml = synthetic.write(tmp_path)
        trial = read_trial(toml)
        assert trial.protocol.conduct.data_origin == "synthetic"
        assert trial.protocol.to_dict() == synthetic.trial.protocol.to_dict()
        primary = trial.protocol.primary_analysis.endpoint
        pd.testing.assert_frame_equal(trial.endpoint(primary), synthetic.trial.endpoint(primary))
        assert load_scenario(tmp_path / "scenario.toml") == synthetic.scenario
        truth = pd.read_csv(tmp_path / "truth.csv")
        assert truth["contrast"].tolist() == synthetic.truth["contrast"].tolist()
        assert truth["value"].to_numpy() == pytest.approx(
            synthetic.truth["value"].to_numpy(), rel=1e-5, abs=1e-9
        )

    def test_the_primary_outcome_is_the_last_column_of_the_largest_file(self, design, tmp_path):
        trial = read_trial(write_scenario(f"synergy/{design}", tmp_path, 2026))
        files = sorted(tmp_path.glob("*.csv"), key=lambda file: file.stat().st_size)
        assert files[-1].name == "assessments.csv"
        facts = trial.protocol.endpoint(trial.protocol.primary_analysis.endpoint)
        header = files[-1].read_text(encoding="utf-8").splitlines()[0].split(",")
        assert header[-1] == facts.measured.columns[-1]

    def test_scored_items_are_the_recorded_total(self, design):
        trial = simulate_trial(f"synergy/{design}", 9).trial
        pairs = {"vasi": "vasi_of_regions", "posas": "posas_of_items"}
        for total, scored in pairs.items():
            if total in {endpoint.name for endpoint in trial.protocol.endpoints}:
                recorded, again = trial.endpoint(total)["value"], trial.endpoint(scored)["value"]
                assert again.to_numpy() == pytest.approx(recorded.to_numpy(), abs=1e-9, nan_ok=True)

    def test_the_same_seed_writes_the_same_bytes_in_every_process(self, design, tmp_path):
        name = f"informative-dropout/{design}"
        program = f"from synthetic_data import write_scenario; write_scenario({name!r}, __import__('sys').argv[1], 4)"
        # another process, with another hash seed, than the one that runs this test
        environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", program, str(tmp_path / "process")]
        subprocess.run(command, check=True, env=environment, cwd=tmp_path)
        write_scenario(name, tmp_path / "here", 4)
        write_scenario(name, tmp_path / "again", 4)
        folders = [
            {file.name: file.read_bytes() for file in sorted((tmp_path / folder).iterdir())}
            for folder in ("process", "here", "again")
        ]
        assert "trial.toml" in folders[0]
        assert all(folder == folders[0] for folder in folders)
        write_scenario(name, tmp_path / "other", 5)
        assert (tmp_path / "other" / "assessments.csv").read_bytes() != folders[0]["assessments.csv"]


def test_a_missed_visit_has_its_row_without_values():
    trial = simulate_trial("informative-dropout/split-face", 3).trial
    table = trial.assessments
    assert len(table) == 30 * 2 * 3
    missed = table["posas_total"].isna()
    assert missed.any()
    assert table.loc[missed, list(ITEMS)].isna().all(axis=None)
    assert not (missed & (table["visit"] == "Baseline")).any()


def test_a_scenario_s_file_can_be_simulated(tmp_path):
    write_scenario("additive/split-face", tmp_path / "a", 1)
    write_scenario(tmp_path / "a" / "scenario.toml", tmp_path / "b", 1)
    assert (tmp_path / "a" / "assessments.csv").read_bytes() == (
        tmp_path / "b" / "assessments.csv"
    ).read_bytes()


@pytest.mark.parametrize("seed", [-1, 1.5, "2026", True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ScenarioError, match="seed"):
        simulate_trial("null", seed)
