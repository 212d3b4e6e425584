"""Files in the place of a database: Parquet and CSV through fsspec, file by file, in memory that stays flat."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import IO, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from nightcast.domain.contract import Column, FileFormat, Files, Role
from nightcast.domain.rows import arrow_schema
from nightcast.errors import SourceMismatch
from nightcast.source import csv_text
from nightcast.source.conversion import (
    RoundingNeeded,
    Sender,
    check_columns,
    check_decimals,
    check_texts,
    from_arrow,
    misfit_of,
)
from nightcast.source.file_store import FileStore

_NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What is asked of the files: `end` is the day after the last."""

    files: Files
    first: date
    end: date
    columns: Mapping[str, Column]
    time: str
    chunk_rows: int


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file that fits the declared path. `pattern` is that path for its days, `folders` what their names state."""

    path: str
    shown: str
    pattern: str
    folders: Mapping[str, str | None]

    @property
    def sender(self) -> Sender:
        return Sender(name=f"The file {self.shown}", place="the file", repair=f"Correct {self.shown}")


def read(
    url: str, files: Files, first: date, end: date, columns: Mapping[str, Column], chunk_rows: int = 65_536
) -> Iterator[pa.RecordBatch]:
    """The declared columns of the files' rows from `first` to before `end`, as batches in `domain.rows.arrow_schema`.

    No file is no rows. Rows that lie in a file of other days are an error: they would be missing on their own day.
    `SourceMismatch`: a declared column is not there, or a value does not fit its declared type. `SourceUnavailable`:
    the file store does not answer, or a file cannot be read, as while it is written. An iterator that raises has not
    delivered all rows: what came before must not be used.
    """
    time_column = next(name for name, column in columns.items() if column.role is Role.TIME)
    wanted = _Wanted(files=files, first=first, end=end, columns=columns, time=time_column, chunk_rows=chunk_rows)
    store, reading = FileStore(url), {FileFormat.PARQUET: _parquet, FileFormat.CSV: _csv}[files.format]
    for file in _files(store, wanted):
        for raw in reading(store, file, wanted):
            times = from_arrow(time_column, columns[time_column], raw[time_column], file.sender)
            kept = _kept(times, file, wanted)
            if not pc.any(kept).as_py():
                continue
            some = raw.filter(kept)
            arrays = [from_arrow(n, c, some[n], file.sender) for n, c in columns.items()]
            batch = pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(columns))
            check_decimals(batch, columns, file.sender)
            check_texts(batch, columns, file.sender)
            yield batch


def _files(store: FileStore, wanted: _Wanted) -> Iterator[_File]:
    """The files of the days, those of a pattern in the order of their names."""
    days = [wanted.first + timedelta(days=n) for n in range((wanted.end - wanted.first).days)]
    for pattern in dict.fromkeys(wanted.files.pattern(day) for day in days):
        hidden_too = any(part.startswith(("_", ".")) for part in pattern.split("/"))
        for path, inside in store.matching(pattern):
            if hidden_too or not any(part.startswith(("_", ".")) for part in inside.split("/")):
                yield _File(path=path, shown=f"{store.name}/{inside}", pattern=pattern, folders=_folders(inside))


def _folders(inside: str) -> dict[str, str | None]:
    """What names of folders state: year=2011/station=12."""
    parts = (part.split("=", 1) for part in inside.split("/")[:-1] if "=" in part)
    return {name: None if value == _NULL_FOLDER else unquote(value) for name, value in parts}


def _kept(times: pa.Array, file: _File, wanted: _Wanted) -> pa.Array:
    """Which rows lie in the window; those without a time are kept, to be judged by who needs one."""
    days = times.cast(pa.date32(), safe=False)
    for day in days.drop_null().unique().to_pylist():
        if wanted.files.pattern(day) != file.pattern:
            raise SourceMismatch(
                f"{file.shown} holds rows of {day}; expected only days whose files are {file.pattern}, or those rows "
                "would be missing on their own day. Write them where they belong, or declare source.files.path without "
                "{day}: then all files are searched by the time column"
            )
    inside = pc.and_(pc.greater_equal(days, pa.scalar(wanted.first)), pc.less(days, pa.scalar(wanted.end)))
    return pc.fill_null(inside, fill_value=True)


def _parquet(store: FileStore, file: _File, wanted: _Wanted) -> Iterator[pa.RecordBatch]:
    """Batches in the file's own types, a row group at a time; row groups without a row of the window are not read."""
    with store.answering(f"give {file.shown}", file.path) as opened:
        found = pq.ParquetFile(opened, pre_buffer=False)  # buffered ahead, whole row groups are held twice
        inside = _inside(file, found.schema_arrow.names, wanted.columns)
        groups = _row_groups(opened, found, wanted)
        reader = found.iter_batches(wanted.chunk_rows, groups, inside, use_threads=False) if groups else iter(())
    try:
        while (batch := _next(reader, store, file)) is not None:
            yield _with_folders(batch, file, wanted.columns)
    finally:
        opened.close()


def _next(reader: Iterator[pa.RecordBatch], store: FileStore, file: _File) -> pa.RecordBatch | None:
    with store.answering(f"give {file.shown}"):
        return next(reader, None)


def _row_groups(opened: IO[bytes], found: pq.ParquetFile, wanted: _Wanted) -> list[int]:
    """Row groups that may hold rows of the window, by the statistics of the time column.

    All of a file of certain days: there rows of other days are looked for.
    """
    name, schema = wanted.time, found.schema_arrow
    kind = schema.field(name).type if name in schema.names else pa.null()
    has_order = pa.types.is_date32(kind) or (pa.types.is_timestamp(kind) and kind.tz is None)
    if wanted.files.is_by_day or not has_order:
        return list(range(found.num_row_groups))
    low, high = (pa.scalar(datetime.combine(day, time())).cast(kind) for day in (wanted.first, wanted.end))
    within = (ds.field(name) >= low) & (ds.field(name) < high) | ds.field(name).is_null()
    whole = ds.ParquetFileFormat().make_fragment(pa.PythonFile(opened, mode="r"))
    return [group.id for part in whole.split_by_row_group(within) for group in part.row_groups]


def _csv(store: FileStore, file: _File, wanted: _Wanted) -> Iterator[pa.RecordBatch]:
    """Batches in the declared types."""
    with store.answering(f"give {file.shown}", file.path) as opened:
        line = opened.readline().decode("utf-8-sig", "replace")
        opened.seek(0)
        names = next(csv.reader(io.StringIO(line)), [])
        inside = _inside(file, names, wanted.columns)
    some = {name: wanted.columns[name] for name in inside}
    try:
        for batch in csv_text.batches(opened, some, names, file.sender):
            yield _with_folders(batch, file, wanted.columns)
    except RoundingNeeded as error:
        raise misfit_of(error.column, wanted.columns, "found a value with more digits", file.sender) from None
    finally:
        opened.close()


def _inside(file: _File, names: list[str], columns: Mapping[str, Column]) -> list[str]:
    """The declared columns that the file itself holds; `SourceMismatch` unless its folders state all others."""
    check_columns([*names, *(name for name in file.folders if name not in names)], columns, file.sender)
    return [name for name in columns if name in names]


def _with_folders(batch: pa.RecordBatch, file: _File, columns: Mapping[str, Column]) -> pa.RecordBatch:
    """The declared columns, those that only the folders state as text."""
    arrays: list[Any] = [
        batch[name] if name in batch.schema.names else pa.repeat(pa.scalar(file.folders[name], pa.string()), len(batch))
        for name in columns
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))
