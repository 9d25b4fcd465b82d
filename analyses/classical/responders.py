"""The combination questions asked of responders: proportions, their differences, and Bliss independence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.claims import verdict_words as words
from analyses.claims.combination_questions import (
    Evidence,
    answer_questions,
    primary_combination,
    studied_arms,
)
from analyses.claims.verdict import Comparison, Rules, Scale, Verdict, not_estimable
from analyses.claims.verdict_sentences import absent_note, footnotes, may_claim, may_not_claim
from analyses.classical.arm_samples import ArmSamples, sample_arms
from analyses.classical.bliss import (
    ASSUMED,
    BLISS,
    EXCESS,
    Risks,
    bliss_curve,
    observed_risks,
    response_interactions,
)
from analyses.classical.proportions import (
    PairedTable,
    clustered_difference,
    fisher_difference,
    mcnemar_difference,
)
from outcomes.arms import Arms
from outcomes.errors import ModelError

__all__ = ["compare_responders"]

Array = NDArray[np.float64]

SCALE = Scale("difference of response proportions", "difference", show="percentage points")


def compare_responders(
    data: pd.DataFrame,
    arms: Mapping[str, Iterable[str]],
    higher_is_better: bool = True,
    alpha: float = 0.05,
    design: str = "parallel",
    patient: str | None = "patient",
    value: str = "value",
    arm: str = "arm",
    *,
    sided: int = 2,
    margin: float | None = None,
    margin_source: str | None = None,
    allocation: str | None = None,
    assumed_control: tuple[float, ...] = ASSUMED,
) -> Verdict:
    """Answer the combination questions for a yes/no outcome.

    Parameters
    ----------
    data : DataFrame
        One row a patient (parallel), or a patient and lesion (within-patient), of one visit. Rows without a value
        are left out.
    arms : mapping of str to iterable of str
        Label of each arm -> its components, in the protocol's order.
    higher_is_better : bool
        Whether a response is the good outcome.
    alpha, sided
        Error rate and its sides, as in `compare_therapies`.
    design : {"parallel", "within-patient"}
        ``parallel``: Fisher's exact p with Newcombe's interval. ``within-patient``: exact McNemar p with
        Newcombe's paired interval; where patients have several lesions in an arm, a t test of the patients'
        differences instead.
    patient, value, arm : str
        Columns. `value` is 0/1 or bool. `patient` None states that each row of a parallel trial is a patient of
        its own.
    margin : float, optional
        Smallest difference of proportions that matters, above 0 and below 1, such as 0.15.
    margin_source : str, optional
        Where the margin comes from.
    allocation : str, optional
        How patients or lesions were allocated.
    assumed_control : tuple of float
        Control responses assumed for the Bliss curve where no untreated arm was studied.

    Returns
    -------
    Verdict
        Estimates are differences of proportions; ``.supplement`` holds the counts, ``.bliss_curve`` the labelled
        curve where there is no untreated arm.

    Raises
    ------
    DesignError
        Where the rows contradict the design.
    ModelError
        Where a value is not 0 or 1, a column is missing, or the margin is not below 1.
    """
    if margin is not None and margin >= 1:
        raise ModelError(
            "the margin of responders is out of range",
            expected="a difference of proportions, such as 0.15 for 15 percentage points",
            got=margin,
        )
    rules = Rules(alpha, sided, margin, margin_source, allocation)
    samples = sample_arms(data, _yes_no(data, value), design, arm, patient, "compare_responders")
    studied, absent = studied_arms(arms, samples.arms)
    risks = observed_risks(samples, paired=design == "within-patient")
    differences = _Differences(samples, design, higher_is_better, rules.tail)
    evidence = Evidence(
        compare=differences.compare,
        interactions=lambda square: response_interactions(square, risks, higher_is_better),
        interaction_kinds=[("interaction", "Additive interaction"), ("bliss", BLISS)],
        higher_is_better=higher_is_better,
        scale=SCALE,
        unit="patient" if design == "parallel" else "lesion",
    )
    rows = answer_questions(studied, evidence, rules, planned=arms)
    main = primary_combination(studied)
    curve = _curve(studied, main, risks, assumed_control, rules) if higher_is_better else None
    return Verdict(
        rows=rows,
        combination=main,
        combinations=studied.combinations,
        may_claim=may_claim(studied, rows, SCALE, rules),
        may_not_claim=may_not_claim(rows, SCALE, rules),
        footnotes=(*footnotes(rows, SCALE, rules), *_notes(samples, design, absent, curve)),
        method=_method(samples, design),
        scale=SCALE,
        rules=rules,
        supplement=pd.DataFrame(differences.records),
        bliss_curve=curve,
    )


class _Differences:
    """Differences of two arms' proportions towards benefit, and a record of the counts behind each."""

    def __init__(self, samples: ArmSamples, design: str, higher_is_better: bool, tail: float) -> None:
        self._samples, self._higher_is_better, self._tail = samples, higher_is_better, tail
        self._method = _between if design == "parallel" else _within
        self.records: list[dict[str, Any]] = []

    def compare(self, label: str, other: str) -> Comparison:
        """Compare a combination with another arm; positive is benefit."""
        first, second = (label, other) if self._higher_is_better else (other, label)
        comparison, record = self._method(self._samples, first, second)
        low, high = comparison.limits(self._tail)
        one, two = self._samples.of(label), self._samples.of(other)
        self.records.append(
            {
                "combination": label,
                "reference": other,
                "responders_combination": int(one.sum()),
                "n_combination": len(one),
                "responders_reference": int(two.sum()),
                "n_reference": len(two),
                "risk_difference": comparison.estimate,
                "conf_low": low,
                "conf_high": high,
                **record,
            }
        )
        return comparison


def _yes_no(data: pd.DataFrame, column: str) -> Array:
    if column not in data.columns:
        raise ModelError(
            f"the data have no column {column!r}", expected=", ".join(map(str, data.columns)), got=column
        )
    numbers = pd.to_numeric(data[column], errors="coerce")
    values: Array = numbers.to_numpy(dtype=float, na_value=np.nan)
    wrong = ~np.isin(values, (0.0, 1.0)) & data[column].notna().to_numpy()
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise ModelError(
            "a responder is 0 or 1",
            expected="0, 1, False, True or missing",
            got=repr(data[column].iloc[at]),
            where=f"{column}, row {at} of the data",
        )
    return values


def _between(samples: ArmSamples, first: str, second: str) -> tuple[Comparison, dict[str, Any]]:
    a, b = samples.of(first), samples.of(second)
    comparison = fisher_difference(int(a.sum()), len(a), int(b.sum()), len(b))
    return comparison, {"p_fisher": comparison.p_value}


def _within(samples: ArmSamples, first: str, second: str) -> tuple[Comparison, dict[str, Any]]:
    pairs = samples.shared(first, second)
    if not pairs:
        return not_estimable(), {"n_pairs": 0}
    if samples.several_lesions(first, second):
        comparison = clustered_difference(pairs)
        return comparison, {"n_pairs": len(pairs), "p_t_by_patient": comparison.p_value}
    table = PairedTable.of(*(np.concatenate(side) for side in zip(*pairs, strict=True)))
    comparison = mcnemar_difference(table)
    return comparison, {
        "n_pairs": table.n,
        "both": table.both,
        "better_only": table.first_only,
        "worse_only": table.second_only,
        "neither": table.neither,
        "p_mcnemar": comparison.p_value,
    }


def _curve(
    arms: Arms, label: str, risks: Risks, assumed: tuple[float, ...], rules: Rules
) -> pd.DataFrame | None:
    """Return the curve over assumed control responses where it has a meaning and a point.

    It has a meaning where both parts of a pair were studied and an untreated arm was not.
    """
    if len(arms[label]) != 2 or arms.missing_parts(label) or arms.control is not None:
        return None
    first, second = arms.parts(label)
    curve = bliss_curve(label, (first, second), risks, assumed, rules.level)
    return curve if curve["excess"].notna().any() else None


def _method(samples: ArmSamples, design: str) -> str:
    if design == "parallel":
        return "Differences of proportions with Newcombe's hybrid score interval and Fisher's exact test."
    if samples.several_lesions(*samples.arms):
        return (
            "Differences of proportions within patients, each patient counting once: t test and interval over "
            "patients where they have several lesions in an arm, else exact McNemar test and Newcombe's paired "
            "interval."
        )
    return "Differences of proportions within patients with Newcombe's paired interval and the exact McNemar test."


def _notes(
    samples: ArmSamples, design: str, absent: tuple[str, ...], curve: pd.DataFrame | None
) -> list[str]:
    counts = [f"{name} {int(samples.of(name).sum())} of {len(samples.of(name))}" for name in samples.arms]
    notes = [f"Responders: {words.join_words(counts)}."]
    if design == "within-patient":
        notes.append(
            "Each difference is taken over the patients who have both arms; interactions use every lesion, with "
            "errors from the patients' sums."
        )
    if curve is not None:
        defined = curve.dropna(subset=["excess"])
        ends = [
            f"{words.format_number(100 * row.excess, 0)} points of that share at an assumed untreated response of "
            f"{words.format_number(100 * row.assumed_control_response, 0)} %"
            for row in (defined.iloc[[0, -1]].itertuples() if len(defined) > 1 else defined.itertuples())
        ]
        notes.append(
            f"For {curve['combination'].iloc[0]}, under an assumption since there are no untreated data, the "
            f"{EXCESS}, is {words.join_words(ends)}. No test is made of it."
        )
    if samples.n_dropped:
        notes.append(f"Rows without a value, left out: {samples.n_dropped}.")
    return [*notes, *absent_note(absent)]
