"""What a fit remembers of rows that passed by in a stream: their encoding and their sums, not the rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from analyses.design.model_frame import ResidualFrame
from analyses.design.variables import Variables
from analyses.formula import MixedFormula
from outcomes.errors import ModelError

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class StreamedFrame:
    """A `analyses.design.model_frame.ModelFrame` without its rows: asking for them is an error that says so.

    Attributes
    ----------
    formula, spec, columns, random_labels, residual, n_dropped, variables, n_rows, root
        As in `analyses.design.model_frame.ModelFrame`; the arrays of ``residual`` are empty.
    log_weights
        Sum of the logarithms of the case weights.
    subject, varying
        The coarsest subject, and the columns of the design that vary within its units.
    """

    formula: MixedFormula
    spec: Any
    columns: tuple[str, ...]
    random_labels: tuple[tuple[str, ...], ...]
    residual: ResidualFrame
    n_dropped: int
    variables: Variables
    n_rows: int
    root: Array
    log_weights: float
    subject: tuple[str, ...]
    varying: tuple[str, ...]

    def varies_within(self, subject: str, name: str) -> bool:
        """Whether a unit of the coarsest subject has several levels of a variable."""
        if (subject,) != self.subject:
            return False
        return any(name in re.split(r"[\[\]:]", column) for column in self.varying)

    def _gone(self) -> NoReturn:
        raise ModelError(
            "this needs the rows, which a streamed model does not keep",
            expected="a model fitted to a DataFrame",
            got="data read in chunks",
            where=self.formula.text,
            hint="coefficients, tests, marginal means, contrasts and predict(new_data) are there; for residuals, fit a "
            "sample of the subjects in memory",
        )

    @property
    def data(self) -> NoReturn:
        """Not kept."""
        self._gone()

    @property
    def x(self) -> NoReturn:
        """Not kept."""
        self._gone()

    @property
    def y(self) -> NoReturn:
        """Not kept."""
        self._gone()

    @property
    def weights(self) -> NoReturn:
        """Not kept."""
        self._gone()

    @property
    def kept(self) -> NoReturn:
        """Not kept."""
        self._gone()

    @property
    def random(self) -> NoReturn:
        """Not kept."""
        self._gone()
