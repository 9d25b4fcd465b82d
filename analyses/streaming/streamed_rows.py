"""From chunks of a stream to design rows.

The encoding is fixed by a survey first, so that every chunk gets the same columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from formulaic.errors import FormulaicError
from numpy.typing import NDArray

from analyses.crossproducts import RandomDesign, ResidualDesign
from analyses.design.model_frame import interaction_codes
from analyses.formula import MixedFormula, ResidualTerm
from analyses.streaming.parquet_parts import Parts
from analyses.streaming.survey import Survey, complete_rows
from outcomes.errors import FormulaError, ModelError

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """How rows of a stream become the arrays of a model; the same for all chunks, and fit to be sent to a worker.

    Attributes
    ----------
    formula
        The formula's parts.
    needed
        Model variables.
    levels
        Levels of those that are not numeric.
    fixed
        formulaic's memory of response and fixed effects.
    random
        The same of every random term.
    weights
        Column of the case weights, or None.
    slot_levels
        Levels of each coordinate of the residual covariance.
    groups
        Levels of its group; one empty label without.
    """

    formula: MixedFormula
    needed: tuple[str, ...]
    levels: dict[str, list[Any]]
    fixed: Any
    random: tuple[Any, ...]
    weights: str | None
    slot_levels: tuple[list[Any], ...]
    groups: tuple[Any, ...]

    @property
    def cluster(self) -> tuple[str, ...]:
        """Columns of the coarsest subject."""
        return cluster_columns(self.formula)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns to read."""
        return tuple(dict.fromkeys([*self.needed, *([self.weights] if self.weights else [])]))

    @property
    def n_slots(self) -> int:
        """Levels of the residual's coordinates, multiplied."""
        return int(np.prod([len(levels) for levels in self.slot_levels]))

    def encode(self, chunk: pd.DataFrame) -> Rows | None:
        """Arrays of the complete rows of a chunk of whole subjects; None where there is none."""
        rows = chunk.loc[complete_rows(chunk, self.needed, self.weights), list(self.columns)]
        if not len(rows):
            return None
        for name, levels in self.levels.items():
            rows[name] = _coded(rows[name], levels)
        x, y = _fixed(self.fixed, rows, self.formula)
        weights = rows[self.weights].to_numpy(dtype=float) if self.weights else np.ones(len(rows))
        root = np.sqrt(weights)[:, None]
        random = tuple(
            RandomDesign(
                root * spec.get_model_matrix(rows).to_numpy(dtype=float),
                interaction_codes(rows, term.subject),
            )
            for term, spec in zip(self.formula.random, self.random, strict=True)
        )
        return Rows(x, y, weights, random, self._residual(rows), interaction_codes(rows, self.cluster))

    def _residual(self, rows: pd.DataFrame) -> ResidualDesign:
        term, n = self.formula.residual, len(rows)
        none = np.zeros(n, dtype=np.intp)
        if term is None:
            return ResidualDesign(none, np.arange(n), none, 1, 1)
        slot = none
        for factor, levels in zip(term.factors, self.slot_levels, strict=True):
            slot = slot * len(levels) + _coded(rows[factor.coordinate], levels).codes.astype(np.intp)
        subject = interaction_codes(rows, term.subject)
        _no_repeats(subject, slot, term, rows)
        group = none
        if term.group is not None:
            group = _coded(rows[term.group], list(self.groups)).codes.astype(np.intp)
            if (pd.Series(group).groupby(subject).nunique() > 1).any():
                raise ModelError(
                    "a subject belongs to two groups of the covariance",
                    expected=f"one level of {term.group} a {':'.join(term.subject)}",
                    where=term.text,
                )
        return ResidualDesign(slot, subject, group, self.n_slots, len(self.groups))


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Arrays of a chunk: design, response, case weights, random and residual designs, and clusters."""

    x: Array
    y: Array
    weights: Array
    random: tuple[RandomDesign, ...]
    residual: ResidualDesign
    cluster: Codes


def _coded(column: pd.Series, levels: list[Any]) -> pd.Categorical:
    """A column in the levels of the whole data set; those that no complete row has are not among them."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        found: pd.Categorical = column.cat.set_categories(levels).array
        return found
    return pd.Categorical(column, levels)


def cluster_columns(formula: MixedFormula) -> tuple[str, ...]:
    """Columns of the coarsest subject, in which the names of the others nest.

    Raises
    ------
    ModelError
        Where subjects cross, or rows would be independent: streams need clusters.
    """
    subjects = [term.subject for term in formula.random]
    if formula.residual is not None:
        subjects.append(formula.residual.subject)
    coarsest = min(subjects, key=len)
    if any(not set(coarsest) <= set(subject) for subject in subjects):
        raise ModelError(
            "a streamed model needs subjects that nest in one another by their names",
            expected="one subject within all others, such as patient and patient:lesion",
            got="; ".join(":".join(subject) for subject in subjects),
            hint="enter a crossed factor as a fixed effect, or read the data into memory",
        )
    return coarsest


def make_encoding(
    formula: MixedFormula,
    fixed: Any,
    random: Sequence[Any],
    needed: Sequence[str],
    survey: Survey,
    parts: Parts,
    weights: str | None,
) -> Encoding:
    """Fix the encoding by what the survey saw.

    Parameters
    ----------
    formula, fixed, random
        The formula's parts, and formulaic's reading of its fixed part and random designs.
    needed
        Model variables.
    survey
        Of all parts.
    parts
        The data set.
    weights
        Column of the case weights, or None.

    Raises
    ------
    FormulaError
        Where a term takes its encoding from the rows (``center(x)``, ``C(week)`` of a number), which a stream cannot.
    """
    levels = {name: survey.ordered_levels(name) for name in needed if name in survey.levels}
    exemplar = _exemplar(needed, levels, survey)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            matrices = fixed.get_model_matrix(exemplar, na_action="ignore")
            specs = tuple(
                design.get_model_matrix(exemplar, na_action="ignore").model_spec for design in random
            )
    except (FormulaicError, TypeError, ValueError, KeyError) as error:
        raise FormulaError(
            "the formula cannot be evaluated on the data", got=str(error), where=repr(formula.text)
        ) from error
    if matrices.lhs.shape[1] != 1:
        raise FormulaError(
            "the response must be one number a row",
            expected="a numeric column",
            got=f"{matrices.lhs.shape[1]} columns (is it categorical?)",
            where=formula.response,
        )
    for spec in (matrices.lhs.model_spec, matrices.rhs.model_spec, *specs):
        _without_memory(spec, set(levels), formula)
    residual = formula.residual
    slots: tuple[list[Any], ...] = ([""],)
    groups: tuple[Any, ...] = ("",)
    if residual is not None:
        if any(factor.structure == "sp_exp" for factor in residual.factors):
            raise FormulaError(
                "a spatial covariance cannot be streamed",
                expected="a covariance over levels",
                got=residual.text,
            )
        slots = tuple(_levels(factor.coordinate, levels, survey) for factor in residual.factors)
        groups = tuple(_levels(residual.group, levels, survey)) if residual.group else groups
    return Encoding(formula, tuple(needed), levels, matrices.model_spec, specs, weights, slots, groups)


def _levels(name: str, levels: dict[str, list[Any]], survey: Survey) -> list[Any]:
    if name in levels:
        return levels[name]
    values = survey.spreads[name].values
    if values is None:
        raise ModelError(
            f"{name} has too many values for the levels of a covariance",
            expected="visits, arms or other coordinates with few levels",
            got=f"numbers between {survey.spreads[name].minimum:g} and {survey.spreads[name].maximum:g}",
        )
    return sorted(values)


def _exemplar(needed: Sequence[str], levels: dict[str, list[Any]], survey: Survey) -> pd.DataFrame:
    """A few rows that have every level, and numbers within their columns' range."""
    n = max([2, *(len(found) for found in levels.values())])
    frame = pd.DataFrame(index=range(n))
    for name in needed:
        if name in levels:
            found = levels[name]
            frame[name] = pd.Categorical([found[at % len(found)] for at in range(n)], found)
        else:
            spread = survey.spreads[name]
            frame[name] = np.linspace(spread.minimum, spread.maximum, n)
    return frame


def _without_memory(spec: Any, levels: set[str], formula: MixedFormula) -> None:
    """Refuse terms that take their encoding from the rows they see."""
    numbers = [str(name) for name in spec.transform_state]
    for factor, (_, state) in spec.encoder_state.items():
        if "categories" in state and str(factor) not in levels and not _is_plain(str(factor), levels):
            numbers.append(str(factor))
    if numbers:
        raise FormulaError(
            "a term of a streamed model takes its encoding from the rows, which pass by in chunks",
            expected="columns, and functions of one row such as log(x) or I(x - 1)",
            got=", ".join(numbers),
            where=repr(formula.text),
            hint="make the column before, and store it with the data",
        )


def _is_plain(factor: str, levels: set[str]) -> bool:
    """Whether a coded factor such as ``C(arm)`` names nothing but a column whose levels are known."""
    inner = factor.removeprefix("C(").split(",")[0].removesuffix(")").strip(" `")
    return inner in levels


def _fixed(spec: Any, rows: pd.DataFrame, formula: MixedFormula) -> tuple[Array, Array]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a log of zero warns and is then reported below
        matrices = spec.get_model_matrix(rows, na_action="ignore")
    x, y = matrices.rhs.to_numpy(dtype=float), matrices.lhs.to_numpy(dtype=float)[:, 0]
    for values, what in ((y, f"the response {formula.response!r}"), (x, "the fixed effects")):
        bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
        if len(bad):
            raise ModelError(
                f"{what} has a value that is not finite",
                expected="finite numbers",
                got=str(rows.iloc[bad[0]].to_dict()),
            )
    return x, y


def _no_repeats(subject: Codes, slot: Codes, term: ResidualTerm, rows: pd.DataFrame) -> None:
    again = np.flatnonzero(pd.DataFrame({"subject": subject, "slot": slot}).duplicated().to_numpy())
    if len(again):
        row = rows.iloc[again[0]]
        names = [*term.subject, *(factor.coordinate for factor in term.factors)]
        raise ModelError(
            "a subject has more than one row at a level of its covariance",
            expected=f"one row for each {' and '.join(factor.coordinate for factor in term.factors)}",
            got=", ".join(f"{name} {row[name]}" for name in names),
            where=term.text,
            hint="name the finer subject, such as us(visit | patient:lesion)",
        )


def cells_together(rows: Rows) -> Array:
    """Of every group, how often two slots were seen in one subject, shape (groups, slots, slots)."""
    residual = rows.residual
    found = np.zeros((residual.n_groups, residual.n_slots, residual.n_slots))
    for group in range(residual.n_groups):
        mine = residual.group == group
        subject = pd.factorize(residual.subject[mine])[0]
        seen = np.zeros((int(subject.max(initial=-1)) + 1, residual.n_slots))
        seen[subject, residual.slot[mine]] = 1.0
        found[group] = seen.T @ seen
    return found
