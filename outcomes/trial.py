"""A trial: its protocol, and its frames after every defect was ruled out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from outcomes.endpoint_frame import endpoint_frame, undefined_values
from outcomes.errors import Defect, ProtocolError, TrialDataError
from outcomes.estimand import EstimandData, apply_strategies
from outcomes.protocol import Protocol, ReportOptions, read_protocol
from outcomes.query import QueryProblem, keeps
from outcomes.readers import RawTable, read_table, table_from_frame
from outcomes.trial_files import alternative_file, write_trial
from outcomes.validation import check_trial

__all__ = ["Trial", "read_trial"]


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Trial:
    """A protocol and its validated frames: patient > lesion > visit.

    Made by `read_trial` or `Trial.from_frames`; both raise `TrialDataError` unless the data are free of
    defects. The frames are handed out as copies, so that nothing changes a trial.

    Attributes
    ----------
    protocol : Protocol
        What was planned.
    files : tuple of Path
        What was read, trial.toml first; empty where the trial was built from frames.
    directory : Path or None
        Where trial.toml lies.
    source : str
        Where the data came from, in words.
    notes : tuple of str
        What the protocol says to keep or leave out of the files, counted, one sentence each.
    """

    protocol: Protocol
    files: tuple[Path, ...]
    directory: Path | None
    source: str
    notes: tuple[str, ...]
    _patients: pd.DataFrame
    _lesions: pd.DataFrame
    _assessments: pd.DataFrame
    _events: pd.DataFrame
    _alternatives: tuple[pd.DataFrame, ...]

    def __init__(
        self,
        protocol: Protocol,
        tables: Mapping[str, RawTable | None],
        *,
        defects: list[Defect],
        alternatives: Sequence[RawTable | None] = (),
        files: tuple[Path, ...] = (),
        directory: Path | None = None,
        source: str = "",
    ) -> None:
        checked = check_trial(protocol, tables, defects)
        others = [check_trial(protocol, {**tables, "assessments": table}, []) for table in alternatives]
        found = dict.fromkeys(defect for every in (checked, *others) for defect in every.defects)
        if found:
            raise TrialDataError(found)
        fields = {
            "protocol": protocol,
            "files": files,
            "directory": directory,
            "source": source,
            "notes": checked.notes,
            "_patients": checked.patients,
            "_lesions": checked.lesions,
            "_assessments": checked.assessments,
            "_events": checked.events,
            "_alternatives": tuple(other.assessments for other in others),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        for population in protocol.populations:
            self._members(population.name)

    @classmethod
    def from_frames(
        cls,
        protocol: Protocol,
        *,
        patients: pd.DataFrame,
        assessments: pd.DataFrame,
        lesions: pd.DataFrame | None = None,
        events: pd.DataFrame | None = None,
        alternatives: Mapping[str, pd.DataFrame] | None = None,
        source: str = "frames",
    ) -> Trial:
        """Build a trial from DataFrames, through the same validation as from files.

        Parameters
        ----------
        protocol : Protocol
            What was planned. Its [data] says how columns are called and what stands for missing; its file
            names are not used.
        patients, lesions, assessments, events : DataFrame
            With our column names, or theirs where [data.columns] maps them.
        alternatives : mapping of str to DataFrame
            Name -> assessments that could stand in the place of `assessments`; see `Trial.alternatives`.
        source : str
            What errors call the frames' origin, e.g. ``"Abdelghani 2018"``.

        Raises
        ------
        TrialDataError
            Lists every defect; the first record of a frame is called row 2.
        """
        frames = {"patients": patients, "lesions": lesions, "assessments": assessments, "events": events}
        if lesions is not None and lesions.empty and not protocol.is_within_patient:
            frames["lesions"] = None
        named: dict[str, object] = {
            "lesions": "lesions.csv" if frames["lesions"] is not None else None,
            "events": "adverse_events.csv" if events is not None else None,
            "events_complete": events is not None and protocol.data.events_complete,
            "alternatives": tuple(alternative_file(name) for name in alternatives or {}),
        }
        data = protocol.data.model_copy(update=named)
        tables: dict[str, RawTable | None] = {
            name: table_from_frame(frame, f"{source}: {name}")
            for name, frame in frames.items()
            if frame is not None
        }
        others = [
            table_from_frame(frame, f"{source}: {name}") for name, frame in (alternatives or {}).items()
        ]
        planned = protocol.model_copy(update={"data": data})
        return cls(planned, tables, defects=[], alternatives=others, source=source)

    @property
    def patients(self) -> pd.DataFrame:
        """One row a patient: ``patient``, ``arm`` (parallel designs), covariates, the file's other columns."""
        return self._patients.copy(deep=False)

    @property
    def lesions(self) -> pd.DataFrame:
        """One row a lesion: ``patient, lesion``, ``arm`` (within-patient designs), covariates, others.

        Empty in a parallel trial without a file of lesions.
        """
        return self._lesions.copy(deep=False)

    @property
    def assessments(self) -> pd.DataFrame:
        """One row a patient (or lesion) and visit: ``patient, lesion, visit, week``, others, outcomes.

        Outcomes are numbers in the measured unit, grades as their codes. A row that the file has stays, even
        where nothing was measured.
        """
        return self._assessments.copy(deep=False)

    @property
    def events(self) -> pd.DataFrame:
        """One row an adverse event: ``patient, lesion, term, severity, start_week, end_week, related``, others.

        ``severity`` is an ordered Categorical: mild, moderate, severe, life-threatening, fatal, whatever words
        or CTCAE grades the file has. Empty where no event occurred or none is known of: `events_known` tells.
        """
        return self._events.copy(deep=False)

    @property
    def events_recorded(self) -> bool:
        """Whether the trial has a file (or frame) of adverse events at all, be it without a row."""
        return self.protocol.data.events is not None

    @property
    def events_known(self) -> bool:
        """Whether anything can be said of harm.

        A file without a row may be one that nobody filled in. It says that no event occurred only where the
        protocol says so: ``[data] events_complete = true``.
        """
        return self.events_recorded and (len(self._events) > 0 or self.protocol.data.events_complete)

    def endpoint(self, name: str, population: str = "all") -> pd.DataFrame:
        """Return an endpoint as the long frame that models take.

        Parameters
        ----------
        name : str
            Of an endpoint of the protocol.
        population : str
            Of a population of the protocol, or "all".

        Returns
        -------
        DataFrame
            One row an assessment after baseline: ``patient``, ``lesion`` (endpoints of lesions), ``arm``
            (Categorical, the protocol's order), one 0/1 column a component, ``visit`` (Categorical),
            ``week``, ``baseline``, ``value``, ``change``, every covariate, and for endpoints of lesions in a
            within-patient trial that have a measured baseline ``baseline_mean`` (the mean over the patient's
            lesions) and ``baseline_deviation`` (the lesion's baseline minus it).
            ``value`` is the derived quantity: a number, 0/1 of a responder, an ordered Categorical of a
            grade. ``baseline`` and ``change`` (measured minus baseline) are always in the measured unit.
            Missing assessments that the file has a row for stay, with ``value`` missing; nothing is clipped.
            A patient's outcome in a within-patient trial has neither ``arm`` nor components.

        Raises
        ------
        ProtocolError
            Where the protocol has no such endpoint or population.
        """
        return endpoint_frame(self, name, self._members(population))

    def undefined(self, name: str) -> pd.DataFrame:
        """Return the assessments whose derived value does not exist though something was measured.

        Returns
        -------
        DataFrame
            ``patient, lesion, visit, reason``: a percentage of a baseline of 0, or no baseline.
        """
        return undefined_values(self, name)

    def estimand_data(self, analysis: str, population: str | None = None) -> EstimandData:
        """Return the data of an analysis with its intercurrent-event strategies carried out and counted.

        Every member of the population has a row at every visit after baseline, so that what was never recorded counts
        as missing, or as failure where the strategy says so.

        Parameters
        ----------
        analysis : str
            Name of an analysis; its endpoint and population say which rows.
        population : str, optional
            Another population than the analysis' own.

        Raises
        ------
        ProtocolError
            Where the protocol has no such analysis.
        """
        planned = self.protocol.analysis(analysis)
        members = self._members(population or planned.population)
        return apply_strategies(self, planned, endpoint_frame(self, planned.endpoint, members, planned=True))

    def members(self, population: str = "all") -> pd.DataFrame:
        """Return who belongs to a population: ``patient``, and ``lesion`` where the trial has lesions."""
        return self._members(population)[self._member_keys].reset_index(drop=True)

    def exclusions(self, population: str) -> pd.DataFrame:
        """Return the patients that a population leaves out.

        Returns
        -------
        DataFrame
            ``patient, reason``: one row a patient of whom nothing belongs to the population.
        """
        kept = set(self._members(population)["patient"])
        left = self._patients.loc[~self._patients["patient"].isin(kept), ["patient"]]
        return left.assign(reason=self._reason(population)).reset_index(drop=True)

    def excluded_lesions(self, population: str) -> pd.DataFrame:
        """Return the lesions that a population leaves out: ``patient, lesion, reason``."""
        kept = pd.MultiIndex.from_frame(self._members(population)[self._member_keys])
        if "lesion" not in self._member_keys:
            return pd.DataFrame({name: pd.Series(dtype="str") for name in ("patient", "lesion", "reason")})
        keys = pd.MultiIndex.from_frame(self._lesions[["patient", "lesion"]])
        left = self._lesions.loc[~keys.isin(kept), ["patient", "lesion"]]
        return left.assign(reason=self._reason(population)).reset_index(drop=True)

    def alternatives(self) -> tuple[tuple[str, Trial], ...]:
        """Return the trials that agree with what is known as well as this one does.

        Each differs in its assessments alone, which are those of a file of [data] alternatives, such as
        another reconstruction of a published summary. What holds for this trial and for all of these holds
        whichever of them is true.

        Returns
        -------
        tuple of (str, Trial)
            Name (the file's, with spaces for underscores) and trial, in the protocol's order. The trials
            have no alternatives of their own.
        """
        data = self.protocol.data
        trials = []
        for file, name, frame in zip(
            data.alternatives, data.alternative_names, self._alternatives, strict=True
        ):
            other = object.__new__(Trial)
            alone = data.model_copy(update={"assessments": file, "alternatives": ()})
            fields = {field: getattr(self, field) for field in self.__slots__} | {
                "protocol": self.protocol.model_copy(update={"data": alone}),
                "source": f"{self.source}, {name}",
                "_assessments": frame,
                "_alternatives": (),
            }
            for field, value in fields.items():
                object.__setattr__(other, field, value)
            trials.append((name, other))
        return tuple(trials)

    def with_report(self, options: ReportOptions) -> Trial:
        """Return the same trial with other options of its report (style, sections) in the protocol."""
        other = object.__new__(Trial)
        fields = {field: getattr(self, field) for field in self.__slots__}
        fields["protocol"] = self.protocol.model_copy(update={"report": options})
        for field, value in fields.items():
            object.__setattr__(other, field, value)
        return other

    def write(self, directory: str | Path) -> None:
        """Write trial.toml and CSV files that `read_trial` reads back to the same trial.

        The same trial gives the same bytes. The CSV files keep the column names of [data.columns];
        in assessments.csv the primary outcome is the last column. Files of the same name are replaced.
        """
        write_trial(self, Path(directory))

    @property
    def _member_keys(self) -> list[str]:
        return ["patient", "lesion"] if len(self._lesions) else ["patient"]

    def _reason(self, population: str) -> str:
        planned = self.protocol.population(population)
        return "" if planned is None else planned.exclude_reason

    def _members(self, population: str) -> pd.DataFrame:
        """Return the joined frame's rows that a population keeps."""
        joined = self._patients
        if len(self._lesions):
            # where both files have a column, the lesion's says more, unless it is a covariate of patients
            of_patients = {c.name for c in self.protocol.covariates if c.level == "patient"} & set(joined)
            own = self._lesions.drop(columns=[name for name in self._lesions if name in of_patients])
            shadowed = [name for name in joined if name in own and name != "patient"]
            joined = joined.drop(columns=shadowed).merge(own, on="patient", how="left", sort=False)
        planned = self.protocol.population(population)
        if planned is None:
            return joined
        try:
            kept = keeps(joined, planned.where).to_numpy()
        except QueryProblem as problem:
            place = f"[[populations]], {population!r}, key 'where'"
            hint = "a population is a matter of the patients' and the lesions' columns"
            raise ProtocolError(f"{place}: {problem}", where=place, hint=hint) from problem
        return joined.loc[np.asarray(kept)]


def read_trial(path: str | Path) -> Trial:
    """Read a trial from its trial.toml.

    Parameters
    ----------
    path : str or Path
        The protocol; [data] in it names the files, relative to its directory.

    Returns
    -------
    Trial

    Raises
    ------
    ProtocolError
        Where trial.toml is missing or contradicts itself.
    TrialDataError
        Where the files have defects: all of them are listed.
    """
    toml = Path(path)
    protocol = read_protocol(toml)
    data = protocol.data
    names = {
        "patients": data.patients,
        "lesions": data.lesions,
        "assessments": data.assessments,
        "events": data.events,
    }
    defects: list[Defect] = []
    files = [toml]

    def read(file: str, role: str) -> RawTable | None:
        table, found = read_table(
            toml.parent / file,
            name=file,
            encoding=data.encoding,
            separator=data.separator,
            sheet=data.sheets.get(role),
        )
        defects.extend(found)
        files.append(toml.parent / file)
        return table

    tables = {name: read(file, name) for name, file in names.items() if file is not None}
    alternatives = [read(file, "assessments") for file in data.alternatives]
    return Trial(
        protocol,
        tables,
        defects=defects,
        alternatives=alternatives,
        files=tuple(files),
        directory=toml.parent,
        source=str(toml),
    )
