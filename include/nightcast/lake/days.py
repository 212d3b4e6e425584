"""From a stream of rows to one object per event day, in canonical order and in memory that stays flat.

Rows above a limit go to local files, cut by day and by ranges of buckets. The bucket comes first in canonical order,
so a day is its sorted ranges one after the other, and only one range at a time is held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from nightcast.domain.pipeline import Source
from nightcast.domain.rows import ContentHasher, arrow_schema, buckets, canonical, shard_of, split_by_day
from nightcast.lake.objects import Lake
from nightcast.lake.spilling import Spill, by_number, scratch
from nightcast.lake.tables import write_parquet

RANGES = 16  # of buckets; a day that was spilled is held by its sixteenths


@dataclass(frozen=True, kw_only=True)
class StoredDay:
    """The rows of an event day in the lake: content digest, name of the object, and how many rows."""

    content: str
    object: str
    rows: int


def write_days(
    lake: Lake, batches: Iterable[pa.RecordBatch], source: Source, limit: int = 1 << 18
) -> dict[date, StoredDay]:
    """Keep a stream of declared rows as one object per event day, days ascending.

    At most about `limit` rows are held; above it rows wait in the folder for temporary files. Digests do not depend
    on `limit`, nor on the order or the chunks of the stream. Nothing but objects is left behind, also after an error.
    """
    schema = arrow_schema(source.stored)
    with scratch() as folder:
        spilled: Spill[tuple[date, int]] = Spill(folder)
        held: list[pa.RecordBatch] = []
        for batch in batches:
            held.append(batch)
            if sum(b.num_rows for b in held) >= limit:
                spilled.add(_cut(pa.Table.from_batches(held, schema), source), schema)
                held = []
        rest = pa.Table.from_batches(held, schema)
        if spilled.keys:
            spilled.add(_cut(rest, source), schema)
            del rest
            pieces = {day: _ranges(spilled, day) for day in sorted({day for day, _ in spilled.keys})}
        else:
            pieces = {day: iter([rows]) for day, rows in split_by_day(rest, source.time_column).items()}
        file = folder / "day.parquet"
        return {day: _store(lake, rows, source, file) for day, rows in pieces.items()}


def _store(lake: Lake, ranges: Iterator[pa.Table], source: Source, file: Path) -> StoredDay:
    """Keep a day whose rows come by rising ranges of buckets."""
    schema = arrow_schema(source.stored)
    hasher, count = ContentHasher(schema), 0

    def ordered() -> Iterator[pa.Table]:
        nonlocal count
        for rows in ranges:
            piece = canonical(rows, source.stored, source.keys)
            del rows  # is not needed while the piece is written
            hasher.update(piece)
            count += piece.num_rows
            yield piece
            del piece

    write_parquet(file, schema, ordered())
    return StoredDay(content=hasher.hexdigest(), object=lake.put_file(file), rows=count)


def _cut(table: pa.Table, source: Source) -> Iterator[tuple[tuple[date, int], pa.Table]]:
    """The rows of each day and range of buckets."""
    for day, rows in split_by_day(table, source.time_column).items():
        found = shard_of(buckets(rows, source.keys), RANGES).astype(np.uint8)
        for at, piece in by_number(rows, found, RANGES):
            yield (day, at), piece


def _ranges(spilled: Spill[tuple[date, int]], day: date) -> Iterator[pa.Table]:
    """The rows of a day, one table per range of buckets that has any, ranges rising."""
    for at in range(RANGES):
        if (day, at) in spilled.keys:
            yield pa.Table.from_batches(spilled.rows((day, at)))
