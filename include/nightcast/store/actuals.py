"""What happened, as known in periods; and how far the forecasts were off."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.domain.pipeline import Pipeline
from nightcast.store import tables
from nightcast.store.copying import copy_in
from nightcast.store.queries import execute, insert_many, load, lock, rows, the_row
from nightcast.store.reading import read as read_table
from nightcast.store.tables import internal

_SQL = load("actuals")


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What recording days changed: rows that ceased to be known, and rows that are known from now on."""

    closed: int
    opened: int


@dataclass(frozen=True, kw_only=True)
class AccuracyScore:
    """One row of internal.accuracy_score, of the run that made the forecast. `value` is None where undefined."""

    run_id: int
    horizon_bucket: str
    method: str  # model | seasonal_naive
    metric: str
    maturity: str  # provisional | final
    value: float | None
    n: int
    sum_actual: float
    slice: str = ""


@dataclass(frozen=True, kw_only=True)
class StoredAccuracy(AccuracyScore):
    """A stored score."""

    origin: date
    model_version: int | None
    computed_at: datetime


def record(tx: Connection, pipeline: Pipeline, run_id: int, days: Collection[date], table: pa.Table) -> Recorded:
    """Make `table` (keys, event_day, value) what is known of `days`; what was known before stays, with its period.

    A key without a row on one of `days` means zero. Recording the same again changes nothing.

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
    lock(tx, "actual", pipeline.name)
    parts = {
        "actual": internal(wanted.actual),
        "keys": tables.columns(wanted.key_names),
        "staged_keys": tables.columns(wanted.key_names, of="s"),
        "same_keys": tables.same_keys(wanted.key_names, "a", "s"),
    }
    execute(tx, sql.SQL(_SQL["stage"]).format(**parts))
    copy_in(tx, sql.Identifier("pg_temp", "staged_actual"), fitting)
    what = {"run_id": run_id, "days": list(days), "pipeline": pipeline.name, "version": pipeline.version}
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


def recorded_days(tx: Connection, pipeline: Pipeline, first: date, last: date) -> set[date]:
    """Days from `first` to `last`, both included, whose actuals are recorded: there no row means zero."""
    asked = {"pipeline": pipeline.name, "version": pipeline.version, "first": first, "last": last}
    return {found["event_day"] for found in rows(tx, _SQL["recorded_days"], asked)}


def add_accuracy(tx: Connection, scores: Sequence[AccuracyScore]) -> int:
    """Store scores beside those computed before; those equal to the newest stored are left out. How many were new."""
    values = [
        (s.run_id, s.horizon_bucket, s.slice, s.method, s.metric, s.maturity, s.value, s.n, s.sum_actual)
        for s in scores
    ]
    known = {_identity(old): old for run_id in {s.run_id for s in scores} for old in accuracy_of(tx, run_id)}
    fresh = [
        value
        for value, score in zip(values, scores, strict=True)
        if (old := known.get(_identity(score))) is None
        or (old.value, old.n, old.sum_actual) != (score.value, score.n, score.sum_actual)
    ]
    return insert_many(tx, _SQL["add_accuracy"], fresh, _SQL["score"])


def accuracy_of(tx: Connection, run_id: int) -> list[StoredAccuracy]:
    """The newest scores of the forecasts that a run made."""
    return [StoredAccuracy(**found) for found in rows(tx, _SQL["accuracy_of"], {"run_id": run_id})]


def _identity(score: AccuracyScore) -> tuple[int, str, str, str, str, str]:
    return score.run_id, score.horizon_bucket, score.slice, score.method, score.metric, score.maturity
