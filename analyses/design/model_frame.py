"""From a data frame and a formula to the arrays of a mixed model, with everything remembered that names them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula
from formulaic.errors import FormulaicError
from numpy.typing import NDArray

from analyses.crossproducts import RandomDesign, ResidualDesign
from analyses.design.formula_variables import coded_by_formula, formula_variables
from analyses.design.plain_design import DeferredSpec, plain_design, plain_response
from analyses.design.variables import Variables, variables_of
from analyses.engine.lag_covariance import MANY_TIMES
from analyses.formula import MixedFormula, RandomTerm, ResidualTerm, parse_formula
from outcomes.errors import FormulaError, ModelError

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ResidualFrame:
    """Residual covariance of the rows used: its arrays, and the labels of its levels.

    Attributes
    ----------
    design
        Slots, subjects and groups.
    levels
        Levels of each factor of the covariance (one, or two in a direct product).
    times
        Numeric positions of the levels of the first factor, where they are numbers. Where they are too many for a
        matrix over them, the design has every row's time instead, and there is one level for them all.
    groups
        Labels of the groups; one empty label where there is no group.
    """

    design: ResidualDesign
    levels: tuple[tuple[str, ...], ...]
    times: tuple[float, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ModelFrame:
    """What a fit needs of its data.

    Attributes
    ----------
    formula
        The formula's parts.
    data
        The rows used, in the order and with the index given, with unused levels dropped.
    kept
        Positions of these rows in the data given, shape (n,).
    x, y
        Full fixed-effects design, shape (n, columns), and response, shape (n,).
    spec
        formulaic's memory of the encoding.
    columns
        Names of the columns of ``x``.
    weights
        Case weights, shape (n,).
    random, random_labels
        Random terms and the names of their effects.
    residual
        Residual covariance.
    subjects
        Unit of the coarsest subject of every row, shape (n,), and their number.
    n_dropped
        Rows left out because a model variable was missing.
    """

    formula: MixedFormula
    data: pd.DataFrame
    kept: Codes
    x: Array
    y: Array
    spec: Any
    columns: tuple[str, ...]
    weights: Array
    random: tuple[RandomDesign, ...]
    random_labels: tuple[tuple[str, ...], ...]
    residual: ResidualFrame
    n_dropped: int

    @property
    def n_rows(self) -> int:
        """Rows used."""
        return len(self.y)

    @property
    def root(self) -> Array:
        """A matrix with the cross-products of the design's columns, shape (any, columns): here the design itself."""
        return self.x

    @property
    def variables(self) -> Variables:
        """Levels, means and combinations of the variables of the fixed effects."""
        names = formula_variables(self.spec.formula, self.data.columns)
        return variables_of(self.data, names, coded_by_formula(self.spec, names))

    def varies_within(self, subject: str, name: str) -> bool:
        """Whether a subject has several levels of a variable; False where the model does not know the subject."""
        if subject not in self.data:
            return False
        return bool(self.data.groupby(subject, observed=True)[name].nunique().max() > 1)


def make_model_frame(
    formula: str, data: pd.DataFrame, weights: str | Sequence[float] | None = None
) -> ModelFrame:
    """Evaluate a formula on data.

    Parameters
    ----------
    formula
        Mixed-model formula.
    data
        One row an observation.
    weights
        Column's name or array of case weights; None for all one.

    Returns
    -------
    ModelFrame

    Raises
    ------
    FormulaError
        Where the formula names what the data have not, or cannot be evaluated.
    ModelError
        Where the data cannot carry the model: no complete row, a repeated level within a subject, pairs of levels
        never observed together, an infinite response.
    """
    parts = parse_formula(formula)
    if not isinstance(data, pd.DataFrame):
        raise FormulaError(
            "the data must be a pandas DataFrame", expected="a DataFrame", got=type(data).__name__
        )
    fixed = read_formula(parts.fixed, parts.text)
    designs = [read_formula(term.design, parts.text) for term in parts.random]
    needed = model_variables(fixed, designs, parts, data.columns)
    check_columns(needed, data.columns, parts.text)
    twice = [name for name in needed if not data.columns.is_unique and isinstance(data[name], pd.DataFrame)]
    if twice:
        raise FormulaError(
            "the data have columns of the same name",
            expected="each name once",
            got=", ".join(twice),
            where=parts.text,
        )
    weight = _weights(weights, data)
    kept = np.flatnonzero(_complete(data, needed) & np.isfinite(weight))
    if not len(kept):
        raise ModelError(
            "no row has every model variable",
            expected=", ".join(needed),
            got=f"{len(data)} rows, none complete",
        )
    frame = _take(data, needed)
    _refuse_kinds(frame, parts.text)
    frame = _drop_unused_levels(frame if len(kept) == len(data) else frame.iloc[kept])
    x, y, columns, spec = _fixed_design(fixed, frame, parts)
    random = tuple(
        _random_design(term, design, frame) for term, design in zip(parts.random, designs, strict=True)
    )
    residual = _residual_frame(parts.residual, frame, parts.text)
    return ModelFrame(
        formula=parts,
        data=frame,
        kept=kept,
        x=x,
        y=y,
        spec=spec,
        columns=columns,
        weights=weight[kept],
        random=tuple(design for design, _ in random),
        random_labels=tuple(labels for _, labels in random),
        residual=residual,
        n_dropped=len(data) - len(kept),
    )


@lru_cache(maxsize=64)
def _formula(text: str) -> Any:
    """Reading of a formula by formulaic, which takes as long over it as some fits do."""
    return Formula(text)


def read_formula(text: str, whole: str) -> Any:
    """Read a part of a formula by formulaic; ``whole`` is the formula for messages."""
    try:
        return _formula(text)
    except (FormulaicError, SyntaxError, ValueError) as error:
        raise FormulaError(
            "the formula cannot be read", got=f"{text!r}: {error}", where=repr(whole)
        ) from error


def model_variables(
    fixed: Any, random: Sequence[Any], parts: MixedFormula, columns: Iterable[Any]
) -> list[str]:
    """Those of the data's columns that a model needs: a row that misses one of them is left out."""
    named = [formula_variables(formula, columns) for formula in (fixed, *random)]
    return list(dict.fromkeys([*(name for names in named for name in names), *parts.grouping_variables]))


def check_columns(needed: Sequence[str], columns: Iterable[Any], whole: str) -> None:
    """Refuse a variable that the data have not, with the nearest name that they have."""
    columns = [str(column) for column in columns]
    for name in needed:
        if name in columns:
            continue
        near = get_close_matches(name, columns, n=1)
        raise FormulaError(
            f"the data have no column {name!r}",
            expected=f"one of {', '.join(columns)}",
            got=name,
            where=repr(whole),
            hint=f"did you mean {near[0]!r}?" if near else None,
        )


def _weights(weights: str | Sequence[float] | None, data: pd.DataFrame) -> Array:
    if weights is None:
        return np.ones(len(data))
    if isinstance(weights, str):
        check_columns([weights], data.columns, f"weights={weights!r}")
        values = np.asarray(pd.to_numeric(data[weights], errors="coerce"), dtype=float)
        text = np.flatnonzero(np.isnan(values) & data[weights].notna().to_numpy())
        if len(text):
            raise ModelError(
                "weights must be numbers",
                got=repr(data[weights].iloc[text[0]]),
                where=f"row {text[0]} of the data",
            )
    else:
        if isinstance(weights, pd.Series) and not weights.index.equals(data.index):
            raise ModelError(
                "the weights' index is not that of the data: which weight belongs to which row?",
                expected="the same index, or a column of the data",
                hint="weights=series.to_numpy() where they stand in the order of the rows",
            )
        values = np.asarray(weights, dtype=float)
        if values.shape != (len(data),):
            raise ModelError(
                "one weight a row is needed", expected=f"{len(data)} weights", got=f"shape {values.shape}"
            )
    bad = np.flatnonzero(~np.isnan(values) & ~(np.isfinite(values) & (values > 0)))
    if len(bad):
        raise ModelError(
            "weights must be positive and finite", got=repr(values[bad[0]]), where=f"row {bad[0]} of the data"
        )
    return values


def _refuse_kinds(frame: pd.DataFrame, where: str) -> None:
    """Refuse variables that are no numbers and no levels, and one that has the constant's name."""
    for name, column in frame.items():
        kind = getattr(column.dtype, "kind", "O")
        if kind in "cm":
            raise ModelError(
                f"{name} is neither a number nor a level",
                expected="real numbers, text or a categorical",
                got=f"{'complex numbers' if kind == 'c' else 'durations'} ({column.dtype})",
                where=where,
                hint="take the real part" if kind == "c" else "count it in days",
            )
        if name == "Intercept":
            raise FormulaError(
                "a variable has the name of the model's constant",
                expected="another name than Intercept",
                got="Intercept",
                where=where,
                hint="rename the column",
            )


def _take(data: pd.DataFrame, needed: list[str]) -> pd.DataFrame:
    """Columns of the data, of its own: by position, which spares pandas an index of their names."""
    place = {name: at for at, name in enumerate(data.columns)}
    if data.columns.is_unique and all(name in place for name in needed):
        return data.take([place[name] for name in needed], axis=1)
    return data[needed].copy(deep=False)


def _complete(data: pd.DataFrame, needed: list[str]) -> NDArray[np.bool_]:
    """Rows that miss none of the columns needed, shape (n,)."""
    complete = np.ones(len(data), dtype=bool)
    for name in needed:
        column = data[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            complete &= column.array.codes >= 0
        else:
            complete &= ~np.asarray(pd.isna(column.array))
    return complete


def _drop_unused_levels(frame: pd.DataFrame) -> pd.DataFrame:
    """Forget levels that no row used has, as R's model frames do: nothing could be estimated for them."""
    for name in frame.columns:
        column = frame[name]
        if not isinstance(column.dtype, pd.CategoricalDtype):
            continue
        used = np.zeros(len(column.dtype.categories), dtype=bool)
        used[column.array.codes] = True
        if not used.all():
            frame[name] = column.cat.remove_unused_categories()
    return frame


def _fixed_design(
    fixed: Any, frame: pd.DataFrame, parts: MixedFormula
) -> tuple[Array, Array, tuple[str, ...], Any]:
    """Design, response, names of the columns, and the memory of the encoding."""
    response = plain_response(fixed.lhs, frame)
    plain = plain_design(fixed.rhs, frame) if response is not None and np.isfinite(response).all() else None
    if response is not None and plain is not None:
        return plain.x, response, plain.names, DeferredSpec(fixed, frame)
    return _formulaic_design(fixed, frame, parts)


def _formulaic_design(
    fixed: Any, frame: pd.DataFrame, parts: MixedFormula
) -> tuple[Array, Array, tuple[str, ...], Any]:
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            # A log of zero warns and is then reported below with its row.
            warnings.simplefilter("ignore", RuntimeWarning)
            matrices = fixed.get_model_matrix(frame, na_action="ignore")
    except (FormulaicError, TypeError, ValueError, KeyError) as error:
        raise FormulaError(
            "the formula cannot be evaluated on the data", got=str(error), where=repr(parts.text)
        ) from error
    response = matrices.lhs
    if response.shape[1] != 1:
        raise FormulaError(
            "the response must be one number a row",
            expected="a numeric column",
            got=f"{response.shape[1]} columns (is it categorical?)",
            where=parts.response,
        )
    x, y = matrices.rhs.to_numpy(dtype=float), response.to_numpy(dtype=float)[:, 0]
    for values, what in ((y, f"the response {parts.response!r}"), (x, "the fixed effects")):
        bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
        if len(bad):
            raise ModelError(
                f"{what} has a value that is not finite",
                expected="finite numbers",
                where=f"row {bad[0]} of the complete rows",
                got=str(frame.iloc[bad[0]].to_dict()),
            )
    spec = matrices.rhs.model_spec
    return x, y, tuple(str(name) for name in spec.column_names), spec


def _random_design(
    term: RandomTerm, design: Any, frame: pd.DataFrame
) -> tuple[RandomDesign, tuple[str, ...]]:
    subject = interaction_codes(frame, term.subject)
    plain = plain_design(design, frame)
    if plain is not None:
        z, labels = plain.x, tuple(plain.names)
    else:
        try:
            matrix = design.get_model_matrix(frame, na_action="raise")
            z = matrix.to_numpy(dtype=float)
        except (FormulaicError, TypeError, ValueError, KeyError) as error:
            raise FormulaError(
                "a random term cannot be evaluated on the data",
                expected="numbers (dates as days or weeks since a start) or categories",
                got=str(error),
                where=term.text,
            ) from error
        labels = tuple(str(name) for name in matrix.model_spec.column_names)
    bad = np.flatnonzero(~np.isfinite(z).all(axis=1))
    if len(bad):
        raise ModelError(
            "a random term has a value that is not finite",
            expected="finite numbers",
            got=str(frame.iloc[bad[0]].to_dict()),
            where=f"{term.text}, row {bad[0]} of the complete rows",
        )
    if len(labels) * (len(labels) + 1) // 2 > len(frame) and len(labels) > 1:
        raise ModelError(
            "a random term has more covariance parameters than there are rows",
            expected="a few effects a subject, such as (1 + week | patient)",
            got=f"{len(labels)} effects: {', '.join(labels[:3])} ...",
            where=term.text,
            hint="is a number stored as text?",
        )
    return RandomDesign(z, subject), labels


def interaction_codes(frame: pd.DataFrame, names: Sequence[str]) -> Codes:
    """Code of every row's combination of columns, in order of first appearance."""
    codes = np.zeros(len(frame), dtype=np.int64)
    for name in names:
        column = frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            own, count = column.array.codes, len(column.dtype.categories)
        else:
            own, levels = pd.factorize(column)
            count = len(levels)
        # Numbered anew after each column, so that no product of the numbers of levels can overflow.
        codes = pd.factorize(codes * count + own)[0].astype(np.int64, copy=False)
    return codes.astype(np.intp, copy=False)


def ordered_levels(column: pd.Series) -> tuple[list[Any], Codes]:
    """Levels of a column in their declared order (else sorted), and the code of every row."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return list(column.dtype.categories), column.array.codes.astype(np.intp)
    codes, levels = pd.factorize(column, sort=True)
    return list(levels), codes.astype(np.intp)


def _residual_frame(term: ResidualTerm | None, frame: pd.DataFrame, whole: str) -> ResidualFrame:
    n = len(frame)
    none = np.zeros(n, dtype=np.intp)
    if term is None:
        return ResidualFrame(ResidualDesign(none, np.arange(n), none, 1, 1), (("residual",),), (), ("",))
    subject = interaction_codes(frame, term.subject)
    slot = none
    levels: list[tuple[str, ...]] = []
    times: tuple[float, ...] = ()
    for factor in term.factors:
        found, codes = ordered_levels(frame[factor.coordinate])
        if factor.structure == "sp_exp":
            times = _times(found, factor.coordinate, whole)
        slot = slot * len(found) + codes
        levels.append(tuple(str(level) for level in found))
    n_slots = int(np.prod([len(found) for found in levels]))
    _no_repeats(subject, slot, term, frame)
    groups, group = [""], none
    if term.group is not None:
        groups, group = ordered_levels(frame[term.group])
        _check_group(term, subject, group, len(groups))
    design = ResidualDesign(slot, subject, group, n_slots, len(groups))
    if len(term.factors) == 1 and len(times) > MANY_TIMES:
        time = np.asarray(times)[slot]
        lags = _lags(time, subject)
        if len(lags) == 1:
            raise ModelError(
                f"no {':'.join(term.subject)} was observed at two times: their correlation cannot be estimated",
                expected="several rows of a subject",
                got="one row each",
                where=term.text,
            )
        design = replace(design, time=time, lags=lags)
        levels, times = [("residual",)], ()
    if len(term.factors) == 1 and term.factors[0].structure == "us":
        _check_pairs(design, levels[0], term)
    return ResidualFrame(design, tuple(levels), times, tuple(str(g) for g in groups))


def _times(levels: list[Any], name: str, whole: str) -> tuple[float, ...]:
    try:
        times = tuple(float(level) for level in levels)
    except (TypeError, ValueError) as error:
        raise FormulaError(
            "sp_exp needs a numeric coordinate", expected="numbers such as weeks", got=name, where=repr(whole)
        ) from error
    if not np.all(np.isfinite(times)):
        raise ModelError(
            "sp_exp needs finite times",
            expected="numbers such as weeks",
            got=f"{name} of infinity",
            where=whole,
        )
    return times


def _lags(time: Array, subject: Codes) -> Array:
    """Distances in time that occur within a subject, and zero, ascending."""
    order = np.lexsort((time, subject))
    ordered, unit = time[order], subject[order]
    found = [np.zeros(1)]
    for step in range(1, int(np.bincount(subject).max())):
        same = unit[step:] == unit[:-step]
        found.append(np.unique(np.abs(ordered[step:] - ordered[:-step])[same]))
    return np.unique(np.concatenate(found))


def _no_repeats(subject: Codes, slot: Codes, term: ResidualTerm, frame: pd.DataFrame) -> None:
    pairs = subject * (int(slot.max()) + 1) + slot
    if len(pd.unique(pairs)) == len(pairs):
        return
    again = np.flatnonzero(pd.Series(pairs).duplicated().to_numpy())
    row = frame.iloc[again[0]]
    coordinates = [factor.coordinate for factor in term.factors]
    unit = ", ".join(f"{name} {row[name]}" for name in term.subject)
    level = ", ".join(f"{name} {row[name]}" for name in coordinates)
    raise ModelError(
        f"{unit} has more than one row at {level}",
        expected=f"one row for each {' and '.join(coordinates)} of a {':'.join(term.subject)}",
        got=f"{len(again)} rows too many",
        where=term.text,
        hint="name the finer subject, such as us(visit | patient:lesion), or add the second coordinate, "
        "such as us(arm | patient) @ us(visit)",
    )


def _check_group(term: ResidualTerm, subject: Codes, group: Codes, n_groups: int) -> None:
    of_subject = pd.Series(group).groupby(subject).nunique()
    if n_groups > max(1, len(of_subject) // 2):
        raise ModelError(
            "the group of a covariance has almost as many levels as there are subjects",
            expected="a column with few levels, such as arm",
            got=f"{term.group} with {n_groups} levels",
            where=term.text,
        )
    if (of_subject > 1).any():
        raise ModelError(
            "a subject belongs to two groups of the covariance",
            expected=f"one level of {term.group} a {':'.join(term.subject)}",
            got=f"{int((of_subject > 1).sum())} with more",
            where=term.text,
        )


def _check_pairs(design: ResidualDesign, levels: tuple[str, ...], term: ResidualTerm) -> None:
    """An unstructured covariance needs every pair of levels in at least one subject."""
    for group in range(design.n_groups):
        mine = design.group == group
        seen = np.zeros((int(design.subject.max()) + 1, design.n_slots))
        seen[design.subject[mine], design.slot[mine]] = 1.0
        refuse_unseen_pairs(seen.T @ seen, levels, term)


def refuse_unseen_pairs(together: Array, levels: tuple[str, ...], term: ResidualTerm) -> None:
    """Refuse an unstructured covariance of levels that were never seen in one subject, shape (levels, levels)."""
    missing = np.argwhere(np.triu(together == 0))
    if len(missing):
        a, b = (levels[at] for at in missing[0])
        raise ModelError(
            f"no {':'.join(term.subject)} was observed at both {a} and {b}: their covariance cannot be estimated",
            expected="every pair of levels in at least one subject",
            got=f"{len(missing)} pairs never together",
            where=term.text,
            hint="use a structure with fewer parameters, such as csh, or random intercepts",
        )


__all__ = ["ModelFrame", "ResidualFrame", "interaction_codes", "make_model_frame", "ordered_levels"]
