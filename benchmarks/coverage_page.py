"""Write docs/coverage.md from the table of `coverage.py`.

python benchmarks/coverage_page.py docs/coverage.csv docs/coverage.md
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

NAMES = {
    "within-patient": "within-patient 2 × 2, percent repigmentation, `us(arm | patient)`",
    "split-face": "split-face, POSAS, `us(arm | patient)`",
    "parallel-three-arm": "parallel, three arms, VASI, `us(visit | patient)`",
    "parallel-four-arm": "parallel, four arms, VASI, `us(visit | patient)`",
}
NESTED = {
    "nested intercepts, equal spread": "`(1 | patient/lesion)`, equal spread, as it assumes",
    "nested intercepts, unequal spread": "`(1 | patient/lesion)` where spread differs by arm and visit",
}
INFORMATIVE = "informative-dropout"
INTRODUCTION = """\
{trials} synthetic trials a setting, fixed seeds, nominal 95 % intervals with the Kenward-Roger-linear adjustment.
Outcomes are recorded on the instrument's bounded grid, spread differs by arm and visit, patients miss visits and drop
out, and the true value is the expectation of the recorded outcome (under carry-across: with the spill-over). Every
scenario but informative dropout, which has no pass mark and stands below. Contrasts: the combination against laser, PRP
and control, and the additive interaction, where the design has them. Fallbacks count as the analysis then made.

Read it so: over the arms of a patient the intervals hold from 20 patients on, and fall short by up to two points at 10.
In parallel trials a covariance pooled over arms gives an untreated arm, which hardly varies, the spread of the treated
ones: contrasts with it cover too much, the others too little. There the protocol should name a covariance for each arm,
`us(visit | arm / patient)`; [limitations.md](limitations.md) has its figures. Nested random intercepts show the same
where spread differs, which is why they are a fallback only.

Written by `benchmarks/coverage_page.py` from `coverage.csv`, which `benchmarks/coverage.py` makes and which has every
setting, with bias and power.
"""
MIN_TEST = """\
How often "better than every part" was claimed at a two-sided 5 %. Where the combination is no better than its best part
(null, highest single agent, antagonism) this is the test's size, which must stay near or below 2.5 %; elsewhere it is
power."""
DROPOUT = "Patients leave because of the value that is then missed; no analysis of what was seen is right."


def line(cells: list[str]) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def block(title: str, rows: pd.DataFrame) -> list[str]:
    """Return the rows of one model: a line a number of patients."""
    lines = []
    contrasts = rows[rows["contrast"] != "min test"]
    for patients, mine in contrasts.groupby("patients_per_arm"):
        low, high = mine["coverage"].min(), mine["coverage"].max()
        inside = int(mine["coverage"].between(94, 96).sum())
        tails = f"{mine['missed_below'].max():.1f} / {mine['missed_above'].max():.1f}"
        spread = f"{mine['se_over_sd'].min():.2f} to {mine['se_over_sd'].max():.2f}"
        trials = int(mine["trials"].iloc[0]) * mine["scenario"].nunique()
        lost = int(mine.groupby("scenario")[["failures", "fallbacks"]].max().sum().sum())
        lines.append(
            line(
                [
                    title,
                    str(patients),
                    f"{low:.1f} to {high:.1f}",
                    f"{inside} of {len(mine)}",
                    tails,
                    spread,
                    f"{lost} of {trials:,}",
                ]
            )
        )
        title = ""
    return lines


def page(table: pd.DataFrame) -> str:
    """Return the page's text."""
    trials = int(table["trials"].max())
    head = [
        "model",
        "patients (an arm)",
        "coverage, %",
        "contrasts within 94 to 96",
        "largest tails, % (below / above)",
    ]
    head += ["SE over empirical SD", "fallbacks and failures"]
    text = [
        "# Do the intervals cover?",
        "",
        INTRODUCTION.format(trials=f"{trials:,}"),
        line(head),
        line(["---"] * len(head)),
    ]
    scenario, design = table["scenario"].str.split("/", expand=True).to_numpy().T
    table = table.assign(effect=scenario, design=design)
    usual = table[(table["model"] == "default") & (table["effect"] != INFORMATIVE)]
    for name, title in NAMES.items():
        text += block(title, usual[usual["design"] == name])
    for name, title in NESTED.items():
        text += block(title, table[table["model"] == name])
    text += ["", "## Where an interval does not reach 94 to 96 %", ""]
    contrasts = usual[(usual["contrast"] != "min test") & ~usual["coverage"].between(94, 96)]
    if len(contrasts):
        text += [
            line(["setting", "patients", "contrast", "coverage", "missed below", "missed above"]),
            line(["---"] * 6),
        ]
    for row in contrasts.itertuples():
        cells = [row.scenario, str(row.patients_per_arm), row.contrast, f"{row.coverage:.1f}"]
        text.append(line([*cells, f"{row.missed_below:.1f}", f"{row.missed_above:.1f}"]))
    text += [
        "",
        "## The min test",
        "",
        MIN_TEST,
        "",
    ]
    minimum = usual[usual["contrast"] == "min test"]
    sizes = sorted(minimum["patients_per_arm"].unique())
    text += [
        line(["design", "scenario", *(f"{n} patients" for n in sizes)]),
        line(["---"] * (2 + len(sizes))),
    ]
    for (name, effect), rows in minimum.groupby(["design", "effect"], sort=False):
        by_size = rows.set_index("patients_per_arm")["claimed"]
        text.append(line([name, effect, *(f"{by_size.get(n, float('nan')):.1f} %" for n in sizes)]))
    text += ["", "## Informative dropout", "", DROPOUT, ""]
    rows = table[(table["effect"] == INFORMATIVE) & (table["contrast"] != "min test")]
    text += [line(["design", "patients", "contrast", "truth", "bias", "coverage, %"]), line(["---"] * 6)]
    for row in rows.itertuples():
        cells = [row.design, str(row.patients_per_arm), row.contrast, f"{row.truth:.2f}", f"{row.bias:+.2f}"]
        text.append(line([*cells, f"{row.coverage:.1f}"]))
    return "\n".join(text).replace("-0.00", "0.00") + "\n"


if __name__ == "__main__":
    source, target = (Path(name) for name in sys.argv[1:3])
    target.write_text(page(pd.read_csv(source)), encoding="utf-8")
