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
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.store.queries import Query, composed

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
CHUNK = 65_536  # rows in memory at once
_EPOCH = 10_957  # days from 1970-01-01 to 2000-01-01
_WIRE = {pa.int16(): ">i2", pa.int32(): ">i4", pa.int64(): ">i8", pa.float64(): ">f8", pa.date32(): ">i4"}
_CANONICAL_NAN = np.float64("nan")

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


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


def encode(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    """The rows of all tables in binary COPY form, a chunk of rows at a time."""
    yield HEADER
    for table in tables:
        for batch in table.to_batches(max_chunksize=CHUNK):
            if batch.num_rows:
                yield _rows(batch)
    yield TRAILER


def _rows(batch: pa.RecordBatch) -> bytes:
    """Every field at its place: the places are known once the lengths of the texts are."""
    columns = [_text(column) if pa.types.is_string(column.type) else _fixed(column) for column in batch.columns]
    length = np.full(batch.num_rows, 2, np.int64)
    for lengths, _ in columns:
        length += 4 + lengths
    place = np.concatenate(([0], np.cumsum(length)))
    out: Bytes = np.zeros(int(place[-1]), np.uint8)
    at = place[:-1]
    _put(out, at, np.full(batch.num_rows, len(columns), ">i2"))
    at = at + 2
    for lengths, values in columns:
        _put(out, at, lengths.astype(">i4"))
        at = at + 4
        if values.ndim == 2:
            out[at[:, None] + np.arange(values.shape[1])] = values
        else:
            starts = np.cumsum(lengths) - lengths
            out[np.repeat(at - starts, lengths) + np.arange(len(values))] = values
        at = at + lengths
    return out.tobytes()


def _put(out: Bytes, at: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> None:
    width = values.dtype.itemsize
    out[at[:, None] + np.arange(width)] = values.view(np.uint8).reshape(-1, width)


def _fixed(column: pa.Array) -> tuple[np.ndarray[Any, Any], Bytes]:
    if column.null_count:
        raise ValueError("nulls cannot be copied; expected a value in every row")
    days = pa.types.is_date32(column.type)
    values = column.cast(pa.int32()).to_numpy() - _EPOCH if days else column.to_numpy(zero_copy_only=False)
    if pa.types.is_floating(column.type):
        values = np.where(np.isnan(values), _CANONICAL_NAN, values)  # one NaN, as Postgres has
    wire = np.ascontiguousarray(values.astype(_WIRE[column.type]))
    width = wire.dtype.itemsize
    return np.full(len(wire), width, np.int64), wire.view(np.uint8).reshape(-1, width)


def _text(column: pa.Array) -> tuple[np.ndarray[Any, Any], Bytes]:
    if column.null_count:
        raise ValueError("nulls cannot be copied; expected a value in every row")
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    raw: Bytes = np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8)
    return np.diff(bounds), raw[bounds[0] : bounds[-1]]


class _Stream(io.RawIOBase):
    """Pieces of bytes as a file to read."""

    def __init__(self, pieces: Iterator[bytes]):
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
