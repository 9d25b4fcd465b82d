"""Intercurrent events of an estimand (ICH E9(R1)), carried out on an endpoint's frame and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from outcomes.endpoint import EndpointFacts
from outcomes.plural import counted
from outcomes.protocol_tables import Analysis, IntercurrentEvent
from outcomes.readers import cell_text
from outcomes.table_check import flag_value

if TYPE_CHECKING:
    from outcomes.trial import Trial

__all__ = ["EstimandData", "EventHandling", "apply_strategies"]

Mask = npt.NDArray[np.bool_]
Strategy = Literal["treatment policy", "hypothetical", "composite"]


@dataclass(frozen=True, slots=True)
class EventHandling:
    """What was done about one intercurrent event.

    Attributes
    ----------
    event, strategy : str
        As in the protocol.
    implemented : bool
        Whether the strategy was carried out.
    patients : int
        Patients of the population that had the event.
    values : int
        Values that the event touches: kept, removed or recoded.
    sentence : str
        What was done, for people.
    by_arm : tuple of (str, int, int or None)
        Of each arm, how many patients had the event, and how many lesions; None where there are none.
    """

    event: str
    strategy: str
    implemented: bool
    patients: int
    values: int
    sentence: str
    by_arm: tuple[tuple[str, int, int | None], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EstimandData:
    """An analysis' data after its intercurrent-event strategies.

    Attributes
    ----------
    frame : DataFrame
        As `Trial.endpoint` returns it; removed values are missing, recoded ones are failures.
    events : tuple of EventHandling
        One an intercurrent event of the protocol, in its order.
    """

    frame: pd.DataFrame
    events: tuple[EventHandling, ...]


def apply_strategies(trial: Trial, analysis: Analysis, frame: pd.DataFrame) -> EstimandData:
    """Carry out the strategies of an analysis on its endpoint's frame.

    Treatment policy keeps all values. Hypothetical removes the values from the first visit at which the flag
    is set; where the flag belongs to the patient or the lesion and not to a visit, the time of the event is
    unknown, and all values after baseline are removed. Composite recodes the same values, missing ones too, to
    failure: no responder, or the worst grade; for a number the protocol names no failure, so that it is not
    implemented. Any other strategy is not implemented, and said to be so.

    An event touches all lesions of the patient, unless its flag is a column of lesions or its scope is
    "lesion".
    """
    facts = trial.protocol.endpoint(analysis.endpoint)
    events = () if analysis.estimand is None else analysis.estimand.intercurrent_events
    handled = []
    for event in events:
        touched, timed = _touched(trial, event, frame)
        frame, handling = _handle(event, facts, frame, touched, timed)
        handled.append(handling)
    return EstimandData(frame, tuple(handled))


def _handle(
    event: IntercurrentEvent, facts: EndpointFacts, frame: pd.DataFrame, touched: Mask, timed: bool
) -> tuple[pd.DataFrame, EventHandling]:
    strategy = " ".join(event.strategy.casefold().replace("-", " ").split())
    patients = int(frame.loc[touched, "patient"].nunique())
    recorded = int((touched & frame["value"].notna().to_numpy()).sum())
    when = "from the event on" if timed else "after baseline, since the time of the event is not recorded"
    had = f"{event.event}: {counted(patients, 'patient')} had it"

    def done(values: int, sentence: str, *, implemented: bool = True) -> EventHandling:
        by_arm = _by_arm(frame, touched)
        return EventHandling(event.event, event.strategy, implemented, patients, values, sentence, by_arm)

    if strategy == "treatment policy":
        return frame, done(recorded, f"{had}; all values are kept whether or not it occurred.")
    if strategy == "hypothetical":
        removed = frame.assign(value=frame["value"].where(~touched), change=frame["change"].where(~touched))
        return removed, done(recorded, f"{had}; removed: {counted(recorded, 'value')} {when}.")
    if strategy == "composite" and facts.scale in ("binary", "ordinal"):
        failure = _failure(facts)
        shown = "no response" if facts.scale == "binary" else str(failure)
        value = frame["value"].where(~touched, failure)
        count = int(touched.sum())
        return frame.assign(value=value), done(
            count, f"{had}; counted as failure ({shown}): {counted(count, 'value')} {when}."
        )
    why = ", since the protocol names no failure of a continuous outcome" if strategy == "composite" else ""
    sentence = f"{had}; the strategy {event.strategy!r} is not implemented{why}, and all values are kept."
    return frame, done(recorded, sentence, implemented=False)


def _by_arm(frame: pd.DataFrame, touched: Mask) -> tuple[tuple[str, int, int | None], ...]:
    """Count the patients and lesions of each arm that are touched."""
    found = []
    for arm in frame["arm"].cat.categories:
        rows = frame.loc[touched & (frame["arm"] == arm).to_numpy()]
        lesions = len(rows[["patient", "lesion"]].drop_duplicates()) if "lesion" in frame else None
        found.append((str(arm), int(rows["patient"].nunique()), lesions))
    return tuple(found)


def _failure(facts: EndpointFacts) -> float | str:
    if facts.scale == "binary" or facts.grades is None:
        return 0.0
    return facts.grades[0] if facts.higher_is_better else facts.grades[-1]


def _touched(trial: Trial, event: IntercurrentEvent, frame: pd.DataFrame) -> tuple[Mask, bool]:
    """Return which rows of the frame come at or after the event, and whether its time is known."""
    if event.flag in trial.assessments:
        return _from_visit_on(trial, event, frame), True
    of_lesion = event.flag in trial.lesions
    home = trial.lesions if of_lesion else trial.patients
    by_lesion = of_lesion and event.scope != "patient" and "lesion" in frame
    flagged = home.loc[_is_set(home[event.flag])]
    return _is_in(frame, flagged, ["patient", "lesion"] if by_lesion else ["patient"]), False


def _from_visit_on(trial: Trial, event: IntercurrentEvent, frame: pd.DataFrame) -> Mask:
    rows = trial.assessments
    by_lesion = event.scope == "lesion" and "lesion" in frame
    keys = ["patient", "lesion"] if by_lesion else ["patient"]
    position = {visit.name: number for number, visit in enumerate(trial.protocol.visits)}
    flagged = rows.loc[_is_set(rows[event.flag])]
    order = flagged["visit"].astype(object).map(position).astype(float)
    first = flagged.assign(_first=order).groupby(keys, sort=False)["_first"].min().reset_index()
    since = frame[keys].merge(first, on=keys, how="left")["_first"].to_numpy(dtype=float)
    now = frame["visit"].astype(object).map(position).to_numpy(dtype=float)
    return np.asarray(now >= since)  # never true of a unit without the event, whose first visit is NaN


def _is_set(flags: pd.Series) -> Mask:
    texts = [cell_text(cell) for cell in flags.astype(object).where(flags.notna(), None)]
    return np.array([text is not None and flag_value(text) is True for text in texts], dtype=bool)


def _is_in(frame: pd.DataFrame, flagged: pd.DataFrame, keys: list[str]) -> Mask:
    wanted = set(flagged[keys].itertuples(index=False, name=None))
    return np.array([key in wanted for key in frame[keys].itertuples(index=False, name=None)], dtype=bool)
