"""Write docs/benchmarks.md and its plots from the tables of `engine.py`.

python benchmarks/engine_page.py docs
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SAME = 1e-6
"""Relative difference of log-likelihoods up to which two programs solved the same problem."""
KIND = {
    "mmrm": "R",
    "lme4": "R",
    "lme4 + lmerTest": "R",
    "lme4 + pbkrtest": "R",
    "nlme": "R",
    "mixedlm": "Python",
    "lme-python": "Python",
    "mixedlm-rs": "Python",
    "statsmodels": "Python",
}
COLOURS = {
    "R": "#0072B2",
    "Python": "#D55E00",
}  # Okabe and Ito (2008): told apart by every kind of colour vision
MARKS = {"R": "o", "Python": "s"}
AIM: dict[str, Any] = {
    "marker": "|",
    "color": "black",
    "markersize": 9,
    "markeredgewidth": 1.6,
    "linestyle": "none",
}
INTRODUCTION = """\
# How fast is the engine?

Tandem's mixed models beside R's and Python's, each program fitting the same data in a process of its own, on one
thread (`OMP_NUM_THREADS` and its like set to 1), in rounds that take turns. A time is what a user waits for: building
the model frame, fitting, and the table of coefficients. Starting the program and reading the data are not in it, nor
is a program's first fit, which warms it up (unless it is the only one). Of several fits the shortest is shown, which
other work on the machine disturbs least, and the median in brackets.

Tandem's time includes Satterthwaite's degrees of freedom of every coefficient, or Kenward and Roger's where the case
says so. So does mmrm's, lme4 + lmerTest's and lme4 + pbkrtest's; the other programs only fit, except for nlme and
statsmodels, which give tests with other degrees of freedom, or none. Log-likelihoods are compared: where they agree
to a millionth of their size, both programs found the same optimum.

Measured {date} on {processor}; {python}; {r}. `import analyses` takes {import} s.
"""
ABSENT = """\
Times in italics were not measured in this run, because the program is not installed here: they come from another
machine, and so do not make a fair ratio.
"""
SCALING = """\
## The time does not grow with the number of patients

The data enter once, as cross-products of the patterns of visits that occur. That pass grows with the rows; everything
after it (the search, the information, degrees of freedom) does not. Four visits, an unstructured covariance, a seventh
of the rows missing, one thread:

{table}

![Seconds of the pass over the data and of everything after it, by number of patients](images/benchmarks_scaling.svg)
"""
MAKE = """\
## Make it again

```console
python benchmarks/engine.py --peer-python PYTHON --r-library DIRECTORY
```

`--peer-python` names an interpreter that has `mixedlm`, `lme-python`, `mixedlm-rs` and `statsmodels`; `--r-library` an
R library with mmrm, where it is not among the usual ones. The data are made from fixed seeds
(`benchmarks/engine_cases.py`); the numbers of this page are in [benchmarks.csv](benchmarks.csv), with every program's
version and processor time.
"""


def line(cells: list[str]) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join([line(header), line(["---"] * len(header)), *(line(row) for row in rows)])


def seconds(value: float) -> str:
    """Return seconds with three digits, as ms below a second."""
    if value < 0.9995:
        return f"{1000 * value:.{2 if value < 0.00995 else 1 if value < 0.0995 else 0}f} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def ratio(value: float) -> str:
    """Return a ratio with two digits, or whole from 10 on."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.995 else f"{value:.2f}"


def agreement(mine: float, other: float) -> str:
    """Say how far two log-likelihoods lie apart."""
    if np.isnan(other):
        return ""
    difference = abs(mine - other)
    size = "below 0.00001" if difference < 1e-5 else f"{difference:.2g}"
    if difference <= SAME * abs(mine):
        return size
    return f"**{size}** ({'tandem' if mine > other else 'the other'} is higher)"


def _row(mine: pd.Series, other: pd.Series, asked: str) -> list[str]:
    absent = isinstance(other["problem"], str)
    version = "" if not isinstance(other["version"], str) else f" {other['version']}"
    name = other["version"] if version and other["program"] != "lme4" and "," in version else other["program"]
    if version and name == other["program"]:
        name = version.strip() if version.strip().startswith(name) else f"{name}{version}"
    if not absent:
        times = (f"{seconds(other[which])}" for which in ("minimum", "median"))
        return [
            str(name),
            "{} ({})".format(*times) if other["runs"] > 1 else f"{seconds(other['minimum'])} (one run)",
            f"**{ratio(other['minimum'] / mine['minimum'])}** ({ratio(other['median'] / mine['median'])})",
            asked,
            agreement(mine["loglik"], other["loglik"]),
        ]
    if not np.isnan(other["elsewhere"]):
        factor = f"*{ratio(other['elsewhere'] / mine['minimum'])}*, not from one run"
        return [
            str(name),
            f"*{seconds(other['elsewhere'])}* elsewhere; {other['problem']}",
            factor,
            asked,
            "",
        ]
    if not np.isnan(other["limit"]):
        return [
            str(name),
            other["problem"],
            f"more than {ratio(other['limit'] / mine['minimum'])}",
            asked,
            "",
        ]
    return [str(name), str(other["problem"]).splitlines()[0], "", asked, ""]


def case_tables(results: pd.DataFrame) -> str:
    """Return a heading and a table a case."""
    parts = []
    for title, rows in results.groupby("title", sort=False):
        mine = rows[rows["program"] == "tandem"].iloc[0]
        head = (
            f"### {title}\n\n{mine['rows']:,} rows. Tandem: **{seconds(mine['minimum'])}** "
            f"({seconds(mine['median'])}).\n"
        )
        lines = []
        for _, other in rows[rows["program"] != "tandem"].iterrows():
            asked = "" if np.isnan(other["at_least"]) else f"{other['at_least']:.0f}"
            lines.append(_row(mine, other, asked))
        header = ["program", "time (median)", "times faster (of medians)", "aim", "log-likelihoods apart"]
        parts.append(head + "\n" + table(header, lines))
    return "\n\n".join(parts)


def scaling_table(scaling: pd.DataFrame) -> str:
    """Return the table of times by number of patients."""
    rows = [
        [
            f"{row['patients']:,.0f}",
            f"{row['rows']:,.0f}",
            seconds(row["pass"]),
            seconds(row["solve"]),
            f"{row['memory']:,.0f} MB" if row["memory"] >= 10 else "below 10 MB",
        ]
        for _, row in scaling.iterrows()
    ]
    return table(["patients", "rows", "pass over the data", "after it", "memory beyond the data"], rows)


def _style() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {
            "font.family": "DejaVu Sans",
            "font.size": 9,
            "svg.hashsalt": "tandem",
            "svg.fonttype": "path",
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    return plt


def _save(plt: Any, figure: Any, directory: Path, name: str) -> None:
    figure.savefig(directory / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
    figure.savefig(directory / f"{name}.png", dpi=160, metadata={"Software": None}, bbox_inches="tight")
    plt.close(figure)


def plot_ratios(results: pd.DataFrame, directory: Path) -> None:
    """Draw how many times faster, a line a program, grouped by case."""
    plt = _style()
    lines: list[tuple[str, pd.Series | None, float]] = []
    for title, rows in results.groupby("title", sort=False):
        mine = rows[rows["program"] == "tandem"]["minimum"].iloc[0]
        reached = rows["minimum"].fillna(rows["limit"])
        others = rows[(rows["program"] != "tandem") & reached.notna()]
        if len(others):
            lines.append((str(title), None, np.nan))
            lines.extend((row["program"], row, reached[at] / mine) for at, row in others.iterrows())
    figure, axis = plt.subplots(figsize=(7.2, 0.21 * len(lines) + 0.9))
    for at, (name, row, value) in enumerate(lines):
        y = len(lines) - at
        if row is None:
            axis.text(
                0,
                y,
                name,
                transform=axis.get_yaxis_transform(),
                weight="bold",
                va="center",
                ha="left",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            )
            continue
        kind = KIND[row["program"]]
        axis.hlines(y, 1, value, color=COLOURS[kind], linewidth=1, alpha=0.6)
        stopped = bool(np.isnan(row["minimum"]))
        axis.plot(
            value, y, ">" if stopped else MARKS[kind], color=COLOURS[kind], markersize=5, linestyle="none"
        )
        text = f"more than {ratio(value)}" if stopped else ratio(value)
        axis.annotate(text, (max(value, 1.0), y), (7, 0), textcoords="offset points", va="center", fontsize=8)
        axis.text(-0.01, y, name, transform=axis.get_yaxis_transform(), va="center", ha="right")
        if not np.isnan(row["at_least"]):
            axis.plot(row["at_least"], y, **AIM)
    axis.set_xscale("log")
    axis.axvline(1, color="black", linewidth=0.8)
    low, high = axis.get_xlim()
    axis.set_xlim(min(low, 0.8), high * 1.6)
    axis.set_ylim(0.3, len(lines) + 0.7)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_xlabel("tandem is this many times faster (log scale)")
    for kind, colour in COLOURS.items():
        axis.plot([], [], MARKS[kind], color=colour, markersize=5, label=f"{kind} program")
    axis.plot([], [], **AIM, label="aim")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, fontsize=9)
    _save(plt, figure, directory, "benchmarks")


def plot_scaling(scaling: pd.DataFrame, directory: Path) -> None:
    """Draw the seconds of the pass and of what comes after it, by number of patients."""
    plt = _style()
    figure, axis = plt.subplots(figsize=(5.4, 3.2))
    named = {"pass": "the pass over the data", "solve": "everything after it"}
    for column, colour, mark in (("pass", "#0072B2", "o-"), ("solve", "#D55E00", "s-")):
        axis.plot(scaling["patients"], scaling[column], mark, color=colour, markersize=5)
        last = scaling.iloc[-1]
        axis.annotate(
            named[column],
            (last["patients"], last[column]),
            (7, 0),
            textcoords="offset points",
            color=colour,
            va="center",
        )
    axis.set(xscale="log", yscale="log", xlabel="patients (log scale)", ylabel="seconds (log scale)")
    axis.set_xticks(scaling["patients"], [f"{count:,.0f}" for count in scaling["patients"]])
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.minorticks_off()
    axis.grid(axis="y", linewidth=0.4, color="#bbbbbb")
    _save(plt, figure, directory, "benchmarks_scaling")


def write(directory: Path) -> None:
    """Write the page and its plots from the tables in a directory."""
    results = pd.read_csv(directory / "benchmarks.csv", dtype={"problem": "str", "version": "str"})
    scaling = pd.read_csv(directory / "benchmarks_scaling.csv")
    machine = json.loads((directory / "benchmarks.json").read_text(encoding="utf-8"))
    images = directory / "images"
    images.mkdir(exist_ok=True)
    plot_ratios(results, images)
    plot_scaling(scaling, images)
    missing = results["problem"].fillna("").str.contains("not installed") & results["elsewhere"].notna()
    parts = [
        INTRODUCTION.format(**machine),
        "![How many times faster tandem is, by case and program](images/benchmarks.svg)\n",
        "## Case by case\n",
        *([ABSENT] if missing.any() else []),
        case_tables(results) + "\n",
        SCALING.format(table=scaling_table(scaling)),
        MAKE,
    ]
    (directory / "benchmarks.md").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
