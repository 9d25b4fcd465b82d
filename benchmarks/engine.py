"""Time the mixed-model engine beside R's and Python's programs, and write docs/benchmarks.md.

python benchmarks/engine.py [--peer-python PYTHON] [--r-library DIRECTORY] [--cases NAME ...] [--output docs]

Every program runs in a process of its own, on one thread, and fits when it is told to: the rounds of all programs are
interleaved, so that what else the machine does falls on all of them alike. Programs that are not installed are named
as such. Takes about seven minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import selectors
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import engine_page
import engine_scaling
import numpy as np
import pandas as pd
from engine_cases import CASES, Case, Rival

HERE = Path(__file__).parent
R_PROGRAMS = ("mmrm", "lme4", "lme4 + lmerTest", "lme4 + pbkrtest", "nlme")
THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "POLARS_MAX_THREADS"),
    "1",
)
START = 120.0
"""Seconds that a program may take to start and read the data."""


@dataclass(slots=True)
class Runner:
    """A program's process for one case, and what it answered.

    Attributes
    ----------
    program
        Its name.
    process
        Waits for a line on its input before each fit.
    about
        What it said when it was ready: its version, or why it cannot run.
    walls, cpus
        Seconds of every fit.
    loglik
        Of the last fit.
    problem
        Why there is no (further) fit.
    limit
        Seconds after which a fit was stopped.
    """

    program: str
    process: subprocess.Popen[str]
    about: dict[str, Any] = field(default_factory=dict)
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    loglik: float | None = None
    problem: str | None = None
    limit: float | None = None

    def answer(self, seconds: float) -> dict[str, Any] | None:
        """Return the next line of its output, or None where it does not come in time or the process has ended."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                return None
        line = self.process.stdout.readline()
        found: dict[str, Any] | None = json.loads(line) if line else None
        return found

    def begin(self) -> None:
        """Wait until the data are read."""
        found = self.answer(START)
        self.about = found or {"ready": False, "problem": "did not start"}
        if not self.about["ready"]:
            self.problem = str(self.about["problem"])

    def fit(self, limit: float) -> None:
        """Have it fit once."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found = self.answer(limit)
        if found is None:
            self.problem, self.limit = f"not within {limit:.0f} s", limit
        elif "problem" in found:
            self.problem = str(found["problem"])
        else:
            self.walls.append(found["wall"])
            self.cpus.append(found["cpu"])
            self.loglik = found["loglik"]

    def end(self) -> None:
        """Stop the process."""
        self.process.kill()
        self.process.wait()


def start(program: str, files: tuple[Path, Path], options: argparse.Namespace) -> Runner:
    """Start a program's worker on a case's data and specification."""
    environment = {**os.environ, **THREADS}
    if program in R_PROGRAMS:
        command = ["Rscript", str(HERE / "engine_worker.R")]
        if options.r_library:
            environment["R_LIBS"] = str(options.r_library)
    else:
        python = sys.executable if program == "tandem" else options.peer_python
        command = [python, str(HERE / "engine_worker.py")]
    process = subprocess.Popen(
        [*command, program, *map(str, files)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        bufsize=1,
    )
    return Runner(program, process)


def run(case: Case, options: argparse.Namespace, directory: Path) -> list[dict[str, Any]]:
    """Time one case: a first fit of each program, then interleaved rounds."""
    data = case.data()
    levels = {
        name: list(data[name].cat.categories)
        for name in data
        if isinstance(data[name].dtype, pd.CategoricalDtype)
    }
    csv = directory / f"{case.name}.csv"
    data.to_csv(csv, index=False)
    whole = {"tandem": Rival(case.formula, {"df_method": case.df_method}), **case.rivals}
    runners = []
    for at, (program, rival) in enumerate(whole.items()):
        spec = directory / f"{case.name}-{at}.json"
        spec.write_text(
            json.dumps({"formula": rival.formula, "options": dict(rival.options), "levels": levels}),
            encoding="utf-8",
        )
        runners.append(start(program, (csv, spec), options))
        runners[-1].begin()
    try:
        for round_ in range(options.rounds + 1):
            for runner in runners:
                # Slow programs get fewer rounds; the first fit, which warms caches, counts only where it is alone.
                enough = round_ > 1 and sum(runner.walls) > options.budget
                slow = round_ == 1 and bool(runner.walls) and runner.walls[0] > 2 * options.budget
                if runner.problem is None and not enough and not slow:
                    runner.fit(options.limit)
    finally:
        for runner in runners:
            runner.end()
    return [_row(case, runner, whole[runner.program], len(data)) for runner in runners]


def _row(case: Case, runner: Runner, rival: Rival, rows: int) -> dict[str, Any]:
    counted, cpus = (
        (runner.walls[1:], runner.cpus[1:]) if len(runner.walls) > 1 else (runner.walls, runner.cpus)
    )
    problem = None if counted else runner.problem
    print(f"  {runner.program:16s}", problem or f"{min(counted):.4f} s, {len(counted)} runs", flush=True)
    return {
        "case": case.name,
        "title": case.title,
        "rows": rows,
        "program": runner.program,
        "version": runner.about.get("version"),
        "runs": len(counted),
        "first": runner.walls[0] if runner.walls else None,
        "minimum": min(counted, default=None),
        "median": float(np.median(counted)) if counted else None,
        "cpu": min(cpus, default=None),
        "loglik": runner.loglik,
        "at_least": rival.at_least,
        "elsewhere": rival.seconds,
        "problem": problem,
        "limit": runner.limit if problem else None,
    }


def machine(options: argparse.Namespace) -> dict[str, str]:
    """What the numbers were measured on."""
    info = Path("/proc/cpuinfo")
    names = [
        line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
    ]
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    try:
        asked = ["Rscript", "-e", 'cat(R.version.string, basename(extSoftVersion()["BLAS"]), sep = " with ")']
        r = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        r = "not installed"
    seconds = []
    for _ in range(options.rounds):
        code = "import time; t = time.perf_counter(); import analyses; print(time.perf_counter() - t)"
        found = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **THREADS},
        )
        seconds.append(float(found.stdout))
    return {
        "processor": f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores",
        "python": f"Python {platform.python_version()}, numpy {np.__version__} with {blas['name']} {blas['version']}",
        "r": r,
        "date": time.strftime("%Y-%m-%d"),
        "import": f"{min(seconds):.2f}",
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time the mixed-model engine beside other programs.")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has the Python peers")
    parser.add_argument("--r-library", type=Path, help="an R library besides the usual ones")
    parser.add_argument("--cases", nargs="*", default=[case.name for case in CASES])
    parser.add_argument("--rounds", type=int, default=15, help="measured fits of each program")
    parser.add_argument(
        "--budget", type=float, default=8.0, help="seconds after which a program gets no more rounds"
    )
    parser.add_argument("--limit", type=float, default=30.0, help="seconds that one fit may take")
    parser.add_argument("--patients", type=int, nargs="*", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--output", type=Path, default=HERE.parent / "docs")
    return parser.parse_args()


def main() -> None:
    options = parse()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for case in CASES:
            if case.name in options.cases:
                print(case.title, flush=True)
                rows.extend(run(case, options, Path(name)))
    scaling = engine_scaling.measure(options.patients, {**os.environ, **THREADS})
    pd.DataFrame(rows).to_csv(options.output / "benchmarks.csv", index=False, float_format="%.10g")
    scaling.to_csv(options.output / "benchmarks_scaling.csv", index=False, float_format="%.10g")
    (options.output / "benchmarks.json").write_text(
        json.dumps(machine(options), indent=1) + "\n", encoding="utf-8"
    )
    engine_page.write(options.output)


if __name__ == "__main__":
    main()
