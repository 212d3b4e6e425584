"""Raw rows: their Arrow types, the bucket of an entity, the one order and the one digest of a day, and duplicates.

A digest says what rows a day has, not how they came: Parquet, codec, chunk borders and arrival order do not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightcast.domain.contract import Column, ColumnType
from nightcast.domain.pipeline import Duplicates
from nightcast.errors import SourceMismatch

BUCKETS = 256
DECIMAL_DIGITS = 18  # what fits into an int64 as a count of the smallest unit

_ARROW = {
    ColumnType.STRING: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.FLOAT: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.DATE: pa.date32(),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
}
_NAMES = {kind: name.value for name, kind in _ARROW.items()} | {pa.uint8(): "byte"}
_SEPARATOR = "\x1f"
_NOTHING_HASHED = hashlib.blake2b(digest_size=8)


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type in which a declared column travels."""
    if column.type is ColumnType.DECIMAL:
        return pa.decimal128(DECIMAL_DIGITS, column.scale)
    return _ARROW[column.type]


def arrow_schema(columns: Mapping[str, Column]) -> pa.Schema:
    """The declared columns in declared order. Fields are nullable: a null where none may be is for a check to judge."""
    return pa.schema([pa.field(name, arrow_type(column)) for name, column in columns.items()])


def buckets(table: pa.Table, keys: Sequence[str]) -> npt.NDArray[np.uint8]:
    """The bucket of each row's entity, 0 to 255: first byte of blake2b over the key values.

    Values are written as text, nulls as the empty text, and joined by 0x1f. Each distinct entity is hashed once.
    """
    texts = [pc.fill_null(pc.cast(table[key], pa.string()), "") for key in keys]
    joined = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, _SEPARATOR)
    coded = _one_chunk(joined).dictionary_encode()
    distinct = [_bucket(key) for key in coded.dictionary.cast(pa.binary()).to_pylist()]
    found: npt.NDArray[np.uint8] = np.array(distinct, dtype=np.uint8)[_numpy(coded.indices)]
    return found


def _bucket(key: bytes) -> int:
    digest = _NOTHING_HASHED.copy()  # costs half of a new one with its parameters
    digest.update(key)
    return digest.digest()[0]


def shard_of(bucket: npt.ArrayLike, shards: int) -> Any:
    """The shard of a bucket, 0 to shards - 1: equal ranges of buckets. Numbers in, numbers out; arrays likewise."""
    return np.asarray(bucket).astype(np.int64) * shards // BUCKETS


def canonical(table: pa.Table, columns: Mapping[str, Column], keys: Sequence[str]) -> pa.Table:
    """The rows in the one order of a day: bucket, keys, then all columns as declared; nulls last, text bytewise.

    Other columns are dropped. Two negative zeros or two kinds of NaN would be equal in order and differ in bytes, so
    each becomes one.
    """
    kept = table.select(list(columns)).replace_schema_metadata(None)
    for at, name in enumerate(kept.column_names):
        if pa.types.is_floating(kept.schema.field(at).type):
            kept = kept.set_column(at, name, pa.chunked_array([_plain_floats(_one_chunk(kept[name]))]))
    by = [_free_name(columns), *(c for c in columns if c not in keys)]
    sortable = kept.append_column(by[0], pa.array(_entity_ranks(kept, keys)))
    order = pc.sort_indices(sortable, sort_keys=[(name, "ascending") for name in by])  # nulls come last
    return kept.take(order)


def _entity_ranks(table: pa.Table, keys: Sequence[str]) -> npt.NDArray[np.int64]:
    """The place of each row's entity among all of them, by bucket and keys: there are fewer entities than rows."""
    if len(keys) == 1:
        coded = _one_chunk(table[keys[0]]).dictionary_encode(null_encoding="encode")
        codes, distinct = _numpy(coded.indices), pa.table({keys[0]: coded.dictionary})
    else:
        codes, first = group_codes(table, keys)
        distinct = table.select(list(keys)).take(pa.array(first))
    by = [_free_name(keys), *keys]
    distinct = distinct.append_column(by[0], pa.array(buckets(distinct, keys)))
    order = _numpy(pc.sort_indices(distinct, sort_keys=[(name, "ascending") for name in by]))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    ranks: npt.NDArray[np.int64] = rank[codes]
    return ranks


def _free_name(columns: Collection[str]) -> str:
    name = "entity"
    while name in columns:
        name += "_"
    return name


class ContentHasher:
    """Digest of canonical rows that arrive piece by piece, in memory that does not grow with them.

    One SHA-256 per column and kind of bytes (validity; lengths and text, or values), and one over all of those, the
    row count and the columns' names and types. Values are little endian, nulls are zero.
    """

    def __init__(self, schema: pa.Schema):
        self._names = [f"{field.name} {_type_name(field.type)}" for field in schema]
        self._parts = [[hashlib.sha256() for _ in range(3)] for _ in schema]
        self._rows = 0

    def update(self, table: pa.Table) -> None:
        """Add rows that follow those already added."""
        self._rows += table.num_rows
        for column, (validity, lengths, values) in zip(table.columns, self._parts, strict=True):
            for chunk in column.chunks:
                validity.update(_validity_bytes(chunk))
                if pa.types.is_string(chunk.type):
                    text_lengths, text = _text_bytes(chunk)
                    lengths.update(text_lengths)
                    values.update(text)
                else:
                    values.update(_fixed_bytes(chunk))

    def hexdigest(self) -> str:
        """The digest of all rows so far."""
        whole = hashlib.sha256("\n".join(["rows 1", *self._names, str(self._rows), ""]).encode())
        for parts in self._parts:
            for part in parts:
                whole.update(part.digest())
        return whole.hexdigest()


def _validity_bytes(array: pa.Array) -> bytes:
    """1 where there is a value, 0 where there is none; most columns have one in every row."""
    return _numpy(array.is_valid()).astype(np.uint8).tobytes() if array.null_count else b"\1" * len(array)


def content_digest(table: pa.Table, columns: Mapping[str, Column]) -> str:
    """Digest of rows that are in canonical order, over the declared columns' names, types and values."""
    hasher = ContentHasher(arrow_schema(columns))
    hasher.update(table.select(list(columns)).cast(arrow_schema(columns)))
    return hasher.hexdigest()


def split_by_day(table: pa.Table, time_column: str) -> dict[date, pa.Table]:
    """The rows of each event day, days ascending, rows of a day in their order of arrival."""
    times = table[time_column]
    if times.null_count:
        raise SourceMismatch(
            f"column {time_column} is null in {times.null_count} of {len(times)} rows; expected a time in each, "
            "it says to which day a row belongs. Leave such rows out of what is extracted, or give them a time"
        )
    days = _numpy(_one_chunk(times).cast(pa.date32()).cast(pa.int32()))
    ordered = table
    if (np.diff(days) < 0).any():
        order = np.argsort(days, kind="stable")
        days, ordered = days[order], table.take(pa.array(order))
    distinct, starts = np.unique(days, return_index=True)
    ends = np.append(starts, len(days))[1:]
    return {
        np.datetime64(int(day), "D").astype(date): ordered.slice(start, end - start)
        for day, start, end in zip(distinct, starts, ends, strict=True)
    }


def duplicate_mask(table: pa.Table, duplicates: Duplicates) -> npt.NDArray[np.bool_]:
    """True where a row is a surplus copy: its group has several versions and it is not of the one that is kept.

    Nulls in the group's columns equal each other. A null version is older than any number. Repeated rows of one
    version are all kept.
    """
    codes, first = group_codes(table, duplicates.group)
    oldest = np.iinfo(np.int64).min
    version = _numpy(pc.fill_null(_one_chunk(table[duplicates.version]).cast(pa.int64()), oldest))
    kept = version[first]
    (np.maximum if duplicates.keep == "last" else np.minimum).at(kept, codes, version)
    surplus: npt.NDArray[np.bool_] = version != kept[codes]
    return surplus


def group_codes(table: pa.Table, by: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The group of each row as a number from 0, and the first row of each group. Nulls equal each other."""
    codes, groups = np.zeros(table.num_rows, dtype=np.int64), min(table.num_rows, 1)
    for name in by:
        coded = _one_chunk(table[name]).dictionary_encode(null_encoding="encode")
        within = _numpy(coded.indices).astype(np.int64)
        if groups <= 1:  # then these numbers already leave none out
            codes, groups = within, len(coded.dictionary)
        else:
            distinct, codes = np.unique(codes * len(coded.dictionary) + within, return_inverse=True)
            groups = len(distinct)
    first = np.empty(groups, dtype=np.int64)
    first[codes[::-1]] = np.arange(table.num_rows)[::-1]  # of several rows of a group the last that is written stays
    return codes, first


def unscaled(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Integers, booleans, or decimals as counts of their smallest unit; nulls are 0."""
    array = _one_chunk(column)
    if pa.types.is_decimal(array.type):
        halves: npt.NDArray[np.int64] = np.frombuffer(_fixed_bytes(array), dtype="<i8").reshape(-1, 2)
        return halves[:, 0]  # 18 digits fit into the lower half of the 128 bits
    whole: npt.NDArray[np.int64] = _numpy(pc.fill_null(array.cast(pa.int64()), 0))
    return whole


def _type_name(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"{ColumnType.DECIMAL.value} {kind.scale}"
    if kind not in _NAMES:
        raise ValueError(f"a column is of Arrow type {kind}; expected one of {', '.join(_NAMES.values())}, decimal")
    return _NAMES[kind]


def _text_bytes(array: pa.Array) -> tuple[memoryview, memoryview]:
    """Lengths in bytes as int64, and the bytes of all values one after the other."""
    filled = pc.fill_null(array, "")
    if not len(filled):
        return memoryview(b""), memoryview(b"")
    _, places, data = filled.buffers()
    offsets = np.frombuffer(places, dtype="<i4")[filled.offset : filled.offset + len(filled) + 1].astype(np.int64)
    return np.diff(offsets).data, memoryview(data or b"")[offsets[0] : offsets[-1]]


def _fixed_bytes(array: pa.Array) -> memoryview:
    """The values of a column of fixed width; nulls are zero, booleans one byte each."""
    if pa.types.is_floating(array.type):
        array = _plain_floats(array)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    if array.null_count:
        array = pc.fill_null(array, pa.scalar(0, pa.int32()).cast(_integer_of(array.type)).cast(array.type))
    width = array.type.bit_width // 8
    data = array.buffers()[1]
    return memoryview(data or b"").cast("B")[array.offset * width : (array.offset + len(array)) * width]


def _integer_of(kind: pa.DataType) -> pa.DataType:
    """The integer type from which a zero can be cast to `kind`."""
    return pa.int64() if pa.types.is_timestamp(kind) else pa.int32()


def _plain_floats(array: pa.Array) -> pa.Array:
    values = _numpy(array) + 0.0  # -0.0 becomes 0.0; nulls are NaN here and are restored by the mask
    values[np.isnan(values)] = np.nan
    return pa.array(values, mask=_numpy(array.is_null()))


def _one_chunk(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _numpy(array: pa.Array) -> Any:
    return array.to_numpy(zero_copy_only=False)
