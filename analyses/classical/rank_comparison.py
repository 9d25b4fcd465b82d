"""The combination questions asked of ordered grades by ranks, without a model.

Between patients: Mann-Whitney with the unpaired probability of superiority. Within patients: the sign test with
the paired one, whose null hypotheses are the same, and the signed-rank test beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.claims import verdict_words as words
from analyses.claims.combination_questions import (
    Evidence,
    InteractionQuestion,
    answer_questions,
    primary_combination,
    studied_arms,
)
from analyses.claims.verdict import Comparison, Rules, Scale, Verdict, not_estimable
from analyses.claims.verdict_sentences import absent_note, footnotes, may_claim, may_not_claim
from analyses.classical.arm_samples import ArmSamples, sample_arms
from analyses.classical.rank_statistics import (
    brunner_munzel,
    mann_whitney,
    paired_probability_of_superiority,
    probability_of_superiority,
    sign_test,
    signed_rank,
)
from analyses.ordinal import grade_codes
from outcomes.arms import FactorialSquare
from outcomes.errors import ModelError

__all__ = ["compare_grades"]

Array = NDArray[np.float64]

UNPAIRED = Scale(
    "unpaired probability of superiority: that a patient of the combination does better than a patient of the "
    "other arm, ties counted half",
    "probability of superiority",
    null=0.5,
    show="probability",
)
PAIRED = Scale(
    "paired probability of superiority: that within a patient the combination's lesion does better than the "
    "other arm's, ties counted half",
    "probability of superiority",
    null=0.5,
    show="probability",
)


def compare_grades(
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
    exact: bool = False,
    margin: float | None = None,
    margin_source: str | None = None,
    allocation: str | None = None,
) -> Verdict:
    """Answer the combination questions for ordered grades by ranks.

    Parameters
    ----------
    data : DataFrame
        One row a patient (parallel), or a patient and lesion (within-patient), of one visit. Rows without a value
        are left out.
    arms : mapping of str to iterable of str
        Label of each arm -> its components, in the protocol's order.
    higher_is_better : bool
        Direction of the grade.
    alpha, sided
        Error rate and its sides, as in `compare_therapies`.
    design : {"parallel", "within-patient"}
        ``parallel``: Mann-Whitney p and unpaired probability of superiority with its logit interval.
        ``within-patient``: exact sign test and paired probability of superiority, the patient being the unit.
    patient, value, arm : str
        Columns. `value` is an ordered Categorical or numbers. `patient` None states that each row of a parallel
        trial is a patient of its own.
    exact : bool
        In parallel groups use the exact permutation p instead of the normal one with continuity correction.
    margin : float, optional
        Smallest distance of the probability of superiority from 1/2 that matters, above 0 and below 0.5.
    margin_source : str, optional
        Where the margin comes from.
    allocation : str, optional
        How patients or lesions were allocated.

    Returns
    -------
    Verdict
        Estimates are probabilities of superiority, with 1/2 for no benefit; ``.supplement`` holds wins, ties,
        losses, every p and the Brunner-Munzel test.

    Raises
    ------
    DesignError
        Where the rows contradict the design: a patient in two arms of a parallel trial, nothing to pair, several
        visits.
    ModelError
        Where the grades have no order, a column is missing, or the margin is out of range.
    """
    _check_margin(margin)
    rules = Rules(alpha, sided, margin, margin_source, allocation)
    codes, labels = grade_codes(data, value)
    samples = sample_arms(data, codes, design, arm, patient, "compare_grades")
    studied, absent = studied_arms(arms, samples.arms)
    sign = 1.0 if higher_is_better else -1.0
    records: dict[tuple[str, str], dict[str, Any]] = {}

    def compare(label: str, other: str) -> Comparison:
        if design == "parallel":
            comparison, record = _unpaired(sign * samples.of(label), sign * samples.of(other), exact)
        else:
            comparison, record = _paired(samples, label, other, sign)
        low, high = comparison.limits(rules.tail)
        records[label, other] = {
            "combination": label,
            "reference": other,
            **record,
            "conf_low": low,
            "conf_high": high,
            "median_combination": labels[int(np.quantile(samples.of(label), 0.5, method="inverted_cdf"))],
            "median_reference": labels[int(np.quantile(samples.of(other), 0.5, method="inverted_cdf"))],
        }
        return comparison

    scale = UNPAIRED if design == "parallel" else PAIRED
    evidence = Evidence(
        compare=compare,
        interactions=_no_interaction_by_ranks,
        interaction_kinds=[("interaction", "Additive interaction")],
        higher_is_better=higher_is_better,
        scale=scale,
        name=lambda label, other: f"P({words.bracketed(label)} better than {words.bracketed(other)})",
        unit="patient" if design == "parallel" else "lesion",
    )
    rows = answer_questions(studied, evidence, rules, planned=arms)
    supplement = pd.DataFrame(list(records.values()))
    return Verdict(
        rows=rows,
        combination=primary_combination(studied),
        combinations=studied.combinations,
        may_claim=may_claim(studied, rows, scale, rules),
        may_not_claim=may_not_claim(rows, scale, rules),
        footnotes=(*footnotes(rows, scale, rules), *_notes(design, exact, supplement, samples, absent)),
        method=_method(design, exact),
        scale=scale,
        rules=rules,
        supplement=supplement,
    )


def _check_margin(margin: float | None) -> None:
    if margin is not None and not 0 < margin < 0.5:
        raise ModelError(
            "the margin of grades is out of range",
            expected="above 0 and below 0.5: a distance of the probability of superiority from 1/2, such as 0.1",
            got=margin,
        )


def _unpaired(x: Array, y: Array, exact: bool) -> tuple[Comparison, dict[str, Any]]:
    test, superiority, unequal = mann_whitney(x, y), probability_of_superiority(x, y), brunner_munzel(x, y)
    comparison = Comparison(
        estimate=superiority.estimate,
        std_error=superiority.std_error,
        df=inf,
        statistic=test.z,
        p_value=test.p_exact if exact else test.p_value,
        p_benefit=test.p_exact_greater if exact else test.p_greater,
        limits=superiority.limits,
    )
    return comparison, {
        "n_combination": len(x),
        "n_reference": len(y),
        "win": superiority.win,
        "tie": superiority.tie,
        "loss": superiority.loss,
        "probability_of_superiority": superiority.estimate,
        "std_error": superiority.std_error,
        "interval": superiority.interval,
        "mann_whitney_u": test.u,
        "z": test.z,
        "p_mann_whitney": test.p_value,
        "p_mann_whitney_uncorrected": test.p_uncorrected,
        "p_mann_whitney_exact": test.p_exact,
        "brunner_munzel": unequal.statistic,
        "df_brunner_munzel": unequal.df,
        "p_brunner_munzel": unequal.p_value,
    }


def _paired(samples: ArmSamples, label: str, other: str, sign: float) -> tuple[Comparison, dict[str, Any]]:
    pairs = [(sign * mine, sign * theirs) for mine, theirs in samples.shared(label, other)]
    if not pairs:
        return not_estimable(), {"n_pairs": 0}
    superiority = paired_probability_of_superiority(pairs)
    scores = [float(np.sign(np.subtract.outer(mine, theirs)).mean()) for mine, theirs in pairs]
    differences = [float(mine.mean() - theirs.mean()) for mine, theirs in pairs]
    signs = sign_test(np.round(scores, 12))
    pratt, dropped = signed_rank(np.round(differences, 12)), signed_rank(np.round(differences, 12), "dropped")
    comparison = Comparison(
        estimate=superiority.estimate,
        std_error=superiority.std_error,
        df=len(pairs) - 1,
        statistic=float(signs.wins),
        p_value=signs.p_value,
        p_benefit=signs.p_greater,
        limits=superiority.limits,
    )
    return comparison, {
        "n_pairs": len(pairs),
        "win": superiority.win,
        "tie": superiority.tie,
        "loss": superiority.loss,
        "probability_of_superiority": superiority.estimate,
        "std_error": superiority.std_error,
        "interval": superiority.interval,
        "patients_better": signs.wins,
        "patients_alike": signs.ties,
        "patients_worse": signs.losses,
        "p_sign": signs.p_value,
        "p_signed_rank_pratt": pratt.p_value,
        "p_signed_rank_zeros_dropped": dropped.p_value,
        "n_zero": pratt.n_zero,
    }


def _no_interaction_by_ranks(square: FactorialSquare) -> list[InteractionQuestion]:
    reason = f"{words.NOT_ESTIMABLE} by ranks, which have no scale to add on; see the ordinal model"
    return [InteractionQuestion("interaction", "Additive interaction", "", None, reason)]


def _method(design: str, exact: bool) -> str:
    if design == "parallel":
        p = "exact, given the ties" if exact else "normal approximation with continuity correction"
        return (
            f"Mann-Whitney test ({p}) and the unpaired probability of superiority with a logit interval from its "
            "placement (DeLong) standard error."
        )
    return (
        "Exact sign test and the paired probability of superiority with a logit interval by patient "
        "(t, patients minus one degrees of freedom)."
    )


def _notes(
    design: str, exact: bool, supplement: pd.DataFrame, samples: ArmSamples, absent: tuple[str, ...]
) -> list[str]:
    notes = []
    if design == "parallel":
        kind = "p_mann_whitney" if exact else "p_mann_whitney_exact"
        name = "normal approximation" if exact else "exact"
        notes.append(f"Mann-Whitney, {name}, two-sided: {_listed(supplement, kind)}.")
        notes.append(
            f"Brunner-Munzel, which allows unequal spread, two-sided: {_listed(supplement, 'p_brunner_munzel')}."
        )
    else:
        notes.append(
            "Wilcoxon's signed-rank test, exact, two-sided, zero differences ranked as Pratt does and distances "
            f"between grades taken as comparable: {_listed(supplement, 'p_signed_rank_pratt')}."
        )
        pairs = [f"{row.combination} and {row.reference} {row.n_pairs}" for row in supplement.itertuples()]
        notes.append(f"Patients with both arms: {words.join_words(pairs)}.")
        if samples.several_lesions(*samples.arms):
            notes.append(
                "Patients have several lesions in an arm: all pairs of a patient's lesions are compared and "
                "averaged, and the patient remains the unit."
            )
    if samples.n_dropped:
        notes.append(f"Rows without a value, left out: {samples.n_dropped}.")
    return [*notes, *absent_note(absent)]


def _listed(supplement: pd.DataFrame, column: str) -> str:
    texts = [
        f"{row['combination']} against {row['reference']} "
        + (words.format_p(row[column]) if np.isfinite(row[column]) else "undefined")
        for _, row in supplement.iterrows()
    ]
    return words.join_words(texts)
