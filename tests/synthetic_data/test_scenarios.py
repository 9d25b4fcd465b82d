"""Scenarios: presets, files, copies, and what contradicts itself."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from outcomes.errors import ScenarioError
from synthetic_data import Scenario, list_scenarios, load_scenario
from synthetic_data.plan import make_plan
from synthetic_data.scenario import DESIGNS, EFFECTS, read_scenario, write_scenario_toml

NAMES = [f"{effect}/{design}" for effect in EFFECTS for design in DESIGNS]


def arm_means(name: str) -> dict[str, float]:
    """Return the expected true improvement of each arm at the last visit, percentage points."""
    scenario = load_scenario(name)
    return dict(zip([arm.label for arm in scenario.arms], make_plan(scenario).mean[:, -1], strict=True))


def test_seven_effects_in_four_designs_are_listed():
    listed = list_scenarios()
    assert listed["name"].tolist() == NAMES
    assert len(listed) == 28
    assert (listed["description"].str.len() > 20).all()
    assert (listed.groupby("design")["arms"].nunique() == 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_has_a_plan_whose_spread_differs_by_arm_and_visit(name):
    scenario = load_scenario(name)
    plan = make_plan(scenario)
    assert plan.mean.shape == (len(scenario.arms), len(scenario.follow_up))
    assert np.all(np.diff(plan.spread, axis=1) > 0)
    if scenario.effect != "null" and name != "highest-single-agent/split-face":
        assert np.unique(plan.spread[:, -1].round(6)).size > 1


def test_an_effect_alone_means_the_within_patient_design():
    assert load_scenario("synergy") == load_scenario("synergy/within-patient")


@pytest.mark.parametrize("design", DESIGNS)
class TestEffects:
    def test_null_arms_are_alike(self, design):
        assert len({round(mean, 12) for mean in arm_means(f"null/{design}").values()}) == 1

    def test_highest_single_agent_is_prp(self, design):
        scenario = load_scenario(f"highest-single-agent/{design}")
        means = arm_means(scenario.name)
        prp_alone = means.get("PRP", scenario.response.natural_course + scenario.response.prp)
        # where PRP alone is no arm, one dose of it stands in: the mean over doses differs by its curvature
        assert means["Laser + PRP"] == pytest.approx(prp_alone, abs=1e-9 if "PRP" in means else 0.3)
        assert means["Laser + PRP"] >= means["Laser"] - 0.3

    def test_antagonism_is_worse_than_either_part(self, design):
        means = arm_means(f"antagonism/{design}")
        assert all(means["Laser + PRP"] < mean for label, mean in means.items() if label in ("Laser", "PRP"))

    def test_synergy_exceeds_additivity_by_what_the_channels_deliver(self, design):
        synergy, additive = arm_means(f"synergy/{design}"), arm_means(f"additive/{design}")
        assert synergy["Laser"] == additive["Laser"]
        expected = 20.0 if load_scenario(f"synergy/{design}").condition == "vitiligo" else 15.0
        assert synergy["Laser + PRP"] - additive["Laser + PRP"] == pytest.approx(expected, abs=1.0)

    def test_additive_and_informative_dropout_differ_in_dropout_alone(self, design):
        additive, informative = (
            load_scenario(f"{effect}/{design}") for effect in ("additive", "informative-dropout")
        )
        assert informative.dropout.mechanism == "MNAR"
        assert informative.replace(
            name=additive.name,
            effect=additive.effect,
            description=additive.description,
            dropout=additive.dropout.model_dump(),
        ) == additive  # fmt: skip


def test_additive_effects_add_up_exactly():
    means = arm_means("additive/within-patient")
    assert means["Laser + PRP"] + means["Untreated"] == pytest.approx(means["Laser"] + means["PRP"], abs=1e-9)


def test_spill_over_shrinks_every_contrast():
    spilled, alone = arm_means("carry-across/within-patient"), arm_means("additive/within-patient")
    for label in ("Laser", "PRP", "Laser + PRP"):
        ratio = (spilled[label] - spilled["Untreated"]) / (alone[label] - alone["Untreated"])
        assert ratio == pytest.approx(1 - 0.075)


def test_there_is_no_spill_over_where_a_patient_has_one_arm():
    assert arm_means("carry-across/parallel-four-arm") == arm_means("additive/parallel-four-arm")


def test_the_parallel_design_drops_out_at_random_given_the_past_by_default():
    for design in ("parallel-three-arm", "parallel-four-arm"):
        assert load_scenario(f"synergy/{design}").dropout.mechanism == "MAR"


class TestFrozen:
    def test_a_scenario_cannot_be_changed(self):
        scenario = load_scenario("synergy")
        with pytest.raises(ValidationError):
            scenario.patients = 5
        with pytest.raises(ValidationError):
            scenario.dropout.rate = 0.5

    def test_a_copy_changes_what_was_asked_for(self):
        scenario = load_scenario("synergy")
        changed = scenario.replace(patients=10, dropout={"rate": 0.3})
        assert (changed.patients, changed.dropout.rate, changed.dropout.mechanism) == (10, 0.3, "MCAR")
        assert (scenario.patients, scenario.dropout.rate) == (30, 0.04)
        assert hash(changed) != hash(scenario)

    @pytest.mark.parametrize("name", NAMES[:8])
    def test_a_scenario_reads_back_equal_from_its_file(self, name, tmp_path):
        scenario = load_scenario(name)
        write_scenario_toml(scenario, tmp_path / "scenario.toml", seed=11)
        assert read_scenario(tmp_path / "scenario.toml") == (scenario, 11)
        assert load_scenario(tmp_path / "scenario.toml") == scenario


class TestErrors:
    def test_an_unknown_preset_names_the_nearest(self):
        with pytest.raises(ScenarioError, match="nearest known: 'synergy'"):
            load_scenario("synergi/within-patient")
        with pytest.raises(ScenarioError, match="nearest known: 'split-face'"):
            load_scenario("null/splitface")

    def test_an_unknown_key_names_the_nearest(self):
        with pytest.raises(ScenarioError, match="unknown key 'rat'; nearest known: 'rate'"):
            load_scenario("null").replace(dropout={"rat": 0.1})
        with pytest.raises(ScenarioError, match="nearest known: 'relative_error'"):
            load_scenario("null").replace(measurement={"relative_eror": 0.1})

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"patients": 1}, "patients"),
            ({"correlation": {"patient": 0.9}}, "correlation"),
            ({"course": {"onset_weeks": 30.0}}, "course.onset_weeks"),
            ({"response": {"natural_course": 120.0}}, "response"),
            ({"prp": {"platelet_fold": 9.0}}, "prp"),
            ({"design": "parallel"}, "measurement"),
            ({"condition": "scar"}, "measurement"),
            ({"dropout": {"rate": 1.5}}, "dropout.rate"),
            ({"arms": [{"label": "A", "components": ["laser"]}, {"label": "B"}]}, "arms"),
            ({"visits": [{"name": "B", "week": 0.0, "baseline": True}]}, "visits"),
            ({"sites": [{"name": "face", "share": 0.5, "multiplier": 1.0}]}, "sites"),
        ],
    )
    def test_contradictions_name_their_key(self, change, said):
        with pytest.raises(ScenarioError) as caught:
            load_scenario("null").replace(**change)
        assert said in str(caught.value)

    def test_a_spread_too_small_for_its_causes_is_an_error(self):
        scenario = load_scenario("synergy").replace(spread={"both": 2.0})
        with pytest.raises(ScenarioError, match="spread"):
            make_plan(scenario)

    def test_files_that_are_missing_or_no_toml_are_said_to_be(self, tmp_path):
        with pytest.raises(ScenarioError, match="cannot be read"):
            load_scenario(tmp_path / "none.toml")
        (tmp_path / "bad.toml").write_text("patients = ", encoding="utf-8")
        with pytest.raises(ScenarioError, match="no TOML"):
            load_scenario(tmp_path / "bad.toml")
        write_scenario_toml(load_scenario("null"), tmp_path / "seed.toml")
        text = (tmp_path / "seed.toml").read_text(encoding="utf-8")
        (tmp_path / "seed.toml").write_text('seed = "one"\n' + text, encoding="utf-8")
        with pytest.raises(ScenarioError, match="seed"):
            load_scenario(tmp_path / "seed.toml")


def test_scenario_is_the_public_type():
    assert isinstance(load_scenario("null"), Scenario)


def test_settings_reach_the_response():
    scenario = load_scenario("synergy/within-patient")
    base = make_plan(scenario).mean[:, -1]
    denser = make_plan(scenario.replace(laser={"density_percent": 20.0})).mean[:, -1]
    assert denser[0] == base[0]  # untreated
    assert denser[2] == base[2]  # PRP alone
    assert denser[1] > base[1]
    # the laser's own effect, and more PRP through its channels
    assert denser[3] - base[3] > denser[1] - base[1]
    richer = make_plan(scenario.replace(prp={"platelet_fold": 5.0})).mean[:, -1]
    assert richer[:2].tolist() == base[:2].tolist()
    assert richer[2] > base[2]
    assert richer[3] > base[3]
