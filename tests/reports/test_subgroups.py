"""Subgroups of the primary comparison: against lmerTest and emmeans, a closed form, and what may not be said."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from outcomes import Trial, read_trial
from reports.analyse import analyse_trial
from reports.compose import compose
from reports.context import ReportContext
from reports.methods import methods_paragraphs
from reports.steps.subgroups import FEWEST_PATIENTS, subgroup_formula
from reports.tables.subgroups import subgroups_table

REFERENCE = Path(__file__).parents[1] / "reference" / "subgroups"


def context_of(trial):
    return ReportContext(trial.protocol, analyse_trial(trial).results)


@pytest.fixture(scope="module")
def reference():
    return context_of(read_trial(REFERENCE / "trial.toml"))


@pytest.mark.parametrize("covariate", ["site", "sex"])
def test_as_lmertest_and_emmeans_have_it(reference, covariate):
    expected = json.loads((REFERENCE / "reference.json").read_text(encoding="utf-8"))[covariate]
    results = reference.results
    for row in expected["rows"]:
        address = {"level": f"{covariate}: {row['level']}", "contrast": row["contrast"].replace(" - ", " − ")}
        found = {name: results.number("score/subgroups", name, **address) for name in row if name in NUMBERS}
        # lme4's optimiser stops within about 1e-6 of the variance ratio; degrees of freedom magnify it.
        assert found["estimate"] == pytest.approx(row["estimate"], abs=1e-4)
        assert found["std_error"] == pytest.approx(row["std_error"], rel=1e-4)
        assert found["df"] == pytest.approx(row["df"], rel=1e-3)
        assert found["conf_low"] == pytest.approx(row["conf_low"], abs=2e-3)
        assert found["conf_high"] == pytest.approx(row["conf_high"], abs=2e-3)
    tested = {
        one: results.number("score/subgroups", one, level=covariate) for one in ("f", "df_num", "df_den")
    }
    assert tested["df_num"] == expected["df_num"]
    assert tested["f"] == pytest.approx(expected["f"], rel=1e-4)
    assert tested["df_den"] == pytest.approx(expected["df_den"], rel=1e-3)
    assert results.number("score/subgroups", "p_interaction", level=covariate) == pytest.approx(
        expected["p"], rel=1e-3
    )


NUMBERS = ("estimate", "std_error", "df", "conf_low", "conf_high")


def balanced_trial(sound_trials, sexes):
    """Return the within-patient trial with a sex, and without the covariates that it had."""
    trial = read_trial(sound_trials["within-patient"] / "trial.toml")
    protocol = trial.protocol
    sex = next(one for one in protocol.covariates if one.name == "body_site").model_copy(
        update={"name": "sex", "level": "patient", "levels": tuple(sorted(set(sexes)))}
    )
    analyses = tuple(one for one in protocol.analyses if one.role == "primary")
    planned = protocol.model_copy(update={"covariates": (sex,), "analyses": analyses})
    return Trial.from_frames(
        planned,
        patients=trial.patients[["patient"]].assign(sex=sexes),
        lesions=trial.lesions[["patient", "lesion", "arm"]],
        assessments=trial.assessments,
        events=trial.events,
    )


def test_complete_pairs_have_the_pooled_t_test_of_the_patients_differences(sound_trials):
    sexes = ["female"] * 6 + ["male"] * 4
    trial = balanced_trial(sound_trials, sexes)
    results = context_of(trial).results
    data = trial.endpoint("repigmentation")
    wide = data[data["visit"] == "Week 24"].pivot(index="patient", columns="arm", values="value")
    for part in ("Laser", "PRP"):
        differences = (wide["Laser + PRP"] - wide[part]).to_numpy()
        groups = {"female": differences[:6], "male": differences[6:]}
        pooled = np.sqrt(sum(((one - one.mean()) ** 2).sum() for one in groups.values()) / 8)
        for sex, one in groups.items():
            address = {"level": f"sex: {sex}", "contrast": f"(Laser + PRP) − {part}"}
            found = {
                name: results.number("repigmentation/subgroups", name, **address)
                for name in (*NUMBERS, "n_patients", "n_lesions")
            }
            half = stats.t.ppf(0.975, 8) * pooled / np.sqrt(len(one))
            assert found == pytest.approx(
                {
                    "estimate": one.mean(),
                    "std_error": pooled / np.sqrt(len(one)),
                    "df": 8,
                    "conf_low": one.mean() - half,
                    "conf_high": one.mean() + half,
                    "n_patients": len(one),
                    "n_lesions": 2 * len(one),
                },
                rel=1e-6,
            )


def test_of_two_arms_the_interaction_is_the_t_test_of_the_differences_squared():
    """Without covariates beside it, as the paired analysis is of one group."""
    trial = read_trial(Path(__file__).parents[2] / "examples" / "split_face_scar" / "trial.toml")
    protocol = trial.protocol
    primary = protocol.primary_analysis.model_copy(update={"model": "value ~ arm + us(arm | patient)"})
    alone = protocol.model_copy(
        update={
            "analyses": (primary,),
            "covariates": tuple(one for one in protocol.covariates if one.name == "sex"),
        }
    )
    complete = trial.endpoint(primary.endpoint)
    at_visit = complete[complete["visit"] == primary.visit]
    seen = at_visit.dropna(subset=["value"]).groupby("patient")["arm"].nunique()
    kept = set(seen.index[seen == 2])
    frames = {
        "patients": trial.patients,
        "lesions": trial.lesions,
        "assessments": trial.assessments,
    }
    small = Trial.from_frames(
        alone, **{name: frame[frame["patient"].isin(kept)] for name, frame in frames.items()}
    )
    results = context_of(small).results
    rows = at_visit[at_visit["patient"].isin(kept)]
    wide = rows.pivot(index="patient", columns="arm", values="value")
    sex = rows.drop_duplicates("patient").set_index("patient")["sex"].astype(str).loc[wide.index]
    differences = wide["Laser"] - wide["Laser + PRP"]
    test = stats.ttest_ind(differences[sex == "female"], differences[sex == "male"])
    name = f"{primary.name}/subgroups"
    for prefix in ("", "all_arms_"):  # of two arms both tests are the same
        assert results.number(name, f"{prefix}f", level="sex") == pytest.approx(test.statistic**2, rel=1e-6)
        assert results.number(name, f"{prefix}df_den", level="sex") == pytest.approx(test.df, rel=1e-6)
        assert results.number(name, f"{prefix}p_interaction", level="sex") == pytest.approx(
            test.pvalue, rel=1e-6
        )


def test_too_few_patients_are_not_estimable_and_do_not_count_in_the_test(sound_trials):
    sexes = ["female"] * 5 + ["male"] * 3 + ["other"] * 2
    context = context_of(balanced_trial(sound_trials, sexes))
    name = "repigmentation/subgroups"
    alone = {"level": "sex: other", "contrast": "(Laser + PRP) − PRP"}
    assert context.results.value(name, "estimate", **alone) is None
    assert context.results.value(name, "n_patients", **alone) == 2 < FEWEST_PATIENTS
    assert context.results.value(name, "df_num", level="sex") == 2  # two parts, two levels
    table = subgroups_table(context)
    row = next(row for row in table.rows if row.label.text == "other")
    assert [cell.text for cell in row.cells[:3]] == ["2", "4", "not estimable"]
    assert any("fewer than 3 patients" in text for text in table.remarks)


def test_a_level_in_every_patient_of_one_arm_alone_fails_nothing(sound_trials):
    """Sites that go with the arms: no level has two arms, so nothing can be compared within one."""
    trial = read_trial(sound_trials["within-patient"] / "trial.toml")
    lesions = trial.lesions.assign(
        body_site=["face" if arm == "Laser + PRP" else "trunk" for arm in trial.lesions["arm"].astype(str)]
    )
    primary = tuple(one for one in trial.protocol.analyses if one.role == "primary")
    confounded = Trial.from_frames(
        trial.protocol.model_copy(update={"analyses": primary}),
        patients=trial.patients,
        lesions=lesions,
        assessments=trial.assessments,
        events=trial.events,
    )
    context = context_of(confounded)
    found = context.results.frame(analysis="repigmentation/subgroups", statistic="estimate")
    assert found["value"].isna().all()
    assert context.results.value("repigmentation/subgroups", "p_interaction", level="body_site") is None


def test_the_section_warns_and_shows_everyone_first(reference):
    document = compose(reference, {})
    section = next(one for one in document.sections if one.key == "subgroups")
    assert "confirm nothing" in section.blocks[0].text
    table = section.blocks[-1]
    assert [row.label.text for row in table.rows] == [
        *("Overall", "Site", "face", "trunk", "acral"),
        *("Sex", "female", "male"),
    ]
    assert table.columns[0].header == "Patients"
    assert table.columns[-1].header == "Interaction p"
    everyone = next(line for line in reference.lines("part"))
    assert table.rows[0].cells[2].value == everyone.estimate
    assert [cell.value for cell in table.rows[0].cells[:2]] == [
        reference.results.value("score/compared", f"n_{unit}", contrast=everyone.contrast)
        for unit in ("patients", "lesions")
    ]
    by_sex = [cell.cells[1].value for cell in table.rows[-2:]]
    assert sum(by_sex) == table.rows[0].cells[1].value  # every lesion is in one of the two levels


def test_grades_have_a_sentence_and_a_trial_without_covariates_no_section(sound_trials):
    parallel = compose(context_of(read_trial(sound_trials["parallel"] / "trial.toml")), {})
    assert "subgroups" not in {section.key for section in parallel.sections}
    trial = read_trial(sound_trials["within-patient"] / "trial.toml")
    grade = next(one for one in trial.protocol.analyses if one.endpoint == "grade")
    primary = grade.model_copy(update={"role": "primary"})
    graded = Trial.from_frames(
        trial.protocol.model_copy(update={"analyses": (primary,)}),
        patients=trial.patients,
        lesions=trial.lesions,
        assessments=trial.assessments,
        events=trial.events,
    )
    section = next(one for one in compose(context_of(graded), {}).sections if one.key == "subgroups")
    assert [type(block).__name__ for block in section.blocks] == ["Paragraph"]
    assert section.blocks[0].text.startswith("Subgroups of grades and responders are not analysed")


@pytest.mark.parametrize(
    ("formula", "over_visits", "expected"),
    [
        (
            "value ~ arm + (1 | patient) + us(visit | patient:lesion)",
            False,
            "value ~ arm + arm * site + (1 | patient) + us(visit | patient:lesion)",
        ),
        (
            "value ~ baseline * visit + arm * visit + us(visit | patient)",
            True,
            "value ~ baseline * visit + arm * visit + arm * visit * site + us(visit | patient)",
        ),
    ],
)
def test_the_model_is_the_primary_one_with_the_interaction(formula, over_visits, expected):
    assert subgroup_formula(formula, "site", over_visits) == expected


def test_levels_come_in_the_protocols_order_and_numeric_covariates_do_not_come(reference):
    levels = reference.results.distinct("level", analysis="score/subgroups", statistic="estimate")
    assert levels == ("site: face", "site: trunk", "site: acral", "sex: female", "sex: male")
    assert pd.Series(levels).str.startswith(("site", "sex")).all()


def test_the_methods_say_how_subgroups_and_groups_before_treatment_were_compared(reference):
    text = " ".join(methods_paragraphs(reference))
    assert "are exploratory [@wang-subgroups]" in text
    assert (
        "an F test of whether the combination's differences from its parts are the same in every level"
        in text
    )
    assert ("[@austin]" in text) == reference.results.has("baseline", "largest_standardised_difference")
