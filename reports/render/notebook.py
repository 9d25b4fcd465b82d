"""``report.ipynb``: the report's numbers again, by the public API, step by step in an executed notebook.

The notebook is built from the protocol and from what the analysis chose (the formula that could be fitted),
executed where it lies, and its last cell compares what it found with ``results.json``: a report whose numbers
a reader cannot reach is not written. The bytes repeat: cells are named by their content, no time is recorded,
and the trial is found by a path relative to the notebook.
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
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from outcomes.errors import ReportError
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


def write_notebook(
    trial_path: str | Path,
    out_dir: Path,
    results: Results,
    analysed: Any,
    *,
    lies_in: Path | None = None,
) -> Path:
    """Write and execute ``report.ipynb``.

    Parameters
    ----------
    trial_path
        The trial's ``trial.toml``.
    out_dir
        An existing directory. The notebook is executed in it, beside ``results.json``, which is written too.
    results
        The report's numbers, which the notebook has to reach.
    analysed
        What ``reports.analyse.analyse_trial`` returned: its trial's protocol says what was planned.
    lies_in
        Where the notebook will lie in the end, where that is another directory than the one that it is executed
        in: the trial's path in it is relative to this one.

    Returns
    -------
    Path
        The notebook.

    Raises
    ------
    ReportError
        Where a cell fails, with the cell's heading; among them the last one, where numbers differ.
    """
    import nbformat

    results.write(out_dir / "results.json")
    protocol, trial = analysed.trial.protocol, Path(trial_path)
    notebook = assembled(notebook_cells(protocol, results, relative_path(trial, out_dir)))
    execute(notebook, out_dir)
    final = assembled(notebook_cells(protocol, results, relative_path(trial, lies_in or out_dir)))
    for cell, shown in zip(notebook.cells, final.cells, strict=True):
        cell.source, cell.id = shown.source, shown.id
    path = out_dir / FILE_NAME
    path.write_text(nbformat.writes(notebook, version=4) + "\n", encoding="utf-8", newline="\n")
    return path


def relative_path(trial: Path, directory: Path) -> str:
    """The trial's path as seen from a directory, with forward slashes; as it is where there is none."""
    try:
        return PurePath(os.path.relpath(trial.resolve(), directory.resolve())).as_posix()
    except ValueError:  # another drive
        return trial.as_posix()


def notebook_cells(protocol: Protocol, results: Results, trial: str) -> list[Cell]:
    """The notebook's cells, in order."""
    answered = [one for one in protocol.analyses if results.text(one.name, "combination")]
    needed = {
        name for one in answered for name in called(one, protocol.endpoint(one.endpoint).scale, results)
    }
    cells = [
        Cell("markdown", _opening(protocol)),
        Cell("code", _reading(trial, needed)),
        Cell("code", _COUNTS),
    ]
    for analysis in sorted(answered, key=lambda one: one.role != "primary"):
        facts = protocol.endpoint(analysis.endpoint)
        cells.append(Cell("markdown", _heading(analysis, facts, results)))
        if facts.scale == "continuous":
            cells += _continuous(analysis, facts, results)
            cells += _every_visit(analysis, results)
        else:
            cells += [Cell("code", one) for one in categorical_cells(analysis, facts, results)]
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


def execute(notebook: NotebookNode, directory: Path) -> None:
    """Execute a notebook in place, in a directory, with the Python that runs this.

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
        "where it lies: the trial is found by a path relative to it."
    )


_CONTINUOUS = ("compare_therapies", "fit_mixed_model", "marginal_means")
"""What a continuous endpoint needs of `analyses`."""


def called(analysis: Analysis, scale: str, results: Results) -> tuple[str, ...]:
    """Return what an analysis needs of `analyses`."""
    return _CONTINUOUS if scale == "continuous" else called_by_categorical(analysis, scale, results)


def _reading(trial: str, needed: Collection[str]) -> str:
    return f"""import math
from pathlib import Path

import pandas as pd

from analyses import {", ".join(sorted(needed))}
from outcomes import read_trial

pd.set_option("display.precision", 4, "display.max_columns", None, "display.width", 120)

trial = read_trial({literal(trial)})  # lists every defect, where there is one
arms = trial.protocol.arms
verdicts, means, probabilities = {{}}, {{}}, {{}}
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
print(fit.convergence.sentence)
fit.coefficients"""
    by = ', by="visit"' if over_visits else ""
    averaging = f"""means[{name}] = marginal_means(fit, "arm"{by}, weights="proportional")
means[{name}].table"""
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
verdicts[{name}].table"""
    return [Cell("code", fitting), Cell("code", averaging), Cell("code", asking)]


def _every_visit(analysis: Analysis, results: Results) -> list[Cell]:
    """Fit the model of all visits where one stands beside the analysis's own."""
    name = f"{analysis.name}/{OVER_VISITS}"
    formula = results.text(name, "model")
    if not formula:
        return []
    fitting = f"""every_visit = fit_mixed_model(  # describes the course; the answer is that of the model above
    {literal(formula)},
    trial.estimand_data({literal(analysis.name)}).frame,
    df_method=analysis.df_method,
)
means[{literal(name)}] = marginal_means(every_visit, "arm", by="visit", weights="proportional")
means[{literal(name)}].table"""
    return [Cell("code", fitting)]


def _claims(analysis: Analysis) -> str:
    name = literal(analysis.name)
    return f"""verdict = verdicts[{name}]
print("May be claimed:    " if verdict.claims else "Answer:            ", verdict.may_claim)
print("May not be claimed:", verdict.may_not_claim)"""


_CHECK_HEADING = """## The same numbers as in the report

Every estimate, interval and p-value above is compared with `results.json`; a difference is an error."""

_CHECK = """from reports.results import Results
from reports.verdicts import verdict_lines

results = Results.read(Path("results.json"))
compared, differing = 0, []


def compare(what, here, there):
    global compared
    compared += 1
    here = math.nan if here is None else float(here)
    # results.json keeps ten significant digits, and the optimiser stops at the same point.
    same = (math.isnan(here) and math.isnan(there)) or math.isclose(here, there, rel_tol=1e-8, abs_tol=1e-12)
    if not same:
        differing.append(f"{what}: {here!r} here, {there!r} in results.json")


for name, verdict in verdicts.items():
    lines = verdict_lines(results, name)
    for row, line in zip(verdict.table.to_dict("records"), lines, strict=True):
        for number in ("estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high"):
            compare(f"{name}, {line.contrast}, {number}", row[number], getattr(line, number))
for name, found in means.items():
    visit = trial.protocol.analysis(name.removesuffix("/over visits")).visit
    for row in found.table.to_dict("records"):
        at = {"arm": str(row["arm"]), "visit": str(row.get("visit", visit))}
        for number in ("estimate", "std_error", "df", "conf_low", "conf_high"):
            compare(f"{name}, {at}, {number}", row[number], results.number(f"{name}/means", number, **at))
for name, found in probabilities.items():
    for row in found.to_dict("records"):
        at = {"arm": str(row["arm"]), "level": str(row.get("grade", ""))}
        for number in ("estimate", "std_error", "conf_low", "conf_high"):
            there = results.number(f"{name}/probabilities", number, **at)
            compare(f"{name}, probability, {at}, {number}", row[number], there)
if differing or not compared:
    raise AssertionError("\\n".join(differing) or "nothing was compared")
print(f"All {compared} numbers are those of results.json.")"""
