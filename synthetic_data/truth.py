"""What is true in a scenario: expectations of the recorded outcome, computed by simulation of its mechanism.

The estimand of an analysis is about the outcome as it is recorded, on the instrument's bounded grid, so its
true value is an expectation of that, and neither a parameter nor typed. It is computed from many patients by the
same functions that draw a trial. Each patient counts with all arms on all lesions in turn (common random numbers)
and with the antithetic deviates, so that equal arms differ by exactly nothing. The stream is fixed: a truth belongs
to its scenario and not to a trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from outcomes.arms import Arms
from synthetic_data.document import GRADE_CUTPOINTS, RESPONDERS, VASI_RESPONDER
from synthetic_data.draws import Draws, draw, spawn_streams
from synthetic_data.measurement import quartile_grade
from synthetic_data.plan import Plan, make_plan
from synthetic_data.recorded import Recorded, record
from synthetic_data.scenario import Scenario
from synthetic_data.scenario_tables import Planimetry, Vasi

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PAIRS", "EndpointTruth", "endpoint_truths", "true_means", "true_values"]

Array: TypeAlias = NDArray[np.float64]

PAIRS: Final = {"within-patient": 50_000, "parallel": 120_000}
"""Antithetic pairs of patients behind a truth, by design: a Monte Carlo error of 0.1 % of a range at most."""
_CHUNK: Final = 10_000
_STREAM: Final = 20_260_101  # any number will do; truths are compared across versions, so it stays

# Definitions: all of the recorded outcome, and as if everybody had been assessed.
DIFFERENCE: Final = "difference of means"
INTERACTION: Final = "interaction of means"
SUPERIORITY: Final = "paired probability of superiority"
WITH_SPILL: Final = ", with spill-over"
WITHOUT_SPILL: Final = ", without spill-over"


@dataclass(frozen=True, slots=True)
class EndpointTruth:
    """An endpoint, as a function of recorded outcomes.

    Attributes
    ----------
    name : str
        As in the protocol.
    higher_is_better : bool
        Of the derived value.
    ordinal : bool
        Whether arms are compared by the probability of superiority rather than by a difference.
    derive : callable
        ``derive(recorded)`` -> array, shape (n, u, V).
    """

    name: str
    higher_is_better: bool
    ordinal: bool
    derive: Callable[[Recorded], Array]


def endpoint_truths(scenario: Scenario) -> tuple[EndpointTruth, ...]:
    """Return the endpoints of a scenario's protocol that analyses speak of."""
    if isinstance(scenario.measurement, Planimetry):
        return (
            EndpointTruth("repigmentation", True, False, lambda recorded: recorded.value),
            EndpointTruth("grade", True, True, _grade),
            *(EndpointTruth(name, True, False, _responder(*rule)) for name, rule in RESPONDERS.items()),
        )
    if isinstance(scenario.measurement, Vasi):
        return (
            EndpointTruth("vasi_change", False, False, _change),
            EndpointTruth("vasi_percent_change", False, False, _percent_change),
            EndpointTruth("vasi50", True, False, _vasi50),
        )
    return (EndpointTruth("posas_change", False, False, _change),)


def true_values(scenario: Scenario, pairs: int | None = None) -> pd.DataFrame:
    """Return the true value of each comparison, positive being benefit.

    Parameters
    ----------
    scenario : Scenario
        What is true.
    pairs : int, optional
        Antithetic pairs of patients, by default `PAIRS`; fewer are quicker and less exact.

    Returns
    -------
    DataFrame
        endpoint, visit, contrast, value, monte_carlo_error (a standard error), definition. Contrasts: the
        combination against each part, every arm against the untreated one, and the additive interaction where
        all four arms are studied.

    Notes
    -----
    `definition` is "difference of means" or "interaction of means", of expectations of the recorded outcome, or,
    of a grade, "paired probability of superiority": P(win) + P(tie) / 2 of two lesions of one patient. All
    are as if everybody had been assessed. With spill-over between lesions there are two truths: ", with
    spill-over", as delivered, is what the trial's data estimate; ", without spill-over" is what they would
    be without it.
    """
    import pandas as pd

    rows: list[tuple[str, str, str, float, float, str]] = []
    versions = [(scenario, "")]
    if make_plan(scenario).spill_over:
        versions = [
            (scenario, WITH_SPILL),
            (scenario.replace(response={"spill_over": 0.0}), WITHOUT_SPILL),
        ]
    for version, remark in versions:
        estimates = _estimates(_of_any_size(version), pairs or PAIRS[version.design])
        rows += [(*row[:-1], row[-1] + remark) for row in estimates.contrasts]
    columns = ["endpoint", "visit", "contrast", "value", "monte_carlo_error", "definition"]
    return pd.DataFrame(rows, columns=columns)


def true_means(scenario: Scenario, pairs: int | None = None) -> pd.DataFrame:
    """Return the expectation and standard deviation of the recorded outcome in each arm.

    Returns
    -------
    DataFrame
        endpoint, visit, arm, mean, standard_deviation, monte_carlo_error (of the mean); as delivered.
    """
    import pandas as pd

    estimates = _estimates(_of_any_size(scenario), pairs or PAIRS[scenario.design])
    columns = ["endpoint", "visit", "arm", "mean", "standard_deviation", "monte_carlo_error"]
    return pd.DataFrame(list(estimates.means), columns=columns)


def _of_any_size(scenario: Scenario) -> Scenario:
    """Return the scenario with the fewest patients: its truth does not hang on their number."""
    return scenario.replace(patients=2 * len(scenario.arms))


@dataclass(frozen=True, slots=True)
class _Estimates:
    contrasts: tuple[tuple[str, str, str, float, float, str], ...]
    means: tuple[tuple[str, str, str, float, float, float], ...]


@lru_cache(maxsize=64)
def _estimates(scenario: Scenario, pairs: int) -> _Estimates:
    plan = make_plan(scenario)
    endpoints = endpoint_truths(scenario)
    questions = {endpoint.name: _questions(scenario, endpoint) for endpoint in endpoints}
    sums: dict[str, list[Array]] = {}
    for runs in _recorded_runs(plan, pairs):
        for endpoint in endpoints:
            values = [endpoint.derive(run) for run in runs]
            answers = [_answers(values, question) for question in questions[endpoint.name]]
            answers.append(np.mean(values, axis=0))  # the arms' means
            block = np.concatenate(answers, axis=1)  # (pairs, rows, visits)
            squares = np.mean(np.square(values), axis=0)
            moments = [block.sum(axis=0), (block**2).sum(axis=0), squares.sum(axis=0)]
            before = sums.get(endpoint.name, [np.zeros(1)] * 3)
            sums[endpoint.name] = [a + b for a, b in zip(before, moments, strict=True)]
    contrasts, means = [], []
    for endpoint in endpoints:
        total, square, raw = (moment / pairs for moment in sums[endpoint.name])
        error = np.sqrt(np.maximum(square - total**2, 0.0) / (pairs - 1))
        asked = questions[endpoint.name]
        for v, visit in enumerate(scenario.follow_up):
            for row, question in enumerate(asked):
                answer = (float(total[row, v]), float(error[row, v]))
                contrasts.append((endpoint.name, visit.name, question.contrast, *answer, question.definition))
            for k, arm in enumerate(scenario.arms):
                row = len(asked) + k
                mean = float(total[row, v])
                sd = float(np.sqrt(max(raw[k, v] - mean**2, 0.0)))
                means.append((endpoint.name, visit.name, arm.label, mean, sd, float(error[row, v])))
    return _Estimates(tuple(contrasts), tuple(means))


@dataclass(frozen=True, slots=True)
class _Question:
    """A contrast: weights of arms, or two arms for a probability of superiority."""

    contrast: str
    definition: str
    weights: tuple[float, ...]
    superiority: bool


def _answers(values: Sequence[Array], question: _Question) -> Array:
    """Return the answer of each patient, the mean over runs; shape (pairs, 1, V)."""
    weights = np.array(question.weights)
    if question.superiority:
        better, worse = int(np.argmax(weights)), int(np.argmin(weights))
        wins = np.mean([np.sign(value[:, better] - value[:, worse]) for value in values], axis=0)
        return np.asarray(0.5 + wins[:, None, :] / 2.0)
    return np.asarray(np.einsum("k,nkv->nv", weights, np.mean(values, axis=0))[:, None, :])


def _recorded_runs(plan: Plan, pairs: int) -> Iterator[list[Recorded]]:
    """Yield runs of the same patients, each with outcomes (patients, arms in the scenario's order, visits)."""
    streams = spawn_streams(np.random.default_rng(_STREAM))
    every_arm = _rotated if plan.scenario.is_within_patient else _one_after_another
    for start in range(0, pairs, _CHUNK):
        deviates = draw(plan, min(_CHUNK, pairs - start), streams)
        yield [*every_arm(plan, deviates), *every_arm(plan, deviates.mirrored())]


def _rotated(plan: Plan, deviates: Draws) -> list[Recorded]:
    """Each lesion gets each arm in turn, the patient's other lesions the other arms."""
    n, arms = deviates.fold_u.size, len(plan.scenario.arms)
    runs = []
    for shift in range(arms):
        lesion_of_arm = (np.arange(arms) + shift) % arms
        arm_of_lesion = np.argsort(lesion_of_arm)
        run = record(plan, deviates, np.broadcast_to(arm_of_lesion, (n, arms)))
        baseline = None if run.baseline is None else run.baseline[:, lesion_of_arm]
        runs.append(replace(run, baseline=baseline, value=run.value[:, lesion_of_arm]))
    return runs


def _one_after_another(plan: Plan, deviates: Draws) -> list[Recorded]:
    """The same patients get each arm in turn."""
    n, arms = deviates.fold_u.size, len(plan.scenario.arms)
    runs = [record(plan, deviates, np.full((n, 1), k)) for k in range(arms)]
    baseline = np.concatenate([run.baseline for run in runs if run.baseline is not None], axis=1)
    return [replace(runs[0], baseline=baseline, value=np.concatenate([run.value for run in runs], axis=1))]


def _questions(scenario: Scenario, endpoint: EndpointTruth) -> tuple[_Question, ...]:
    arms = Arms({arm.label: arm.components for arm in scenario.arms})
    pairs = [(label, part) for label in arms.combinations for part in arms.parts(label)]
    control = arms.control
    if control is not None:
        pairs += [(label, control) for label in arms if label != control]
    definition = SUPERIORITY if endpoint.ordinal else DIFFERENCE
    questions = [
        _Question(
            _difference_name(better, worse, endpoint.higher_is_better),
            definition,
            _weights(scenario, {better: 1.0, worse: -1.0}, endpoint),
            endpoint.ordinal,
        )
        for better, worse in dict.fromkeys(pairs)
    ]
    for label in () if endpoint.ordinal else arms.combinations:
        square = arms.background_for(label)
        if square is not None:
            weights = {label: 1.0, square.first: -1.0, square.second: -1.0, square.background: 1.0}
            with_first = _difference_name(label, square.first, endpoint.higher_is_better)
            alone = _difference_name(square.second, square.background, endpoint.higher_is_better)
            questions.append(
                _Question(
                    f"[{with_first}] − [{alone}]", INTERACTION, _weights(scenario, weights, endpoint), False
                )
            )
    return tuple(questions)


def _weights(scenario: Scenario, weights: dict[str, float], endpoint: EndpointTruth) -> tuple[float, ...]:
    sign = 1.0 if endpoint.higher_is_better else -1.0
    return tuple(sign * weights.get(arm.label, 0.0) for arm in scenario.arms)


def _difference_name(better: str, worse: str, higher_is_better: bool) -> str:
    """Name a difference so that positive is benefit, as verdicts do: ``(Laser + PRP) − Laser``."""
    first, second = (
        f"({label})" if any(sign in label for sign in ("+", " - ", "−")) else label
        for label in (better, worse)
    )
    return f"{first} − {second}" if higher_is_better else f"{second} − {first}"


def _baseline(recorded: Recorded) -> Array:
    if recorded.baseline is None:
        return np.zeros((*recorded.value.shape[:2], 1))
    return recorded.baseline[..., None]


def _change(recorded: Recorded) -> Array:
    return np.asarray(recorded.value - _baseline(recorded))


def _percent_change(recorded: Recorded) -> Array:
    return np.asarray(100.0 * _change(recorded) / _baseline(recorded))


def _vasi50(recorded: Recorded) -> Array:
    return np.asarray(_percent_change(recorded) <= VASI_RESPONDER, dtype=np.float64)


def _grade(recorded: Recorded) -> Array:
    return quartile_grade(recorded.value, np.array(GRADE_CUTPOINTS)).astype(np.float64)


def _responder(op: str, limit: float) -> Callable[[Recorded], Array]:
    def responds(recorded: Recorded) -> Array:
        meets = recorded.value > limit if op == "above" else recorded.value >= limit
        return meets.astype(np.float64)

    return responds
