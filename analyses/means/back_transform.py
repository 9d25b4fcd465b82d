"""From the log scale back: geometric means and ratios of a model of a logarithm."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from outcomes.errors import ModelError

BASES = {"log": float(np.e), "log2": 2.0, "log10": 10.0}
"""Transformations of a response that can be undone, and their bases."""


def back_transformed(formula: str, table: pd.DataFrame) -> pd.DataFrame:
    """A table of estimates on the scale of a response whose logarithm was modelled.

    A mean becomes a geometric mean, a difference a ratio. Limits are those of the log scale, transformed; the
    standard error is the delta method's; test and p-value are those of the log scale, where the null value 0 is
    a geometric mean, or a ratio, of 1.

    Parameters
    ----------
    formula
        The model's formula; its response is ``log(y)``, ``log2(y)`` or ``log10(y)``.
    table
        With the columns of `analyses.inference.COLUMNS`.

    Raises
    ------
    ModelError
        Where the response is not a logarithm.
    """
    base = _base(formula.split("~")[0].strip())
    found = table.copy()
    with np.errstate(over="ignore"):
        for name in ("estimate", "conf_low", "conf_high"):
            found[name] = base ** table[name].to_numpy(dtype=float)
    found["std_error"] = np.log(base) * found["estimate"] * table["std_error"]
    return found


def _base(response: str) -> float:
    match = re.fullmatch(r"(?:np\.)?(log|log2|log10)\((.*)\)", response)
    if match is None or not _is_closed(match[2]):
        raise ModelError(
            "only a model of a logarithm has ratios",
            expected=f"a response such as {', '.join(f'{name}(y)' for name in BASES)}",
            got=response,
        )
    return BASES[match[1]]


def _is_closed(inside: str) -> bool:
    """Whether parentheses pair up within the text, so that the outer pair is one call: not ``a) - log(b``."""
    depth = 0
    for letter in inside:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth < 0:
            return False
    return depth == 0
