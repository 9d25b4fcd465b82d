"""How fast are the ordinal and binary mixed models? Against R's clmm and glmer in one run, where Rscript is there.

Printed: processor seconds of each case (the median of several runs), R's and the ratio, the difference of the
log-likelihoods, and whether time grows linearly with patients.

    python benchmarks/generalized.py --runs 5            # up to 1,000 patients
    python benchmarks/generalized.py --runs 5 --large    # 5,000 too, where clmm takes a quarter of an hour a fit
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from analyses.generalized import fit_generalized_model
from analyses.links.link_fit import LinkFit
from analyses.ordinal import fit_ordinal_model

HERE = Path(__file__).parent
REFERENCE = HERE.parent / "tests" / "reference"
GRADES = [f"G{k}" for k in range(5)]
SITES = ["trunk", "face", "extremity", "acral"]
ORDINAL = "grade ~ laser * prp + body_site + (1 | patient)"
BINARY = "responder ~ laser * prp + body_site + (1 | patient)"
TARGETS = {
    "ordinal_within": 5.0,
    "binary_within": 3.0,
    "ordinal_covariate_1000": 10.0,
    "ordinal_factorial_5000": 10.0,
    "ordinal_covariate_5000": 10.0,
}
"""What was promised: at least so many times as fast as R."""
SIZES = (5000, 10000, 20000)


def simulate(patients: int, seed: int = 20261122) -> pd.DataFrame:
    """Draw patients with four lesions each (laser x PRP), grades, responders, body site and a baseline."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"patient": np.repeat(np.arange(patients), 4)})
    data["laser"], data["prp"] = np.tile([0, 1, 0, 1], patients), np.tile([0, 0, 1, 1], patients)
    data["body_site"] = pd.Categorical(np.repeat(rng.choice(SITES, patients), 4), SITES)
    data["baseline"] = np.round(rng.gamma(4.0, 4.0, len(data)), 1)
    eta = 1.2 * data["laser"] + 0.8 * data["prp"] + 0.4 * data["laser"] * data["prp"]
    eta = eta - 0.02 * data["baseline"] + np.repeat(rng.normal(0, 1.4, patients), 4)
    latent = eta + rng.logistic(size=len(data))
    codes = np.digitize(latent, [-0.5, 0.6, 1.7, 3.0])
    data["grade"] = pd.Categorical.from_codes(codes, GRADES, ordered=True)
    data["responder"] = (codes >= 3).astype(int)
    return data


def reference(case: str) -> pd.DataFrame:
    data = pd.read_csv(REFERENCE / case / "data.csv")
    data["body_site"] = pd.Categorical(data["body_site"], SITES)
    if "grade" in data:
        data["grade"] = pd.Categorical(data["grade"], GRADES, ordered=True)
    return data


def cases() -> dict[str, tuple[pd.DataFrame, Callable[[pd.DataFrame], LinkFit]]]:
    """Every case's data and fit."""
    within, binary, large = (
        reference("ordinal_grade_within"),
        reference("binary_responder_within"),
        simulate(5000),
    )
    week24 = within[within["week"] == 24].dropna(subset=["grade"])
    nested = "grade ~ laser * prp * visit + body_site + (1 | patient/lesion)"
    covariate = "~ laser * prp + baseline + (1 | patient)"
    return {
        "ordinal_within": (week24, lambda d: fit_ordinal_model(ORDINAL, d)),
        "ordinal_within_laplace": (week24, lambda d: fit_ordinal_model(ORDINAL, d, quadrature=1)),
        "ordinal_nested": (within.dropna(subset=["grade"]), lambda d: fit_ordinal_model(nested, d)),
        "binary_within": (binary, lambda d: fit_generalized_model(BINARY, d)),
        "binary_within_laplace": (binary, lambda d: fit_generalized_model(BINARY, d, quadrature=1)),
        "ordinal_covariate_1000": (simulate(1000), lambda d: fit_ordinal_model(f"grade {covariate}", d)),
        "ordinal_factorial_5000": (large, lambda d: fit_ordinal_model(ORDINAL, d)),
        "ordinal_covariate_5000": (large, lambda d: fit_ordinal_model(f"grade {covariate}", d)),
        "binary_covariate_5000": (large, lambda d: fit_generalized_model(f"responder {covariate}", d)),
    }


def timed(fit: Callable[[], LinkFit], runs: int) -> tuple[float, LinkFit]:
    found, seconds = fit(), []
    for _ in range(runs):
        start = time.process_time()
        found = fit()
        seconds.append(time.process_time() - start)
    return median(seconds), found


def r_times(data: dict[str, pd.DataFrame], runs: int, size: str) -> dict[str, tuple[float, float]]:
    """Seconds and log-likelihood of R; empty where Rscript is not there."""
    if shutil.which("Rscript") is None:
        return {}
    with tempfile.TemporaryDirectory() as directory:
        for name, frame in data.items():
            frame.to_csv(Path(directory) / f"{name}.csv", index=False)
        program = ["Rscript", str(HERE / "generalized.R"), directory, str(runs), size]
        done = subprocess.run(program, capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    return {name: (float(seconds), float(loglik)) for name, seconds, loglik in lines}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    all_cases = {name: case for name, case in cases().items() if options.large or "5000" not in name}
    ours = {name: timed(lambda d=d, f=f: f(d), options.runs) for name, (d, f) in all_cases.items()}
    frames = {name: data for name, (data, _) in all_cases.items()}
    theirs = r_times(frames, options.runs, "large" if options.large else "small")
    print(f"{'case':26s} {'seconds':>9s} {'R':>9s} {'ratio':>7s} {'target':>7s} {'logLik - R':>11s}")
    for name, (seconds, fit) in ours.items():
        r, loglik = theirs.get(name, (float("nan"), float("nan")))
        target = f"{TARGETS[name]:.0f}" if name in TARGETS else ""
        row = f"{name:26s} {seconds:9.4f} {r:9.4f} {r / seconds:7.1f} {target:>7s}"
        print(f"{row} {fit.loglik - loglik:11.1e}")
    for formula in (ORDINAL, "grade ~ laser * prp + baseline + (1 | patient)"):
        grown = [timed(partial(fit_ordinal_model, formula, simulate(n)), 1)[0] for n in SIZES]
        print(f"{formula}: 5,000, 10,000, 20,000 patients x 4: " + ", ".join(f"{s:.2f} s" for s in grown))


if __name__ == "__main__":
    main()
