"""Values of each arm, patient by patient, after checking that the design is the one a method was made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outcomes.errors import DesignError, ModelError

__all__ = ["ArmSamples", "Design", "sample_arms"]

Array = NDArray[np.float64]
Design = Literal["parallel", "within-patient"]


@dataclass(frozen=True, slots=True, eq=False)
class ArmSamples:
    """Values by arm and patient.

    Attributes
    ----------
    values : dict of str to dict of str to array
        Arm -> patient -> that patient's values in the arm, shape (lesions,); one in a parallel trial.
    n_dropped : int
        Rows left out because value or arm was missing.
    """

    values: dict[str, dict[str, Array]]
    n_dropped: int

    @property
    def arms(self) -> tuple[str, ...]:
        """Labels of the arms with data."""
        return tuple(self.values)

    def of(self, arm: str) -> Array:
        """All values of an arm, shape (values,)."""
        return np.concatenate(list(self.values[arm].values()))

    def shared(self, first: str, second: str) -> list[tuple[Array, Array]]:
        """Values of both arms for every patient who has both."""
        other = self.values[second]
        return [(mine, other[patient]) for patient, mine in self.values[first].items() if patient in other]

    def several_lesions(self, *arms: str) -> bool:
        """Whether a patient has more than one value in one of these arms."""
        return any(len(values) > 1 for arm in arms for values in self.values[arm].values())

    @property
    def patients(self) -> tuple[str, ...]:
        """All patients, in the order met."""
        return tuple(dict.fromkeys(patient for by_patient in self.values.values() for patient in by_patient))


def sample_arms(
    data: pd.DataFrame, values: Array, design: str, arm: str, patient: str | None, method: str
) -> ArmSamples:
    """Gather values by arm and patient.

    Parameters
    ----------
    data : DataFrame
        One row a patient, or a patient and lesion; one visit only.
    values : array, shape (rows,)
        The numbers of the outcome, NaN where missing.
    design : {"parallel", "within-patient"}
        What the rows are.
    arm, patient : str
        Columns; `patient` None states that every row of a parallel trial is a patient of its own.
    method : str
        Name of the calling function, for the hints of errors.

    Returns
    -------
    ArmSamples
        Arms in the order of their Categorical, else of appearance.

    Raises
    ------
    DesignError
        Where the rows contradict the design, or hold several visits.
    ModelError
        Where a column is missing, or no row is complete.
    """
    if design not in ("parallel", "within-patient"):
        raise DesignError("unknown design", expected="'parallel' or 'within-patient'", got=repr(design))
    if patient is None and design == "within-patient":
        raise DesignError("pairs need the patient's column", expected="patient='...'", got="None")
    _require_columns(data, [arm] if patient is None else [arm, patient])
    _one_visit(data, values, method)
    complete = ~np.isnan(values) & data[arm].notna().to_numpy()
    if patient is not None:
        complete &= data[patient].notna().to_numpy()
    if not complete.any():
        raise ModelError(
            "no row has both an arm and a value", expected="at least one", got=f"{len(data)} rows"
        )
    labels = data[arm][complete].astype(str).to_numpy()
    rows = pd.Series(np.arange(len(data)), index=data.index) if patient is None else data[patient]
    people = rows[complete].astype(str).to_numpy()
    gathered: dict[str, dict[str, list[float]]] = {label: {} for label in _ordered(data[arm], labels)}
    for label, person, value in zip(labels, people, values[complete], strict=True):
        gathered[label].setdefault(person, []).append(float(value))
    samples = ArmSamples(
        {label: {who: np.array(found) for who, found in by.items()} for label, by in gathered.items()},
        int((~complete).sum()),
    )
    if design == "parallel":
        _independent(samples, method)
    else:
        _paired(samples, method)
    return samples


def _require_columns(data: pd.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in data.columns:
            raise ModelError(
                f"the data have no column {name!r}",
                expected=", ".join(names),
                got=", ".join(map(str, data.columns)),
                hint="name the column, or patient=None where every row is a patient of its own",
            )


def _ordered(column: pd.Series, labels: NDArray[np.object_]) -> list[str]:
    seen = dict.fromkeys(labels)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return [str(level) for level in column.cat.categories if str(level) in seen]
    return list(seen)


def _one_visit(data: pd.DataFrame, values: Array, method: str) -> None:
    if "visit" not in data.columns:
        return
    visits = data["visit"][~np.isnan(values)].dropna().unique()
    if len(visits) > 1:
        raise DesignError(
            f"{method} compares arms at one visit, and the rows hold several",
            expected="rows of one visit",
            got=", ".join(map(str, visits)),
            hint="select the visit first, such as data[data['visit'] == 'Week 24']",
        )


def _independent(samples: ArmSamples, method: str) -> None:
    """Refuse data in which a patient stands twice: the tests would take his rows as two patients."""
    met: dict[str, str] = {}
    for arm, by_patient in samples.values.items():
        for person, values in by_patient.items():
            if person in met:
                raise DesignError(
                    "methods for independent groups do not fit within-patient data",
                    expected="each patient in one arm",
                    got=f"patient {person} in {met[person]} and in {arm}",
                    hint=f"{method}(..., design='within-patient') pairs the lesions of a patient",
                )
            if len(values) > 1:
                raise DesignError(
                    "methods for independent groups take one value a patient",
                    expected="one row a patient",
                    got=f"patient {person} with {len(values)} values in {arm}",
                    hint="where the rows are lesions, fit_mixed_model with (1 | patient/lesion) keeps them apart",
                )
            met[person] = arm


def _paired(samples: ArmSamples, method: str) -> None:
    arms_of: dict[str, int] = {}
    for by_patient in samples.values.values():
        for person in by_patient:
            arms_of[person] = arms_of.get(person, 0) + 1
    if max(arms_of.values()) < 2:
        raise DesignError(
            "no patient has two arms, so there is nothing to pair",
            expected="lesions of one patient in different arms",
            got="every patient in one arm",
            hint=f"{method}(..., design='parallel') compares independent groups",
        )
