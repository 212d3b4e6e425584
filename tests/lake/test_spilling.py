"""Temporary files: gone in the end, and an error of ours where there is no room for them."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest

from nightcast.errors import ScratchSpaceFull
from nightcast.lake import Kept, Spill, scratch

ROWS = pa.table({"n": list(range(10_000))})


@contextmanager
def quota(size: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes."""
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_rows_that_do_not_fit_are_told_as_such_and_leave_nothing_behind() -> None:
    told = r"no room for temporary files in /.*TMPDIR"
    with pytest.raises(ScratchSpaceFull, match=told), scratch() as folder, quota(1000):
        Spill[int](folder).add([(1, ROWS)], ROWS.schema)
    assert not folder.exists()
    with pytest.raises(ScratchSpaceFull, match=told), scratch() as folder, quota(1000):
        Kept(folder / "rows.arrow").add(ROWS)
    assert not folder.exists()


def test_another_error_stays_what_it_is() -> None:
    with pytest.raises(FileNotFoundError), scratch() as folder:
        (folder / "nobody").read_bytes()
