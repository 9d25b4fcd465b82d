"""Gaussian mixed models of data that are read in chunks: `analyses.fit_mixed_model` for Parquet and pyarrow."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.crossproducts import ResidualDesign
from analyses.design.formula_variables import coded_by_formula, formula_variables
from analyses.design.model_frame import (
    ModelFrame,
    ResidualFrame,
    check_columns,
    model_variables,
    read_formula,
    refuse_unseen_pairs,
)
from analyses.design.variables import Factor, Number, Variables
from analyses.engine.estimation import convergence, estimate, log_likelihood
from analyses.engine.model_components import covariance_model
from analyses.engine.pattern_products import PatternProducts
from analyses.formula import parse_formula
from analyses.likelihood import Likelihood
from analyses.mixed_model_fit import MixedModelFit
from analyses.small_sample import SmallSample, between_within
from analyses.streaming.pattern_sums import design_products, to_cross_products
from analyses.streaming.streamed_frame import StreamedFrame
from analyses.streaming.streamed_model import Stream, open_source, read_stream, survey
from analyses.streaming.streamed_rows import Encoding, cluster_columns, make_encoding
from analyses.streaming.survey import Survey
from outcomes.errors import ModelError

Array = NDArray[np.float64]


def fit_stream(
    formula: str,
    data: Any,
    weights: str | None,
    reml: bool,
    df_method: str,
    information: str,
    bounded: bool,
    client: Any,
) -> MixedModelFit:
    """Fit a mixed model to a data set read in chunks, whose memory does not grow with its subjects.

    Parameters are those of `analyses.fit_mixed_model`; ``data`` is a path or a ``pyarrow.dataset.Dataset``, and
    ``weights`` a column.

    Raises
    ------
    FormulaError, ModelError
        Where the formula cannot be read, the data cannot carry the model, or a term needs all rows at once.
    """
    parts = parse_formula(formula)
    fixed = read_formula(parts.fixed, parts.text)
    random = [read_formula(term.design, parts.text) for term in parts.random]
    source = open_source(data, client)
    needed = model_variables(fixed, random, parts, source.parts.columns)
    check_columns([*needed, *([weights] if weights else [])], source.parts.columns, parts.text)
    factors = [name for name in needed if name in formula_variables(fixed.rhs, source.parts.columns)]
    seen = survey(source, needed, factors, cluster_columns(parts), weights)
    if not seen.n_complete:
        raise ModelError(
            "no row has every model variable",
            expected=", ".join(needed),
            got=f"{seen.n_rows} rows, none complete",
        )
    encoding = make_encoding(parts, fixed, random, needed, seen, source.parts, weights)
    stream = read_stream(source, encoding, seen)
    frame = _frame(encoding, stream, factors)
    _carries(frame, stream)
    return _fit(frame, stream, reml, df_method, information, bounded)


def _frame(encoding: Encoding, stream: Stream, factors: list[str]) -> StreamedFrame:
    formula, seen = encoding.formula, stream.survey
    none = np.zeros(0, dtype=np.intp)
    design = ResidualDesign(none, none, none, encoding.n_slots, len(encoding.groups))
    levels = tuple(tuple(str(level) for level in found) for found in encoding.slot_levels)
    residual = ResidualFrame(
        design,
        levels if formula.residual else (("residual",),),
        (),
        tuple(str(group) for group in encoding.groups),
    )
    spec = encoding.fixed.rhs
    return StreamedFrame(
        formula=formula,
        spec=spec,
        columns=tuple(str(name) for name in spec.column_names),
        random_labels=tuple(tuple(str(name) for name in one.column_names) for one in encoding.random),
        residual=residual,
        n_dropped=seen.n_rows - stream.total.n_rows,
        variables=_variables(seen, encoding, factors),
        n_rows=stream.total.n_rows,
        root=stream.columns.triangle,
        log_weights=seen.log_weights,
        subject=encoding.cluster,
        varying=tuple(str(name) for name in np.asarray(spec.column_names)[stream.total.varies]),
    )


def _variables(seen: Survey, encoding: Encoding, factors: list[str]) -> Variables:
    of: dict[str, Number | Factor] = {}
    coded = coded_by_formula(encoding.fixed.rhs, factors)
    for name in sorted(factors):
        if name in encoding.levels:
            of[name] = Factor(tuple(encoding.levels[name]), name in seen.declared)
            continue
        spread = seen.spreads[name]
        middle = (spread.minimum + spread.maximum) / 2
        values = () if spread.values is None else tuple(sorted(spread.values))
        if name in coded and values:
            of[name] = Factor(values, True)
            continue
        of[name] = Number(spread.mean, middle, spread.minimum, spread.maximum, values)
    cells = None  # rows are counted by the levels of what is text or categorical, not of numbers
    if seen.cells is not None and not any(name in coded and name not in encoding.levels for name in factors):
        cells = pd.DataFrame([list(key) for key in seen.cells], columns=list(seen.factors))
        cells["cells_rows"] = list(seen.cells.values()) if seen.factors else [seen.n_complete]
    return Variables(of, cells)


def _carries(frame: StreamedFrame, stream: Stream) -> None:
    """Refuse data that cannot carry the covariance."""
    if stream.total.n_clusters < 2:
        raise ModelError(
            "too few subjects for a mixed model",
            expected="at least two",
            got=f"{stream.total.n_clusters}",
            where=frame.formula.text,
        )
    term = frame.formula.residual
    if term is not None and len(term.factors) == 1 and term.factors[0].structure == "us":
        for together in stream.together:
            refuse_unseen_pairs(together, frame.residual.levels[0], term)


def _fit(
    frame: StreamedFrame, stream: Stream, reml: bool, df_method: str, information: str, bounded: bool
) -> MixedModelFit:
    # It has the attributes of a frame in memory; those of rows say that they are gone.
    as_frame = cast(ModelFrame, frame)
    standard = stream.columns.standard
    model = covariance_model(as_frame, design_products(stream.sums))
    cross = to_cross_products(stream.sums, frame.residual.design, len(standard.kept) + 1)
    likelihood = Likelihood(PatternProducts(cross), len(standard.kept), reml)
    found = estimate(likelihood, model, df_method, information, frame.formula.text, bounded)
    at, total = found.profile, stream.total
    coefficient_df = None
    if df_method == "between-within":
        constant = (total.low == total.high)[standard.kept]
        coefficient_df = between_within(
            ~total.varies[standard.kept], constant, total.n_rows, total.n_clusters
        )
    small = SmallSample(
        method=df_method,
        phi=at.phi,
        adjusted=found.adjusted,
        w=found.w,
        m=found.m,
        information=found.information,
        residual_df=float(total.n_rows - len(standard.kept)),
        coefficient_df=coefficient_df,
        to_coefficients=np.asarray(np.linalg.inv(standard.transform), dtype=float),
    )
    return MixedModelFit(
        frame=as_frame,
        model=found.model,
        layout=cross.layout,
        standard=standard,
        beta=standard.offset + standard.scale * standard.transform @ at.beta,
        small_sample=small,
        loglik=log_likelihood(at.deviance, standard, frame.n_rows, frame.log_weights, reml),
        reml=reml,
        convergence=convergence(found, found.model),
        component_matrices=tuple(standard.scale**2 * matrix for matrix in found.matrices),
        inverses=likelihood.products.inverses(at.whitened),
        cluster=np.zeros(0, dtype=np.intp),
        n_subjects=total.n_clusters,
        theta=found.minimum.theta,
    )
