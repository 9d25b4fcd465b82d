"""Mixed models of data that do not fit into memory: a stream is read in chunks into cross-products of patterns.

The data are read three times: once to learn levels, means and the order of subjects (`analyses.streaming.survey`), once
for the cross-products of the regression (`analyses.streaming.gram`), once for those of the patterns
(`analyses.streaming.pattern_sums`), which is all that the engine needs. Memory holds one chunk, and what does not grow
with the number of subjects. Each part of the data (a row group) can be read by another worker; sums are added in the
order of the parts, so that the number of workers does not change the answer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.examine.progress import track
from analyses.streaming.gram import Gram, StandardColumns, gram, standard_columns
from analyses.streaming.parquet_parts import (
    CHUNK,
    Parts,
    open_parts,
    read_chunks,
    subject_hash,
    whole_subjects,
)
from analyses.streaming.pattern_sums import PatternSums, merge, sum_patterns
from analyses.streaming.streamed_rows import Encoding, Rows, cells_together
from analyses.streaming.survey import Survey, add_surveys, survey_chunk
from outcomes.errors import ModelError

Array = NDArray[np.float64]
Result = TypeVar("Result")
BUCKET = 400_000
"""Rows of a bucket where subjects must be gathered from all over the data first."""


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """What of a data set was needed to read it as one model.

    Attributes
    ----------
    survey
        The first look.
    total
        Cross-products of the regression.
    columns
        The standard columns.
    sums
        Cross-products of the patterns in them.
    together
        Of every covariance group, how often two slots were seen in one subject, shape (groups, slots, slots).
    """

    survey: Survey
    total: Gram
    columns: StandardColumns
    sums: PatternSums
    together: Array


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where the chunks come from, and who reads them.

    Attributes
    ----------
    parts
        The data set.
    client
        A ``dask.distributed.Client``, or None to read here.
    """

    parts: Parts
    client: Any = None

    def each(self, work: Callable[[Any], Result], items: Sequence[Any], what: str) -> Iterator[Result]:
        """Results of work on every item, in their order."""
        if self.client is None:
            yield from (work(item) for item in track(items, len(items), what))
            return
        futures = self.client.map(work, items, pure=False)
        for at in track(range(len(futures)), len(futures), what):
            yield futures[at].result()
            futures[at] = None  # a worker need not keep what was fetched


def open_source(data: Any, client: Any) -> Source:
    """Open a Parquet path or a pyarrow dataset.

    Raises
    ------
    ModelError
        Where the data cannot be read, or the client is not one of Dask's.
    """
    if client is not None and not (hasattr(client, "map") and hasattr(client, "gather")):
        raise ModelError(
            "the client is not one of Dask's", expected="dask.distributed.Client", got=type(client).__name__
        )
    return Source(open_parts(data), client)


def survey(
    source: Source, needed: Sequence[str], factors: Sequence[str], subject: Sequence[str], weights: str | None
) -> Survey:
    """Take a first look at all parts; see `analyses.streaming.survey.survey_chunk` for the arguments."""
    columns = list(dict.fromkeys([*needed, *([weights] if weights else [])]))
    work = partial(
        _survey_part,
        schema=source.parts.schema,
        columns=columns,
        needed=tuple(needed),
        factors=tuple(factors),
        subject=tuple(subject),
        weights=weights,
    )
    return add_surveys(source.each(work, source.parts.fragments, "Reading levels"))


def _survey_part(fragment: Any, *, schema: Any, columns: list[str], **how: Any) -> Survey:
    return add_surveys(survey_chunk(chunk, **how) for chunk in read_chunks(fragment, schema, columns))


def read_stream(source: Source, encoding: Encoding, seen: Survey) -> Stream:
    """Read the data into cross-products.

    Parameters
    ----------
    source
        The data set.
    encoding
        How rows become arrays.
    seen
        The survey.
    """
    with ExitStack() as stack:
        items: Sequence[Any] = source.parts.fragments
        if not seen.consecutive:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tandem-"))
            items = _gather(source, encoding, seen, Path(folder))
        schema = source.parts.schema
        shift = _shift(items, schema, encoding)
        total = _sum_parts(
            source, items, encoding, partial(_gram_of, shift=shift), _add_grams, "Reading means"
        )
        columns = standard_columns(total, shift)
        sums, together = _sum_parts(
            source, items, encoding, partial(_patterns_of, columns=columns), _add_patterns, "Reading rows"
        )
    return Stream(seen, total, columns, sums, together)


def _sum_parts(
    source: Source,
    items: Sequence[Any],
    encoding: Encoding,
    of_rows: Callable[[Rows], Result],
    add_up: Callable[[Iterable[Result]], Result],
    what: str,
) -> Result:
    """Sum over the whole subjects of all parts, then over the subjects that lie across two of them."""
    work = partial(_part, schema=source.parts.schema, encoding=encoding, of_rows=of_rows, add_up=add_up)
    edges: list[pd.DataFrame] = []

    def inner() -> Iterator[Result]:
        for found, edge in source.each(work, items, what):
            if edge is not None:
                edges.append(edge)
            if found is not None:
                yield found
        if edges:
            rows = encoding.encode(pd.concat(edges, ignore_index=True))
            if rows is not None:
                yield of_rows(rows)

    return add_up(inner())


def _part(
    item: Any,
    *,
    schema: Any,
    encoding: Encoding,
    of_rows: Callable[[Rows], Result],
    add_up: Callable[[Iterable[Result]], Result],
) -> tuple[Result | None, pd.DataFrame | None]:
    """Sum of a part's inner subjects, and the rows of its first and last."""
    edges: list[pd.DataFrame] = []

    def inner() -> Iterator[Result]:
        for chunk, edge in _whole_chunks(item, schema, encoding):
            if edge:
                edges.append(chunk)
                continue
            rows = encoding.encode(chunk)
            if rows is not None:
                yield of_rows(rows)

    found = list(_lazily(inner(), add_up))
    return (found[0] if found else None), (pd.concat(edges, ignore_index=True) if edges else None)


def _lazily(results: Iterator[Result], add_up: Callable[[Iterable[Result]], Result]) -> Iterator[Result]:
    """Add results up as they come, without a sum where there are none."""
    for first in results:
        total = first
        for other in results:
            total = add_up([total, other])
        yield total


def _whole_chunks(item: Any, schema: Any, encoding: Encoding) -> Iterator[tuple[pd.DataFrame, bool]]:
    if isinstance(item, list):
        parts = [pd.read_parquet(path, columns=list(encoding.columns)) for path in item]
        yield pd.concat(parts, ignore_index=True), False
        return
    yield from whole_subjects(read_chunks(item, schema, encoding.columns), encoding.cluster)


def _add_grams(parts: Iterable[Gram]) -> Gram:
    return reduce(add, parts)


def _add_patterns(parts: Iterable[tuple[PatternSums, Array]]) -> tuple[PatternSums, Array]:
    total: PatternSums = {}
    together: Array | float = 0.0
    for sums, cells in parts:
        total = merge([total, sums])
        together = together + cells
    return total, np.asarray(together, dtype=float)


def _gram_of(rows: Rows, shift: Array) -> Gram:
    return gram(rows.x, rows.y, rows.weights, shift, rows.cluster)


def _patterns_of(rows: Rows, columns: StandardColumns) -> tuple[PatternSums, Array]:
    w = columns.rows(rows.x, rows.y, rows.weights)
    return sum_patterns(rows.random, rows.residual, w), cells_together(rows)


def _shift(items: Sequence[Any], schema: Any, encoding: Encoding) -> Array:
    """Means of the columns and the response over the first rows: near enough to the whole's that no digits are lost."""
    for item in items:
        for chunk, _ in _whole_chunks(item, schema, encoding):
            # The first subject of a part is enough where it stands alone; more rows only come nearer to the means.
            rows = encoding.encode(chunk.iloc[:CHUNK])
            if rows is not None:
                return np.append(rows.x.mean(axis=0), rows.y.mean())
    raise ModelError(
        "no row has every model variable", expected=", ".join(encoding.needed), got="none complete"
    )


def _gather(source: Source, encoding: Encoding, seen: Survey, folder: Path) -> list[list[Path]]:
    """Write the rows of each subject, which stand apart, into one of several buckets on disk, each read whole."""
    buckets = max(1, -(-seen.n_rows // BUCKET))
    work = partial(
        _bucket_part, schema=source.parts.schema, encoding=encoding, buckets=buckets, folder=folder
    )
    written = list(source.each(work, list(enumerate(source.parts.fragments)), "Gathering subjects"))
    return [
        paths
        for bucket in range(buckets)
        if (paths := [names[bucket] for names in written if bucket in names])
    ]


def _bucket_part(
    item: tuple[int, Any], *, schema: Any, encoding: Encoding, buckets: int, folder: Path
) -> dict[int, Path]:
    import pyarrow
    import pyarrow.parquet

    at, fragment = item
    written: dict[int, Path] = {}
    with ExitStack() as stack:
        writers: dict[int, Any] = {}
        for chunk in read_chunks(fragment, schema, encoding.columns):
            bucket = (subject_hash(chunk, encoding.cluster) % np.uint64(buckets)).astype(np.intp)
            for number in np.unique(bucket):
                table = pyarrow.Table.from_pandas(
                    chunk.iloc[np.flatnonzero(bucket == number)], preserve_index=False
                )
                if number not in writers:
                    written[int(number)] = folder / f"{number}-{at}.parquet"
                    writers[number] = stack.enter_context(
                        pyarrow.parquet.ParquetWriter(written[int(number)], table.schema)
                    )
                writers[number].write_table(table.cast(writers[number].schema))
    return written
