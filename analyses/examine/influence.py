"""Influence of each patient on the fixed effects: Cook's distance and the change of the coefficients.

With the covariance held at its estimate, leaving out the rows U changes the coefficients by ::

    beta - beta_(U) = Phi G_U' Q_UU^-1 (V^-1 r)_U,     G = V^-1 X,     Q = V^-1 - G Phi G'

where ``Phi = (X'V^-1 X)^-1`` and r is the residual (Haslett 1999, J R Stat Soc B 61:603; the estimate without U is
that with an outlier of its own for each row of U). Where U is a whole cluster, or several, this is
``(Phi^-1 - A_U)^-1 X_U'V_U^-1 r_U`` with ``A_U = X_U'V_U^-1 X_U``. Cook's distance is
``(beta - beta_(U))' Phi^-1 (beta - beta_(U)) / p`` (Cook 1977; Christensen, Pearson and Johnson 1992), as PROC MIXED
gives with INFLUENCE(EFFECT=patient ITER=0). With ``refit`` the covariance is estimated anew without the patient, as
with ITER > 0; the distance is still measured by the whole data's Phi.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import eigh

from analyses.crossproducts import RandomDesign, ResidualDesign
from analyses.design.model_frame import ModelFrame, interaction_codes
from analyses.engine.crossed_effects import block_diagonal, crossed_effects
from analyses.examine.progress import track
from outcomes.errors import ModelError, TandemError

if TYPE_CHECKING:
    from analyses.mixed_model_fit import MixedModelFit

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
Design = TypeVar("Design", RandomDesign, ResidualDesign)
ALONE = 1e-9
"""Share of the information on a coefficient that the other patients must hold for it to be estimated without one."""
ALONE_NOTE = "some coefficient cannot be estimated without this subject"


def cooks_distance(
    fit: MixedModelFit,
    by: str | Sequence[str] | None = None,
    coefficients: bool = False,
    refit: bool = False,
) -> pd.DataFrame:
    """Cook's distance of every patient, or of other units.

    Parameters
    ----------
    fit
        The model.
    by
        Columns of the data that together name the units to leave out, such as ``"site"`` or
        ``["patient", "lesion"]``; None for the coarsest subject of the model.
    coefficients
        Whether to add the change of each coefficient: its estimate less that without the unit.
    refit
        Estimate the covariance anew without each unit, rather than hold it.

    Returns
    -------
    DataFrame
        ``subject, n_obs, distance, note``, then a column a coefficient where asked for; in the order of the units'
        first rows. The distance is NaN where the model cannot be fitted without the unit, and the note says why.

    Raises
    ------
    ModelError
        Where ``by`` names no column of the model, all rows belong to one unit, or there are no fixed effects.
    """
    if not len(fit.beta):
        raise ModelError(
            "a model without fixed effects has no coefficients to be influenced",
            expected="at least an intercept",
            where=fit.formula,
        )
    columns = _subject(fit) if by is None else _names(by)
    labels, codes = _units(fit.frame, columns)
    if refit:
        changes, notes = _refitted(fit, codes)
    else:
        step, alone = _held(fit, codes)
        changes = fit.standard.scale * step @ fit.standard.transform.T
        notes = [ALONE_NOTE if one else "" for one in alone]
    spread = np.linalg.solve(fit.standard.transform, changes.T) / fit.standard.scale
    distance = np.einsum("pu,pu->u", spread, np.linalg.solve(fit.small_sample.phi, spread)) / len(fit.beta)
    table = pd.DataFrame(
        {"subject": labels, "n_obs": np.bincount(codes), "distance": distance, "note": notes}
    )
    if coefficients:
        table = pd.concat([table, pd.DataFrame(changes, columns=list(fit.term_names))], axis=1)
    return table


def _names(by: object) -> tuple[str, ...]:
    """Columns that name the units."""
    names = (by,) if isinstance(by, str) else tuple(by) if isinstance(by, list | tuple) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise ModelError(
            "the units to leave out are named by columns",
            expected='a column or a list of columns, such as "site"',
            got=repr(by),
        )
    return names


def _subject(fit: MixedModelFit) -> tuple[str, ...]:
    """Columns of the coarsest subject: that of the clusters, where crossed factors stand beside them."""
    formula = fit.frame.formula
    terms = [term.subject for at, term in enumerate(formula.random) if at not in fit.crossed]
    terms += [formula.residual.subject] if formula.residual is not None else []
    terms = terms or [term.subject for term in formula.random]
    return min(terms, key=lambda names: int(interaction_codes(fit.frame.data, names).max()))


def _units(frame: ModelFrame, columns: tuple[str, ...]) -> tuple[list[Any], Codes]:
    """Labels of the units, and the code of every row's."""
    missing = [name for name in columns if name not in frame.data.columns]
    if missing:
        raise ModelError(
            "the model's data have no such column",
            expected=f"one of {', '.join(map(str, frame.data.columns))}",
            got=", ".join(map(repr, missing)),
            hint="only variables of the model are kept with it",
        )
    codes = interaction_codes(frame.data, columns)
    _, first = np.unique(codes, return_index=True)
    if len(first) < 2:
        raise ModelError(
            "leaving out one unit leaves nothing", expected="two units or more", got=":".join(columns)
        )
    named = frame.data[list(columns)].iloc[first]
    if len(columns) == 1:
        return named[columns[0]].tolist(), codes
    return named.astype(str).agg(":".join, axis=1).tolist(), codes


def _held(fit: MixedModelFit, codes: Codes) -> tuple[Array, NDArray[np.bool_]]:
    """Change of the standardised coefficients without each unit at the covariance held, shape (units, p).

    Also whether some coefficient rests on the unit alone.
    """
    standard = fit.standard
    x = standard.w[:, :-1]
    beta = np.linalg.solve(standard.transform, (fit.beta - standard.offset) / standard.scale)
    residual = standard.w[:, -1] - x @ beta
    if not fit.crossed:
        whole = _of_clusters(fit, codes, x, residual)
        if whole is not None:
            return whole
    return _of_rows(fit, codes, x, residual)


def _of_clusters(
    fit: MixedModelFit, codes: Codes, x: Array, residual: Array
) -> tuple[Array, NDArray[np.bool_]] | None:
    """Units made of whole clusters, all at once; None where a unit cuts a cluster."""
    units, p = int(codes.max()) + 1, x.shape[1]
    information, score = np.zeros((units, p, p)), np.zeros((units, p))
    for block, inverse in zip(fit.layout.blocks, fit.inverses, strict=True):
        unit = codes[block.rows]
        if (unit != unit[:, :1]).any():
            return None
        weighted = inverse[block.pattern] @ x[block.rows]
        np.add.at(information, unit[:, 0], x[block.rows].transpose(0, 2, 1) @ weighted)
        np.add.at(score, unit[:, 0], np.einsum("imp,im->ip", weighted, residual[block.rows]))
    half = np.linalg.cholesky(fit.small_sample.phi)
    values, vectors = np.linalg.eigh(half.T @ information @ half)
    alone = values[:, -1] > 1 - ALONE
    left = np.where(alone[:, None], np.nan, 1 - values)
    along = np.einsum("upq,up->uq", vectors, score @ half) / left
    return np.einsum("upq,uq->up", vectors, along) @ half.T, alone


def _of_rows(fit: MixedModelFit, codes: Codes, x: Array, residual: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Any units, one after the other."""
    phi = fit.small_sample.phi
    inverse = block_diagonal(fit.layout, fit.inverses)
    gain, weighted = inverse @ x, inverse @ residual
    border: _Border | None = None
    if fit.crossed:
        border = _border(fit)
        gain = gain - border.columns @ (border.k @ (border.columns.T @ x))
        weighted = weighted - border.columns @ (border.k @ (border.columns.T @ residual))
    order = np.argsort(codes, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    steps, alone = np.full((len(groups), x.shape[1]), np.nan), np.zeros(len(groups), dtype=bool)
    for unit, rows in enumerate(groups):
        own = inverse[rows][:, rows].toarray()
        if border is not None:
            u = border.columns[rows].toarray()
            own = own - u @ border.k @ u.T
        rest = own - gain[rows] @ phi @ gain[rows].T
        values, vectors = eigh(rest, own)
        alone[unit] = values[0] < ALONE
        if not alone[unit]:
            shift = vectors @ ((vectors.T @ weighted[rows]) / values)
            steps[unit] = phi @ (gain[rows].T @ shift)
    return steps, alone


@dataclass(frozen=True, slots=True)
class _Border:
    """``V_b^-1 U`` and K of crossed random effects, in standardised columns."""

    columns: sparse.csr_array
    k: Array


def _border(fit: MixedModelFit) -> _Border:
    frame, squared = fit.frame, fit.standard.scale**2
    root = np.sqrt(frame.weights)[:, None]
    terms = [replace(frame.random[at], z=root * frame.random[at].z) for at in fit.crossed]
    covariances = [fit.component_matrices[at] / squared for at in fit.crossed]
    found = crossed_effects(terms, covariances, fit.layout, fit.inverses, np.zeros(fit.n_obs))
    return _Border(found.weighted, found.covariance)


def _refitted(fit: MixedModelFit, codes: Codes) -> tuple[Array, list[str]]:
    """Change of the coefficients where the model is fitted again without each unit, shape (units, p)."""
    from analyses.mixed_model import fit_model_frame  # which builds the fits that know this module

    units = int(codes.max()) + 1
    changes, notes = np.full((units, len(fit.beta)), np.nan), [""] * units
    for unit in track(range(units), units, "Refitting"):
        rows = np.flatnonzero(codes != unit)
        try:
            other = fit_model_frame(rows_of_frame(fit.frame, rows), fit.reml, "asymptotic")
        except TandemError as error:
            notes[unit] = error.message
            continue
        if not np.array_equal(other.standard.kept, fit.standard.kept):
            notes[unit] = ALONE_NOTE
        elif not other.converged:
            notes[unit] = "the search without this subject did not converge"
        else:
            changes[unit] = fit.beta - other.beta
    return changes, notes


def rows_of_frame(frame: ModelFrame, rows: Codes) -> ModelFrame:
    """Some rows of a model frame, with its encoding.

    Parameters
    ----------
    frame
        The whole frame.
    rows
        Positions of the rows to keep, ascending.
    """
    random = tuple(_rows_of_design(design, rows) for design in frame.random)
    residual = replace(frame.residual, design=_rows_of_design(frame.residual.design, rows))
    return replace(
        frame,
        data=frame.data.iloc[rows],
        kept=frame.kept[rows],
        x=frame.x[rows],
        y=frame.y[rows],
        weights=frame.weights[rows],
        random=random,
        residual=residual,
    )


def _rows_of_design(design: Design, rows: Codes) -> Design:
    """Rows of a random or residual design; its subjects are numbered anew, so that none is empty."""
    by_row = ("subject", "z", "slot", "group", "time")
    found = {name: getattr(design, name, None) for name in by_row}
    parts: dict[str, Any] = {name: value[rows] for name, value in found.items() if value is not None}
    parts["subject"] = np.unique(parts["subject"], return_inverse=True)[1].reshape(-1).astype(np.intp)
    return replace(design, **parts)
