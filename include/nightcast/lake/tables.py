"""Tables as Parquet files whose bytes depend on the rows and types alone, not on how the table was chunked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 131_072
MAGIC = b"PAR1"  # what a Parquet file begins with


def write_parquet(sink: Any, schema: pa.Schema, pieces: Iterable[pa.Table]) -> None:
    """Write rows that come in pieces to a path or a file object; at most a row group and a piece are held."""
    plain = schema.remove_metadata()
    with pq.ParquetWriter(
        sink, plain, compression="zstd", version="2.6", use_dictionary=_repeating(plain), write_statistics=False
    ) as writer:
        held = plain.empty_table()
        for piece in pieces:
            held = pa.concat_tables([held, piece.cast(plain)])
            del piece
            whole = held.num_rows - held.num_rows % ROW_GROUP
            for at in range(0, whole, ROW_GROUP):
                _write_group(writer, held.slice(at, ROW_GROUP))
            if whole:
                held = _copied(held.slice(whole))
        if held.num_rows:
            _write_group(writer, held)


def _repeating(schema: pa.Schema) -> list[str]:
    """Columns whose values come again and again; times and fractions seldom do, and a dictionary of them costs most."""
    return [f.name for f in schema if not (pa.types.is_timestamp(f.type) or pa.types.is_floating(f.type))]


def read_parquet(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The table of a Parquet file, or some of its columns."""
    return pq.read_table(pa.BufferReader(data), columns=None if columns is None else list(columns))


def read_groups(data: bytes) -> Iterator[pa.Table]:
    """The table of a Parquet file, one of its row groups at a time."""
    file = pq.ParquetFile(pa.BufferReader(data))
    for group in range(file.num_row_groups):
        yield file.read_row_group(group)


def _copied(rows: pa.Table) -> pa.Table:
    """In memory of their own: a slice keeps the whole table that it was cut from."""
    return rows.take(pa.array(np.arange(rows.num_rows)))


def _write_group(writer: Any, rows: pa.Table) -> None:
    """One row group. Chunk borders would show as borders of pages, so there are none."""
    writer.write_table(rows.combine_chunks(), row_group_size=ROW_GROUP)
