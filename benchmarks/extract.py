"""Rows out of a source: the night's own way, beside `pandas.read_sql` and beside a bare COPY."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.generated import FIRST, fill
from benchmarks.harness import Cost, Line, Progress, flatness, in_words, measure, side_by_side
from benchmarks.place import FOLDERS, PIPELINE, Place

ROUNDS = 3  # for each that others take: single ratios spread by 3 %, and the goal for the CPU is as near
DAYS = 4  # of a night's window: its own day and three for late rows
SQL = (FOLDERS / PIPELINE / "extract.sql").read_text()


def lines(place: Place, sizes: list[int], runs: int, progress: Progress) -> list[Line]:
    """Costs at each size, and what the largest takes more than the smallest."""
    found: dict[int, dict[str, Cost]] = {}
    times = {rows: runs * ROUNDS if rows == sizes[0] else 1 for rows in sizes}
    for rows in sizes:
        found[rows] = _at(place, rows, times[rows], progress)
    made = [line for rows, costs in found.items() for line in _compared(rows, costs, times[rows])]
    return made + flatness("extract", found)


def _at(place: Place, rows: int, runs: int, progress: Progress) -> dict[str, Cost]:
    progress(f"extract: making {in_words(rows)} rows of 12 columns")
    url = place.database()
    fill(url, days=DAYS, per_day=rows // DAYS, keys=max(rows // 100, 10))
    try:
        progress(f"extract: {runs} × each way")
        return side_by_side(
            runs,
            ours=lambda: measure(ours, url=url, folder=str(place.folder)),
            read_sql=lambda: measure(read_sql, url=url),
            floor=lambda: measure(copy_out, url=url),
        )
    finally:
        place.drop(url)


def _compared(rows: int, costs: dict[str, Cost], runs: int) -> list[Line]:
    if len({cost.answer for cost in costs.values()}) > 1:
        raise RuntimeError(f"not all ways read the same number of rows: { {n: c.answer for n, c in costs.items()} }")
    mine, theirs, floor, size = costs["ours"], costs["read_sql"], costs["floor"], in_words(rows)
    common: dict[str, Any] = {"subject": "extract", "runs": runs}
    return [
        Line(name=f"extract {size} rows: CPU", unit="CPU-s", ours=mine.cpu, other=theirs.cpu,
             against="pandas.read_sql", goal=0.25, **common),
        Line(name=f"extract {size} rows: memory", unit="MiB", ours=mine.memory, other=theirs.memory,
             against="pandas.read_sql", goal=0.25, **common),
        Line(name=f"extract {size} rows: CPU", unit="CPU-s", ours=mine.cpu, other=floor.cpu,
             against="COPY into nothing", **common),
        Line(name=f"extract {size} rows: time", unit="s", ours=mine.wall, other=theirs.wall,
             against="pandas.read_sql", **common),
    ]  # fmt: skip


def window() -> tuple[date, date]:
    """First day, and the day behind the last."""
    return FIRST, FIRST + timedelta(days=DAYS)


def ours(url: str, folder: str) -> Iterator[None]:
    """COPY, typed columns, canonical order, content digest, Parquet: what the step `extract` does with a window."""
    from nightcast import source, spec
    from nightcast.lake import Lake, write_days

    pipeline = spec.load_folder(FOLDERS / PIPELINE).pipeline
    start, end = window()
    lake = Path(tempfile.mkdtemp(dir=folder))
    yield
    values = {"window_start": start, "window_end": end}
    days = write_days(Lake(str(lake)), source.read(url, SQL, values, pipeline.source.columns), pipeline.source)
    return sum(day.rows for day in days.values())


def read_sql(url: str) -> Iterator[None]:
    """Only into memory: no order, no digest, no file."""
    import pandas as pd
    import sqlalchemy as sa

    engine = sa.create_engine(url)
    start, end = window()
    yield
    frame = pd.read_sql(sa.text(SQL), engine, params={"window_start": start, "window_end": end})
    return len(frame)


def copy_out(url: str) -> Iterator[None]:
    """COPY whose bytes are thrown away: nothing that leaves Postgres costs its client less."""
    from nightcast.store import connect

    start, end = window()
    query = SQL.replace(":window_start", f"'{start}'").replace(":window_end", f"'{end}'")
    connection = connect.connect(url)
    yield
    with connection.cursor() as cursor, Path("/dev/null").open("wb") as nowhere:
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv)", nowhere)
        return cursor.rowcount
