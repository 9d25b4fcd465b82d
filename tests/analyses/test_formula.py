"""Formulas taken apart: what belongs to formulaic, what to the covariance, what to the random effects."""

import pytest

from analyses.formula import CovarianceTerm, parse_formula
from outcomes.errors import FormulaError


def test_an_mmrm_formula():
    parts = parse_formula("change ~ baseline + arm * visit + us(visit | patient)")
    assert parts.fixed == "change ~ baseline + arm * visit"
    assert parts.response == "change"
    assert parts.residual is not None
    assert parts.residual.factors == (CovarianceTerm("us", "visit"),)
    assert (parts.residual.subject, parts.residual.group) == (("patient",), None)
    assert parts.random == ()


@pytest.mark.parametrize(
    ("term", "subject", "group"),
    [
        ("us(visit | arm / patient)", ("patient",), "arm"),
        ("ar1(visit | patient:lesion)", ("patient", "lesion"), None),
        ("csh(visit | arm / patient:lesion)", ("patient", "lesion"), "arm"),
        ("us( visit|`subject id` )", ("subject id",), None),
    ],
)
def test_the_slash_of_a_covariance_is_group_and_subject(term, subject, group):
    residual = parse_formula(f"y ~ x + {term}").residual
    assert residual is not None
    assert (residual.subject, residual.group) == (subject, group)


def test_the_slash_of_a_random_term_nests():
    terms = parse_formula("y ~ arm + (1 | patient/lesion)").random
    assert [term.subject for term in terms] == [("patient",), ("patient", "lesion")]
    assert [term.text for term in terms] == ["(1 | patient)", "(1 | patient:lesion)"]


def test_direct_products_share_their_subject():
    residual = parse_formula("y ~ 1 + us(arm | patient) @ ar1(visit)").residual
    assert residual is not None
    assert residual.factors == (CovarianceTerm("us", "arm"), CovarianceTerm("ar1", "visit"))
    assert residual.subject == ("patient",)


@pytest.mark.parametrize(
    ("formula", "fixed", "designs"),
    [
        ("log(y) ~ I(x - 1) + (0 + f | g)", "log(y) ~ I(x - 1)", ["0 + f"]),
        ("y ~ (1 | a:b)", "y ~ 1", ["1"]),
        ("y ~ (1 | a) + x - 1", "y ~ x - 1", ["1"]),
        ("y ~ -1 + x + (1 + x || a)", "y ~ - 1 + x", ["1 + x"]),
        ("y ~ (x + z) * w + (1 | a)", "y ~ (x + z) * w", ["1"]),
        ("y ~ `a | b` + Q('a ~ b') + (1 | a)", "y ~ `a | b` + Q('a ~ b')", ["1"]),
        ("y ~ us + cs + (1 | a)", "y ~ us + cs", ["1"]),
    ],
)
def test_formulaics_part_is_left_alone(formula, fixed, designs):
    parts = parse_formula(formula)
    assert parts.fixed == fixed
    assert [term.design for term in parts.random] == designs


def test_double_bars_are_uncorrelated():
    (term,) = parse_formula("y ~ x + (1 + x || patient)").random
    assert not term.correlated


def test_subjects_and_grouping_variables_are_listed_once():
    parts = parse_formula("y ~ x + (1 | patient/lesion) + ar1(visit | patient:lesion)")
    assert parts.subjects == (("patient",), ("patient", "lesion"))
    assert parts.grouping_variables == ("patient", "lesion", "visit")


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("y", "response and terms"),
        ("~ x", "response and terms"),
        ("y ~ x ~ z", "response and terms"),
        ("y ~ x + (1 | patient", "unbalanced"),
        ("y ~ x) + (1 | patient)", "unbalanced"),
        ("y ~ x + `a", "unbalanced"),
        ("y ~ x - us(visit | patient)", "cannot be subtracted"),
        ("y ~ x + us(visit | patient) + cs(arm | patient)", "one residual covariance"),
        ("y ~ x + us(visit | a / b / c)", "slashes"),
        ("y ~ x + us(visit + arm | patient)", "column's name"),
        ("y ~ x + us(visit | patient) @ ar2(arm)", "not a covariance structure"),
        ("y ~ x + us(visit | patient) @ ar1(arm | clinic)", "same subject"),
        ("y ~ x + us(visit | patient / patient)", "cannot be its subject"),
        ("y ~ x + (1 | patient) + (1 | patient)", "stands twice"),
        ("y ~ x + ( | patient)", "effects and its subject"),
        ("y ~ x + + (1 | patient)", "a term is missing"),
    ],
)
def test_what_cannot_be_read_is_said(formula, says):
    with pytest.raises(FormulaError, match=says):
        parse_formula(formula)
