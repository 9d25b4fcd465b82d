"""One program's fits of one case, on demand: a Python process that times each fit itself.

python engine_worker.py PROGRAM CASE.csv SPEC.json

Reads the data, then makes one fit for every line that it is sent, and answers with a line of JSON: wall and processor
time, log-likelihood, and what went wrong. Starting the process, importing the program and reading the data are not
timed; building model frames, fitting and inference are.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

Fit = Callable[[], float]
DISTRIBUTIONS = {"tandem": "tandem-outcomes"}


def tandem(data: pd.DataFrame, spec: dict[str, Any]) -> Fit:
    from analyses import fit_mixed_model

    def fit() -> float:
        found = fit_mixed_model(spec["formula"], data, df_method=spec["options"]["df_method"])
        if not found.converged or not found.coefficients["std_error"].gt(0).all():
            raise RuntimeError(found.convergence.sentence)
        return found.loglik

    return fit


def mixedlm(data: pd.DataFrame, spec: dict[str, Any]) -> Fit:
    from mixedlm import lmer

    return lambda: float(lmer(spec["formula"], data).logLik().value)


def lme_python(data: pd.DataFrame, spec: dict[str, Any]) -> Fit:
    import lme_python
    import polars

    # Its own frame, made before the clock starts: conversion is not its work.
    texts = {name: data[name].astype(str).tolist() for name in data if data[name].dtype == "category"}
    frame = polars.DataFrame({name: texts.get(name, data[name].tolist()) for name in data})
    return lambda: float(lme_python.lmer(spec["formula"], data=frame, reml=True).log_likelihood)


def mixedlm_rs(data: pd.DataFrame, spec: dict[str, Any]) -> Fit:
    import mixedlm_rs as rs

    options = spec["options"]
    return lambda: float(
        rs.mixedlm(spec["formula"], data, groups=options["groups"], re_formula=options["re_formula"])
        .fit()
        .llf
    )


def statsmodels(data: pd.DataFrame, spec: dict[str, Any]) -> Fit:
    from statsmodels.formula.api import mixedlm

    options = dict(spec["options"])
    groups = data[options.pop("groups")].astype(str)
    if "lesion" in data:
        # As text: of a Categorical it would build the columns of all lesions for every patient.
        data = data.assign(lesion=data["lesion"].astype(str))
    return lambda: float(mixedlm(spec["formula"], data, groups=groups, **options).fit(reml=True).llf)


PROGRAMS: dict[str, Callable[[pd.DataFrame, dict[str, Any]], Fit]] = {
    "tandem": tandem,
    "mixedlm": mixedlm,
    "lme-python": lme_python,
    "mixedlm-rs": mixedlm_rs,
    "statsmodels": statsmodels,
}


def read(path: str, levels: dict[str, list[str]]) -> pd.DataFrame:
    """Read the data, factors with the levels that they were made with."""
    data = pd.read_csv(path)
    for name, known in levels.items():
        data[name] = pd.Categorical(data[name], known)
    return data


def say(**answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    program, csv, path = sys.argv[1:4]
    spec = json.loads(Path(path).read_text(encoding="utf-8"))
    try:
        fit = PROGRAMS[program](read(csv, spec["levels"]), spec)
        say(ready=True, version=version(DISTRIBUTIONS.get(program, program)))
    except ImportError as error:
        say(ready=False, problem=f"not installed: {error}")
        return
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                loglik = fit()
        except Exception as error:  # a rival may fail in any way; the table says that it did
            say(problem=f"{type(error).__name__}: {error}"[:300])
            continue
        say(wall=time.perf_counter() - wall, cpu=time.process_time() - processor, loglik=loglik)


if __name__ == "__main__":
    main()
