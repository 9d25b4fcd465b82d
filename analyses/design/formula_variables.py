"""Columns that a formula names, also inside functions with a memory such as ``center(x)`` and ``bs(x)``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any


def formula_variables(formula: Any, columns: Iterable[Any]) -> list[str]:
    """Sorted names of the columns that a formula needs.

    formulaic's own list leaves out what stands inside functions that remember something of the rows.

    Parameters
    ----------
    formula
        formulaic's formula, one-sided or with a response.
    columns
        Columns of the data: other names in a function (``np``, ``log``) are not variables.
    """
    known = {str(column) for column in columns}
    found = {str(name) for name in formula.required_variables}
    for term in _terms(formula):
        for factor in term.factors:
            found |= _names(str(factor.expr)) & known
    return sorted(found)


_CODED = re.compile(r"^C\(\s*(?:`(?P<quoted>[^`]+)`|(?P<plain>[^\W\d]\w*))\s*[,)]")


def coded_by_formula(spec: Any, names: Iterable[str]) -> set[str]:
    """Variables that enter a design as ``C(name)`` alone: by their levels, also where they are numbers.

    Parameters
    ----------
    spec
        formulaic's model specification of the fixed part.
    names
        The variables of the fixed part.
    """
    by_levels, otherwise = set(), set()
    for term in _terms(spec.formula):
        for factor in term.factors:
            expression = str(factor.expr)
            found = _CODED.match(expression) if factor in spec.factor_contrasts else None
            if found:
                by_levels.add(found["quoted"] or found["plain"])
            else:
                otherwise |= {expression, *_names(expression)}
    return (by_levels - otherwise) & set(names)


def _terms(formula: Any) -> list[Any]:
    sides = [formula.lhs, formula.rhs] if hasattr(formula, "rhs") else [formula]
    return [term for side in sides for term in side]


@lru_cache(maxsize=256)
def _names(expression: str) -> frozenset[str]:
    """Names in a Python expression; none where it is a column's name that Python cannot read."""
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError:
        return frozenset()
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
