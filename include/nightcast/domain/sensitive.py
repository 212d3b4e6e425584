"""Sensitive columns, before anything of them is stored: dropped, or replaced by pseudonyms."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pyarrow as pa

from nightcast.domain.contract import Column, Sensitive
from nightcast.errors import SourceMismatch

PSEUDONYM_BYTES = 16  # two of a billion values meet with a chance of 1 to 10^20


def concealed(batch: pa.RecordBatch, columns: Mapping[str, Column], key: bytes) -> pa.RecordBatch:
    """The columns of `batch` that may be stored, in declared order; those with `sensitive: hash` as pseudonyms.

    Raises:
        SourceMismatch: a dropped column that is not nullable is null somewhere. Nobody can see it later.
    """
    kept = {}
    for name, column in columns.items():
        if column.sensitive is Sensitive.HASH:
            kept[name] = _pseudonyms(batch[name], key)
        elif column.sensitive is None:
            kept[name] = batch[name]
        elif batch[name].null_count and not column.nullable:
            raise SourceMismatch(
                f"column {name} is null in {batch[name].null_count} of {batch.num_rows} rows that were read together; "
                "expected a value in each. Correct the source, or declare it nullable"
            )
    return pa.RecordBatch.from_pydict(kept, schema=pa.schema([batch.schema.field(name) for name in kept]))


def pseudonym(value: str, key: bytes) -> str:
    """What stands for a value: 32 hexadecimal digits that cannot be turned back, nor made without the key."""
    return hashlib.blake2b(value.encode(), key=key, digest_size=PSEUDONYM_BYTES).hexdigest()


def _pseudonyms(values: pa.Array, key: bytes) -> pa.Array:
    coded = values.dictionary_encode()  # each value is hashed once
    made = pa.array([pseudonym(value, key) for value in coded.dictionary.to_pylist()], type=pa.string())
    return pa.DictionaryArray.from_arrays(coded.indices, made).dictionary_decode()
