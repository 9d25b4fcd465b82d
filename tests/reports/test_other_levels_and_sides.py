"""Reports of protocols off the examples' path: another alpha, one side, sensitivity analyses on another scale."""

from pathlib import Path

import pytest
from scipy import stats

from outcomes import Protocol, Trial, read_trial
from reports import remarks
from reports.analyse import analyse_trial
from reports.context import ReportContext

EXAMPLES = Path(__file__).parents[2] / "examples"


def changed(name: str, *analyses: dict) -> ReportContext:
    """An example with other analyses, the first of them a change of the example's primary one."""
    trial = read_trial(EXAMPLES / name / "trial.toml")
    document = trial.protocol.to_dict()
    primary = next(one for one in document["analyses"] if one.get("role") == "primary")
    document["analyses"] = [{**primary, **analyses[0]}, *analyses[1:]]
    other = Trial.from_frames(
        Protocol.from_dict(document),
        patients=trial.patients,
        lesions=trial.lesions,
        assessments=trial.assessments,
        events=trial.events,
    )
    return ReportContext(other.protocol, analyse_trial(other).results)


@pytest.mark.parametrize(("options", "tail"), [({"alpha": 0.01}, 0.005), ({"alpha": 0.05, "sided": 1}, 0.05)])
def test_every_interval_has_the_analysis_own_level(options, tail):
    context = changed("within_patient_vitiligo", options)
    results = context.results
    name = context.primary.name
    rows = results.select(analysis=f"{name}/contrasts", statistic="estimate")
    rows += results.select(analysis=f"{name}/means", statistic="estimate")
    assert rows
    for row in rows:
        address = {"arm": row.arm, "contrast": row.contrast, "visit": row.visit}
        error, df, high = (
            results.number(row.analysis, one, **address) for one in ("std_error", "df", "conf_high")
        )
        # ten significant digits are kept
        assert high == pytest.approx(row.value + stats.t.isf(tail, df) * error, rel=1e-8)


def test_one_sided_variants_have_one_sided_p_values():
    context = changed("parallel_vasi", {"sided": 1})
    name = f"{context.primary.name}/sensitivity"
    rows = context.results.select(analysis=name, statistic="p_value", level="Constrained longitudinal model")
    assert rows
    joint = context.results.number(name, "min_test_p", level="Constrained longitudinal model")
    assert max(row.value for row in rows) == pytest.approx(joint, rel=1e-9)


def test_the_protocols_sensitivity_analyses_count_in_the_answer():
    other = {"endpoint": "responder75", "role": "sensitivity", "visit": "Week 24"}
    context = changed("within_patient_vitiligo", {}, other)
    assert "changes with the analysis “responder75”" in remarks.sensitivity_sentence(context)


def test_a_single_part_is_claimed_only_after_holm():
    """The first screen may not claim what the line below it says may not be claimed."""
    from dataclasses import replace

    from reports import narrative
    from reports.results import Results

    context = changed("split_face_scar", {})
    numbers = {"p_value": 0.03, "p_adjusted": 0.06, "estimate": 3.0, "conf_low": 0.2, "conf_high": 5.8}
    name = context.primary.name
    rows = [
        replace(row, value=numbers[row.statistic])
        if row.analysis == name and row.level.startswith("part") and row.statistic in numbers
        else row
        for row in context.results
    ]
    said = [
        replace(one, text="better")
        if one.kind == "answer" and "part" in one.subject and one.analysis == name
        else one
        for one in context.results.statements
    ]
    results = Results(rows, said, context.results.trial, context.results.software)
    sentence = narrative.answer(ReportContext(context.protocol, results))[1]
    assert "is not shown (Holm-adjusted p = .06)" in sentence
