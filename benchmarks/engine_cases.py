"""The cases of the engine's benchmark: data from a fixed seed, and the same model in each program's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rival:
    """One program's way to fit a case.

    Attributes
    ----------
    formula
        The model as the program writes it.
    options
        What else it is told (method, groups, random effects' formula).
    at_least
        Times faster that tandem is meant to be, or None where the program is only shown.
    seconds
        Its time where it was measured elsewhere: shown, marked, where the program is not installed.
    """

    formula: str
    options: Mapping[str, object] = field(default_factory=dict)
    at_least: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A data set, tandem's model of it and the others'.

    Attributes
    ----------
    name
        Short name, for the command line and the file of results.
    title
        What it is, for people.
    data
        Makes the data: outcome ``y``, factors as Categoricals.
    formula, df_method
        Tandem's formula and inference.
    rivals
        The other programs by name.
    """

    name: str
    title: str
    data: Callable[[], pd.DataFrame]
    formula: str
    df_method: str
    rivals: Mapping[str, Rival]


def _factor(codes: NDArray[np.integer], labels: list[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, labels)


def _labels(prefix: str, count: int) -> list[str]:
    width = len(str(count))
    return [f"{prefix}{at + 1:0{width}d}" for at in range(count)]


def visits(patients: int, visits: int, seed: int, missing: float, covariates: bool = True) -> pd.DataFrame:
    """Two arms, an unstructured covariance, visits missed one by one: a trial's repeated measures.

    Parameters
    ----------
    patients, visits
        Their numbers.
    seed
        Of the generator.
    missing
        Probability that the last visit is missed; earlier ones are missed more rarely, the first one never.
    covariates
        Whether there are a baseline value and a factor of three levels.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(visits)
    spread = 8 + 0.6 * time
    covariance = np.outer(spread, spread) * (0.3 + 0.6 * 0.85 ** np.abs(time[:, None] - time))
    covariance[time, time] = spread**2
    baseline = rng.normal(50, 10, patients)
    arm = rng.permutation(patients) % 2
    ethnicity = rng.integers(0, 3, patients)
    mean = 5 + 0.3 * (baseline - 50) + 2.0 * ethnicity
    values = mean[:, None] + (1.5 + 0.7 * arm)[:, None] * time
    values = values + rng.multivariate_normal(np.zeros(visits), covariance, patients)
    seen = rng.random((patients, visits)) >= missing * time / max(visits - 1, 1)
    patient, visit = np.nonzero(seen)
    frame = pd.DataFrame(
        {
            "patient": _factor(patient, _labels("P", patients)),
            "arm": _factor(arm[patient], ["control", "combination"]),
            "visit": _factor(visit, _labels("V", visits)),
            "y": values[seen],
        }
    )
    if covariates:
        frame["baseline"] = baseline[patient]
        frame["ethnicity"] = _factor(ethnicity[patient], ["A", "B", "C"])
    return frame


def lesions(patients: int, lesions: int, visits: int, seed: int) -> pd.DataFrame:
    """Several lesions of a patient, each treated by an arm of its own and seen at every visit."""
    rng = np.random.default_rng(seed)
    patient, lesion, visit = (
        at.reshape(-1) for at in np.meshgrid(*map(np.arange, (patients, lesions, visits)), indexing="ij")
    )
    unit = patient * lesions + lesion
    arm = np.argsort(rng.random((patients, lesions)), axis=1)[patient, lesion] % 4
    y = (
        20
        + 3.0 * (arm % 2)
        + 4.0 * (arm // 2)
        + 1.5 * visit * (1 + 0.3 * arm)
        + rng.normal(0, 6, patients)[patient]
        + rng.normal(0, 4, patients * lesions)[unit]
        + rng.normal(0, 5, len(unit))
    )
    return pd.DataFrame(
        {
            "patient": _factor(patient, _labels("P", patients)),
            "lesion": _factor(unit, _labels("L", patients * lesions)),
            "arm": _factor(arm, ["control", "laser", "PRP", "combination"]),
            "visit": _factor(visit, _labels("V", visits)),
            "y": y,
        }
    )


def slopes(patients: int, visits: int, seed: int, own_times: bool) -> pd.DataFrame:
    """Straight lines of time, an intercept and a slope a patient; at scheduled weeks, or at times of their own."""
    rng = np.random.default_rng(seed)
    patient, visit = (
        at.reshape(-1) for at in np.meshgrid(np.arange(patients), np.arange(visits), indexing="ij")
    )
    week = 4.0 * visit + (rng.uniform(-1.5, 1.5, len(visit)) if own_times else 0.0)
    arm = rng.permutation(patients) % 4
    effects = rng.multivariate_normal([0, 0], [[36.0, 1.2], [1.2, 0.25]], patients)
    y = (
        30
        + 0.8 * week
        + 0.3 * arm[patient] * week
        + effects[patient, 0]
        + effects[patient, 1] * week
        + rng.normal(0, 4, len(patient))
    )
    return pd.DataFrame(
        {
            "patient": _factor(patient, _labels("P", patients)),
            "arm": _factor(arm[patient], ["control", "laser", "PRP", "combination"]),
            "week": week,
            "y": y,
        }
    )


_MMRM = "y ~ baseline + ethnicity + arm * visit"
_NESTED = "y ~ arm * visit"
_SLOPES = "y ~ arm * week"


def _mmrm_case(
    name: str, patients: int, n_visits: int, missing: float, df: str, at_least: float, seconds: float
) -> Case:
    method = {"satterthwaite": "Satterthwaite", "kenward-roger": "Kenward-Roger"}[df]
    rivals = {
        "mmrm": Rival(
            f"{_MMRM} + us(visit | patient)", {"method": method}, at_least=at_least, seconds=seconds
        )
    }
    if n_visits == 4:
        rivals["nlme"] = Rival(
            _MMRM, {"fit": "gls", "correlation": "~ as.integer(visit) | patient", "weights": "~ 1 | visit"}
        )
    label = {"satterthwaite": "", "kenward-roger": ", Kenward-Roger"}[df]
    return Case(
        name,
        f"{patients:,} patients × {n_visits} visits, unstructured{label}",
        lambda: visits(patients, n_visits, seed=patients + n_visits, missing=missing),
        f"{_MMRM} + us(visit | patient)",
        df,
        rivals,
    )


def _nested_case(name: str, patients: int, n_visits: int, df: str) -> Case:
    formula = f"{_NESTED} + (1 | patient/lesion)"
    explicit = f"{_NESTED} + (1 | patient) + (1 | lesion)"
    statsmodels = Rival(
        _NESTED,
        {"groups": "patient", "re_formula": "1", "vc_formula": {"lesion": "0 + C(lesion)"}},
        at_least=20,
    )
    nlme = Rival(_NESTED, {"fit": "lme", "random": "~ 1 | patient/lesion"})
    if df == "kenward-roger":
        rivals = {
            "lme4 + pbkrtest": Rival(explicit, {"ddf": "Kenward-Roger"}, at_least=30),
            "lme4": Rival(explicit),
            "nlme": nlme,
            "mixedlm": Rival(explicit),
            "lme-python": Rival(explicit),
            "statsmodels": statsmodels,
        }
    else:
        rivals = {
            "lme4": Rival(explicit, at_least=8, seconds=1.4),
            "lme4 + lmerTest": Rival(explicit, {"ddf": "Satterthwaite"}),
            "nlme": nlme,
            "mixedlm": Rival(explicit, at_least=2),
            "lme-python": Rival(explicit, at_least=2),
            "statsmodels": statsmodels,
        }
    label = ", Kenward-Roger" if df == "kenward-roger" else ""
    return Case(
        name,
        f"{patients:,} patients × 4 lesions × {n_visits} visits, nested intercepts{label}",
        lambda: lesions(patients, 4, n_visits, seed=patients + n_visits),
        formula,
        df,
        rivals,
    )


def _slopes_case(name: str, own_times: bool) -> Case:
    formula = f"{_SLOPES} + (1 + week | patient)"
    rivals = {
        "lme4": Rival(formula, at_least=4 if own_times else 15, seconds=None if own_times else 0.9),
        "lme4 + lmerTest": Rival(formula, {"ddf": "Satterthwaite"}),
        "nlme": Rival(_SLOPES, {"fit": "lme", "random": "~ 1 + week | patient"}),
        "mixedlm": Rival(formula),
        "lme-python": Rival(formula),
        "mixedlm-rs": Rival(
            _SLOPES, {"groups": "patient", "re_formula": "~week"}, at_least=None if own_times else 1
        ),
        "statsmodels": Rival(_SLOPES, {"groups": "patient", "re_formula": "~week"}, at_least=20),
    }
    times = "times of their own" if own_times else "4 scheduled visits"
    return Case(
        name,
        f"18,000 patients × {times}, intercept and slope",
        lambda: slopes(18_000, 4, seed=18_004, own_times=own_times),
        formula,
        "satterthwaite",
        rivals,
    )


CASES: tuple[Case, ...] = (
    _mmrm_case("us-1000x10", 1_000, 10, 0.25, "satterthwaite", 20, 2.8),
    _mmrm_case("us-5000x6", 5_000, 6, 0.15, "kenward-roger", 50, 6.1),
    _mmrm_case("us-200x4", 200, 4, 0.3, "satterthwaite", 3, 0.04),
    _nested_case("nested-30", 30, 3, "kenward-roger"),
    _nested_case("nested-240", 240, 3, "kenward-roger"),
    _nested_case("nested-4500", 4_500, 4, "satterthwaite"),
    _slopes_case("slopes-scheduled", own_times=False),
    _slopes_case("slopes-own-times", own_times=True),
)
"""Every case, in the order of the page."""
