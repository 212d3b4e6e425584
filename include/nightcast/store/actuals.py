"""What happened, as known in periods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.domain.pipeline import Pipeline
from nightcast.store import tables
from nightcast.store.copying import copy_in
from nightcast.store.queries import execute, load, lock, rows, the_row
from nightcast.store.reading import read as read_table
from nightcast.store.tables import internal

_SQL = load("actuals")


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What recording days changed: rows that ceased to be known, and rows that are known from now on."""

    closed: int
    opened: int


def lock_truth(tx: Connection, pipeline: Pipeline) -> None:
    """Wait for others who record actuals of the pipeline: what is read after that is not overtaken."""
    lock(tx, "actual", pipeline.name)


def record(
    tx: Connection, pipeline: Pipeline, run_id: int, days: Mapping[date, str | None], table: pa.Table
) -> Recorded:
    """Make `table` (keys, event_day, value) what is known of `days`; what was known before stays, with its period.

    `days` maps a day to the digest of the panel that its rows come from. A key without a row on one of them means
    zero. Recording the same again changes nothing.

    Raises:
        TablesDoNotFit: a column is missing, unknown, null somewhere or of another type.
        ValueError: a row is of a day that is not in `days`.
    """
    wanted = tables.of(pipeline)
    fitting = tables.conform(table, wanted.actual_schema, "actuals")
    strange = set(fitting["event_day"].unique().to_pylist()) - set(days)
    if strange:
        raise ValueError(
            f"actuals of {sorted(map(str, strange))} were given; expected days among {sorted(map(str, days))}"
        )
    lock_truth(tx, pipeline)
    parts = {
        "actual": internal(wanted.actual),
        "keys": tables.columns(wanted.key_names),
        "staged_keys": tables.columns(wanted.key_names, of="s"),
        "same_keys": tables.same_keys(wanted.key_names, "a", "s"),
    }
    execute(tx, sql.SQL(_SQL["stage"]).format(**parts))
    copy_in(tx, sql.Identifier("pg_temp", "staged_actual"), fitting)
    what = {"run_id": run_id, "days": list(days), "pipeline": pipeline.name, "version": pipeline.version}
    what |= {"panels": list(days.values())}
    now = the_row(tx, _SQL["now"])
    closed = execute(tx, sql.SQL(_SQL["close"]).format(**parts), {**what, **now})
    opened = execute(tx, sql.SQL(_SQL["open"]).format(**parts), {**what, **now})
    execute(tx, _SQL["days"], {**what, **now})
    execute(tx, _SQL["unstage"])
    return Recorded(closed=closed, opened=opened)


def read(tx: Connection, pipeline: Pipeline, first: date, last: date, known_at: datetime | None = None) -> pa.Table:
    """Actuals from `first` to `last`, both included, as known now or at a moment: keys, event_day, value."""
    wanted = tables.of(pipeline)
    known: sql.Composable = sql.SQL(_SQL["known_now"])
    if known_at is not None:
        known = sql.SQL(_SQL["known_at"]).format(moment=sql.Literal(known_at))
    query = sql.SQL(_SQL["read"]).format(
        actual=internal(wanted.actual),
        keys=tables.columns(wanted.key_names),
        first=sql.Literal(first),
        last=sql.Literal(last),
        known=known,
    )
    return read_table(tx, query, wanted.actual_schema)


def recorded_days(tx: Connection, pipeline: Pipeline, first: date) -> dict[date, str | None]:
    """Days from `first` on whose actuals are recorded (there no row means zero), with the digest of their panel."""
    asked = {"pipeline": pipeline.name, "version": pipeline.version, "first": first}
    return {found["event_day"]: found["panel_digest"] for found in rows(tx, _SQL["recorded_days"], asked)}
