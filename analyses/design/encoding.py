"""New rows in the encoding that a fit remembers: the same columns, or an error that names the unknown level."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from formulaic.errors import DataMismatchWarning
from numpy.typing import NDArray

from analyses.design.model_frame import ModelFrame
from outcomes.errors import ModelError


def encode(frame: ModelFrame, new_data: pd.DataFrame) -> NDArray[np.float64]:
    """Rows of the full fixed-effects design for new data.

    Parameters
    ----------
    frame
        The model frame of the fit.
    new_data
        One row each; needs the variables of the fixed part.

    Returns
    -------
    array
        Shape (rows, columns of the design).

    Raises
    ------
    ModelError
        Where a variable is missing, or a level was not in the data that the model was fitted to. formulaic would turn
        such a level into the reference.
    """
    rows, variables = pd.DataFrame(index=new_data.index), frame.variables
    for name in variables.of:
        if name not in new_data.columns:
            raise ModelError(
                "a variable of the model is missing in the new data",
                expected=name,
                got=", ".join(map(str, new_data.columns)),
            )
        column = new_data[name]
        if variables.is_coded(name):
            levels = variables.levels(name)
            unknown = [level for level in column.unique() if level not in levels]
            if unknown:
                raise ModelError(
                    f"{name} has a level that the model was not fitted to",
                    expected=f"one of {', '.join(map(str, levels))}",
                    got=repr(unknown[0]),
                )
            column = pd.Categorical(column, levels)
        rows[name] = column
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataMismatchWarning)
        try:
            matrix = frame.spec.get_model_matrix(rows, na_action="raise")
        except DataMismatchWarning as unseen:
            raise ModelError(
                "the new data have a level that the model was not fitted to",
                expected="levels of the rows used",
                got=str(unseen),
                where=frame.formula.text,
                hint="make the variable a categorical in the data, or name its levels in at={...}",
            ) from unseen
    encoded: NDArray[np.float64] = matrix.to_numpy(dtype=float)
    return encoded
