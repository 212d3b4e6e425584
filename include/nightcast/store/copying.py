"""Arrow tables in Postgres' binary COPY format: the way in, and the bytes that row digests are made of.

Format (PostgreSQL manual, COPY, "Binary Format"): a header of 19 bytes; per row the number of fields (int16), per
field its length (int32) and its bytes, all big-endian; at the end -1 (int16). Dates are days since 2000-01-01, texts
UTF-8. So a float is its eight IEEE bytes on both sides, and no text form can differ. Nulls are refused.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.store.queries import Query, composed

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
CHUNK = 65_536  # rows in memory at once
_EPOCH = 10_957  # days from 1970-01-01 to 2000-01-01
_WIRE = {pa.int16(): ">i2", pa.int32(): ">i4", pa.int64(): ">i8", pa.float64(): ">f8", pa.date32(): ">i4"}
_LENGTH = ">i4"
_CANONICAL_NAN = np.float64("nan")


def copy_in(tx: Connection, relation: sql.Identifier, rows: pa.Table | Iterable[pa.Table]) -> int:
    """Append rows to a relation that has columns of their names and types, in one COPY; how many.

    Rows are a table, or tables of one schema that come one after the other: only one is held.
    """
    tables = iter([rows] if isinstance(rows, pa.Table) else rows)
    first = next(tables, None)
    if first is None:
        return 0
    columns = sql.SQL(", ").join(map(sql.Identifier, first.column_names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(relation, columns)
    stream = _Stream(encode(chain([first], tables)))
    with tx.cursor() as cursor:
        try:
            cursor.copy_expert(statement, stream, size=1 << 20)
        except psycopg2.Error:
            if stream.error is not None:  # of which the server was told the text only
                raise stream.error from None
            raise
        return int(cursor.rowcount)


def digest_of(table: pa.Table) -> str:
    """SHA-256 over the table's binary COPY form; rows count in their order."""
    digest = hashlib.sha256()
    for piece in encode([table]):
        digest.update(piece)
    return digest.hexdigest()


def digest_of_query(tx: Connection, query: Query) -> str:
    """SHA-256 over the binary COPY form of a query's rows, streamed: the server sorts, nothing is kept here."""
    sink = _Digest()
    with tx.cursor() as cursor:
        cursor.copy_expert(sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(composed(query)), sink)
    return sink.digest.hexdigest()


def encode(tables: Iterable[pa.Table]) -> Iterator[bytes | memoryview]:
    """The rows of all tables in binary COPY form, a chunk of rows at a time."""
    yield HEADER
    for table in tables:
        for batch in table.to_batches(max_chunksize=CHUNK):
            if batch.num_rows:
                yield _rows(batch)
    yield TRAILER


def _rows(batch: pa.RecordBatch) -> memoryview:
    """A row is its texts, and between them what has the same width in every row: Arrow joins them row by row."""
    parts: list[pa.Array] = []
    fields: list[tuple[str, Any]] = [(">i2", batch.num_columns)]
    for column in batch.columns:
        if column.null_count:
            raise ValueError("nulls cannot be copied; expected a value in every row")
        if pa.types.is_string(column.type):
            fields.append((_LENGTH, pc.binary_length(column).to_numpy()))
            parts += [_block(fields, batch.num_rows), column.cast(pa.binary())]
            fields = []
        else:
            wire = _WIRE[column.type]
            fields += [(_LENGTH, np.dtype(wire).itemsize), (wire, _values(column))]
    if fields:
        parts.append(_block(fields, batch.num_rows))
    joined = pc.binary_join_element_wise(*parts, b"")
    _, ends, data = joined.buffers()
    return memoryview(data)[: np.frombuffer(ends, np.int32)[batch.num_rows]]


def _block(fields: list[tuple[str, Any]], rows: int) -> pa.Array:
    """Fields of fixed width beside each other, each one number or a number per row, as a binary value per row."""
    block = np.empty(rows, np.dtype([(f"field {at}", wire) for at, (wire, _) in enumerate(fields)]))
    for at, (_, values) in enumerate(fields):
        block[f"field {at}"] = values
    ends = np.arange(rows + 1, dtype=np.int32) * np.int32(block.dtype.itemsize)
    return pa.Array.from_buffers(pa.binary(), rows, [None, pa.py_buffer(ends), pa.py_buffer(block)])


def _values(column: pa.Array) -> np.ndarray[Any, Any]:
    """The numbers of a column as Postgres counts them."""
    if pa.types.is_date32(column.type):
        return np.asarray(column.cast(pa.int32()).to_numpy() - _EPOCH)
    values = np.asarray(column.to_numpy(zero_copy_only=False))
    if pa.types.is_floating(column.type):
        values = np.where(np.isnan(values), _CANONICAL_NAN, values)  # one NaN, as Postgres has
    return values


class _Stream(io.RawIOBase):
    """Pieces of bytes as a file to read."""

    def __init__(self, pieces: Iterator[bytes | memoryview]):
        self._pieces, self._left = pieces, memoryview(b"")
        self.error: BaseException | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, into: Any) -> int:
        """Fill `into` from the next piece; 0 at the end."""
        while not self._left:
            try:
                piece = next(self._pieces, None)
            except BaseException as error:  # a task's timeout too: the driver would tell only that COPY failed
                self.error = error
                raise
            if piece is None:
                return 0
            self._left = memoryview(piece)
        count = min(len(into), len(self._left))
        into[:count], self._left = self._left[:count], self._left[count:]
        return count


class _Digest:
    """A file to write that keeps nothing but the digest."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, piece: bytes) -> int:
        self.digest.update(piece)
        return len(piece)
