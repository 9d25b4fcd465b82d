"""The response of a generalised model from data: successes and trials, counts, fractions; offsets; what is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.design.model_frame import ModelFrame, make_model_frame
from analyses.links.link_estimation import no_residual_covariance
from outcomes.errors import FormulaError, ModelError

__all__ = ["Responses", "read_responses"]

Array = NDArray[np.float64]
_CBIND = re.compile(r"^\s*cbind\s*\(\s*(`[^`]+`|[\w.]+)\s*,\s*(`[^`]+`|[\w.]+)\s*\)\s*$")
_SUCCESSES = "successes_"


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """Rows of a generalised model.

    Attributes
    ----------
    frame
        The rows used; the response is numeric, and the formula without its offsets.
    trials, offset
        Shape (n,) each.
    written
        The formula as written.
    """

    frame: ModelFrame
    trials: Array
    offset: Array
    written: str


def read_responses(
    formula: str,
    data: pd.DataFrame,
    family: str,
    offset: str | Sequence[float] | None,
    trials: str | Sequence[float] | None,
    weights: str | Sequence[float] | None,
) -> Responses:
    """Evaluate formula, response, trials and offsets on data, and check the response against the family.

    Parameters and errors are those of `analyses.generalized.fit_generalized_model`.
    """
    if not isinstance(data, pd.DataFrame):
        raise FormulaError(
            "the data must be a pandas DataFrame", expected="a DataFrame", got=type(data).__name__
        )
    bare, inside = _without_offsets(formula)
    parts = no_residual_covariance(bare)
    shift = _column(offset, data, "offset") if offset is not None else np.zeros(len(data))
    for text in inside:
        shift = shift + _evaluated(text, data, formula)
    _finite(shift, "an offset", "the log of an exposure above zero")
    total = _column(trials, data, "trials") if trials is not None else np.ones(len(data))
    if trials is not None and family != "binomial":
        raise ModelError("only a binomial model has trials", expected="family='binomial'", got=repr(family))
    pair = _CBIND.match(parts.response)
    if pair is not None:
        bare, data, total = _successes_and_failures(pair, parts.fixed, bare, data, family, trials is not None)
        response = _SUCCESSES
    else:
        response = parts.response.strip("`")
        data = _numeric_response(data, response, family)
    own = _column(weights, data, "weights") if weights is not None else np.ones(len(data))
    own = np.where(np.isfinite(shift) & ~np.isnan(total), own, np.nan)
    frame = make_model_frame(bare, data, own.tolist())
    kept_total = total[frame.kept]
    _check(frame, family, kept_total, response, trials is not None or pair is not None)
    return Responses(frame, kept_total, shift[frame.kept], formula.strip())


def _without_offsets(formula: str) -> tuple[str, list[str]]:
    """Take ``+ offset(...)`` out of a formula; returns the rest and what stood in the brackets."""
    found: list[str] = []
    text = formula
    while (start := re.search(r"(?:\+\s*|(?<=~)\s*)offset\s*\(", text)) is not None:
        depth, end = 1, start.end()
        while end < len(text) and depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        if depth:
            raise FormulaError(
                "unbalanced brackets in the formula", expected="a closing bracket", got=repr(formula)
            )
        found.append(text[start.end() : end - 1])
        before, after = text[: start.start()], text[end:]
        if before.rstrip().endswith("~"):
            after = re.sub(r"^\s*\+", "", after) or " 1"
        text = before + " " + after.lstrip() if after.strip() else before
    return text.strip(), found


def _evaluated(text: str, data: pd.DataFrame, whole: str) -> Array:
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    try:
        with np.errstate(all="ignore"):
            matrix = Formula(f"0 + {text}").get_model_matrix(data, na_action="ignore")
    except (FormulaicError, TypeError, ValueError, KeyError, SyntaxError, NameError) as error:
        raise FormulaError(
            "an offset cannot be evaluated on the data", got=f"offset({text}): {error}", where=repr(whole)
        ) from error
    if matrix.shape[1] != 1:
        raise FormulaError("an offset is one number a row", got=f"offset({text})", where=repr(whole))
    values: Array = matrix.to_numpy(dtype=float)[:, 0]
    return values


def _column(given: str | Sequence[float], data: pd.DataFrame, role: str) -> Array:
    if isinstance(given, str):
        if given not in data.columns:
            raise ModelError(
                f"the data have no column {given!r} for the {role}",
                expected=f"one of {', '.join(map(str, data.columns))}",
                got=given,
            )
        column = data[given]
        if not pd.api.types.is_numeric_dtype(column.dtype):
            raise ModelError(
                f"the {role} must be numbers", expected="a numeric column", got=str(column.dtype), where=given
            )
        numbers: Array = column.to_numpy(dtype=float, na_value=np.nan)
        return numbers
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"the {role} must be numbers", expected="one number a row", got=str(error)
        ) from error
    if values.shape != (len(data),):
        raise ModelError(
            f"one value a row is needed for the {role}",
            expected=f"{len(data)} values",
            got=f"shape {values.shape}",
        )
    return values


def _finite(values: Array, what: str, expected: str) -> None:
    bad = np.flatnonzero(np.isinf(values))
    if len(bad):
        raise ModelError(
            f"{what} is not finite", expected=expected, got=values[bad[0]], where=f"row {bad[0]}"
        )


def _successes_and_failures(
    pair: re.Match[str], fixed: str, bare: str, data: pd.DataFrame, family: str, has_trials: bool
) -> tuple[str, pd.DataFrame, Array]:
    if family != "binomial" or has_trials:
        raise ModelError(
            "cbind(successes, failures) is the response of a binomial model without trials",
            expected="family='binomial' and trials=None",
            got=fixed,
        )
    successes, failures = (_column(pair[at].strip("`"), data, "response") for at in (1, 2))
    right = bare.split("~", 1)[1]
    return f"{_SUCCESSES} ~{right}", data.assign(**{_SUCCESSES: successes}), successes + failures


def _numeric_response(data: pd.DataFrame, name: str, family: str) -> pd.DataFrame:
    """Turn a 0/1 response that is boolean into numbers; refuse text, whose order nobody declared."""
    if name not in data.columns:
        return data  # an expression, or an error that the model frame words
    column = data[name]
    if pd.api.types.is_bool_dtype(column.dtype):
        return data.assign(**{name: column.to_numpy(dtype=float, na_value=np.nan)})
    if not pd.api.types.is_numeric_dtype(column.dtype):
        first: Any = column.dropna().iloc[0] if column.notna().any() else None
        raise ModelError(
            f"the response of a {family} model must be numbers",
            expected="0 and 1, or True and False" if family == "binomial" else "numbers",
            got=f"{column.dtype}, such as {first!r}",
            where=name,
            hint=f"data[{name!r}] == {first!r} says which value is a responder"
            if family == "binomial"
            else None,
        )
    return data


def _check(frame: ModelFrame, family: str, trials: Array, response: str, counted: bool) -> None:
    y = frame.y
    index = frame.data.index
    if family == "binomial":
        if counted:
            _every(
                (y >= 0) & (y % 1 == 0) & (trials % 1 == 0) & (trials >= 1) & (y <= trials),
                y,
                index,
                response,
                "successes must be whole numbers from 0 to the trials, of which there is at least one",
            )
        else:
            _every(
                (y == 0) | (y == 1),
                y,
                index,
                response,
                "a responder is 0 or 1",
                "trials='...' or cbind(successes, failures) for counts; a fraction of the skin is family='beta'",
            )
        if y.sum() == 0 or (y == trials).all():
            raise ModelError(
                "all responses are the same, so nothing can be estimated",
                expected="responders and others",
                got="no responder" if y.sum() == 0 else "responders only",
                where=response,
                hint="an upper limit needs no model: Clopper-Pearson's by compare_responders",
            )
    elif family == "beta":
        if np.ptp(y) == 0:
            raise ModelError(
                "all fractions are the same, so nothing can be estimated",
                expected="fractions that vary",
                got=f"{y[0]:g} only",
                where=response,
            )
        _every(
            (y > 0) & (y < 1),
            y,
            index,
            response,
            "a beta model has fractions between 0 and 1, both excluded",
            "percentages are divided by 100; zeros and ones need grades (fit_ordinal_model), or "
            "(y (n - 1) + 0.5) / n (Smithson and Verkuilen 2006)",
        )
    else:
        # beyond 2^53 a float no longer tells a count from the next one
        _every(
            (y >= 0) & (y % 1 == 0) & (y <= 2**53),
            y,
            index,
            response,
            "counts must be whole numbers, 0 or more",
        )
        if y.sum() == 0:
            raise ModelError(
                "all counts are zero, so nothing can be estimated",
                expected="a count above zero",
                got="zeros only",
                where=response,
            )


def _every(
    good: NDArray[np.bool_], y: Array, index: pd.Index, response: str, expected: str, hint: str | None = None
) -> None:
    bad = np.flatnonzero(~good)
    if len(bad):
        raise ModelError(
            "the response is not of the family",
            expected=expected,
            got=f"{len(bad)} rows, such as {y[bad[0]]:g} at {index[bad[0]]!r}",
            where=response,
            hint=hint,
        )
