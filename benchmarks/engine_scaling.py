"""How long the pass over the data takes, and how long everything after it, as the number of patients grows.

python benchmarks/engine_scaling.py PATIENTS     prints one line of JSON

Four visits, an unstructured covariance, a seventh of the rows missing. Every size runs in a process of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from unittest import mock

import pandas as pd
from engine_cases import visits

FORMULA = "y ~ baseline + ethnicity + arm * visit + us(visit | patient)"


def one(patients: int, repeats: int) -> dict[str, float]:
    """Shortest times of several fits: the pass over the data, and what comes after it."""
    from analyses import fit_mixed_model, mixed_model

    data = visits(patients, 4, seed=patients, missing=0.3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    passes, solves = [], []
    estimate = mixed_model.estimate
    for _ in range(repeats):
        inside: list[float] = []

        def timed(*arguments: object, inside: list[float] = inside) -> object:
            start = time.perf_counter()
            found = estimate(*arguments)
            inside.append(time.perf_counter() - start)
            return found

        with mock.patch.object(mixed_model, "estimate", timed):
            start = time.perf_counter()
            fit = fit_mixed_model(FORMULA, data, df_method="satterthwaite")
            reading = time.perf_counter() - start - sum(inside)
            start = time.perf_counter()
            table = fit.coefficients
            solves.append(time.perf_counter() - start + sum(inside))
        passes.append(reading)
        if not fit.converged or table["df"].isna().any():
            raise RuntimeError(fit.convergence.sentence)
        del fit
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "patients": patients,
        "rows": len(data),
        "pass": min(passes),
        "solve": min(solves),
        "memory": (peak - before) / 2**10,
    }


def measure(patients: Sequence[int], environment: Mapping[str, str]) -> pd.DataFrame:
    """A row a number of patients: ``patients, rows, pass, solve`` (seconds), ``memory`` (MiB beyond the data)."""
    rows = []
    for count in patients:
        found = subprocess.run(
            [sys.executable, __file__, str(count)],
            capture_output=True,
            text=True,
            check=True,
            env=dict(environment),
        )
        rows.append(json.loads(found.stdout))
        print(
            f"{count:,} patients: pass {rows[-1]['pass']:.3f} s, after {rows[-1]['solve']:.3f} s", flush=True
        )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    number = int(sys.argv[1])
    print(json.dumps(one(number, 3 if number > 200_000 else 7)))
