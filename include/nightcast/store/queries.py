"""Named queries: `sql/<file>.sql` holds blocks, each under a line `-- name: …`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json, RealDictCursor, execute_values

HERE = Path(__file__).parent / "sql"
Query = str | sql.Composable
Row = dict[str, Any]

as_json = partial(Json, dumps=partial(json.dumps, allow_nan=False, default=str))


@cache
def load(file: str) -> Mapping[str, str]:
    """The named queries of `sql/<file>.sql`: name -> statement."""
    return named((HERE / f"{file}.sql").read_text(encoding="utf-8"))


def named(text: str) -> dict[str, str]:
    """The named queries of a text."""
    found: dict[str, str] = {}
    for block in text.split("-- name:")[1:]:
        name, _, statement = block.partition("\n")
        if name.strip() in found:
            raise ValueError(f"two queries are named {name.strip()}; expected each name once in a file")
        found[name.strip()] = statement.strip().rstrip(";")
    return found


def composed(query: Query) -> sql.Composable:
    """A query as a part of another one."""
    return sql.SQL(query) if isinstance(query, str) else query


def rows(tx: Connection, query: Query, parameters: Mapping[str, Any] | None = None) -> list[Row]:
    """All rows, each as column -> value."""
    with tx.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute(query, parameters)
        return [dict(row) for row in cursor.fetchall()]


def row(tx: Connection, query: Query, parameters: Mapping[str, Any] | None = None) -> Row | None:
    """The first row, or None."""
    found = rows(tx, query, parameters)
    return found[0] if found else None


def the_row(tx: Connection, query: Query, parameters: Mapping[str, Any] | None = None) -> Row:
    """The one row of a query that always has one."""
    (found,) = rows(tx, query, parameters)
    return found


def execute(tx: Connection, query: Query, parameters: Mapping[str, Any] | None = None) -> int:
    """Run a statement; the number of rows it touched."""
    with tx.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.rowcount


def insert_many(tx: Connection, query: Query, values: Sequence[Sequence[Any]], template: str | None = None) -> int:
    """Insert many rows with few statements; `query` has `VALUES %s`, `template` is one row with casts."""
    if values:
        with tx.cursor() as cursor:
            execute_values(cursor, query, values, template=template, page_size=500)
    return len(values)


def lock(tx: Connection, what: str, name: str) -> None:
    """Wait for the advisory lock of a name; held to the end of the transaction."""
    execute(tx, "SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))", {"key": f"nightcast {what} {name}"})


def lock_pipeline(tx: Connection, pipeline: str) -> None:
    """The one lock that publish, promote and roll back of a pipeline share."""
    lock(tx, "pipeline", pipeline)


def lock_step(tx: Connection, run_id: int, step: str, shard: int) -> None:
    """The lock under which attempts at a step are claimed."""
    lock(tx, "step", f"{run_id} {step} {shard}")


def lock_night(tx: Connection, pipeline: str, kind: str, origin: date) -> None:
    """The lock under which runs of a night are opened."""
    lock(tx, "night", f"{pipeline} {kind} {origin}")
