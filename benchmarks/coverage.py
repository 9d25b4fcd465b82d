"""Do the intervals of the default models cover the truth? Thousands of synthetic trials a setting, fixed seeds.

Each setting draws its trials from `synthetic_data` (spread unequal by arm and visit, outcomes on the instrument's
bounded grid, dropout), fits the design's default model and asks of every combination contrast whether its 95 % interval
holds the scenario's true value. Printed and written to docs: coverage with both tails, bias, standard error over
empirical standard deviation, how often benefit was claimed, the size of the min test, failures and fallbacks.

    python benchmarks/coverage.py --seeds 5000 --jobs 2 --out docs/coverage.csv
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray

from analyses.default_model import choose_model
from analyses.design.model_frame import ModelFrame, make_model_frame
from analyses.formula import parse_formula
from analyses.inference import t_table
from analyses.marginal_means import marginal_means
from analyses.mixed_model import fit_mixed_model, fit_model_frame
from outcomes.errors import ModelError
from synthetic_data import load_scenario, simulate_trial
from synthetic_data.generate import simulate_frames
from synthetic_data.scenario import Scenario
from synthetic_data.truth import true_values

EFFECTS = (
    "null",
    "additive",
    "synergy",
    "highest-single-agent",
    "antagonism",
    "carry-across",
    "informative-dropout",
)
DESIGNS = ("within-patient", "split-face", "parallel-three-arm", "parallel-four-arm")
BATCH = 100
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Setting:
    """Trials of one scenario and size, analysed by one model."""

    scenario: str
    per_arm: int
    model: str = "default"

    def draw_from(self) -> Scenario:
        """Return the scenario at this size."""
        scenario = load_scenario(self.scenario)
        arms = 1 if scenario.is_within_patient else len(scenario.arms)
        return scenario.replace(patients=self.per_arm * arms)


def settings(models: tuple[str, ...]) -> Iterator[Setting]:
    """Every scenario and design at 10, 20 and 30 patients (an arm, in parallel designs)."""
    for per_arm in (20, 10, 30):
        if "default" in models:
            for design in DESIGNS:
                for effect in EFFECTS:
                    yield Setting(f"{effect}/{design}", per_arm)
        if "nested" in models:
            for effect in ("null", "synergy"):
                yield Setting(f"{effect}/within-patient", per_arm, "nested intercepts, unequal spread")
        if "exchangeable" in models:
            yield Setting("null/within-patient", per_arm, "nested intercepts, equal spread")


@dataclass(frozen=True, slots=True)
class Plan:
    """What all trials of a setting share: the model, its contrasts and their true values."""

    formula: str
    fallback: tuple[str, ...]
    visit: str
    over_visits: bool
    names: tuple[str, ...]
    rows: NDArray[np.float64]
    truth: NDArray[np.float64]


def contrasts_of(scenario: Scenario) -> dict[str, dict[str, float]]:
    """Contrasts of the combination questions, benefit positive, by the arms' components."""
    sign = 1.0 if scenario.is_within_patient and scenario.condition == "vitiligo" else -1.0
    label = {frozenset(arm.components): arm.label for arm in scenario.arms}
    both, laser = label[frozenset({"laser", "prp"})], label[frozenset({"laser"})]
    found = {"combination - laser": {both: sign, laser: -sign}}
    prp, control = label.get(frozenset({"prp"})), label.get(frozenset())
    if prp:
        found["combination - PRP"] = {both: sign, prp: -sign}
    if control:
        found["combination - control"] = {both: sign, control: -sign}
    if prp and control:
        found["additive interaction"] = {both: sign, laser: -sign, prp: -sign, control: sign}
    return found


def make_plan(setting: Setting, scenario: Scenario) -> Plan:
    trial = simulate_trial(scenario, 1).trial
    analysis = trial.protocol.primary_analysis
    data = simulate_frames(scenario.replace(patients=200), np.random.default_rng(0))
    choice = choose_model(trial.protocol, analysis, data)
    formula, fallback, over_visits = choice.formula, choice.fallback, bool(choice.at)
    if setting.model.startswith("nested"):
        fixed = parse_formula(formula).fixed.replace("arm", "arm * visit", 1)
        formula, fallback, over_visits = f"{fixed} + (1 | patient/lesion)", (), True
    rows = data if over_visits else data[data["visit"] == analysis.visit]
    fit = fit_mixed_model(formula, rows)
    weights = contrasts_of(scenario)
    means = marginal_means(fit, "arm", at={"visit": analysis.visit} if over_visits else None)
    functions = means.contrast(weights).rows
    truth = np.zeros(len(weights))
    if not setting.model.endswith("equal spread") or "unequal" in setting.model:
        truth = _truths(scenario, analysis.endpoint, analysis.visit, list(weights))
    return Plan(formula, fallback, analysis.visit, over_visits, tuple(weights), functions, truth)


def _truths(scenario: Scenario, endpoint: str, visit: str, names: list[str]) -> NDArray[np.float64]:
    """True values of the contrasts, from the scenario's own table of truths."""
    table = true_values(scenario)
    table = table[(table["endpoint"] == endpoint) & (table["visit"] == visit)]
    table = table[~table["definition"].str.contains("without spill-over")]
    label = {frozenset(arm.components): arm.label for arm in scenario.arms}
    found = []
    for name in names:
        mine = table[table["contrast"].map(lambda text, name=name: _asks(text, name, label))]
        assert len(mine) == 1, (name, table["contrast"].tolist())
        found.append(float(mine["value"].iloc[0]))
    return np.array(found)


def _asks(text: str, name: str, label: dict[frozenset[str], str]) -> bool:
    if name == "additive interaction":
        return "interaction" in text.lower() or text.count("−") + text.count(" - ") > 1
    other = {"laser": frozenset({"laser"}), "PRP": frozenset({"prp"}), "control": frozenset()}[
        name.split(" - ")[1]
    ]
    parts = {part.strip("() ") for part in text.replace("−", " - ").split(" - ")}
    return parts == {label[frozenset({"laser", "prp"})], label[other]}


def slice_frame(frame: ModelFrame, rows: NDArray[np.intp]) -> ModelFrame:
    """One trial of a batch that was evaluated together."""

    def recode(codes: NDArray[np.intp]) -> NDArray[np.intp]:
        return np.unique(codes[rows], return_inverse=True)[1].reshape(-1)

    design = frame.residual.design
    residual = replace(
        frame.residual,
        design=replace(
            design, slot=design.slot[rows], subject=recode(design.subject), group=design.group[rows]
        ),
    )
    random = tuple(replace(term, z=term.z[rows], subject=recode(term.subject)) for term in frame.random)
    return replace(
        frame, x=frame.x[rows], y=frame.y[rows], weights=frame.weights[rows], random=random, residual=residual
    )


def equal_spread(data: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the trials with a response of equal spread in all arms and visits: nested intercepts hold exactly."""
    patient = pd.factorize(data["patient"])[0]
    lesion = data.groupby(["patient", "lesion"], sort=False).ngroup().to_numpy()
    value = rng.normal(0, 8, patient.max() + 1)[patient] + rng.normal(0, 5, lesion.max() + 1)[lesion]
    return data.assign(value=np.where(data["value"].isna(), np.nan, value + rng.normal(0, 6, len(data))))


def run_batch(setting: Setting, scenario: Scenario, plan: Plan, batch: int) -> pd.DataFrame:
    """Estimates of one batch of trials: a row a trial and contrast.

    The trials are drawn together: patients are independent of one another, and a parallel design's blocks of two an arm
    fill every trial.
    """
    rng = np.random.default_rng([20260101, batch])
    data = simulate_frames(scenario.replace(patients=scenario.patients * BATCH), rng)
    if setting.model.endswith(", equal spread"):
        data = equal_spread(data, rng)
    trial = pd.factorize(data["patient"])[0] // scenario.patients
    if not plan.over_visits:
        at_visit = (data["visit"] == plan.visit).to_numpy()
        data, trial = data[at_visit], trial[at_visit]
    evaluated: dict[
        str, tuple[ModelFrame, NDArray[np.intp]]
    ] = {}  # a fallback's frame is made only where needed
    found = np.full((BATCH, len(plan.names), 3), np.nan)
    tried = np.zeros(BATCH, dtype=int)
    for at in range(BATCH):
        for formula in (plan.formula, *plan.fallback):
            if formula not in evaluated:
                frame = make_model_frame(formula, data)
                evaluated[formula] = frame, trial[frame.kept]
            frame, of_trial = evaluated[formula]
            estimates = estimate(slice_frame(frame, np.flatnonzero(of_trial == at)), plan)
            if estimates is not None:
                found[at] = estimates
                break
            tried[at] += 1
    flat = found.reshape(-1, 3)
    table = t_table(flat[:, 0], flat[:, 1], flat[:, 2], ALPHA)
    return table.assign(
        contrast=np.tile(plan.names, BATCH),
        truth=np.tile(plan.truth, BATCH),
        seed=np.repeat(batch * BATCH + np.arange(BATCH), len(plan.names)),
        fallback=np.repeat(tried, len(plan.names)),
    )


def estimate(frame: ModelFrame, plan: Plan) -> NDArray[np.float64] | None:
    """Estimate, standard error and df of every contrast, or None where the model cannot be fitted."""
    try:
        fit = fit_model_frame(frame)
    except (ModelError, np.linalg.LinAlgError):
        return None
    if not fit.converged:
        return None
    rows = plan.rows[:, fit.standard.kept]
    standard = rows @ fit.standard.transform
    variance = np.einsum("kp,pq,kq->k", standard, fit.small_sample.adjusted, standard)
    df = fit.small_sample.row_df(standard)
    found = np.column_stack([rows @ fit.beta, fit.standard.scale * np.sqrt(variance), df])
    found[~fit.estimable(plan.rows)] = np.nan
    return found


def summarise(setting: Setting, table: pd.DataFrame) -> pd.DataFrame:
    """Coverage, bias, spread, benefit claimed: a row a contrast, and one for the min test."""
    lines = []
    for contrast, rows in table.groupby("contrast", sort=False):
        fitted = rows[rows["estimate"].notna()]
        low, high = fitted["truth"] < fitted["conf_low"], fitted["truth"] > fitted["conf_high"]
        lines.append(
            {
                "contrast": contrast,
                "truth": rows["truth"].iloc[0],
                "coverage": 100 * (1 - (low | high).mean()),
                "missed_below": 100 * low.mean(),
                "missed_above": 100 * high.mean(),
                "bias": (fitted["estimate"] - fitted["truth"]).mean(),
                "se_over_sd": np.sqrt((fitted["std_error"] ** 2).mean()) / fitted["estimate"].std(ddof=1),
                "claimed": 100 * ((fitted["p_value"] < ALPHA) & (fitted["estimate"] > 0)).mean(),
                "failures": int(rows["estimate"].isna().sum()),
                "fallbacks": int((rows["fallback"] > 0).sum()),
            }
        )
    parts = table[table["contrast"].isin(["combination - laser", "combination - PRP"])]
    if parts["contrast"].nunique() == 2:
        claimed = (parts["p_value"] < ALPHA) & (parts["estimate"] > 0)
        lines.append({"contrast": "min test", "claimed": 100 * claimed.groupby(parts["seed"]).all().mean()})
    found = pd.DataFrame(lines)
    found.insert(0, "scenario", setting.scenario)
    found.insert(1, "patients_per_arm", setting.per_arm)
    found.insert(2, "model", setting.model)
    found["trials"] = table["seed"].nunique()
    return found


def run(setting: Setting, seeds: int, jobs: int) -> pd.DataFrame:
    scenario = setting.draw_from()
    plan = make_plan(setting, scenario)
    batches = range(-(-seeds // BATCH))
    tables = Parallel(n_jobs=jobs)(delayed(run_batch)(setting, scenario, plan, batch) for batch in batches)
    return summarise(setting, pd.concat(tables, ignore_index=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="run settings whose scenario holds this text")
    parser.add_argument("--models", default="default,nested,exchangeable")
    parser.add_argument("--out", type=Path, default=Path("docs/coverage.csv"))
    parser.add_argument("--resume", action="store_true", help="keep the settings that the table has already")
    options = parser.parse_args()
    done: list[pd.DataFrame] = [pd.read_csv(options.out)] if options.resume and options.out.exists() else []
    known = pd.concat(done) if done else pd.DataFrame(columns=["scenario", "patients_per_arm", "model"])
    finished = set(known[["scenario", "patients_per_arm", "model"]].itertuples(index=False, name=None))
    for setting in settings(tuple(options.models.split(","))):
        if options.only not in setting.scenario:
            continue
        if (setting.scenario, setting.per_arm, setting.model) in finished:
            continue
        found = run(setting, options.seeds, options.jobs)
        done.append(found)
        print(
            found.to_string(index=False, header=len(done) == 1, float_format=lambda value: f"{value:.3f}"),
            flush=True,
        )
        pd.concat(done).round(4).to_csv(options.out, index=False)


if __name__ == "__main__":
    main()
