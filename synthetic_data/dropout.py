"""Who is not assessed: a mechanism is called with a `History` and a generator, and returns a mask.

MCAR (missing completely at random), MAR (missing at random) and MNAR (missing not at random) are frozen
objects, ``mechanism(history, rng) -> mask`` with True where the patient is assessed. Leaving is for good;
`MissedVisits` misses single visits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

__all__ = ["MAR", "MCAR", "MNAR", "History", "Mechanism", "MissedVisits", "leaving_intercept"]

Mask: TypeAlias = NDArray[np.bool_]
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
_NORMAL: Final = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True, slots=True)
class History:
    """The recorded outcomes of patients over visits, as a dropout mechanism sees them.

    Attributes
    ----------
    benefit : array, shape (patients, visits)
        Recorded improvement since the start, percentage points, higher is better; the mean over a
        patient's lesions. The visits are those after treatment started.
    expected, spread : array, shape (visits,)
        What `benefit` is standardised by. Constants of the scenario and not of the sample, so that one
        patient's dropout does not hang on another's outcome.
    """

    benefit: NDArray[np.float64]
    expected: NDArray[np.float64]
    spread: NDArray[np.float64]

    @property
    def standardised(self) -> NDArray[np.float64]:
        """`benefit` in standard deviations from what was expected, shape (patients, visits)."""
        return (self.benefit - self.expected) / self.spread


class Mechanism(Protocol):
    """What a dropout mechanism is."""

    def __call__(self, history: History, rng: np.random.Generator) -> Mask:
        """Return True where a patient is assessed, shape (patients, visits)."""
        ...


@dataclass(frozen=True, slots=True)
class MCAR:
    """Patients leave whatever their outcome, with the same probability at each visit.

    Attributes
    ----------
    rate : float
        Share gone by the last visit.
    """

    rate: float

    def __call__(self, history: History, rng: np.random.Generator) -> Mask:
        """Return True where a patient is assessed, shape (patients, visits)."""
        shape = history.benefit.shape
        return _stays(np.full(shape, _hazard(self.rate, shape[1])), rng)


@dataclass(frozen=True, slots=True)
class MAR:
    """Patients who had improved little at the *last* visit leave more often; the first visit is as in `MCAR`.

    Leaving before visit v has log odds ``a - slope * standardised[v - 1]``: given what was recorded, it does
    not depend on what is missed.

    Attributes
    ----------
    rate : float
        Share gone by the last visit, where improvement is about normal.
    slope : float
        Log odds for an improvement one standard deviation lower.
    """

    rate: float
    slope: float

    def __call__(self, history: History, rng: np.random.Generator) -> Mask:
        """Return True where a patient is assessed, shape (patients, visits)."""
        hazard = _hazard(self.rate, history.benefit.shape[1])
        probability = np.full(history.benefit.shape, hazard)
        intercept = leaving_intercept(hazard, self.slope)
        probability[:, 1:] = expit(intercept - self.slope * history.standardised[:, :-1])
        return _stays(probability, rng)


@dataclass(frozen=True, slots=True)
class MNAR:
    """Patients whose improvement at the visit itself is small leave before it is recorded.

    Leaving before visit v has log odds ``a - slope * standardised[v]``: it depends on what is then missed.

    Attributes
    ----------
    rate : float
        Share gone by the last visit, were a patient's improvements at different visits independent; somewhat
        fewer leave, since those at risk of leaving at one visit have often left before.
    slope : float
        Log odds for an improvement one standard deviation lower.
    """

    rate: float
    slope: float

    def __call__(self, history: History, rng: np.random.Generator) -> Mask:
        """Return True where a patient is assessed, shape (patients, visits)."""
        hazard = _hazard(self.rate, history.benefit.shape[1])
        intercept = leaving_intercept(hazard, self.slope)
        return _stays(expit(intercept - self.slope * history.standardised), rng)


@dataclass(frozen=True, slots=True)
class MissedVisits:
    """Single visits are missed whatever the outcome, and the patient comes back.

    Attributes
    ----------
    rate : float
        Probability of missing a visit.
    """

    rate: float

    def __call__(self, history: History, rng: np.random.Generator) -> Mask:
        """Return True where a patient is assessed, shape (patients, visits)."""
        return np.asarray(rng.random(history.benefit.shape) >= self.rate)


@lru_cache(maxsize=128)
def leaving_intercept(hazard: float, slope: float) -> float:
    """Return the a for which ``expit(a + slope z)`` has mean `hazard` over a standard normal z.

    Gauss-Hermite quadrature with 40 nodes and a bracketing root search.
    """
    from scipy.optimize import brentq

    if hazard == 0 or slope == 0:
        return float(logit(hazard))

    def excess(intercept: float) -> float:
        return float(_NORMAL @ expit(intercept + slope * _NODES)) - hazard

    reach = 40.0 + 10.0 * slope  # the mean is below any hazard at one end and above it at the other
    return float(brentq(excess, -reach, reach, xtol=1e-12))


def _hazard(rate: float, visits: int) -> float:
    """Return the probability of leaving at each visit that leaves `rate` gone after all of them."""
    return float(1.0 - (1.0 - rate) ** (1.0 / visits))


def _stays(probability: NDArray[np.float64], rng: np.random.Generator) -> Mask:
    left = rng.random(probability.shape) < probability
    return ~np.logical_or.accumulate(left, axis=1)
