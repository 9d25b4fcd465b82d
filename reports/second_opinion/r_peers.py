"""R, where Rscript is on the path: one program a package, in a temporary directory, with a limit of time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from reports.second_opinion.problem import NUMBERS, Answer, Problem, Refusal
from reports.second_opinion.r_program import (
    lme4_program,
    logistic_program,
    mmrm_program,
    nlme_program,
    ordinal_program,
)

TIME_LIMIT = 120.0
"""Seconds that one program may take."""

R_NOT_FOUND = "R was not found"

PROGRAMS: dict[str, tuple[tuple[str, Callable[[Problem], str | None], bool], ...]] = {
    "continuous": (
        ("R mmrm", mmrm_program, True),
        ("R nlme (gls)", nlme_program, False),
        ("R lme4 (lmerTest)", lme4_program, True),
    ),
    "ordinal": (("R ordinal", ordinal_program, False),),
    "binary": (("R glm or lme4 (glmer)", logistic_program, False),),
}
"""By what the model is of: the program's name, how it is written, and whether its standard errors are adjusted."""

NOTES = {
    "R nlme (gls)": "Standard errors of the model, without Kenward-Roger's adjustment; residual degrees of freedom.",
}


def ask_r(problem: Problem, time_limit: float = TIME_LIMIT) -> list[Answer | Refusal]:
    """Ask every package of R that suits the kind of model."""
    programs = PROGRAMS[problem.kind]
    rscript = shutil.which("Rscript")
    if rscript is None:
        return [Refusal("R", R_NOT_FOUND)]
    found: list[Answer | Refusal] = []
    for name, write, adjusted in programs:
        text = write(problem)
        if text is None:
            found.append(Refusal(name, "cannot express this model: its covariance or random effects"))
        else:
            found.append(_run(rscript, name, text, problem, adjusted, time_limit))
    return found


def _run(
    rscript: str, name: str, text: str, problem: Problem, adjusted: bool, time_limit: float
) -> Answer | Refusal:
    """Run a program and read its answer; whatever goes wrong is told in words."""
    with tempfile.TemporaryDirectory(prefix="tandem-second-opinion-") as home:
        place = Path(home)
        write_rows(problem, place)
        (place / "program.R").write_text(text, encoding="utf-8")
        environment = {**os.environ, "LC_ALL": "C", "OMP_NUM_THREADS": "1", "R_DEFAULT_DEVICE": "pdf"}
        try:
            done = subprocess.run(
                [rscript, "--vanilla", "program.R"],
                cwd=place,
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=time_limit,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return Refusal(name, f"took longer than {time_limit:g} seconds")
        except OSError as error:
            return Refusal(name, f"could not be started: {error.strerror or error}")
        written = place / "answer.csv"
        if done.returncode or not written.is_file():
            return Refusal(name, failure(done.stderr))
        return read_answer(written.read_text(encoding="utf-8"), name, problem, adjusted)


def write_rows(problem: Problem, place: Path) -> None:
    """Write the rows and the comparisons as a program reads them; no patient's name goes out, only numbers."""
    count = problem.x.shape[1]
    names = [f"x{column}" for column in range(count)]
    rows = pd.DataFrame(problem.x, columns=names).assign(y=problem.y)
    for number, term in enumerate(problem.formula.random):
        rows[f"g{number}"] = problem.subject(term.subject).to_numpy()
    residual = problem.formula.residual
    if residual is not None:
        rows["subject"] = problem.subject(residual.subject).to_numpy()
        column = problem.data[residual.factors[0].coordinate]
        codes = pd.factorize(column, sort=True)[0] if column.dtype.kind in "if" else _codes(column)
        rows["place"] = codes + 1
        rows["coordinate"] = [f"c{code + 1:03d}" for code in codes]
        if residual.group:
            rows["group"] = problem.subject((residual.group,)).to_numpy()
    rows.to_csv(place / "rows.csv", index=False, float_format="%.17g")
    pd.DataFrame(problem.rows, columns=names).to_csv(
        place / "contrasts.csv", index=False, float_format="%.17g"
    )


def _codes(column: pd.Series) -> pd.Series:
    """Return the position of each level, in the declared order where there is one."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.remove_unused_categories().cat.codes.to_numpy()
    return pd.factorize(column.astype(str), sort=True)[0]


def read_answer(text: str, name: str, problem: Problem, adjusted: bool) -> Answer | Refusal:
    """Read what a program of R wrote."""
    from io import StringIO

    try:
        written = pd.read_csv(StringIO(text), skipinitialspace=True)
        by_what = {str(what).strip(): rows for what, rows in written.groupby("what", sort=False)}
        numbers = by_what["comparison"][list(NUMBERS)].apply(pd.to_numeric).reset_index(drop=True)
        loglik = float(pd.to_numeric(by_what["loglik"]["estimate"]).iloc[0])
        version = str(by_what["version"]["text"].iloc[0]).strip()
    except (KeyError, ValueError, IndexError, pd.errors.ParserError):
        return Refusal(name, "wrote no answer that can be read")
    if len(numbers) != len(problem.contrasts) or numbers[["estimate", "std_error"]].isna().any(axis=None):
        return Refusal(name, "has no standard errors for these comparisons")
    return Answer(name, version, numbers, loglik, adjusted, NOTES.get(name, ""))


def failure(stderr: str) -> str:
    """Return the reason that R gave, in one line without a path."""
    missing = re.search(r"there is no package called .(\w+).", stderr)
    if missing:
        return f"the package {missing[1]} is not installed"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    at = next((place for place, line in enumerate(lines) if line.startswith("Error")), None)
    if at is None:
        return "failed without a reason"
    reason = lines[at].rpartition(" : ")[2] or " ".join(lines[at : at + 2])
    if lines[at].endswith(":") and at + 1 < len(lines):
        reason = lines[at + 1]
    return f"failed: {reason}"
