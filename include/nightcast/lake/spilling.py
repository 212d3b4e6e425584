"""Rows that wait in local files until they are asked for, so that only some of them are in memory."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Hashable, Iterable, Iterator, Set
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightcast.errors import ScratchSpaceFull

Key = TypeVar("Key", bound=Hashable)

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # disk full; more than a quota, or a limit, allows


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for temporary files, which is removed in the end.

    Raises:
        ScratchSpaceFull: what is written there does not fit.
    """
    with tempfile.TemporaryDirectory(prefix="nightcast-") as folder:
        try:
            yield Path(folder)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise ScratchSpaceFull(
                f"no room for temporary files in {tempfile.gettempdir()}: {error.strerror}. Make room there, or set "
                "TMPDIR to a folder that has some"
            ) from error


class Spill(Generic[Key]):
    """Tables of one schema in files below a folder, found again by their key once all are added."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._files: list[Path] = []
        self._places: dict[Key, list[tuple[int, int]]] = {}  # (file, batch)

    @property
    def keys(self) -> Set[Key]:
        """Of all tables that were added."""
        return self._places.keys()

    def add(self, parts: Iterable[tuple[Key, pa.Table]], schema: pa.Schema) -> None:
        """Write tables that have rows to a file of their own."""
        path, number = self._folder / f"{len(self._files)}.arrow", 0
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for key, table in parts:
                writer.write_batch(table.combine_chunks().to_batches()[0])
                self._places.setdefault(key, []).append((len(self._files), number))
                number += 1
        self._files.append(path)

    def rows(self, key: Key) -> list[pa.RecordBatch]:
        """All rows of one of `keys`, in the order in which they were added."""
        return [self._opened[file].get_batch(number) for file, number in self._places[key]]

    @cached_property
    def _opened(self) -> list[pa.ipc.RecordBatchFileReader]:
        """Not mapped into memory, where rows that were read would stay."""
        return [pa.ipc.open_file(pa.OSFile(str(path))) for path in self._files]


class Kept:
    """Tables of one schema in a local file, read one after the other in the order in which they were added."""

    def __init__(self, path: Path):
        self._path = path
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def add(self, table: pa.Table) -> None:
        """Write a table."""
        if self._writer is None:
            self._writer = pa.ipc.new_stream(str(self._path), table.schema)
        self._writer.write_table(table)

    def __iter__(self) -> Iterator[pa.Table]:
        """The tables, in pieces; none may be added any longer."""
        if self._writer is None:
            return
        self._writer.close()
        with pa.OSFile(str(self._path)) as held, pa.ipc.open_stream(held) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])


def by_number(table: pa.Table, numbers: npt.NDArray[np.uint8], of: int) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each number from 0 to `of` - 1 that has any, numbers rising, rows in their order."""
    order = np.argsort(numbers, kind="stable")
    ordered = table.take(pa.array(order)).combine_chunks()
    ends = np.searchsorted(numbers[order], np.arange(of), side="right").tolist()
    for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        if start < end:
            yield number, ordered.slice(start, end - start)
