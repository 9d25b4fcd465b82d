"""Columns that a formula names, also inside functions with a memory such as ``center(x)`` and ``bs(x)``."""

from __future__ import annotations

import ast
from collections.abc import Iterable
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


def _terms(formula: Any) -> list[Any]:
    sides = [formula.lhs, formula.rhs] if hasattr(formula, "rhs") else [formula]
    return [term for side in sides for term in side]


def _names(expression: str) -> set[str]:
    """Names in a Python expression; none where it is a column's name that Python cannot read."""
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError:
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
