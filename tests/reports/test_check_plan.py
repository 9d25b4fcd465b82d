"""What `tandem check` refuses beside defects of the files: plans that `tandem report` would refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from outcomes import read_trial
from reports.checking.plan import plan_problems
from reports.cli import main


def check(home: Path) -> Result:
    return CliRunner().invoke(main, ["check", str(home / "trial.toml")])


def plan(home: Path, keys: str) -> Path:
    """Add keys to the primary analysis."""
    toml = home / "trial.toml"
    text = toml.read_text(encoding="utf-8")
    toml.write_text(text.replace('role = "primary"', f'role = "primary"\n{keys}', 1), encoding="utf-8")
    return home


def without_values(home: Path, visit: str) -> Path:
    path = home / "assessments.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line.rsplit(",", 1)[0] + "," if f",{visit}," in line else line for line in lines]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return home


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('model = "value ~~ arm"', ("key 'model'", "one '~'", "'value ~~ arm'")),
        ('model = "value ~ arm + nothing"', ("key 'model'", "no column 'nothing'")),
        ('model = "value ~ arm + baselin"', ("key 'model'", "did you mean 'baseline'?")),
        ('model = "value ~ arm * (visit"', ("key 'model'", "(visit")),
        ('model = "value ~ arm + us(visit | patients)"', ("key 'model'", "'patients'")),
        ('fallback = ["us(visitt | patient)"]', ("key 'fallback'", "'visitt'")),
        ('fallback = ["us(visit | patient"]', ("key 'fallback'", "us(visit | patient")),
    ],
)
def test_a_formula_that_the_report_refuses_is_refused_by_check(
    keys: str, said: tuple[str, ...], parallel_trial: Path
) -> None:
    result = check(plan(parallel_trial, keys))
    assert result.exit_code == 1
    assert "In order" not in result.stdout
    assert "The data cannot be analysed as planned: 1 problem." in result.stderr
    assert "[[analyses]], 'vasi_change'" in result.stderr
    for part in said:
        assert part in result.stderr
    assert "Traceback" not in result.output


def test_sound_formulas_pass(parallel_trial: Path) -> None:
    keys = 'model = "value ~ baseline * visit + arm * visit + us(visit | patient)"\n'
    assert check(plan(parallel_trial, keys + 'fallback = ["(1 | patient)"]')).exit_code == 0


@pytest.mark.parametrize("design", ["within-patient", "parallel"])
def test_default_models_of_sound_trials_have_no_problem(design: str, sound_trials: dict[str, Path]) -> None:
    assert list(plan_problems(read_trial(sound_trials[design] / "trial.toml"))) == []


def test_a_primary_visit_without_any_value_is_a_problem(parallel_trial: Path) -> None:
    result = check(without_values(parallel_trial, "Week 24"))
    assert result.exit_code == 1
    assert "no value of vasi_change at Week 24" in result.stderr


def test_another_visit_without_any_value_is_none(parallel_trial: Path) -> None:
    assert check(without_values(parallel_trial, "Week 12")).exit_code == 0


def test_a_primary_model_whose_covariate_nobody_has_is_a_problem(parallel_trial: Path) -> None:
    toml = plan(parallel_trial, 'model = "value ~ arm + weight"') / "trial.toml"
    added = '[[covariates]]\nname = "weight"\nkind = "numeric"\n\n[[endpoints]]'
    toml.write_text(toml.read_text(encoding="utf-8").replace("[[endpoints]]", added, 1), encoding="utf-8")
    patients = parallel_trial / "patients.csv"
    lines = patients.read_text(encoding="utf-8").splitlines()
    lines = [f"{line},{'weight' if number == 0 else ''}" for number, line in enumerate(lines)]
    patients.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = check(parallel_trial)
    assert result.exit_code == 1
    assert "no row has every model variable" in result.stderr


def test_the_report_refuses_what_check_refuses_before_it_writes(parallel_trial: Path) -> None:
    home = plan(
        parallel_trial, 'fallback = ["us(visitt | patient)"]'
    )  # would be read only where the model failed
    out = home.parent / "report"
    result = CliRunner().invoke(main, ["report", str(home / "trial.toml"), "-o", str(out)])
    assert result.exit_code == 1
    assert "key 'fallback'" in result.stderr
    assert "'visitt'" in result.stderr
    assert not out.exists()


def test_a_visit_without_a_row_counts_as_missing_as_in_the_report(parallel_trial: Path) -> None:
    path = parallel_trial / "assessments.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("P01,Week 24", "P02,Week 24", "P03,Week 12"))]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    said = " ".join(check(parallel_trial).stdout.split())
    assert "vasi_change: 1 of 18 patients at Week 12, 2 of 18 patients at Week 24" in said


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("value ~ arm + us(arm | patient)", "no residual covariance of their own"),
        ("value ~ arm + nothing + (1 | patient)", "no column 'nothing'"),
        ("value ~ arm", "patients have several"),
        ("value ~ body_site + (1 | patient)", "the model's term arm, which it has not"),
        ("value ~~ arm", "one '~'"),
    ],
)
def test_models_of_grades_are_checked_as_such(model: str, said: str, within_patient_trial: Path) -> None:
    toml = within_patient_trial / "trial.toml"
    text = toml.read_text(encoding="utf-8")
    planned = text.replace('endpoint = "grade"', f'endpoint = "grade"\nmodel = "{model}"', 1)
    assert planned != text
    toml.write_text(planned, encoding="utf-8")
    result = check(within_patient_trial)
    assert result.exit_code == 1
    assert said in result.stderr.replace("\n", " ")


def test_a_mixed_model_of_grades_passes(within_patient_trial: Path) -> None:
    toml = within_patient_trial / "trial.toml"
    text = toml.read_text(encoding="utf-8")
    keys = 'endpoint = "grade"\nmodel = "grade ~ arm * visit + (1 | patient)"\nfallback = ["(1 | patient/lesion)"]'
    toml.write_text(text.replace('endpoint = "grade"', keys, 1), encoding="utf-8")
    assert check(within_patient_trial).exit_code == 0
