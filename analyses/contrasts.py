"""Contrast families: from the levels of a factor to a named matrix of weights.

Each family is oriented as in R's emmeans, so that the direction of a row is the one its name says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import gcd, isfinite, lcm, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcomes.errors import ModelError

Array = NDArray[np.float64]
Weights = Mapping[str, Mapping[Any, float]]
Named = tuple[tuple[str, ...], Array]

DEGREES = ("linear", "quadratic", "cubic", "quartic", "degree 5", "degree 6")
"""Names of polynomial contrasts; none is formed beyond the sixth degree."""


@dataclass(frozen=True, slots=True)
class FamilyOptions:
    """Choices within a family.

    Attributes
    ----------
    reference
        Level that ``trt.vs.ctrl`` compares with; None is the first.
    reverse
        Whether differences are turned round.
    spacing
        Positions of the levels for ``poly``; None is equal spacing, ``"numeric"`` the numbers that the levels are or
        name.
    """

    reference: Any = None
    reverse: bool = False
    spacing: str | Sequence[float] | None = None


def contrast_matrix(
    method: str | Weights,
    levels: Sequence[Any],
    reference: Any = None,
    reverse: bool = False,
    spacing: str | Sequence[float] | None = None,
) -> Named:
    """Names and weights of a contrast family.

    Parameters
    ----------
    method
        One of `FAMILIES`, or named weights, ``{"name": {level: weight}}``:

        - ``pairwise``: each level minus each later one;
        - ``trt.vs.ctrl``: each other level minus the reference;
        - ``consec`` (``consecutive``): each level minus the one before it;
        - ``poly`` (``polynomial``): orthogonal polynomials, to the sixth degree. Levels count as equally spaced, with
          the smallest whole numbers as weights, unless ``spacing`` says otherwise; then each row has length one;
        - ``eff``: each level minus the mean of all; ``del.eff``: minus the mean of the others.
    levels
        Levels of the factor, in order. Those of several factors are tuples.
    reference
        Level that ``trt.vs.ctrl`` compares with; the first where None.
    reverse
        Turn the differences of ``pairwise``, ``trt.vs.ctrl`` and ``consec`` round.
    spacing
        Of ``poly``: numbers, one a level, or ``"numeric"`` for the numbers that the levels are or name ("Week 12").

    Returns
    -------
    names, matrix
        Matrix of shape (contrasts, levels).

    Raises
    ------
    ModelError
        Where the family or a level is unknown, an option is not of the family, or there is nothing to compare.
    """
    if isinstance(method, Mapping):
        _refuse_options("named weights", FamilyOptions(reference, reverse, spacing), ())
        return _custom(method, levels)
    if not isinstance(method, str) or method not in FAMILIES:
        raise ModelError(
            "unknown contrast family", expected=f"{', '.join(FAMILIES)}, or named weights", got=repr(method)
        )
    if len(levels) < 2:
        raise ModelError(
            "nothing to compare", expected="two levels or more", got=", ".join(map(label, levels)) or "none"
        )
    family, allowed = FAMILIES[method]
    options = FamilyOptions(reference, reverse, spacing)
    _refuse_options(method, options, allowed)
    return family(levels, options)


def interaction_matrix(
    families: Sequence[str | Weights], levels: Sequence[Sequence[Any]], options: FamilyOptions
) -> Named:
    """Interaction contrasts: products of a family for each factor (emmeans' ``contrast(interaction = )``).

    Parameters
    ----------
    families
        A family a factor.
    levels
        Levels of each factor; the means are in the order of their product, the last factor varying fastest.
    options
        Choices, each given to the families that know it.

    Returns
    -------
    names, matrix
        ``(A - B) : (Week 12 - Week 4)``; the Kronecker product, shape (contrasts, means).
    """
    names: list[tuple[str, ...]] = []
    matrix: Array = np.ones((1, 1))
    for family, own in zip(families, levels, strict=True):
        known = FAMILIES[family][1] if isinstance(family, str) and family in FAMILIES else ()
        chosen = {name: getattr(options, name) for name in known}
        if chosen.get("reference") not in (None, *own):
            del chosen["reference"]  # the reference of another factor
        found, weights = contrast_matrix(family, own, **chosen)
        names.append(found)
        matrix = np.asarray(np.kron(matrix, weights), dtype=float)
    if len(names) == 1:
        return names[0], matrix
    joined = (" : ".join(f"({part})" if " " in part else part for part in parts) for parts in product(*names))
    return tuple(joined), matrix


def label(level: Any) -> str:
    """A level as text; that of several factors joined by commas."""
    return ", ".join(map(str, level)) if isinstance(level, tuple) else str(level)


def is_all_pairs(matrix: Array) -> bool:
    """Whether the rows are all pairwise differences of the levels, each once, in whatever direction and scale."""
    levels = matrix.shape[1]
    pairs = set()
    for row in matrix:
        places = np.flatnonzero(row)
        if len(places) != 2 or row[places].sum() != 0:
            return False
        pairs.add(tuple(places.tolist()))
    return bool(len(pairs) == len(matrix) == levels * (levels - 1) // 2)


def shared_reference(matrix: Array) -> bool:
    """Whether every row is a difference from one level that all rows share."""
    if not all(len(np.flatnonzero(row)) == 2 and abs(row.sum()) < 1e-12 for row in matrix):
        return False
    return bool((matrix != 0).all(axis=0).any())


def _operand(level: Any) -> str:
    """A level's name as it stands in a difference: in brackets where it holds a plus or a minus itself."""
    text = label(level)
    return f"({text})" if " + " in text or " - " in text else text


def _differences(levels: Sequence[Any], pairs: Sequence[tuple[int, int]], reverse: bool) -> Named:
    eye = np.eye(len(levels))
    turned = [(b, a) if reverse else (a, b) for a, b in pairs]
    names = tuple(f"{_operand(levels[a])} - {_operand(levels[b])}" for a, b in turned)
    return names, np.array([eye[a] - eye[b] for a, b in turned])


def _pairwise(levels: Sequence[Any], options: FamilyOptions) -> Named:
    count = len(levels)
    return _differences(levels, [(a, b) for a in range(count) for b in range(a + 1, count)], options.reverse)


def _with_control(levels: Sequence[Any], options: FamilyOptions) -> Named:
    control = 0 if options.reference is None else position(options.reference, levels, "reference")
    others = [at for at in range(len(levels)) if at != control]
    return _differences(levels, [(at, control) for at in others], options.reverse)


def _consecutive(levels: Sequence[Any], options: FamilyOptions) -> Named:
    return _differences(levels, [(at + 1, at) for at in range(len(levels) - 1)], options.reverse)


def _effects(levels: Sequence[Any], options: FamilyOptions) -> Named:
    del options
    count = len(levels)
    return tuple(f"{label(level)} effect" for level in levels), np.eye(count) - 1 / count


def _deleted_effects(levels: Sequence[Any], options: FamilyOptions) -> Named:
    del options
    count = len(levels)
    names = tuple(f"{label(level)} effect" for level in levels)
    return names, np.eye(count) - (1 - np.eye(count)) / (count - 1)


def _polynomial(levels: Sequence[Any], options: FamilyOptions) -> Named:
    """Gram-Schmidt on powers of the positions, in exact fractions; the last level's weight is positive."""
    places = _positions(levels, options.spacing)
    columns: list[list[Fraction]] = [[Fraction(1)] * len(levels)]
    for degree in range(1, min(len(levels), len(DEGREES) + 1)):
        column = [_power(place, degree) for place in places]
        for before in columns:
            size = sum((value * value for value in before), Fraction(0))
            along = sum((a * b for a, b in zip(column, before, strict=True)), Fraction(0))
            shift = along / size
            column = [a - shift * b for a, b in zip(column, before, strict=True)]
        columns.append(column)
    rows = [_scaled(column, options.spacing is None) for column in columns[1:]]
    # Levels may be in any order of their positions: the linear contrast rises with the position.
    last = int(np.argmax([float(place) for place in places]))
    return DEGREES[: len(rows)], np.array([row if row[last] > 0 else -row for row in rows])


def _power(value: Fraction, exponent: int) -> Fraction:
    return prod([value] * exponent, start=Fraction(1))


def _scaled(column: list[Fraction], whole_numbers: bool) -> Array:
    if not whole_numbers:
        values = np.array([float(value) for value in column])
        unit: Array = values / np.linalg.norm(values)
        return unit
    multiple = lcm(*(value.denominator for value in column))
    numbers = [int(value * multiple) for value in column]
    divisor = gcd(*numbers)
    return np.array([number / divisor for number in numbers])


def _positions(levels: Sequence[Any], spacing: str | Sequence[float] | None) -> list[Fraction]:
    if spacing is None:
        return [Fraction(at) for at in range(len(levels))]
    if isinstance(spacing, str):
        if spacing != "numeric":
            raise ModelError("unknown spacing", expected='numbers, or "numeric"', got=repr(spacing))
        found = [_number_in(level) for level in levels]
    else:
        found = [float(place) for place in spacing]
    if len(found) != len(levels) or len(set(found)) != len(found) or not all(map(isfinite, found)):
        raise ModelError(
            "spacing needs one number of its own for each level",
            expected=f"{len(levels)} different numbers for {', '.join(map(label, levels))}",
            got=", ".join(f"{place:g}" for place in found),
        )
    start, unit = min(found), max(found) - min(found)
    return [Fraction((place - start) / unit).limit_denominator(10**9) for place in found]


def _number_in(level: Any) -> float:
    numbers = re.findall(r"[-+]?\d+(?:\.\d+)?", str(level))
    if len(numbers) != 1:
        raise ModelError(
            "a level names no single number",
            expected='a number, or a label with one, such as "Week 12"',
            got=repr(level),
            hint="give the positions themselves, such as spacing=[4, 12, 24]",
        )
    return float(level) if isinstance(level, (int, float, np.number)) else float(numbers[0])


Family = Callable[[Sequence[Any], FamilyOptions], Named]
_POLYNOMIAL: tuple[Family, tuple[str, ...]] = (_polynomial, ("spacing",))
_CONSECUTIVE: tuple[Family, tuple[str, ...]] = (_consecutive, ("reverse",))
FAMILIES: dict[str, tuple[Family, tuple[str, ...]]] = {
    "pairwise": (_pairwise, ("reverse",)),
    "trt.vs.ctrl": (_with_control, ("reference", "reverse")),
    "consec": _CONSECUTIVE,
    "consecutive": _CONSECUTIVE,
    "poly": _POLYNOMIAL,
    "polynomial": _POLYNOMIAL,
    "eff": (_effects, ()),
    "del.eff": (_deleted_effects, ()),
}
"""Families known by name, and the options that each knows."""


def _refuse_options(method: str, options: FamilyOptions, allowed: tuple[str, ...]) -> None:
    given = {
        "reference": options.reference is not None,
        "reverse": options.reverse,
        "spacing": options.spacing is not None,
    }
    for name, is_given in given.items():
        if is_given and name not in allowed:
            raise ModelError(
                f"{name} is no option of {method}",
                expected=f"options: {', '.join(allowed) or 'none'}",
                got=name,
            )


def position(level: Any, levels: Sequence[Any], where: str) -> int:
    """Place of a level, given as itself or, for several factors, as a tuple or its text.

    Raises
    ------
    ModelError
        Where there is no such level, or more than one has this text.
    """
    same = [at for at, known in enumerate(levels) if known == level]
    if not same and isinstance(level, str):
        same = [at for at, known in enumerate(levels) if label(known) == level]
    if len(same) != 1:
        raise ModelError(
            "a contrast names an unknown level"
            if not same
            else "a contrast names a level that is not unique",
            expected=f"one of {', '.join(map(label, levels))}",
            got=repr(level),
            where=where,
        )
    return same[0]


def _custom(method: Weights, levels: Sequence[Any]) -> Named:
    if not method:
        raise ModelError("no contrast is named", expected='{"name": {level: weight}}', got="{}")
    matrix = np.zeros((len(method), len(levels)))
    for row, (name, weights) in enumerate(method.items()):
        if not isinstance(weights, Mapping) or not weights:
            raise ModelError(
                "a contrast needs weights by level", expected="{level: weight}", got=repr(weights), where=name
            )
        for level, weight in weights.items():
            at = position(level, levels, name)
            try:
                matrix[row, at] += float(weight)
            except (TypeError, ValueError):
                matrix[row, at] = np.nan
        if not np.isfinite(matrix[row]).all() or not matrix[row].any():
            raise ModelError(
                "a contrast's weights are not usable",
                expected="numbers, not all zero",
                got=repr(dict(weights)),
                where=name,
            )
    return tuple(map(str, method)), matrix
