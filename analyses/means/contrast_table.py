"""Contrasts of marginal means as one frozen table, which says how it was adjusted and what is not estimable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.means.back_transform import back_transformed
from analyses.means.linear_functions import FittedModel, joint_test

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ContrastTable:
    """Contrasts of marginal means.

    Attributes
    ----------
    table
        ``contrast``, the ``by`` columns, then `analyses.inference.COLUMNS`; NaN where not estimable.
    rows
        The linear functions over all design columns, shape (contrasts, columns).
    adjust
        Adjustment of the p-values; ``graphical`` for a `GraphicalProcedure`.
    alpha
        One minus the confidence level.
    alternative
        ``two-sided``, ``greater`` or ``less``; one-sided intervals have one infinite limit.
    null
        Value that contrasts are tested against.
    by
        Factors within whose levels contrasts were formed.
    intervals_adjusted
        Whether the intervals are simultaneous, matching the adjusted p-values.
    adjustment
        How p-values and intervals were adjusted: a sentence.
    adjustment_error
        Error of the adjusted p-values' computation; 0 where it is rounding.
    not_estimable
        A sentence for each contrast that is not estimable, or that the model has as zero whatever the data.
    fit
        The model.
    """

    table: pd.DataFrame
    rows: Array
    adjust: str
    alpha: float
    alternative: str
    null: float
    by: tuple[str, ...]
    intervals_adjusted: bool
    adjustment: str
    adjustment_error: float
    not_estimable: tuple[str, ...]
    fit: FittedModel

    def back_transformed(self) -> pd.DataFrame:
        """Ratios in place of differences, for a model of ``log(y)``; see `analyses.means.back_transform`."""
        return back_transformed(self.fit.formula, self.table)

    def joint_test(self) -> pd.DataFrame:
        """F test that all contrasts are zero, within each level of the ``by`` factors.

        Returns
        -------
        DataFrame
            The ``by`` columns, ``num_df, den_df, statistic, p_value, note``. Contrasts that follow from others add no
            numerator degree of freedom; of those not estimable the estimable combinations are tested, and the note
            says so.
        """
        found = []
        for key, places in groups_of(self.table, self.by):
            found.append({**dict(zip(self.by, key, strict=True)), **joint_test(self.fit, self.rows[places])})
        return pd.DataFrame(found)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from analyses.display.html_views import contrasts_html

        return contrasts_html(self)

    def __str__(self) -> str:
        tested = {"two-sided": "other than", "greater": "above", "less": "below"}[self.alternative]
        side = "" if self.alternative == "two-sided" else " one-sided"
        sided = f"Tests{side} of contrasts {tested} {self.null:g}" if side or self.null else ""
        lines = ["Contrasts of marginal means", self.table.to_string(index=False, float_format=number)]
        return "\n".join([*lines, *([sided] if sided else []), f"{self.adjustment}.", *self.not_estimable])


def number(value: float) -> str:
    """Four significant digits, for printing."""
    return f"{value:.4g}"


def confidence(alpha: float) -> str:
    """A confidence level as text: "95 %"."""
    return f"{100 * (1 - alpha):g} %"


def groups_of(table: pd.DataFrame, by: tuple[str, ...]) -> list[tuple[tuple[object, ...], list[int]]]:
    """Levels of the ``by`` factors in the order of their appearance, and the places of their rows."""
    groups: dict[tuple[object, ...], list[int]] = {}
    columns = [table[name].tolist() for name in by]
    for at in range(len(table)):
        groups.setdefault(tuple(column[at] for column in columns), []).append(at)
    return list(groups.items())
