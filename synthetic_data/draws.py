"""The random numbers of a trial: one independent stream a role, a row a patient.

Every role draws a matrix with one row a patient and a width that does not depend on the number of patients.
Generators fill row by row, so a trial of 31 patients begins with the 30 of the smaller one; and as each role has
a stream of its own (`numpy.random.Generator.spawn`, by SeedSequence), a change in one leaves the others alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthetic_data.plan import Plan
from synthetic_data.scenario_tables import ITEMS, Posas

__all__ = ["ROLES", "Draws", "Streams", "draw", "spawn_streams"]

Array: TypeAlias = NDArray[np.float64]

ROLES: Final = (
    "allocation",
    "people",
    "treatment",
    "lesions",
    "response",
    "measurement",
    "dropout",
    "safety",
)
"""Roles in the order in which their streams are spawned; new ones go to the end."""
Streams: TypeAlias = dict[str, np.random.Generator]


def spawn_streams(rng: np.random.Generator) -> Streams:
    """Return one independent generator a role."""
    return dict(zip(ROLES, rng.spawn(len(ROLES)), strict=True))


@dataclass(frozen=True, slots=True)
class Draws:
    """Deviates behind the outcomes of n patients with m lesions (regions) at V visits.

    Names ending in ``_z`` are standard normal, in ``_u`` uniform on [0, 1).

    Attributes
    ----------
    fold_u : array, shape (n,)
        Platelet fold of the patient's PRP.
    session_u : array, shape (n, sessions)
        Sessions missed.
    size_z : array, shape (n, 1 + m)
        Area, extent or severity before treatment: the patient's part, then each lesion's.
    lesion_u : array, shape (n, m, 3)
        Body site; rounding of hand units; depigmentation before treatment.
    item_z : array, shape (n, m, 6)
        An item's own part (POSAS; else empty).
    patient_z : array, shape (n,)
        Response of the patient.
    response_z : array, shape (n, m)
        Response of the lesion.
    visit_z : array, shape (n, m, V)
        Response at the visit.
    error_z : array, shape (n, m, 1 + V) or (n, m, 1 + V, 6)
        Measurement errors, before treatment and at each visit.
    """

    fold_u: Array
    session_u: Array
    size_z: Array
    lesion_u: Array
    item_z: Array
    patient_z: Array
    response_z: Array
    visit_z: Array
    error_z: Array

    def mirrored(self) -> Draws:
        """Return the antithetic deviates: normal ones with the other sign, uniform ones from the other end."""
        flipped = {
            field.name: -value if field.name.endswith("_z") else np.nextafter(1.0 - value, 0.0)
            for field in fields(self)
            for value in (getattr(self, field.name),)
        }
        return replace(self, **flipped)


def draw(plan: Plan, patients: int, streams: Streams) -> Draws:
    """Draw the deviates behind the outcomes of `patients` patients."""
    n, m, v = patients, plan.lesions, plan.visits
    measurement = plan.scenario.measurement
    items = len(ITEMS) if isinstance(measurement, Posas) else 0
    treatment = streams["treatment"].random((n, 1 + plan.scenario.sessions.planned))
    lesions = streams["lesions"]
    size = lesions.spawn(3)
    response = streams["response"].standard_normal((n, 1 + m + m * v))
    width = (1 + v) * (items or 1)
    error = streams["measurement"].standard_normal((n, m * width))
    return Draws(
        fold_u=treatment[:, 0],
        session_u=treatment[:, 1:],
        size_z=size[0].standard_normal((n, 1 + m)),
        lesion_u=size[1].random((n, m, 3)),
        item_z=size[2].standard_normal((n, m, items)),
        patient_z=response[:, 0],
        response_z=response[:, 1 : 1 + m],
        visit_z=response[:, 1 + m :].reshape(n, m, v),
        error_z=error.reshape((n, m, 1 + v, items) if items else (n, m, 1 + v)),
    )
