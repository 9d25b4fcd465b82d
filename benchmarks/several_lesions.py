"""Do intervals cover where a patient has several lesions of each arm, and arms differ in spread? For decision 3.

Two lesions an arm, four arms, two visits; the spread of patients and of lesions differs four-fold between the arms.
The default of one visit, the model of all visits with its pooled covariances, and both with the sandwich CR2 by
patient::

    python benchmarks/several_lesions.py --patients 20 --trials 600
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from analyses import fit_mixed_model, marginal_means
from outcomes.errors import ModelError

ARMS = ("Untreated", "Laser", "PRP", "Laser + PRP")
MEANS = np.array([0.0, 20.0, 22.0, 40.0])
OF_PATIENTS = np.array([3.0, 12.0, 10.0, 8.0])
OF_LESIONS = np.array([2.0, 9.0, 8.0, 6.0])
CORRELATION, LESIONS, FIRST_VISIT, NOISE = 0.5, 2, 0.6, 0.4
CONTRASTS = {
    "combination - laser": {"Laser + PRP": 1.0, "Laser": -1.0},
    "combination - PRP": {"Laser + PRP": 1.0, "PRP": -1.0},
    "combination - control": {"Laser + PRP": 1.0, "Untreated": -1.0},
    "additive interaction": {"Laser + PRP": 1.0, "Laser": -1.0, "PRP": -1.0, "Untreated": 1.0},
}
ONE_VISIT = "value ~ arm + (0 + arm | patient) + us(visit | arm / patient:lesion)"
ALL_VISITS = "value ~ arm * visit + (0 + visit | patient) + us(visit | patient:lesion)"
MODELS = {
    "one visit, by arm": (ONE_VISIT, "model"),
    "one visit, by arm, CR2": (ONE_VISIT, "CR2"),
    "all visits, pooled": (ALL_VISITS, "model"),
    "all visits, pooled, CR2": (ALL_VISITS, "CR2"),
}


def draw_trial(rng: np.random.Generator, patients: int) -> pd.DataFrame:
    """Return one trial: ``patient, lesion, arm, visit, value``."""
    root = np.linalg.cholesky(CORRELATION + (1 - CORRELATION) * np.eye(len(ARMS)))
    rows = []
    for patient in range(patients):
        own = OF_PATIENTS * (root @ rng.normal(size=len(ARMS)))
        for place, arm in enumerate(ARMS):
            for lesion in range(LESIONS):
                level = MEANS[place] + own[place] + OF_LESIONS[place] * rng.normal()
                for visit, share in (("Week 12", FIRST_VISIT), ("Week 24", 1.0)):
                    value = share * level + NOISE * OF_LESIONS[place] * rng.normal()
                    rows.append((patient, f"{arm} {lesion}", arm, visit, value))
    data = pd.DataFrame(rows, columns=["patient", "lesion", "arm", "visit", "value"])
    return data.assign(arm=pd.Categorical(data["arm"], ARMS), visit=pd.Categorical(data["visit"]))


def coverage(patients: int, trials: int) -> pd.DataFrame:
    """Return the share of 95 % intervals that hold the truth, a row a model and a column a contrast."""
    truth = np.array([MEANS @ [of.get(arm, 0.0) for arm in ARMS] for of in CONTRASTS.values()])
    held: dict[str, list[np.ndarray]] = {name: [] for name in MODELS}
    for seed in range(trials):
        data = draw_trial(np.random.default_rng(seed), patients)
        for name, (formula, vcov) in MODELS.items():
            at = {"visit": "Week 24"} if formula == ALL_VISITS else None
            rows = data if at else data[data["visit"] == "Week 24"]
            try:
                fit = fit_mixed_model(formula, rows, vcov=vcov, on_failure="raise")
            except ModelError:
                continue
            table = marginal_means(fit, "arm", at=at).contrast(CONTRASTS).table
            held[name].append((table["conf_low"] <= truth) & (truth <= table["conf_high"]))
    found = {name: [*(100 * np.mean(rows, axis=0)).round(1), len(rows)] for name, rows in held.items()}
    return pd.DataFrame.from_dict(found, orient="index", columns=[*CONTRASTS, "fits"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--trials", type=int, default=600)
    asked = parser.parse_args()
    print(coverage(asked.patients, asked.trials).to_string())
