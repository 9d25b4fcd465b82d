"""The model of an analysis: the protocol's own formula, or the default of its design; and the models beside it.

The defaults are those of the statistical contract (docs/statistics.md): an unstructured covariance over the visits of a
patient in parallel designs; over the arms of a patient, at the visit of primary interest, in within-patient designs,
since arms differ in spread. Beside it stand the model of all visits of a within-patient trial, which describes its
course, and, in parallel trials, the same model with a covariance for each arm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from analyses.fallback import default_fallback, fallback_formulas
from analyses.formula import MixedFormula, parse_formula
from outcomes.protocol import Analysis, Protocol

SEVERAL_LESIONS = "(0 + visit | patient) + us(visit | patient:lesion)"
"""Covariance over the visits where a patient has several lesions of one arm (or, in parallel designs, several)."""


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
    at = {"visit": analysis.visit} if is_over_visits(formula) else {}
    return ModelChoice(formula, at, reason, fallback_formulas(formula, terms)[1:])


def is_over_visits(formula: str) -> bool:
    """Whether a model is of all visits: whether its fixed effects hold the visit."""
    return "visit" in re.findall(r"\w+", parse_formula(formula).fixed)


def choose_over_visits(protocol: Protocol, analysis: Analysis, data: pd.DataFrame) -> ModelChoice | None:
    """Choose the model that describes the course of a within-patient trial, beside that of its primary visit.

    One lesion an arm: ``us(arm | patient) @ us(visit)``, since spread grows with the visits and differs by arm.
    Several: ``(0 + visit | patient) + us(visit | patient:lesion)``. Baselines enter by visit.

    Parameters
    ----------
    protocol, analysis, data
        As in `choose_model`.

    Returns
    -------
    ModelChoice or None
        None in parallel designs, whose model is of all visits already; where one visit has values; and where the
        protocol's own model is of all visits.
    """
    observed = data[data["value"].notna()]
    own = analysis.model is not None and is_over_visits(analysis.model)
    if not protocol.is_within_patient or own or observed["visit"].nunique() < 2:
        return None
    facts = protocol.endpoint(analysis.endpoint)
    fixed = _join(
        "value ~ arm * visit",
        [f"{name} * visit" for name in _baseline(data, facts.has_baseline, within=True)],
        _covariates(protocol, data, "lesion"),
    )
    if observed.duplicated(["patient", "arm", "visit"]).any():
        covariance = SEVERAL_LESIONS
        reason = (
            "All visits together: patient effects for each visit, unstructured, and an unstructured covariance over "
            "the visits of a lesion."
        )
    else:
        covariance = "us(arm | patient) @ us(visit)"
        reason = (
            "All visits together: an unstructured covariance over the arms of a patient times one over the visits, "
            "since spread differs by arm and grows with the visits."
        )
    formula = f"{fixed} + {covariance}"
    return ModelChoice(formula, {"visit": analysis.visit}, reason, fallback_formulas(formula)[1:])


def choose_spread_by_arm(protocol: Protocol, formula: str) -> tuple[str, ...]:
    """Return the model of a parallel trial with a covariance for each arm, and what to try in its place.

    The default pools the covariance of the arms. Where their spread differs, intervals of arms that vary more are then
    too narrow and those of arms that vary less too wide (docs/coverage.md).

    Parameters
    ----------
    protocol
        The trial's protocol.
    formula
        The model that was used, such as ``"value ~ arm * visit + us(visit | patient)"``.

    Returns
    -------
    tuple of str
        Formulas, each with a covariance by arm; empty in within-patient designs, and where the model's covariance is
        not one over the repeats of a patient or has groups already.
    """
    parts = parse_formula(formula)
    term = parts.residual
    if protocol.is_within_patient or parts.random or term is None or term.group is not None:
        return ()
    if len(term.factors) > 1:
        return ()
    factor, subject = term.factors[0], ":".join(term.subject)
    by_arm = f"{parts.fixed} + {factor.structure}({factor.coordinate} | arm / {subject})"
    simpler = [one for one in default_fallback(parse_formula(by_arm)) if "arm /" in one]
    return fallback_formulas(by_arm, simpler)


def gives_one_spread(formula: str) -> bool:
    """Whether a model gives every arm and visit the same spread: random intercepts, homogeneous structures."""
    parts: MixedFormula = parse_formula(formula)
    if any(term.design.strip() != "1" for term in parts.random):
        return False
    if parts.residual is None:
        return True
    plain = ("cs", "ar1", "toep", "ad", "sp_exp")
    return parts.residual.group is None and all(one.structure in plain for one in parts.residual.factors)


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
            by_arm = "us(visit | arm / patient:lesion)"
            simpler = (f"(1 | patient) + {by_arm}", "(1 | patient)")
            return fixed, f"(0 + arm | patient) + {by_arm}", reason, simpler
        reason = (
            "Within-patient design with one lesion an arm: an unstructured covariance over the arms of a patient at "
            "the visit of primary interest, since arms differ in spread; without covariates and missing lesions it is "
            "the paired t test."
        )
        return fixed, "us(arm | patient)", reason, _simpler("us(arm | patient)")
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
        return fixed, SEVERAL_LESIONS, reason, _simpler(SEVERAL_LESIONS)
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
    return fixed, "us(visit | patient)", reason, _simpler("us(visit | patient)")


def _simpler(covariance: str) -> tuple[str, ...]:
    return default_fallback(parse_formula(f"value ~ 1 + {covariance}"))


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
