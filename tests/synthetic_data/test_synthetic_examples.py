"""The synthetic examples are what their scenario and seed make of them, byte for byte."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from outcomes import read_trial
from synthetic_data import load_scenario, write_scenario
from synthetic_data.scenario import read_scenario

EXAMPLES = Path(__file__).parents[2] / "examples"
SEED = 2026
SCENARIOS = {
    "within_patient_vitiligo": "synergy/within-patient",
    "split_face_scar": "additive/split-face",
    "parallel_vasi": "synergy/parallel-three-arm",
}


@pytest.mark.parametrize("folder", SCENARIOS)
class TestExamples:
    def test_it_is_written_again_byte_for_byte(self, folder, tmp_path):
        write_scenario(SCENARIOS[folder], tmp_path, SEED)
        written = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
        kept = {file.name: file.read_bytes() for file in (EXAMPLES / folder).iterdir() if file.is_file()}
        readme = kept.pop("README.md")
        assert set(kept) == set(written)
        for name, content in written.items():
            assert content == kept[name], f"{folder}/{name}: write it again with the command of its README"
        assert b"CC0" in readme

    def test_its_scenario_and_seed_stand_beside_it(self, folder):
        scenario, seed = read_scenario(EXAMPLES / folder / "scenario.toml")
        assert (scenario, seed) == (load_scenario(SCENARIOS[folder]), SEED)
        readme = (EXAMPLES / folder / "README.md").read_text(encoding="utf-8")
        assert f"tandem simulate {scenario.name} . --seed {seed}" in readme
        assert re.search(rf"Scenario `{scenario.name}`, seed {seed}", readme)

    def test_the_largest_file_is_the_assessments_with_the_primary_outcome_last(self, folder):
        largest = max((EXAMPLES / folder).glob("*.csv"), key=lambda file: file.stat().st_size)
        assert largest.name == "assessments.csv"
        trial = read_trial(EXAMPLES / folder / "trial.toml")
        facts = trial.protocol.endpoint(trial.protocol.primary_analysis.endpoint)
        header = largest.read_text(encoding="utf-8").splitlines()[0].split(",")
        assert header[-1] == facts.measured.columns[-1]


def test_what_the_split_face_readme_says_of_chance_is_so():
    trial = read_trial(EXAMPLES / "split_face_scar" / "trial.toml")
    data = trial.endpoint("posas_change")
    wide = data[data["visit"] == "Week 24"].pivot(index="patient", columns="arm", values="value").dropna()
    assert np.corrcoef(wide.to_numpy(dtype=float).T)[0, 1] == pytest.approx(
        0.10, abs=0.005
    )  # to its two digits
