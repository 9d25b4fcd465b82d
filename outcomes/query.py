"""Filters that a protocol writes as pandas queries: read as an expression first, so that none runs code."""

from __future__ import annotations

import ast
import re
from typing import Any

import pandas as pd

__all__ = ["QueryProblem", "keeps", "query_names"]

_METHODS = {"isna", "notna", "isnull", "notnull", "isin", "between"}
_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.Invert,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod, ast.BitAnd, ast.BitOr, ast.Compare, ast.Eq,
    ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Name, ast.Load, ast.Constant,
    ast.List, ast.Tuple, ast.Call, ast.Attribute,
)  # fmt: skip


class QueryProblem(ValueError):
    """A filter that cannot be read or applied; its text says why, for the caller to name the key."""


def query_names(query: str) -> set[str]:
    """Return the columns that a query names.

    Raises
    ------
    QueryProblem
        Where it is no expression, or holds more than comparisons of columns and constants joined by and, or,
        not, and the methods isna, notna, isin and between.
    """
    quoted: dict[str, str] = {}

    def plain(match: re.Match[str]) -> str:
        stand_in = f"_quoted_{len(quoted)}"
        quoted[stand_in] = match.group(1)
        return stand_in

    text = re.sub(r"`([^`]+)`", plain, query).strip()
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise QueryProblem(f"{query!r} is no query: {error.msg}") from error
    names = set()
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise QueryProblem(f"{query!r} holds more than comparisons ({type(node).__name__})")
        if isinstance(node, ast.Attribute) and node.attr not in _METHODS:
            raise QueryProblem(f"{query!r} uses .{node.attr}; the methods are {', '.join(sorted(_METHODS))}")
        if isinstance(node, ast.Call) and not isinstance(node.func, ast.Attribute):
            raise QueryProblem(f"{query!r} calls a function; comparisons of columns and constants are meant")
        if isinstance(node, ast.Name):
            names.add(quoted.get(node.id, node.id))
    if not names:
        raise QueryProblem(f"{query!r} names no column")
    return names


def keeps(frame: pd.DataFrame, query: str) -> pd.Series:
    """Return a boolean a row of `frame`: whether it fulfils the query. A missing value fulfils no comparison.

    Raises
    ------
    QueryProblem
        Where it names an unknown column, compares text with numbers, or gives no truth value.
    """
    from outcomes.nearest import unknown

    for name in sorted(query_names(query)):
        if name not in frame.columns:
            raise QueryProblem(f"{query!r}: {unknown('column', name, [str(c) for c in frame.columns])}")
    try:
        kept: Any = frame.eval(query, engine="python", local_dict={}, global_dict={})
    except (TypeError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
        raise QueryProblem(f"{query!r} cannot be applied: {error}") from error
    if not isinstance(kept, pd.Series) or kept.dtype not in ("bool", "boolean"):
        raise QueryProblem(f"{query!r} gives no true or false for each row")
    return kept.fillna(False).astype(bool)
