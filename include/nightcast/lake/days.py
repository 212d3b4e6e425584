"""From a stream of rows to one object per event day, in canonical order and in memory that stays flat.

Rows above a limit go to local files, cut by day and by ranges of buckets. The bucket comes first in canonical order,
so a day is its sorted ranges one after the other, and only one range at a time is held.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from nightcast.domain.pipeline import Source
from nightcast.domain.rows import ContentHasher, arrow_schema, buckets, canonical, shard_of, split_by_day
from nightcast.lake.objects import Lake
from nightcast.lake.tables import write_parquet

RANGES = 16  # of buckets; a day that was spilled is held by its sixteenths


@dataclass(frozen=True, kw_only=True)
class StoredDay:
    """The rows of an event day in the lake: content digest, name of the object, and how many rows."""

    content: str
    object: str
    rows: int


def write_days(
    lake: Lake, batches: Iterable[pa.RecordBatch], source: Source, limit: int = 1 << 20
) -> dict[date, StoredDay]:
    """Keep a stream of declared rows as one object per event day, days ascending.

    At most about `limit` rows are held; above it rows wait in the folder for temporary files. Digests do not depend
    on `limit`, nor on the order or the chunks of the stream. Nothing but objects is left behind, also after an error.
    """
    schema = arrow_schema(source.columns)
    with tempfile.TemporaryDirectory(prefix="nightcast-") as folder:
        spilled = _Spilled(Path(folder), source)
        held: list[pa.RecordBatch] = []
        for batch in batches:
            held.append(batch)
            if sum(b.num_rows for b in held) >= limit:
                spilled.add(pa.Table.from_batches(held, schema))
                held = []
        rest = pa.Table.from_batches(held, schema)
        if spilled.is_empty:
            pieces = {day: iter([rows]) for day, rows in split_by_day(rest, source.time_column).items()}
        else:
            spilled.add(rest)
            del rest
            pieces = {day: spilled.ranges(day) for day in spilled.days}
        scratch = Path(folder) / "day.parquet"
        return {day: _store(lake, rows, source, scratch) for day, rows in pieces.items()}


def _store(lake: Lake, ranges: Iterator[pa.Table], source: Source, scratch: Path) -> StoredDay:
    """Keep a day whose rows come by rising ranges of buckets."""
    schema = arrow_schema(source.columns)
    hasher, count = ContentHasher(schema), 0

    def ordered() -> Iterator[pa.Table]:
        nonlocal count
        for rows in ranges:
            piece = canonical(rows, source.columns, source.keys)
            hasher.update(piece)
            count += piece.num_rows
            yield piece

    write_parquet(scratch, schema, ordered())
    return StoredDay(content=hasher.hexdigest(), object=lake.put_file(scratch), rows=count)


class _Spilled:
    """Rows in local Arrow files, found again by day and range of buckets."""

    def __init__(self, folder: Path, source: Source):
        self._folder, self._source = folder, source
        self._files: list[Path] = []
        self._places: dict[tuple[date, int], list[tuple[int, int]]] = {}  # (file, batch) of each day and range

    @property
    def is_empty(self) -> bool:
        return not self._files

    @property
    def days(self) -> list[date]:
        return sorted({day for day, _ in self._places})

    def add(self, table: pa.Table) -> None:
        """Write rows to a file of their own, one batch per day and range."""
        path, number = self._folder / f"{len(self._files)}.arrow", 0
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            for day, rows in split_by_day(table, self._source.time_column).items():
                found = shard_of(buckets(rows, self._source.keys), RANGES).astype(np.uint8)
                order = np.argsort(found, kind="stable")
                ordered = rows.take(pa.array(order)).combine_chunks()
                ends = np.searchsorted(found[order], np.arange(RANGES), side="right").tolist()
                for at, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
                    if start < end:
                        writer.write_batch(ordered.slice(start, end - start).to_batches()[0])
                        self._places.setdefault((day, at), []).append((len(self._files), number))
                        number += 1
        self._files.append(path)

    def ranges(self, day: date) -> Iterator[pa.Table]:
        """The rows of a day, one table per range of buckets that has any, ranges rising."""
        for at in range(RANGES):
            places = self._places.get((day, at), [])
            if places:
                yield pa.Table.from_batches([self._opened[file].get_batch(number) for file, number in places])

    @cached_property
    def _opened(self) -> list[pa.ipc.RecordBatchFileReader]:
        """Not mapped into memory, where rows that were read would stay."""
        return [pa.ipc.open_file(pa.OSFile(str(path))) for path in self._files]
