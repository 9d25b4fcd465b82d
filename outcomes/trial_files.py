"""A trial back to files: trial.toml and CSV, the same bytes for the same trial."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from outcomes.measured import measured_columns
from outcomes.protocol import Protocol, write_toml
from outcomes.readers import cell_text

if TYPE_CHECKING:
    from outcomes.trial import Trial

__all__ = ["alternative_file", "csv_text", "write_trial"]


def alternative_file(name: str) -> str:
    """Return the file of the alternative assessments that people call `name`, relative to trial.toml."""
    return f"alternatives/{name.replace(' ', '_')}.csv"


def write_trial(trial: Trial, directory: Path) -> None:
    """Write what `Trial.write` documents."""
    directory.mkdir(parents=True, exist_ok=True)
    protocol = _protocol_of_files(trial)
    frames = {
        protocol.data.patients: trial.patients,
        protocol.data.assessments: _assessments(trial),
    }
    for file, (_, other) in zip(protocol.data.alternatives, trial.alternatives(), strict=True):
        (directory / file).parent.mkdir(parents=True, exist_ok=True)
        frames[file] = _assessments(other)
    if protocol.data.lesions is not None:
        frames[protocol.data.lesions] = trial.lesions
    if protocol.data.events is not None:
        frames[protocol.data.events] = trial.events
    sources = {covariate.name: covariate.source_column for covariate in protocol.covariates}
    for name, frame in frames.items():
        theirs = frame.rename(columns=sources).rename(columns=dict(protocol.data.columns))
        (directory / name).write_bytes(csv_text(theirs).encode("utf-8"))
    write_toml(protocol, directory / "trial.toml")


def csv_text(frame: pd.DataFrame) -> str:
    """Return a frame as CSV: shortest exact numbers, whole ones without a point, empty where missing."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([str(column) for column in frame.columns])
    columns = []
    for position in range(frame.shape[1]):
        cells = frame.iloc[:, position].astype(object)
        columns.append([cell_text(cell) or "" for cell in cells.where(cells.notna(), None)])
    writer.writerows(zip(*columns, strict=True))
    return buffer.getvalue()


def _protocol_of_files(trial: Trial) -> Protocol:
    """Return the protocol with the names of the files that are written."""
    data = trial.protocol.data
    has_lesions = len(trial.lesions) > 0
    update = {
        "patients": "patients.csv",
        "lesions": "lesions.csv" if has_lesions else None,
        "assessments": "assessments.csv",
        "events": None if data.events is None else "adverse_events.csv",
        "missing": data.missing if "" in data.missing else ("", *data.missing),
        "sheets": type(data)().sheets,
        "encoding": "utf-8",
        "separator": ",",
        "assessments_where": None,  # what it left out is not written
        "alternatives": tuple(alternative_file(name) for name in data.alternative_names),
    }
    return trial.protocol.model_copy(update={"data": data.model_copy(update=update)})


def _assessments(trial: Trial) -> pd.DataFrame:
    """Return the assessments with the primary outcome last; long again where they were long."""
    frame, protocol = trial.assessments, trial.protocol
    outcomes = [column.name for column in measured_columns(protocol)]
    primary = protocol.endpoint(protocol.primary_analysis.endpoint).measured.columns[-1]
    outcomes = [*(name for name in outcomes if name != primary), primary]
    if not protocol.data.is_long:
        return frame[[*(name for name in frame.columns if name not in outcomes), *outcomes]]
    has_baseline = "baseline" in protocol.data.columns
    kept = [name for name in frame.columns if name not in {*outcomes, *(f"{o}_baseline" for o in outcomes)}]
    parts = []
    for name in outcomes:
        part = frame[kept].assign(parameter=name)
        if has_baseline:
            part["baseline"] = frame[f"{name}_baseline"]
        parts.append(part.assign(value=frame[name]))
    # the records of one patient and visit stay together, as in the frame that they came from
    return pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)
