"""The model of an analysis: the protocol's own formula, or the default of its design.

The defaults are those of the statistical contract (docs/statistics.md): an unstructured covariance over the visits of a
patient in parallel designs; over the arms of a patient, at the visit of primary interest, in within-patient designs,
since arms differ in spread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from analyses.formula import parse_formula
from outcomes.protocol import Analysis, Protocol


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model to fit, and why it was chosen.

    Attributes
    ----------
    formula
        Mixed-model formula over the columns of ``trial.endpoint(...)``.
    at
        Where the arms are to be compared, ``{"visit": ...}``; empty where the model is of the rows of that visit alone.
    reason
        One sentence on why this model.
    fallback
        Formulas to try in order where it cannot be fitted.
    """

    formula: str
    at: Mapping[str, str]
    reason: str
    fallback: tuple[str, ...]


def choose_model(protocol: Protocol, analysis: Analysis, data: pd.DataFrame) -> ModelChoice:
    """Choose the model of a continuous endpoint.

    Parameters
    ----------
    protocol
        The trial's protocol: its design and covariates.
    analysis
        One of the protocol's analyses; its own ``model`` and ``fallback`` go first.
    data
        The long frame of ``trial.endpoint(analysis.endpoint)``: which columns are there, how many visits, and whether
        a patient has several lesions of one arm.

    Returns
    -------
    ModelChoice
    """
    if analysis.model is not None:
        formula, reason = analysis.model, "The model is the protocol's own."
        terms = analysis.fallback
    else:
        fixed, covariance, reason, terms = _default(protocol, analysis, data)
        formula = f"{fixed} + {covariance}"
        terms = analysis.fallback or terms
    parts = parse_formula(formula)
    over_visits = "visit" in parts.fixed
    at = {"visit": analysis.visit} if over_visits else {}
    return ModelChoice(formula, at, reason, tuple(f"{parts.fixed} + {term}" for term in terms))


def _default(
    protocol: Protocol, analysis: Analysis, data: pd.DataFrame
) -> tuple[str, str, str, tuple[str, ...]]:
    """Fixed part, covariance, reason, and covariances to fall back on."""
    facts = protocol.endpoint(analysis.endpoint)
    observed = data[data["value"].notna()]
    by_lesion = "lesion" in data.columns
    if protocol.is_within_patient:
        fixed = _join(
            "value ~ arm",
            _baseline(data, facts.has_baseline, within=True),
            _covariates(protocol, data, "lesion"),
        )
        at_visit = observed[observed["visit"] == analysis.visit]
        if at_visit.duplicated(["patient", "arm"]).any():
            reason = (
                "Within-patient design with several lesions of one arm in a patient: patient effects for each arm, "
                "unstructured, and a lesion variance for each arm, at the visit of primary interest."
            )
            return fixed, "(0 + arm | patient) + us(visit | arm / patient:lesion)", reason, ("(1 | patient)",)
        reason = (
            "Within-patient design with one lesion an arm: an unstructured covariance over the arms of a patient at "
            "the visit of primary interest, since arms differ in spread; without covariates and missing lesions it is "
            "the paired t test."
        )
        return fixed, "us(arm | patient)", reason, ("csh(arm | patient)", "(1 | patient)")
    repeated = observed["visit"].nunique() > 1
    times = " * visit" if repeated else ""
    baseline = [f"baseline{times}"] if facts.has_baseline and _varies(data, "baseline") else []
    fixed = _join(
        f"value ~ {baseline[0]}" if baseline else "value ~ 1",
        [f"arm{times}"],
        _covariates(protocol, data, "patient"),
    )
    if by_lesion and observed.duplicated(["patient", "visit"]).any():
        if not repeated:
            return fixed, "(1 | patient)", "Parallel design with several lesions a patient, at one visit.", ()
        reason = (
            "Parallel design with several lesions a patient: unstructured covariances over the visits, of the patients "
            "and of the lesions in them."
        )
        return fixed, "(0 + visit | patient) + us(visit | patient:lesion)", reason, ("(1 | patient/lesion)",)
    if not repeated:
        return (
            fixed,
            "us(visit | patient)",
            "Parallel design with one visit after treatment: analysis of covariance.",
            (),
        )
    reason = (
        "Parallel design with repeated visits: mixed model for repeated measures with an unstructured covariance over "
        "the visits of a patient."
    )
    return (
        fixed,
        "us(visit | patient)",
        reason,
        ("toeph(visit | patient)", "csh(visit | patient)", "(1 | patient)"),
    )


def _join(first: str, *terms: list[str]) -> str:
    return " + ".join([first, *(term for group in terms for term in group)])


def _baseline(data: pd.DataFrame, has_baseline: bool, within: bool) -> list[str]:
    """Within patients the baseline enters as the patient's mean and the lesion's deviation from it."""
    names = (
        ("baseline_mean", "baseline_deviation")
        if within and "baseline_mean" in data.columns
        else ("baseline",)
    )
    return [name for name in names if has_baseline and _varies(data, name)]


def _covariates(protocol: Protocol, data: pd.DataFrame, level: str) -> list[str]:
    """Covariates of the level at which arms are compared: others cannot sharpen the comparison."""
    names = [covariate.name for covariate in protocol.covariates if covariate.level == level]
    return [name for name in names if name in data.columns and _varies(data, name)]


def _varies(data: pd.DataFrame, name: str) -> bool:
    return name in data.columns and data[name].nunique() > 1
