"""Rows of predictions: written once under their run, digested, audited, read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
from psycopg2 import errors as pg
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.domain.pipeline import Pipeline
from nightcast.errors import NightRefused
from nightcast.store import tables
from nightcast.store.copying import copy_in, digest_of, digest_of_query
from nightcast.store.queries import Row, execute, load, rows, the_row
from nightcast.store.reading import read
from nightcast.store.tables import Tables, internal

_SQL = load("predictions")


@dataclass(frozen=True, kw_only=True)
class Aggregates:
    """Numbers that the audit judges, over all rows of a run."""

    rows: int
    keys: int  # distinct
    days: int  # distinct target dates
    non_finite: int  # rows with a NaN, an infinity or a missing value
    negative: int  # rows with a value below zero
    crossed: int  # rows whose quantiles do not rise
    wrong_dates: int  # rows whose dates do not belong to the run's night and horizon
    total: float  # sum of the means


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """Expected rows (every key on every open day) against those that are there."""

    expected: int
    missing: int
    unexpected: int
    sample: Sequence[Mapping[str, Any]]  # at most 5 of them, each with `problem`: missing | unexpected


def ensure_partition(tx: Connection, pipeline: Pipeline, origin: date) -> bool:
    """Make the month of the prediction table that an origin falls into; False where it exists.

    In a transaction of its own, before the shards write: until it commits, others who need the month wait.
    """
    asked = {"pipeline": pipeline.name, "version": pipeline.version, "origin": origin}
    return bool(the_row(tx, _SQL["ensure_partition"], asked)["made"])


def replace_shard(
    tx: Connection, pipeline: Pipeline, run_id: int, shard: int, forecasts: pa.Table | Iterable[pa.Table]
) -> int:
    """Write a shard's rows in the place of those that an earlier attempt wrote; how many.

    `forecasts` is a table, or several one after the other, with the columns of `tables.of(pipeline).forecast_schema`,
    in any order of rows. Call after `fence.own`, in the same transaction, and change the run itself in another one:
    shards of a run write side by side.

    Raises:
        TablesDoNotFit: a column is missing, unknown, null somewhere or of another type.
        NightRefused: the run has ended, or was published: its rows never change.
    """
    wanted = tables.of(pipeline)
    try:
        execute(tx, _SQL["clear_shard"], {"run_id": run_id, "shard": shard})
    except pg.ObjectNotInPrerequisiteState as error:
        raise NightRefused(f"{error.diag.message_primary}. Start a new run of the night") from error
    origin = the_row(tx, _SQL["origin"], {"run_id": run_id})["origin"]
    constants = {"run_id": (run_id, pa.int64()), "shard": (shard, pa.int16()), "origin": (origin, pa.date32())}

    def complete() -> Iterator[pa.Table]:
        for table in [forecasts] if isinstance(forecasts, pa.Table) else forecasts:
            fitting = tables.conform(table, wanted.forecast_schema, "predictions")
            for name, (value, kind) in constants.items():
                fitting = fitting.append_column(name, pa.repeat(pa.scalar(value, kind), len(fitting)))
            yield fitting

    return copy_in(tx, internal(wanted.prediction), complete())


def row_digest(tx: Connection, pipeline: Pipeline, run_id: int) -> str:
    """Digest of a run's rows: keys, dates and forecasts in the order of keys and target dates; no ids, no times."""
    wanted = tables.of(pipeline)
    return digest_of_query(tx, _of_run(tx, _SQL["digested"], wanted, run_id, _digested(wanted)))


def digest_of_table(pipeline: Pipeline, origin: date, table: pa.Table) -> str:
    """The digest that `row_digest` gives once `table` is written, without a database."""
    wanted = tables.of(pipeline)
    fitting = tables.conform(table, wanted.forecast_schema, "predictions")
    fitting = fitting.append_column("origin", pa.repeat(pa.scalar(origin, pa.date32()), len(fitting)))
    ordered = fitting.sort_by([(name, "ascending") for name in (*wanted.key_names, "target_date")])
    return digest_of(ordered.select(_digested(wanted)))


def aggregates(tx: Connection, pipeline: Pipeline, run_id: int) -> Aggregates:
    """The numbers that the audit judges."""
    wanted = tables.of(pipeline)
    values = [sql.Identifier("p", name) for name in ("mean", *wanted.quantiles)]
    rising = [
        sql.SQL("{} <= {}").format(sql.Identifier("p", low), sql.Identifier("p", high))
        for low, high in zip(wanted.quantiles, wanted.quantiles[1:], strict=False)
    ]
    query = sql.SQL(_SQL["aggregates"]).format(
        prediction=internal(wanted.prediction),
        keys=tables.columns(wanted.key_names, of="p"),
        values=sql.SQL(", ").join(values),
        rising=sql.SQL(" AND ").join(rising or [sql.SQL("true")]),
    )
    return Aggregates(**the_row(tx, query, {"run_id": run_id, "horizon": pipeline.forecast.horizon}))


def completeness(
    tx: Connection, pipeline: Pipeline, run_id: int, keys: pa.Table, open_days: Sequence[date]
) -> Completeness:
    """Compare a run's rows with every key of `keys` (the key columns) on every one of `open_days`."""
    wanted = tables.of(pipeline)
    expected_keys = tables.conform(keys.select(wanted.key_names), wanted.key_schema, "expected keys")
    parts = {
        "prediction": internal(wanted.prediction),
        "keys": tables.columns(wanted.key_names, of="p"),
        "expected_keys": tables.columns(wanted.key_names, of="e"),
        "same_keys": tables.same_keys(wanted.key_names, "p", "e"),
    }
    execute(tx, sql.SQL(_SQL["stage_keys"]).format(**parts))
    copy_in(tx, sql.Identifier("pg_temp", "expected_key"), expected_keys)
    asked = {"run_id": run_id, "days": list(open_days)}
    found = the_row(tx, sql.SQL(_SQL["completeness"]).format(**parts), asked)
    sample = (
        rows(tx, sql.SQL(_SQL["incomplete"]).format(**parts), asked) if found["missing"] or found["unexpected"] else []
    )
    execute(tx, _SQL["drop_keys"])
    return Completeness(expected=len(expected_keys) * len(open_days), sample=sample, **found)


def totals_by_day(tx: Connection, pipeline: Pipeline, run_id: int) -> dict[date, float]:
    """Sum of the means of a run, per target date."""
    wanted = tables.of(pipeline)
    query = sql.SQL(_SQL["totals_by_day"]).format(prediction=internal(wanted.prediction))
    return {found["target_date"]: found["total"] for found in rows(tx, query, {"run_id": run_id})}


def of_key(tx: Connection, pipeline: Pipeline, run_id: int, key: Mapping[str, Any]) -> list[Row]:
    """A run's rows of one key, in the order of target dates."""
    wanted = tables.of(pipeline)
    missing = set(wanted.key_names) ^ set(key)
    if missing:
        raise NightRefused(f"the key is {dict(key)}; expected values for {', '.join(wanted.key_names)}")
    is_key = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(key[name])) for name in wanted.key_names
    )
    query = sql.SQL(_SQL["of_key"]).format(prediction=internal(wanted.prediction), is_key=is_key)
    return rows(tx, query, {"run_id": run_id})


def of_run(tx: Connection, pipeline: Pipeline, run_id: int) -> pa.Table:
    """All rows of a run, in the order of keys and target dates, as a table of `forecast_schema`."""
    wanted = tables.of(pipeline)
    names = tuple(wanted.forecast_schema.names)
    return read(tx, _of_run(tx, _SQL["digested"], wanted, run_id, names), wanted.forecast_schema)


def _digested(wanted: Tables) -> tuple[str, ...]:
    return (*wanted.key_names, "origin", "target_date", "mean", *wanted.quantiles)


def _of_run(tx: Connection, query: str, wanted: Tables, run_id: int, names: tuple[str, ...]) -> sql.Composed:
    """COPY takes no parameters, so the run's number and night are literals; the night prunes the months."""
    origin = the_row(tx, _SQL["origin"], {"run_id": run_id})["origin"]
    return sql.SQL(query).format(
        prediction=internal(wanted.prediction),
        columns=tables.columns(names),
        keys=tables.columns(wanted.key_names),
        run_id=sql.Literal(run_id),
        origin=sql.Literal(origin),
    )
