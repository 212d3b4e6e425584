"""Results of checks, and the rows that they set aside."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.domain.verdict import CheckResult, CheckState
from nightcast.store.queries import as_json, execute, insert_many, load, rows

_SQL = load("checks")
_STORED = tuple(field.name for field in fields(CheckResult))  # in the order of the query's columns


@dataclass(frozen=True, kw_only=True)
class StoredCheck(CheckResult):
    """A stored result, with the step that judged."""

    step: str


@dataclass(frozen=True, kw_only=True)
class QuarantinedRow:
    """A source row that was set aside. `position` is its place in the day's canonical order, from 0."""

    event_day: date
    position: int
    reasons: Sequence[str]  # ids of the checks that it failed
    row: Mapping[str, Any]


def replace(
    tx: Connection, run_id: int, step: str, results: Sequence[CheckResult], scopes: Collection[str] | None = None
) -> None:
    """Store a step's results in the place of its earlier ones: all of them, or those of `scopes` alone."""
    asked = {"run_id": run_id, "step": step, "scopes": list(scopes) if scopes is not None else None}
    execute(tx, _SQL["delete"], asked)
    given = (vars(r) | {"sample": as_json(list(r.sample))} for r in results)
    insert_many(tx, _SQL["insert"], [(run_id, step, *(each[name] for name in _STORED)) for each in given])


def of_run(tx: Connection, run_id: int, step: str | None = None) -> list[StoredCheck]:
    """A run's results, the worst first."""
    found = rows(tx, _SQL["of_run"], {"run_id": run_id, "step": step})
    return [StoredCheck(**each | {"state": CheckState(each["state"])}) for each in found]


def quarantine(
    tx: Connection, run_id: int, pipeline: str, days: Collection[date], set_aside: Iterable[QuarantinedRow]
) -> int:
    """Store the rows of `days` that a run set aside, in the place of those it stored before; how many."""
    execute(tx, _SQL["delete_quarantined"], {"run_id": run_id, "days": list(days)})
    text = io.StringIO()
    writer = csv.writer(text)
    for each in set_aside:
        row = json.dumps(dict(each.row), default=str, allow_nan=False)
        writer.writerow((run_id, pipeline, each.event_day, each.position, _array(each.reasons), row))
    text.seek(0)
    with tx.cursor() as cursor:
        cursor.copy_expert(_SQL["copy_quarantined"], text)
        return cursor.rowcount


def quarantined(tx: Connection, run_id: int, limit: int = 100) -> list[QuarantinedRow]:
    """Rows that a run set aside, in the order of days and positions."""
    return [QuarantinedRow(**found) for found in rows(tx, _SQL["quarantined"], {"run_id": run_id, "limit": limit})]


def reasons(tx: Connection, run_id: int) -> dict[str, int]:
    """How many rows of a run failed each check; a row that failed several counts for each."""
    return {found["reason"]: found["rows"] for found in rows(tx, _SQL["reasons"], {"run_id": run_id})}


def _array(values: Sequence[str]) -> str:
    """A Postgres array literal of texts."""
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"
