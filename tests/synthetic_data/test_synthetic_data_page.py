"""The code on the page about synthetic data runs, and prints what the page says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "synthetic_data.md"


def blocks() -> list[tuple[str, str | None]]:
    """Return each block of code, with the output that follows it, if one does."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"```python\n(.*?)```(?:\n\n```\n(.*?)```)?", text, flags=re.DOTALL)
    return [(code, output or None) for code, output in found]


def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    compared = 0
    for code, output in blocks():
        *body, last = ast.parse(code).body
        exec(compile(ast.Module(body, []), str(PAGE), "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), str(PAGE), "eval"), names)
        else:
            exec(compile(ast.Module([last], []), str(PAGE), "exec"), names)
            value = None
        printed = capsys.readouterr().out + ("" if value is None else f"{value}\n")
        if output is not None:
            assert printed == output
            compared += 1
    assert compared == 5
    assert (tmp_path / "my_trial" / "trial.toml").exists()


def test_the_page_names_every_preset():
    from synthetic_data.scenario import DESIGNS, EFFECTS

    text = PAGE.read_text(encoding="utf-8")
    for name in (*EFFECTS, *DESIGNS):
        assert f"| `{name}` |" in text


def test_the_interaction_that_the_vasi_makes_is_what_the_page_says():
    from synthetic_data import load_scenario, true_values

    truth = true_values(load_scenario("additive/parallel-four-arm"))
    rows = truth[(truth["endpoint"] == "vasi_change") & (truth["visit"] == "Week 24")]
    by_contrast = dict(zip(rows["contrast"], rows["value"], strict=True))
    assert by_contrast["[Laser − (Laser + PRP)] − [Untreated − PRP]"] == pytest.approx(-0.04, abs=0.01)
    assert by_contrast["Untreated − (Laser + PRP)"] == pytest.approx(2.6, abs=0.05)
