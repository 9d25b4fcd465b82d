"""A scenario and a seed -> a synthetic trial and its truth; the quick path to the primary outcome's frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcomes.errors import ScenarioError
from synthetic_data.document import protocol_document
from synthetic_data.draws import spawn_streams
from synthetic_data.frames import lesion_labels, patient_labels, trial_frames
from synthetic_data.plan import make_plan
from synthetic_data.safety import adverse_events
from synthetic_data.scenario import Scenario, load_scenario, write_scenario_toml
from synthetic_data.simulate import Outcomes, draw_outcomes, simulate_outcomes
from synthetic_data.truth import true_values

if TYPE_CHECKING:
    import pandas as pd

    from outcomes.trial import Trial

__all__ = ["SyntheticTrial", "simulate_frames", "simulate_trial", "write_scenario"]


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticTrial:
    """A synthetic trial and what is true in it.

    Attributes
    ----------
    trial : outcomes.Trial
        Validated like any other.
    truth : DataFrame
        endpoint, visit, contrast, value, monte_carlo_error, definition: see `synthetic_data.true_values`.
    scenario : Scenario
        What it was drawn from.
    seed : int
        Of its random numbers.
    """

    trial: Trial
    truth: pd.DataFrame
    scenario: Scenario
    seed: int

    def write(self, directory: str | Path) -> Path:
        """Write a directory that `tandem report` reads; the same seed writes the same bytes.

        trial.toml and the trial's CSV files, and beside them scenario.toml (which names the seed and reads back
        with `load_scenario`) and truth.csv. Other files in the directory stay.

        Returns
        -------
        Path
            Of trial.toml.
        """
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        self.trial.write(folder)
        write_scenario_toml(self.scenario, folder / "scenario.toml", self.seed)
        table = self.truth.copy()
        for column in ("value", "monte_carlo_error"):
            # Far finer than the Monte Carlo error, and yet alike on every machine, whatever its rounding.
            table[column] = [f"{round(number, 9) + 0.0:.6g}" for number in table[column]]
        table.to_csv(folder / "truth.csv", index=False, lineterminator="\n")
        return folder / "trial.toml"


def simulate_trial(scenario: Scenario | str, seed: int) -> SyntheticTrial:
    """Draw a synthetic trial.

    Parameters
    ----------
    scenario : Scenario or str
        A scenario, or the name of a preset (see `list_scenarios`).
    seed : int
        Whole number from 0. The same seed gives the same trial; a trial with more patients begins with those of
        the smaller one.

    Raises
    ------
    ScenarioError
        Where the scenario is unknown or contradicts itself, or the seed is no whole number from 0.
    """
    from outcomes.protocol import Protocol
    from outcomes.trial import Trial

    chosen = load_scenario(scenario) if isinstance(scenario, str) else scenario
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ScenarioError(
            "The seed is no number.", expected="a whole number from 0", got=seed, where="seed"
        )
    plan = make_plan(chosen)
    streams = spawn_streams(np.random.default_rng(seed))
    drawn = draw_outcomes(plan, streams)
    events = adverse_events(chosen, drawn.recorded.arm, drawn.phototype, drawn.last_week, streams["safety"])
    frames = trial_frames(drawn, events)
    protocol = Protocol.from_dict(protocol_document(chosen, int(seed)), where=f"scenario {chosen.name}")
    trial = Trial.from_frames(
        protocol,
        patients=frames.patients,
        lesions=frames.lesions,
        assessments=frames.assessments,
        events=frames.events,
        source=f"synthetic scenario {chosen.name}, seed {seed}",
    )
    return SyntheticTrial(trial=trial, truth=true_values(chosen), scenario=chosen, seed=int(seed))


def write_scenario(name: str | Path, directory: str | Path, seed: int) -> Path:
    """Draw a trial and write it: what ``tandem simulate SCENARIO DIR --seed N`` does.

    Parameters
    ----------
    name : str or Path
        Name of a preset, or path of a scenario's TOML file.
    directory : str or Path
        May exist; other files in it stay.
    seed : int
        Whole number from 0.

    Returns
    -------
    Path
        Of trial.toml.
    """
    return simulate_trial(load_scenario(name), seed).write(directory)


def simulate_frames(scenario: Scenario, rng: np.random.Generator) -> pd.DataFrame:
    """Draw one trial as the long frame of its primary outcome: the quick way, for thousands of trials.

    Parameters
    ----------
    scenario : Scenario
        What to draw from.
    rng : numpy.random.Generator
        A second call with the same generator draws another trial.

    Returns
    -------
    DataFrame
        What `outcomes.Trial.endpoint` returns for the primary endpoint of ``simulate_trial(scenario, seed)``
        where ``rng = numpy.random.default_rng(seed)``, without validation: patient, lesion, arm, one column a
        component, visit, week, baseline, value, change, the covariates, and the baseline's split within
        patients. One row a unit and visit after treatment; missed ones have NaN.
    """
    return primary_frame(simulate_outcomes(scenario, rng))


def primary_frame(outcomes: Outcomes) -> pd.DataFrame:
    """Return the long frame of the primary outcome of a trial given as arrays."""
    import pandas as pd

    scenario, recorded = outcomes.scenario, outcomes.recorded
    n, u, v = recorded.value.shape
    repeat = _Repeat(units=u, visits=v)
    seen = np.broadcast_to(outcomes.assessed[:, None, :], recorded.value.shape)
    value = np.where(seen, recorded.value, np.nan)
    arm = repeat(recorded.arm)
    columns: dict[str, Any] = {"patient": _text(repeat(patient_labels(n)))}
    if scenario.is_within_patient:
        columns["lesion"] = _text(np.tile(np.repeat(lesion_labels(scenario), v), n))
    columns["arm"] = _coded(arm, [spec.label for spec in scenario.arms])
    for component in ("laser", "prp"):
        held = np.array([component in spec.components for spec in scenario.arms])
        if held.any():
            columns[component] = held[arm].astype(np.int64)
    columns["visit"] = _coded(np.tile(np.arange(v), n * u), [visit.name for visit in scenario.follow_up])
    columns["week"] = np.tile(np.array([visit.week for visit in scenario.follow_up]), n * u)
    columns |= _values(recorded.baseline, value, repeat)
    columns |= _covariates(outcomes, repeat)
    if scenario.is_within_patient and recorded.baseline is not None:
        mean = recorded.baseline.mean(axis=1, keepdims=True)
        columns["baseline_mean"] = repeat(np.broadcast_to(mean, (n, u)))
        columns["baseline_deviation"] = repeat(recorded.baseline - mean)
    return pd.DataFrame(columns)


@dataclass(frozen=True, slots=True)
class _Repeat:
    """Repeats what belongs to a patient (n,) or to a unit (n, units) over the rows of the long frame."""

    units: int
    visits: int

    def __call__(self, values: Any) -> Any:
        array = np.asarray(values)
        return np.repeat(array.ravel(), self.visits * (self.units if array.ndim == 1 else 1))


def _values(baseline: Any, value: Any, repeat: _Repeat) -> dict[str, Any]:
    """Return baseline, value and change; the value is the change itself where there is a baseline."""
    if baseline is None:
        return {"baseline": np.zeros(value.size), "value": value.ravel(), "change": value.ravel()}
    before = repeat(baseline)
    change = value.ravel() - before
    return {"baseline": before, "value": change, "change": change}


def _covariates(outcomes: Outcomes, repeat: _Repeat) -> dict[str, Any]:
    scenario, recorded = outcomes.scenario, outcomes.recorded
    covariates: dict[str, Any] = {
        "age": repeat(outcomes.age.astype(np.float64)),
        "sex": _coded(repeat(~outcomes.female).astype(np.intp), ["female", "male"]),
        "fitzpatrick": _coded(repeat(outcomes.phototype), [kind.name for kind in scenario.people.phototypes]),
    }
    if recorded.site is not None:
        covariates["body_site"] = _coded(repeat(recorded.site), [site.name for site in scenario.sites])
    if recorded.baseline_area is not None:
        covariates["baseline_area"] = repeat(recorded.baseline_area)
    return covariates


def _coded(codes: Any, labels: list[str]) -> Any:
    import pandas as pd

    return pd.Categorical.from_codes(codes, categories=labels)


def _text(cells: Any) -> Any:
    import pandas as pd

    return pd.array(cells, dtype="str")
