"""The protocol of a synthetic trial: what trial.toml says of a scenario."""

from __future__ import annotations

from math import ceil
from typing import Any, Final

from synthetic_data.frames import region_columns
from synthetic_data.scenario import Scenario
from synthetic_data.scenario_tables import ITEMS, REGIONS, Planimetry, Posas, Vasi

__all__ = ["GRADE_CUTPOINTS", "MAIN_ENDPOINT", "RESPONDERS", "VASI_RESPONDER", "protocol_document"]

GRADE_CUTPOINTS: Final = (0.0, 25.0, 50.0, 75.0)
"""G0 at most 0 %; G1 up to 25; G2 up to 50; G3 up to 75; G4 above (quartile grade, V)."""
RESPONDERS: Final = {"responder50": ("at_least", 50.0), "responder75": ("above", 75.0)}
"""Responders of percent repigmentation: name -> how the limit is meant, and the limit (V)."""
VASI_RESPONDER: Final = -50.0
"""VASI50: the percent change is at most this (V)."""
MAIN_ENDPOINT: Final = {
    "percent-repigmentation": "repigmentation",
    "vasi": "vasi_change",
    "posas-observer": "posas_change",
}
"""The primary endpoint, by instrument."""

_THERAPIES: Final = {"laser": "Fractional CO2 laser", "prp": "Platelet-rich plasma"}
_CONDITIONS: Final = {
    "percent-repigmentation": "stable non-segmental vitiligo",
    "vasi": "stable non-segmental vitiligo",
    "posas-observer": "atrophic acne scars of the face",
}


def protocol_document(scenario: Scenario, seed: int | None) -> dict[str, Any]:
    """Return the tables of trial.toml for trials of a scenario.

    Parameters
    ----------
    scenario : Scenario
        What the trial is drawn from.
    seed : int or None
        Of the trial, for its identifier; None where there is none.
    """
    document: dict[str, Any] = {
        "trial": _trial(scenario, seed),
        "conduct": _conduct(scenario, seed),
        "components": dict(_THERAPIES),
        "arms": {arm.label: list(arm.components) for arm in scenario.arms},
        "visits": [_visit(visit.model_dump()) for visit in scenario.visits],
        "data": {
            "patients": "patients.csv",
            "assessments": "assessments.csv",
            "events": "adverse_events.csv",
            "events_complete": True,  # every event of the simulation is in the file, also where there is none
        },
        "covariates": _covariates(scenario),
        "populations": [_per_protocol(scenario)],
        "endpoints": _endpoints(scenario),
        "analyses": _analyses(scenario),
    }
    if scenario.is_within_patient:
        document["data"]["lesions"] = "lesions.csv"
    return document


def _visit(visit: dict[str, Any]) -> dict[str, Any]:
    return visit if visit["baseline"] else {"name": visit["name"], "week": visit["week"]}


def _trial(scenario: Scenario, seed: int | None) -> dict[str, Any]:
    number = {2: "two", 3: "three", 4: "four"}[len(scenario.arms)]
    if scenario.is_within_patient:
        units = "sides of each face" if isinstance(scenario.measurement, Posas) else "lesions of each patient"
        layout = f"a within-patient trial on {number} {units}"
    else:
        layout = f"a parallel trial in {number} arms"
    name = scenario.name.upper().replace("/", "-").replace(" ", "-")
    return {
        "id": f"SYNTHETIC-{name}" + ("" if seed is None else f"-{seed}"),
        "title": f"{_compared(scenario)} in {_CONDITIONS[scenario.measurement.instrument]}: {layout} (synthetic data)",
        "condition": scenario.condition,
        "design": scenario.design,
    }


def _compared(scenario: Scenario) -> str:
    """Return what is compared, in words: "Fractional CO2 laser with and without platelet-rich plasma"."""
    studied = {frozenset(arm.components) for arm in scenario.arms}
    laser, prp = frozenset({"laser"}), frozenset({"prp"})
    if studied == {laser, laser | prp}:
        return "Fractional CO2 laser with and without platelet-rich plasma"
    if studied == {prp, laser | prp}:
        return "Platelet-rich plasma with and without fractional CO2 laser"
    names = [arm.label for arm in scenario.arms]
    if {laser, prp} <= studied:
        names = ["Fractional CO2 laser", "platelet-rich plasma", "both"]
        names += ["neither"] if frozenset() in studied else []
    return ", ".join(names[:-1]) + f" and {names[-1]}"


def _conduct(scenario: Scenario, seed: int | None) -> dict[str, str]:
    source = f"synthetic scenario {scenario.name}" + ("" if seed is None else f", seed {seed}")
    conduct = {
        "allocation": "Patients randomised in permuted blocks by a pseudo-random number generator.",
        "concealment": "Patients and their characteristics were drawn independently of the allocation.",
        "blinding": "Measurement error does not depend on the arm, as if assessors were blinded.",
        "analysis_plan": f"The analyses are part of the {source}, and were fixed before the data were drawn.",
        "prespecified": "All analyses listed in the protocol.",
        "sample_size": f"{scenario.patients} patients, as set in the scenario; no power calculation.",
        "data_origin": "synthetic",
    }
    if scenario.is_within_patient:
        units = "sides" if len(scenario.arms) == 2 else "lesions"
        conduct["allocation"] = (
            f"All arms in every patient, in random order over the patient's {units}, by a pseudo-random number "
            "generator."
        )
        conduct["sides"] = "Randomised." if units == "sides" else "Lesions randomised."
    return conduct


def _covariates(scenario: Scenario) -> list[dict[str, Any]]:
    phototypes = [phototype.name for phototype in scenario.people.phototypes]
    covariates: list[dict[str, Any]] = [
        {"name": "age", "level": "patient", "kind": "numeric", "unit": "years"},
        {"name": "sex", "level": "patient", "kind": "categorical", "levels": ["female", "male"]},
        {"name": "fitzpatrick", "level": "patient", "kind": "categorical", "levels": phototypes},
    ]
    if scenario.sites:
        names = [site.name for site in scenario.sites]
        covariates.append({"name": "body_site", "level": "lesion", "kind": "categorical", "levels": names})
    if isinstance(scenario.measurement, Planimetry):
        covariates.append({"name": "baseline_area", "level": "lesion", "kind": "numeric", "unit": "cm²"})
    return covariates


def _per_protocol(scenario: Scenario) -> dict[str, str]:
    planned = scenario.sessions.planned
    needed = ceil(0.8 * planned)
    return {
        "name": "per protocol",
        "where": f"sessions_done >= {needed}",
        "exclude_reason": f"fewer than {needed} of {planned} sessions",
    }


def _endpoints(scenario: Scenario) -> list[dict[str, Any]]:
    if isinstance(scenario.measurement, Planimetry):
        return _repigmentation()
    return _vasi() if isinstance(scenario.measurement, Vasi) else _posas()


def _repigmentation() -> list[dict[str, Any]]:
    measured = {
        "name": "repigmentation",
        "label": "Repigmentation of the lesion",
        "instrument": "percent-repigmentation",
        "column": "repigmentation",
    }
    grade = {
        "name": "grade",
        "label": "Repigmentation grade",
        "instrument": "repigmentation-grade",
        "from": "repigmentation",
        "derive": "grade",
        "cutpoints": list(GRADE_CUTPOINTS),
    }
    responders = [
        {
            "name": name,
            "label": f"Repigmentation {op.replace('_', ' ')} {limit:g} %",
            "from": "repigmentation",
            "derive": "responder",
            "threshold": {op: limit},
        }
        for name, (op, limit) in RESPONDERS.items()
    ]
    return [measured, grade, *responders]


def _vasi() -> list[dict[str, Any]]:
    items = [item for region in REGIONS for item in region_columns(region)]
    return [
        {"name": "vasi", "instrument": "vasi", "column": "vasi"},
        {
            "name": "vasi_of_regions",
            "label": "VASI, scored from its regions",
            "instrument": "vasi",
            "items": {item: item for item in items},
        },
        {"name": "vasi_change", "label": "Change of the VASI", "from": "vasi", "derive": "change"},
        {
            "name": "vasi_percent_change",
            "label": "Percent change of the VASI",
            "from": "vasi",
            "derive": "percent-change",
        },
        {
            "name": "vasi50",
            "label": "VASI50 (reduction by at least 50 %)",
            "from": "vasi_percent_change",
            "derive": "responder",
            "threshold": {"at_most": VASI_RESPONDER},
        },
    ]


def _posas() -> list[dict[str, Any]]:
    return [
        {"name": "posas", "instrument": "posas-observer", "column": "posas_total"},
        {
            "name": "posas_of_items",
            "label": "POSAS observer total, scored from its items",
            "instrument": "posas-observer",
            "items": {item: item for item in ITEMS},
        },
        {
            "name": "posas_change",
            "label": "Change of the POSAS observer total",
            "from": "posas",
            "derive": "change",
        },
    ]


def _analyses(scenario: Scenario) -> list[dict[str, Any]]:
    *earlier, last = (visit.name for visit in scenario.follow_up)
    main = MAIN_ENDPOINT[scenario.measurement.instrument]
    model: dict[str, Any] = {}
    if isinstance(scenario.measurement, Planimetry):
        terms = ["arm", *(["body_site"] if scenario.sites else []), "baseline_area"]
        model = {"model": f"value ~ {' + '.join(terms)} + us(arm | patient)"}
        model["fallback"] = ["csh(arm | patient)", "(1 | patient)"]
    primary = {"endpoint": main, "role": "primary", "visit": last, **model, "estimand": _estimand(scenario)}
    secondary = [{"endpoint": main, "name": f"{main}, {visit}", "visit": visit, **model} for visit in earlier]
    others = [
        endpoint["name"]
        for endpoint in _endpoints(scenario)
        if "from" in endpoint and endpoint["name"] != main
    ]
    return [
        primary,
        *({**analysis, "role": "secondary"} for analysis in secondary[-1:]),
        *({"endpoint": name, "role": "secondary", "visit": last} for name in others),
        {
            "endpoint": main,
            "name": f"{main}, per protocol",
            "role": "sensitivity",
            "population": "per protocol",
            "visit": last,
            **model,
        },
    ]


def _estimand(scenario: Scenario) -> dict[str, str]:
    last = scenario.follow_up[-1].name.lower()
    sessions = scenario.sessions
    variable = {
        "percent-repigmentation": f"Percent repigmentation of the lesion at {last}",
        "vasi": f"Change of the VASI from baseline to {last}",
        "posas-observer": f"Change of the POSAS observer total from baseline to {last}",
    }[scenario.measurement.instrument]
    return {
        "population": f"Adults with {_CONDITIONS[scenario.measurement.instrument]}",
        "treatment": (
            f"As allocated, {sessions.planned} sessions {sessions.interval_weeks:g} weeks apart, whether or not "
            "a session is missed (treatment policy)"
        ),
        "variable": variable,
        "summary": "Difference of means between the combination and each of its parts",
    }
