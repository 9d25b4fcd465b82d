"""Ordinal models: cumulative link models of grades, with random effects where patients have several.

``P(Y <= k) = F(theta_k - eta)``: a positive effect means a higher grade (McCullagh P 1980, J R Stat Soc B 42:109).
Random effects add to eta (Hedeker D & Gibbons RD 1994, Biometrics 50:933; R's ``ordinal::clmm``); the marginal
likelihood is by adaptive quadrature or Laplace's approximation, and climbed with its own exact derivatives
(`analyses.links.random_effects_likelihood`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.design.model_frame import ModelFrame, make_model_frame
from analyses.engine.clustered_rows import RandomPart, gather
from analyses.links.cumulative_link import LINKS, CumulativeRows, Link, rows_of_model
from analyses.links.link_estimation import (
    independent_columns,
    marginal_model,
    no_residual_covariance,
    random_of,
    repeated_rows,
    repeated_units,
    solve,
    start_covariances,
)
from analyses.links.marginal_likelihood import Solution
from analyses.links.ordinal_fit import OrdinalFit
from analyses.links.quadrature import check_nodes
from analyses.links.response_likelihood import Cumulative
from analyses.links.separation import diverging_parameters, surely_finite
from analyses.links.thresholds import THRESHOLDS, Thresholds, make_thresholds
from outcomes.errors import ConvergenceError, FormulaError, ModelError

__all__ = ["OrdinalFit", "fit_grades", "fit_ordinal_model", "grade_codes"]

Array = NDArray[np.float64]
MANY_GRADES = 20
"""Numbers beyond which a column that is not whole is taken for a measurement."""


def fit_ordinal_model(
    formula: str,
    data: pd.DataFrame,
    link: str = "logit",
    threshold: str = "flexible",
    nominal: str | Sequence[str] | None = None,
    quadrature: int = 7,
    weights: str | Sequence[float] | None = None,
    patient: str | None = "patient",
) -> OrdinalFit:
    """Fit a cumulative link model, mixed where the formula has random effects.

    Parameters
    ----------
    formula
        Such as ``"grade ~ laser * prp + body_site + (1 | patient)"``; random intercepts and slopes, nested ones too:
        ``(1 | patient/lesion)``. Without random effects every patient may have one row only.
    data
        The grade is an ordered Categorical, whose order is kept, or a column of numbers. Rows that miss a model
        variable are left out and counted in ``n_dropped``. Grades that nobody has are left out, and named.
    link
        ``logit`` (proportional odds), ``probit``, ``cloglog`` (F(x) = 1 - exp(-exp(x))), ``loglog`` or ``cauchit``.
    threshold
        ``flexible``, ``symmetric`` about the middle, or ``equidistant``.
    nominal
        Terms with an effect of their own at every threshold (partial proportional odds): ``"arm"``, ``"~ arm + sex"``
        or a list of terms. They need not stand in the formula.
    quadrature
        Nodes of the adaptive Gauss-Hermite quadrature, for one scalar random effect a cluster; 1 is Laplace's
        approximation, which several random effects a cluster have in any case.
    weights
        Weights of the rows' log-likelihoods (a column's name or an array): counts of alike rows.
    patient
        Column that identifies the patient, for models without random effects. None states that the rows are
        independent.

    Returns
    -------
    OrdinalFit
        Also where the search did not converge: then ``converged`` is False.

    Raises
    ------
    FormulaError
        Where the formula has a residual covariance, crossed random effects or no intercept, or cannot be read.
    DesignError
        Where a patient has several rows and the formula no random effect.
    ModelError
        Where the grade has no order, fewer than two grades were observed, or an option is unknown.
    ConvergenceError
        Where the grades separate, so that no maximum likelihood estimate exists.
    """
    for name, value, known in (("link", link, tuple(LINKS)), ("threshold", threshold, THRESHOLDS)):
        if value not in known:
            raise ModelError(f"unknown {name}", expected=", ".join(known), got=repr(value))
    check_nodes(quadrature)
    response = no_residual_covariance(formula).response.strip("`")
    codes, labels = grade_codes(data, response)
    terms = _nominal_terms(nominal)
    whole = formula + "".join(f" + {term}" for term in terms)
    frame = make_model_frame(whole, data.assign(**{response: codes}), weights)
    _measurement_is_no_grade(data[response], response)
    random, nodes = random_of(frame, quadrature)
    if random is None:
        repeated_units(
            data.iloc[frame.kept],
            patient,
            "add (1 | patient) to the formula, or compare_grades(..., design='within-patient') for lesions of one "
            "patient; where the rows are visits, select one visit first",
        )
    columns = _nominal_columns(frame, terms)
    return fit_grades(frame, labels, link, threshold, columns, nodes)


def fit_grades(
    frame: ModelFrame,
    labels: Sequence[str],
    link: str,
    threshold: str,
    nominal: NDArray[np.intp],
    quadrature: int,
) -> OrdinalFit:
    """Fit the model of a frame that was evaluated before, whose response is the grade's position among the labels.

    Parameters
    ----------
    frame
        Rows, design and random effects.
    labels
        Labels of all grades, lowest first.
    link, threshold
        As in `fit_ordinal_model`.
    nominal
        Positions of the design's columns with an effect at every threshold.
    quadrature
        Nodes.

    Raises
    ------
    FormulaError, ModelError, ConvergenceError
        As `fit_ordinal_model`.
    """
    observed, grades = np.unique(frame.y.astype(np.intp), return_inverse=True)
    grades = grades.reshape(-1).astype(np.intp)
    if len(observed) < 2:
        raise ModelError(
            "an ordinal model needs at least two observed grades",
            expected="two grades or more among the complete rows",
            got=", ".join(labels[code] for code in observed),
            where=frame.formula.response,
        )
    names = tuple(labels[code] for code in observed)
    thresholds = make_thresholds(threshold, names)
    random, _ = random_of(frame, quadrature)
    if random is not None:
        repeated_rows(random, frame)
    intercept = _intercept(frame)
    kept = independent_columns(frame.x, intercept)
    free = kept[np.isin(kept, nominal)]
    located = kept[~np.isin(kept, nominal)]
    rows = structured_rows(frame.x[:, located], frame.x[:, free], grades, thresholds)
    fit_names = parameter_labels(frame, thresholds, free, located)
    start = _start(grades, frame.weights, LINKS[link], thresholds, rows.upper.shape[1])
    solution = _solve(frame, random, rows, grades, LINKS[link], quadrature, start, fit_names)
    return OrdinalFit(
        frame=frame,
        kept=kept,
        solution=solution,
        random=random,
        link=link,
        remarks=_remarks(labels, observed, random, quadrature),
        grades=names,
        labels=tuple(labels),
        thresholds_of=thresholds,
        nominal=free,
    )


def structured_rows(
    located: Array, free: Array, grades: NDArray[np.intp], thresholds: Thresholds
) -> CumulativeRows:
    """Rows of both thresholds of every observation, over the thresholds' own parameters.

    A column with an effect at every threshold enters with its sign turned, so that its effects too are positive
    where they raise the grade.
    """
    nominal = np.column_stack([np.ones(len(located)), -free])
    rows = rows_of_model(grades, thresholds.count + 1, located, nominal)
    if thresholds.kind == "flexible":
        return rows
    upper, lower = (thresholds.structured(part, nominal.shape[1]) for part in (rows.upper, rows.lower))
    return CumulativeRows(upper, lower, rows.has_upper, rows.has_lower)


def parameter_labels(
    frame: ModelFrame, thresholds: Thresholds, free: NDArray[np.intp], located: NDArray[np.intp]
) -> tuple[str, ...]:
    """Names of the fixed parameters: thresholds, effects at each threshold, effects."""
    at_each = [f"{frame.columns[column]} at {name}" for column in free for name in thresholds.names]
    return (*thresholds.names, *at_each, *(frame.columns[column] for column in located))


def _solve(
    frame: ModelFrame,
    random: RandomPart | None,
    rows: CumulativeRows,
    grades: NDArray[np.intp],
    link: Link,
    quadrature: int,
    start: Array,
    names: Sequence[str],
) -> Solution:
    """Fit without random effects first: it shows separation, and starts the fit with them."""
    likelihood = Cumulative(link, rows.has_upper, rows.has_lower)
    offset = (np.where(rows.has_upper, 0.0, np.inf), np.where(rows.has_lower, 0.0, -np.inf))
    design, response = (rows.upper, rows.lower), grades[:, None].astype(float)
    plain = gather(likelihood, design, offset, response, frame.weights, None)
    fixed = solve(marginal_model(plain, 1, design, None), [start], None, frame)
    if not surely_finite(fixed):
        _no_separation(rows, names)
    if random is None:
        return fixed
    clustered = gather(likelihood, design, offset, response, frame.weights, random)
    spread = float(np.sqrt(np.pi**2 / 3)) / 2 if link.name == "logit" else 0.6
    starts = [np.concatenate([fixed.fixed, start_covariances(random, size * spread)]) for size in (1, 0.3, 3)]
    return solve(marginal_model(clustered, quadrature, design, random), starts, random, frame)


def _no_separation(rows: CumulativeRows, names: Sequence[str]) -> None:
    diverging = [names[at] for at in diverging_parameters(rows)]
    if diverging:
        raise ConvergenceError(
            "the grades separate: the likelihood has no maximum, so there are no estimates",
            expected="overlapping grades",
            got=f"infinite estimates of {', '.join(diverging)}",
            hint="compare_grades needs no model: Mann-Whitney and the probability of superiority, or the paired tests "
            "within patients; or join grades, or leave the term out",
        )


def _start(grades: NDArray[np.intp], weights: Array, link: Link, thresholds: Thresholds, size: int) -> Array:
    """Thresholds without any effect: the link's quantiles of the cumulative proportions (the optimum then)."""
    shares = np.cumsum(np.bincount(grades, weights=weights))[:-1] / weights.sum()
    start = np.zeros(size)
    own = len(thresholds.names)
    quantiles = np.asarray(link.quantile(shares), dtype=float)
    found = np.linalg.lstsq(thresholds.matrix, quantiles, rcond=None)[0]
    if np.any(np.diff(thresholds.matrix @ found) <= 0):  # a least-squares fit may break the order
        found = np.linalg.lstsq(thresholds.matrix, np.linspace(-1.0, 1.0, thresholds.count), rcond=None)[0]
    start[:own] = found
    return start


def _nominal_terms(nominal: str | Sequence[str] | None) -> tuple[str, ...]:
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    if nominal is None:
        return ()
    if not (isinstance(nominal, str) or all(isinstance(term, str) for term in np.atleast_1d(nominal))):
        raise FormulaError("nominal terms are text", expected="'arm' or '~ arm + sex'", got=repr(nominal))
    text = nominal if isinstance(nominal, str) else " + ".join(nominal)
    try:
        terms = [str(term) for term in Formula(text.replace("~", "", 1).strip() or "1")]
    except (FormulaicError, SyntaxError, ValueError) as error:
        raise FormulaError(
            "the nominal terms cannot be read", expected="'arm' or '~ arm + sex'", got=f"{text!r}: {error}"
        ) from error
    return tuple(term for term in terms if term != "1")


def _nominal_columns(frame: ModelFrame, terms: tuple[str, ...]) -> NDArray[np.intp]:
    if not terms:
        return np.array([], dtype=np.intp)
    indices = {
        frozenset(str(term).split(":")): list(columns) for term, columns in frame.spec.term_indices.items()
    }
    found = [column for term in terms for column in indices[frozenset(term.split(":"))]]
    return np.array(found, dtype=np.intp)


def _measurement_is_no_grade(column: pd.Series, name: str) -> None:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return
    values = column.dropna().to_numpy(dtype=float)
    if np.any(values % 1 != 0) and len(np.unique(values)) > MANY_GRADES:
        raise ModelError(
            "the response looks like a measurement, not a grade",
            expected=f"ordered grades, or whole numbers, or at most {MANY_GRADES} different numbers",
            got=f"{len(np.unique(values))} different numbers that are not whole",
            where=name,
            hint="fit_mixed_model for a measurement; pd.cut(...) makes ordered grades of it",
        )


def _remarks(
    labels: Sequence[str],
    observed: NDArray[np.intp],
    random: RandomPart | None,
    quadrature: int,
) -> tuple[str, ...]:
    notes = []
    absent = [label for at, label in enumerate(labels) if at not in set(observed.tolist())]
    if absent:
        verb = "was" if len(absent) == 1 else "were"
        notes.append(
            f"{', '.join(absent)} {verb} declared and never observed: left out, so that its neighbours share a "
            "threshold."
        )
    if random is not None and quadrature == 1 and (len(random.z) > 1 or random.z[0].shape[1] > 1):
        notes.append("Several random effects a cluster: Laplace's approximation.")
    return tuple(notes)


def grade_codes(data: pd.DataFrame, column: str) -> tuple[Array, tuple[str, ...]]:
    """Return the position of every row's grade (NaN where missing) and the grades' labels, lowest first.

    Raises
    ------
    ModelError
        Where the column is missing, or is text without a declared order: the order is never the alphabet's.
    """
    if not isinstance(data, pd.DataFrame):
        raise FormulaError(
            "the data must be a pandas DataFrame", expected="a DataFrame", got=type(data).__name__
        )
    if column not in data.columns:
        raise ModelError(
            f"the data have no column {column!r}", expected=", ".join(map(str, data.columns)), got=column
        )
    grades = data[column]
    if isinstance(grades.dtype, pd.CategoricalDtype):
        if not grades.cat.ordered:
            raise ModelError(
                "the grades have no declared order",
                expected="an ordered Categorical",
                got="an unordered one",
                where=column,
                hint=f"data[{column!r}].cat.as_ordered(), after checking that the categories are in order",
            )
        codes = grades.cat.codes.to_numpy(dtype=float)
        return np.where(codes < 0, np.nan, codes), tuple(str(level) for level in grades.cat.categories)
    if not pd.api.types.is_numeric_dtype(grades.dtype) or pd.api.types.is_complex_dtype(grades.dtype):
        raise ModelError(
            "grades given as text have no order",
            expected="an ordered Categorical, or numbers",
            got=str(grades.dtype),
            where=column,
            hint="pd.Categorical(values, categories=['G0', 'G1', ...], ordered=True)",
        )
    numbers = grades.to_numpy(dtype=float, na_value=np.nan)
    if np.isinf(numbers).any():
        raise ModelError(
            "an infinite number is no grade",
            expected="finite numbers, or missing values",
            got="inf",
            where=column,
        )
    levels = np.unique(numbers[~np.isnan(numbers)])
    positions = np.searchsorted(levels, numbers).astype(float)
    return np.where(np.isnan(numbers), np.nan, positions), tuple(f"{level:g}" for level in levels)


def _intercept(frame: ModelFrame) -> int:
    if "Intercept" not in frame.columns:
        raise FormulaError(
            "an ordinal model keeps its intercept, which the thresholds take over",
            expected="a formula without '- 1' or '0 +'",
            got=repr(frame.formula.text),
        )
    return frame.columns.index("Intercept")
