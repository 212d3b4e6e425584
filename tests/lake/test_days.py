"""Days are stored with the same digests whether their rows fit into memory or not."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from nightcast.domain.contract import Column, ColumnType, Role
from nightcast.domain.pipeline import Source
from nightcast.domain.rows import arrow_schema, canonical, content_digest, split_by_day
from nightcast.errors import SourceMismatch, SourceUnavailable
from nightcast.lake import Lake, tables, write_days

# ruff: noqa: DTZ001 -- rows carry wall times without a zone
pytestmark = pytest.mark.unit

SOURCE = Source(
    connection="shop",
    columns={
        "sku": Column(type=ColumnType.STRING, role=Role.KEY),
        "sold_at": Column(type=ColumnType.TIMESTAMP, role=Role.TIME),
        "note": Column(type=ColumnType.STRING, role=Role.ATTRIBUTE, nullable=True),
        "quantity": Column(type=ColumnType.INTEGER, role=Role.MEASURE, nullable=True),
    },
)
SCHEMA = arrow_schema(SOURCE.columns)


def made_rows(count: int = 600) -> pa.Table:
    chance = random.Random(7)
    start = datetime(2011, 10, 1)
    rows = [
        (
            f"SKU{chance.randrange(150)}",
            start + timedelta(days=chance.choice([0, 0, 0, 1, 3]), microseconds=chance.randrange(10**10)),
            chance.choice([None, "", "a note", "ü"]),
            chance.choice([None, -1, 5]),
        )
        for _ in range(count)
    ]
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(c, type=t) for c, t in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA)


ROWS = made_rows()


@pytest.mark.parametrize("limit", [1, 100, 599, 600])
@pytest.mark.parametrize("size", [64, 1000])
def test_spilled_days_are_the_days_in_memory(
    tmp_path: Path, limit: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP", 50)
    lake = Lake(str(tmp_path))
    expected = write_days(lake, ROWS.to_batches(), SOURCE, limit=10_000)
    shuffled = ROWS.take(random.Random(limit).sample(range(ROWS.num_rows), ROWS.num_rows))
    assert write_days(lake, shuffled.to_batches(max_chunksize=size), SOURCE, limit=limit) == expected
    assert list(expected) == [date(2011, 10, 1), date(2011, 10, 2), date(2011, 10, 4)]


def test_a_stored_day_is_the_canonical_table_of_its_rows(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    stored = write_days(lake, ROWS.to_batches(), SOURCE, limit=100)
    for day, rows in split_by_day(ROWS, "sold_at").items():
        expected = canonical(rows, SOURCE.columns, SOURCE.keys)
        assert lake.get_table(stored[day].object).equals(expected)
        assert stored[day].object == lake.put_table(expected)
        assert stored[day].content == content_digest(expected, SOURCE.columns)
        assert stored[day].rows == rows.num_rows
    assert sum(d.rows for d in stored.values()) == ROWS.num_rows


def test_no_rows_are_no_days(tmp_path: Path) -> None:
    assert write_days(Lake(str(tmp_path)), [], SOURCE) == {}
    assert write_days(Lake(str(tmp_path)), ROWS.slice(0, 0).to_batches(), SOURCE) == {}


def test_a_source_that_breaks_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    def broken() -> Iterator[pa.RecordBatch]:
        yield from ROWS.to_batches(max_chunksize=100)
        assert list(scratch.glob("*/*.arrow")), "rows above the limit wait in files"
        raise SourceUnavailable("the source went away")

    with pytest.raises(SourceUnavailable, match="went away"):
        write_days(Lake(str(tmp_path / "lake")), broken(), SOURCE, limit=100)
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "lake").exists()


def test_a_row_without_a_time_is_refused(tmp_path: Path) -> None:
    rows = pa.table([["A"], pa.array([None], pa.timestamp("us")), ["x"], [1]], schema=SCHEMA)
    for limit in (1, 10):
        with pytest.raises(SourceMismatch, match="sold_at is null"):
            write_days(Lake(str(tmp_path)), rows.to_batches(), SOURCE, limit=limit)
