"""Data that do not fit into memory, read in chunks of whole subjects.

A Parquet file, a folder of them, or a pyarrow dataset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outcomes.errors import ModelError

CHUNK = 100_000
"""Rows of a chunk: enough to keep numpy busy, few enough to be forgotten."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A data set in parts (row groups), each of which a worker can read for itself.

    Attributes
    ----------
    fragments
        pyarrow's fragments, in order; they can be pickled.
    schema
        The columns.
    """

    fragments: tuple[Any, ...]
    schema: Any

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self.schema.names]


def open_parts(source: Any) -> Parts:
    """Open a data set.

    Parameters
    ----------
    source
        Path of a Parquet file or of a folder of them, or a ``pyarrow.dataset.Dataset``.

    Raises
    ------
    ModelError
        Where there is no such file, or it is not Parquet.
    """
    import pyarrow
    import pyarrow.dataset

    dataset = source
    if not isinstance(source, pyarrow.dataset.Dataset):
        path = Path(source)
        if not path.exists():
            raise ModelError(
                "the data file does not exist", expected="a Parquet file or folder", got=str(path)
            )
        try:
            dataset = pyarrow.dataset.dataset(path, format="parquet")
        except (pyarrow.ArrowInvalid, OSError) as error:
            raise ModelError(
                "the data file cannot be read as Parquet",
                expected="a Parquet file, or a folder of them",
                got=f"{path}: {error}",
                hint="convert it with pandas' DataFrame.to_parquet",
            ) from error
    fragments: list[Any] = []
    for fragment in dataset.get_fragments():
        split = getattr(fragment, "split_by_row_group", None)
        fragments.extend(split() if split is not None else [fragment])
    if not fragments:
        raise ModelError("the data set is empty", expected="at least one row", got="no row group")
    return Parts(tuple(fragments), dataset.schema)


def read_chunks(
    fragment: Any, schema: Any, columns: Sequence[str], size: int = CHUNK
) -> Iterator[pd.DataFrame]:
    """Read a part in order, a chunk at a time."""
    import pyarrow

    try:
        batches = fragment.to_batches(
            schema=schema,
            columns=list(columns),
            batch_size=size,
            batch_readahead=1,
            fragment_readahead=1,
            use_threads=False,
        )
        for batch in batches:
            if batch.num_rows:
                yield batch.to_pandas()
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise ModelError("a part of the data cannot be read", got=str(error)) from error


def subject_hash(chunk: pd.DataFrame, subject: Sequence[str]) -> NDArray[np.uint64]:
    """A 64-bit hash of every row's subject.

    Two subjects with one hash do no harm: they are read together.
    """
    keys = {}
    for name in subject:
        column = chunk[name]
        # A number that is missing somewhere turns a chunk's column into floats: all of them are hashed as floats.
        numeric = pd.api.types.is_numeric_dtype(column.dtype)
        keys[name] = column.to_numpy(dtype=float) if numeric else column.astype(object).astype(str)
    hashed: NDArray[np.uint64] = pd.util.hash_pandas_object(pd.DataFrame(keys), index=False).to_numpy()
    return hashed


def whole_subjects(
    chunks: Iterator[pd.DataFrame], subject: Sequence[str]
) -> Iterator[tuple[pd.DataFrame, bool]]:
    """Regroup chunks so that each holds whole subjects, whose rows follow one another.

    Yields
    ------
    DataFrame, bool
        Rows, and whether they are the first or the last subject of the part, whose other rows may stand in its
        neighbours.
    """
    held: pd.DataFrame | None = None
    first = True
    for chunk in chunks:
        rows = chunk if held is None else pd.concat([held, chunk], ignore_index=True)
        keys = subject_hash(rows, subject)
        changes = np.flatnonzero(keys[1:] != keys[:-1]) + 1
        if not len(changes):
            held = rows
            continue
        if first:
            yield rows.iloc[: changes[0]], True
            first = False
        if changes[-1] > changes[0]:
            yield rows.iloc[changes[0] : changes[-1]], False
        held = rows.iloc[changes[-1] :].reset_index(drop=True)
    if held is not None:
        yield held, True
