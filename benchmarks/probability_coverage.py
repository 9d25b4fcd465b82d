"""Do the intervals of probabilities cover? Patients with one lesion an arm, grades from an ordinal mixed model.

The truth is the average over patients and their covariate of the model that drew the data, by a large sum. For each
number of patients and kind of standard error the table has the share of 95 % intervals that cover, the shares that
miss on either side, and the mean standard error over the estimates' standard deviation. Trials that could not be fitted
are counted. The marginal (GEE) odds ratio of a response stands beside, with Mancl and DeRouen's sandwich and without.

    python benchmarks/probability_coverage.py --trials 5000                # all settings: hours
    python benchmarks/probability_coverage.py --trials 300 --patients 20 --bootstrap 0
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from analyses.examine.progress import track
from analyses.ordinal import fit_ordinal_model
from analyses.probability.gee import fit_marginal_model
from analyses.probability.probability_scale import marginal_probabilities
from analyses.probability.standardisation import VCOV
from analyses.probability.superiority import PAIRS, model_superiority
from outcomes.errors import TandemError

ARMS = ["control", "laser", "prp", "both"]
EFFECTS = np.array([0.0, 0.9, 0.6, 2.0])
THRESHOLDS = np.array([-1.0, 0.5, 1.5])
SD, SLOPE = 1.2, 0.5
ADDITIVE = {"interaction": {"both": 1.0, "laser": -1.0, "prp": -1.0, "control": 1.0}}
DIFFERENCE = {"both - laser": {"both": 1.0, "laser": -1.0}}


@dataclass(frozen=True, slots=True)
class Found:
    """One interval of one trial."""

    name: str
    estimate: float
    std_error: float
    low: float
    high: float


def draw(patients: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw a trial: a covariate of the patient, a random intercept, four lesions."""
    covariate = rng.normal(size=patients)
    eta = EFFECTS + (SLOPE * covariate + SD * rng.normal(size=patients))[:, None]
    codes = np.searchsorted(THRESHOLDS, (eta + rng.logistic(size=eta.shape)).reshape(-1))
    return pd.DataFrame(
        {
            "patient": np.repeat(np.arange(patients), len(ARMS)),
            "arm": pd.Categorical(np.tile(ARMS, patients), ARMS),
            "severity": np.repeat(covariate, len(ARMS)),
            "grade": pd.Categorical.from_codes(codes, [f"G{k}" for k in range(4)], ordered=True),
            "responder": (codes >= 2).astype(int),
        }
    )


def truths() -> dict[str, float]:
    """True values, by sums over 200,001 quantiles of what patients bring along (a normal variable)."""
    share = (np.arange(200_001) + 0.5) / 200_001
    brought = special.ndtri(share) * np.hypot(SD, SLOPE)
    below = special.expit(
        THRESHOLDS[:, None, None] - EFFECTS[None, :, None] - brought
    )  # cuts, arms, patients
    response = dict(zip(ARMS, 1 - below[1].mean(axis=1), strict=True))
    edges = np.concatenate([np.zeros((1, *below.shape[1:])), below, np.ones((1, *below.shape[1:]))])
    grades = np.diff(edges, axis=0)
    at = {"both": 3, "laser": 1}

    def beats(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        lower = np.cumsum(second, axis=0) - second
        return np.asarray((first * (lower + second / 2)).sum(axis=0))

    first, second = grades[:, at["both"]], grades[:, at["laser"]]
    log_odds = {arm: np.log(p / (1 - p)) for arm, p in response.items()}
    return {
        "both - laser": response["both"] - response["laser"],
        "interaction": response["both"] - response["laser"] - response["prp"] + response["control"],
        "same patient": float(beats(first, second).mean()),
        "different patients": float(beats(first.mean(axis=1), second.mean(axis=1))),
        "marginal log odds ratio": log_odds["both"] - log_odds["laser"],
    }


def one_trial(patients: int, rng: np.random.Generator, draws: int) -> Iterator[Found]:
    """Every interval of a trial."""
    data = draw(patients, rng)
    fit = fit_ordinal_model("grade ~ arm + severity + (1 | patient)", data)
    if not fit.converged:
        return
    for vcov in VCOV:
        means = marginal_probabilities(fit, "arm", of="at least", vcov=vcov)
        for weights in (DIFFERENCE, ADDITIVE):
            table = means.contrast(weights).table.set_index("at_least").loc["G2"]
            yield Found(
                f"{table['contrast']}, {vcov}",
                table["estimate"],
                table["std_error"],
                table["conf_low"],
                table["conf_high"],
            )
        superiority = model_superiority(fit, reverse=True, vcov=vcov).set_index(["first", "second", "pairs"])
        for pairs in PAIRS:
            row = superiority.loc[("both", "laser", pairs)]
            yield Found(
                f"{pairs}, {vcov}", row["estimate"], row["std_error"], row["conf_low"], row["conf_high"]
            )
    if draws:
        means = marginal_probabilities(fit, "arm", of="at least")
        row = means.bootstrap(rng, draws).contrast(DIFFERENCE).set_index("at_least").loc["G2"]
        yield Found(
            "both - laser, bootstrap", row["estimate"], row["std_error"], row["conf_low"], row["conf_high"]
        )
    for vcov in ("mancl-derouen", "sandwich"):
        marginal = fit_marginal_model("responder ~ arm", data, vcov=vcov)
        row = marginal.linear(np.array([[0.0, -1.0, 0.0, 1.0]])).iloc[0]
        yield Found(
            f"marginal log odds ratio, {vcov}",
            row["estimate"],
            row["std_error"],
            row["conf_low"],
            row["conf_high"],
        )


def main() -> None:
    """Run the settings and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--patients", type=int, nargs="+", default=[15, 30, 60])
    parser.add_argument("--bootstrap", type=int, default=0, help="draws of each trial's bootstrap")
    parser.add_argument("--seed", type=int, default=20261122)
    given = parser.parse_args()
    truth = truths()
    print(pd.Series(truth).round(4).to_string())
    for patients in given.patients:
        found: list[Found] = []
        failed = 0
        generators = np.random.default_rng([given.seed, patients]).spawn(given.trials)
        for rng in track(generators, given.trials, f"{patients} patients"):
            try:
                found += one_trial(patients, rng, given.bootstrap)
            except TandemError:
                failed += 1
        table = pd.DataFrame([(f.name, f.estimate, f.std_error, f.low, f.high) for f in found])
        table.columns = ["name", "estimate", "std_error", "low", "high"]
        own = table["name"].str.rsplit(", ", n=1).str[0].map(truth)
        table = table.assign(
            truth=own,
            covered=(table["low"] <= own) & (own <= table["high"]),
            above=table["high"] < own,
            below=table["low"] > own,
        )
        groups = table.groupby("name", sort=False)
        shown = groups[["truth", "estimate", "covered", "above", "below"]].mean()
        shown["error over spread"] = groups["std_error"].mean() / groups["estimate"].std()
        print(f"\n{patients} patients, {given.trials} trials, {failed} not fitted")
        print(shown.round(4).to_string())


if __name__ == "__main__":
    main()
