"""Limits that make a responder, as figures draw and say them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reports.format import Formatter

Side = Literal["above", "at_least", "below", "at_most"]

_MEETS = {"above": np.greater, "at_least": np.greater_equal, "below": np.less, "at_most": np.less_equal}


@dataclass(frozen=True, slots=True)
class ResponseLimit:
    """A value that makes a responder.

    Attributes
    ----------
    side
        Which side of the value counts: ``above``, ``at_least``, ``below`` or ``at_most``.
    value
        In the outcome's unit.
    """

    side: Side
    value: float

    def count(self, values: np.ndarray) -> int:
        """How many values respond."""
        return int(_MEETS[self.side](values, self.value).sum())

    def words(self, formatter: Formatter, unit: str) -> str:
        """Return e.g. "at least 50 %"."""
        number = formatter.quantity(self.value, 0 if float(self.value).is_integer() else 2, unit)
        return f"{self.side.replace('_', ' ')} {number}"
