"""``report.ipynb``: the report's numbers again, by the public API, step by step in an executed notebook.

The notebook is built from the protocol and from what the analysis chose (the formula that could be fitted),
executed where it lies, and its last cell compares what it found with ``results.json``: a report whose numbers
a reader cannot reach is not written. The bytes repeat: cells are named by their content, no time is recorded,
and the trial is found by the manifest beside the notebook, so that no path stands in it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcomes.errors import ReportError
from reports.rebuild.locate import VARIABLE
from reports.render.notebook_categorical import called_by_categorical, categorical_cells, literal
from reports.steps.over_visits import OVER_VISITS

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from outcomes.endpoint import EndpointFacts
    from outcomes.protocol import Analysis, Protocol
    from reports.results import Results

FILE_NAME = "report.ipynb"

TIMEOUT = 900
"""Seconds that one cell may take."""

_ORIGIN = {
    "observed": "",
    "synthetic": "**Synthetic data.** ",
    "reconstructed": "**Data reconstructed from published counts.** ",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell to be: ``markdown`` or ``code``, and its source."""

    kind: str
    source: str


def write_notebook(trial_path: str | Path, out_dir: Path, results: Results, analysed: Any) -> Path:
    """Write and execute ``report.ipynb``.

    Parameters
    ----------
    trial_path
        The trial's ``trial.toml``; it leaves no trace in the notebook.
    out_dir
        An existing directory. The notebook is executed in it, beside ``results.json``, which is written too.
    results
        The report's numbers, which the notebook has to reach.
    analysed
        What ``reports.analyse.analyse_trial`` returned: its trial's protocol says what was planned.

    Returns
    -------
    Path
        The notebook. It needs the report's ``manifest.json`` beside it to be run again.

    Raises
    ------
    ReportError
        Where a cell fails, with the cell's heading; among them the last one, where numbers differ.
    """
    import nbformat

    results.write(out_dir / "results.json")
    notebook = assembled(notebook_cells(analysed.trial.protocol, results))
    execute(notebook, out_dir, Path(trial_path))
    path = out_dir / FILE_NAME
    path.write_text(nbformat.writes(notebook, version=4) + "\n", encoding="utf-8", newline="\n")
    return path


def notebook_cells(protocol: Protocol, results: Results) -> list[Cell]:
    """The notebook's cells, in order."""
    answered = [one for one in protocol.analyses if results.text(one.name, "combination")]
    needed = {
        name for one in answered for name in called(one, protocol.endpoint(one.endpoint).scale, results)
    }
    cells = [
        Cell("markdown", _opening(protocol)),
        Cell("code", _reading(needed)),
        Cell("markdown", "The rows of each table that was read:"),
        Cell("code", _COUNTS),
    ]
    for analysis in sorted(answered, key=lambda one: one.role != "primary"):
        facts = protocol.endpoint(analysis.endpoint)
        cells.append(Cell("markdown", _heading(analysis, facts, results)))
        if facts.scale == "continuous":
            cells += _continuous(analysis, facts, results)
            cells += _every_visit(analysis, results)
        else:
            cells += [
                Cell(kind, one)
                for pair in categorical_cells(analysis, facts, results)
                for kind, one in zip(("markdown", "code"), pair, strict=True)
            ]
        cells.append(Cell("code", _claims(analysis)))
    cells += [Cell("markdown", _CHECK_HEADING), Cell("code", _CHECK)]
    return cells


def assembled(cells: list[Cell]) -> NotebookNode:
    """A notebook of these cells; each is named by the hash of its place and its content."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    made = []
    for place, cell in enumerate(cells):
        new = new_code_cell if cell.kind == "code" else new_markdown_cell
        name = hashlib.sha256(f"{place}\n{cell.kind}\n{cell.source}".encode()).hexdigest()[:12]
        made.append(new(cell.source, id=name))
    return new_notebook(
        cells=made,
        metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    )


def execute(notebook: NotebookNode, directory: Path, trial: Path | None = None) -> None:
    """Execute a notebook in place, in a directory, with the Python that runs this.

    Parameters
    ----------
    notebook
        Its cells are given their outputs.
    directory
        Where it runs.
    trial
        The trial that it reads; by default the one that it finds by its manifest.

    Raises
    ------
    ReportError
        Where a cell fails or the kernel dies.
    """
    import tempfile

    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    with tempfile.TemporaryDirectory() as profile:
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT,
            record_timing=False,
            coalesce_streams=True,  # the kernel may send one print in two pieces, as its clock has it
            kernel_name="python3",
            kernel_manager_class=_kernel_of_this_python(Path(profile)),
            extra_arguments=["--IPKernelApp.log_level=40"],
            resources={"metadata": {"path": str(directory)}},
        )
        # A profile of its own keeps the user's start-up files out; a warning would put this machine's paths
        # into the notebook.
        environment = {
            **os.environ,
            "IPYTHONDIR": profile,
            "PYTHONWARNINGS": "ignore",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        environment.pop(VARIABLE, None)
        if trial is not None:
            environment[VARIABLE] = str(trial.resolve())
        try:
            # Not in the main thread: there nbclient would take Ctrl-C for itself and hide it behind other errors.
            with ThreadPoolExecutor(max_workers=1) as beside:
                beside.submit(lambda: asyncio.run(client.async_execute(env=environment))).result()
        except CellExecutionError as error:
            raise _failed(notebook, f"{error.ename}: {error.evalue}") from error
        except (CellTimeoutError, DeadKernelError) as error:
            raise _failed(notebook, str(error)) from error


def _kernel_of_this_python(home: Path) -> type[Any]:
    """A kernel manager that starts ``sys.executable``, whatever kernel the user has installed as "python3".

    Where the system has them, it speaks through sockets in the file system, so that no port is opened.
    """
    from ipykernel.kernelspec import RESOURCES, get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class OwnSpec(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> Any:
            command = [sys.executable, *get_kernel_dict()["argv"][1:]]
            return KernelSpec(resource_dir=RESOURCES, **{**get_kernel_dict(), "argv": command})

    class OwnKernel(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            super().__init__(
                kernel_spec_manager=OwnSpec(),
                transport="ipc" if os.name == "posix" else "tcp",
                connection_file=str(home / "kernel.json"),
                **options,
            )

    return OwnKernel


def _failed(notebook: NotebookNode, why: str) -> ReportError:
    """The error of the first cell that did not finish, by the heading that it stands under."""
    heading, number = "", 0
    for place, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            heading = cell.source.splitlines()[0].lstrip("# ")
        elif cell.execution_count is None or any(output.output_type == "error" for output in cell.outputs):
            number = place
            break
    return ReportError(
        f"Cell {number} of the notebook failed, under {heading!r}.",
        where=FILE_NAME,
        expected="every cell to run, and to reach the numbers of results.json",
        got=re.sub(r"\x1b\[[0-9;]*m", "", why),
        hint="run `tandem check` on the trial; leave the notebook out with --format html",
    )


def _opening(protocol: Protocol) -> str:
    return (
        f"# {protocol.id}: {protocol.title}\n\n"
        f"{_ORIGIN[protocol.conduct.data_origin]}This notebook reaches the numbers of the report (`report.html`) step "
        "by step, with tandem's public functions, and compares them with `results.json` in its last cell. Run it "
        "where it lies: the trial is found by the `manifest.json` beside it, which knows what it was called and "
        "what its protocol's bytes were."
    )


_CONTINUOUS = ("compare_therapies", "fit_mixed_model", "marginal_means")
"""What a continuous endpoint needs of `analyses`."""


def called(analysis: Analysis, scale: str, results: Results) -> tuple[str, ...]:
    """Return what an analysis needs of `analyses`."""
    return _CONTINUOUS if scale == "continuous" else called_by_categorical(analysis, scale, results)


def _reading(needed: Collection[str]) -> str:
    return f"""import math
from collections import Counter

import pandas as pd

from analyses import {", ".join(sorted(needed))}
from outcomes import read_trial
from reports import Results, locate_trial, verdict_lines

pd.set_option("display.precision", 4, "display.max_columns", None, "display.width", 120)

trial = read_trial(locate_trial("manifest.json"))  # lists every defect, where there is one
arms = trial.protocol.arms
coefficients, means, probabilities, verdicts = {{}}, {{}}, {{}}, {{}}
pd.DataFrame({{"components": {{label: " + ".join(arms.ordered_components(label)) or "none" for label in arms}}}})"""


_COUNTS = """pd.Series(
    {
        "patients": len(trial.patients),
        "lesions": len(trial.lesions),
        "assessments": len(trial.assessments),
        "adverse events": len(trial.events),
    },
    name="rows",
).to_frame()"""


def _heading(analysis: Analysis, facts: EndpointFacts, results: Results) -> str:
    text = f"## {facts.label} at {analysis.visit} ({analysis.role})\n\n{facts.describe()}"
    model = results.text(analysis.name, "model")
    if model:
        reason = results.text(analysis.name, "model_reason")
        text += f"\n\nThe model is `{model}`, by residual maximum likelihood. {reason}".rstrip()
        for said in results.statements:
            if said.analysis == analysis.name and said.kind == "fallback":
                text += f" `{said.subject}` could not be fitted: {said.text}."
    return text


def _continuous(analysis: Analysis, facts: EndpointFacts, results: Results) -> list[Cell]:
    """Fit the model that the report fitted, its means, and the combination questions."""
    from analyses.default_model import is_over_visits

    name, formula = literal(analysis.name), results.text(analysis.name, "model")
    over_visits = is_over_visits(formula)
    rows = (
        ""
        if over_visits
        else 'data = data[data["visit"] == analysis.visit]  # the model is of this visit alone\n'
    )
    fitting = f"""analysis = trial.protocol.analysis({name})
endpoint = trial.protocol.endpoint(analysis.endpoint)
data = trial.estimand_data({name}).frame  # intercurrent events handled as the protocol says
{rows}fit = fit_mixed_model(
    {literal(formula)},
    data,
    df_method=analysis.df_method,
)
coefficients[{name}] = fit.coefficients
fit"""
    by = ', by="visit"' if over_visits else ""
    averaging = f"""means[{name}] = marginal_means(fit, "arm"{by}, weights="proportional")
means[{name}]"""
    asking = f"""verdicts[{name}] = compare_therapies(
    fit,
    arms,
    at={'{"visit": analysis.visit}' if over_visits else "None"},
    higher_is_better=endpoint.higher_is_better,
    alpha=analysis.alpha,
    sided=analysis.sided,
    margin=analysis.margin,
    margin_source=analysis.margin_source,
    scale_range=(endpoint.minimum, endpoint.maximum),
    unit={literal(results.text(analysis.name, "scale_unit"))},
    allocation=trial.protocol.conduct.allocation,
)
verdicts[{name}]"""
    where = "at each visit" if over_visits else f"at {analysis.visit}"
    return [
        Cell("markdown", "**The model**, fitted to the values of the estimand:"),
        Cell("code", fitting),
        Cell("markdown", f"**The means** of the arms {where}, over the covariates as they were observed:"),
        Cell("code", averaging),
        Cell("markdown", "**The questions** about the combination, with their answers:"),
        Cell("code", asking),
    ]


def _every_visit(analysis: Analysis, results: Results) -> list[Cell]:
    """Fit the model of all visits where one stands beside the analysis's own."""
    name = f"{analysis.name}/{OVER_VISITS}"
    formula = results.text(name, "model")
    if not formula:
        return []
    fitting = f"""every_visit = fit_mixed_model(
    {literal(formula)},
    trial.estimand_data({literal(analysis.name)}).frame,
    df_method=analysis.df_method,
)
means[{literal(name)}] = marginal_means(every_visit, "arm", by="visit", weights="proportional")
means[{literal(name)}]"""
    told = "**The course**: a model of all visits, which describes it; the answer is that of the model above."
    return [Cell("markdown", told), Cell("code", fitting)]


def _claims(analysis: Analysis) -> str:
    name = literal(analysis.name)
    return f"""verdict = verdicts[{name}]
print("May be claimed:    " if verdict.claims else "Answer:            ", verdict.may_claim)
print("May not be claimed:", verdict.may_not_claim)"""


_CHECK_HEADING = """## The same numbers as in the report

Every coefficient, mean, probability, difference, interval and p-value above is compared with `results.json`; a number
that differs is an error. The table counts them by kind, beside what the report holds of each: what was not computed
here (descriptions of patients and events, other assumptions, subgroups) was made by `tandem report` alone."""

_CHECK = """results = Results.read("results.json")
compared, differing = Counter(), []


def compare(kind, what, here, there):
    compared[kind] += 1
    here = math.nan if here is None else float(here)
    # results.json keeps ten significant digits, and the optimiser stops at the same point.
    same = (math.isnan(here) and math.isnan(there)) or math.isclose(here, there, rel_tol=1e-8, abs_tol=1e-12)
    if not same:
        differing.append(f"{what}: {here!r} here, {there!r} in results.json")


interval = ("estimate", "std_error", "conf_low", "conf_high")
test = ("estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high")
for name, table in coefficients.items():
    for row in table.to_dict("records"):
        for number in test:
            there = results.number(f"{name}/model", f"coefficient_{number}", level=row["term"])
            compare("model", f"{name}, {row['term']}, {number}", row[number], there)
for name, found in means.items():
    visit = trial.protocol.analysis(name.removesuffix("/over visits")).visit
    for row in found.table.to_dict("records"):
        at = {"arm": str(row["arm"]), "visit": str(row.get("visit", visit))}
        for number in (*interval, "df"):
            there = results.number(f"{name}/means", number, **at)
            compare("means", f"{name}, {at}, {number}", row[number], there)
for name, table in probabilities.items():
    for row in table.to_dict("records"):
        at = {"arm": str(row["arm"]), "level": str(row.get("grade", ""))}
        for number in interval:
            there = results.number(f"{name}/probabilities", number, **at)
            compare("probabilities", f"{name}, probability, {at}, {number}", row[number], there)
for name, verdict in verdicts.items():
    for row, line in zip(verdict.table.to_dict("records"), verdict_lines(results, name), strict=True):
        for number in test:
            compare("answers", f"{name}, {line.contrast}, {number}", row[number], getattr(line, number))
if differing or not compared:
    raise AssertionError("\\n".join(differing) or "nothing was compared")

held = Counter("answers" if row.analysis in verdicts else row.analysis.rpartition("/")[2] for row in results)
apart = sorted(kind for kind in held if kind not in compared)
print(f"All {compared.total():,} numbers computed here are those of results.json, which holds {len(results):,}.")
print("Not computed here:", ", ".join(apart) + ".")
pd.DataFrame({"compared": compared, "in results.json": held}).fillna(0).astype(int).sort_index()"""
