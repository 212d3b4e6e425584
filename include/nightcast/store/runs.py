"""Runs: opened, pinned, counted and ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.domain.night import TERMINAL, RunKind, RunMode, RunState, Window
from nightcast.errors import NightRefused, NotFound
from nightcast.store.queries import Row, as_json, execute, load, lock_night, row, rows, the_row

_SQL = load("runs")
PINS = frozenset(
    [
        "mode",
        "spec_digest",
        "code_commit",
        "code_dirty",
        "model_version",
        "manifest_digest",
        "input_digest",
        "row_digest",
        "look_ahead",
        "window_start",
        "window_end",
        "environment",
    ]
)
COUNTS = frozenset(("pulled", "accepted", "quarantined", "duplicates", "expected", "predictions"))


@dataclass(frozen=True, kw_only=True)
class Run:
    """One row of internal.run; the comments of its columns say what each means."""

    run_id: int
    pipeline: str
    tables_version: int
    origin: date
    kind: RunKind
    mode: RunMode
    attempt: int
    scheduler_run_id: str | None
    state: RunState
    reason: str | None
    spec_digest: str | None
    code_commit: str | None
    code_dirty: bool | None
    model_version: int | None
    manifest_digest: str | None
    input_digest: str | None
    row_digest: str | None
    look_ahead: bool
    window_start: date | None
    window_end: date | None
    pulled: int | None
    accepted: int | None
    quarantined: int | None
    duplicates: int | None
    expected: int | None
    predictions: int | None
    environment: Mapping[str, Any]
    opened_at: datetime
    ended_at: datetime | None

    @property
    def window(self) -> Window | None:
        """The event days to read, both ends included; None before they are pinned."""
        if self.window_start is None or self.window_end is None:
            return None
        return Window(start=self.window_start, end=self.window_end)


def open_run(
    tx: Connection,
    pipeline: str,
    origin: date,
    kind: RunKind = RunKind.NIGHT,
    mode: RunMode = RunMode.KNOWN_THEN,
    scheduler_run_id: str | None = None,
) -> Run:
    """A new run of a night, with the next attempt number; or the one that this scheduler run already has.

    Raises:
        NotFound: the pipeline has no tables.
    """
    lock_night(tx, pipeline, kind, origin)
    if scheduler_run_id is not None:
        known = find(tx, pipeline, scheduler_run_id, kind)
        if known:
            return known
    asked = {"pipeline": pipeline, "origin": origin, "kind": kind, "mode": mode, "scheduler_run_id": scheduler_run_id}
    opened = row(tx, _SQL["open"], asked)
    if opened is None:
        raise NotFound(f"there is no pipeline {pipeline!r} in the database; run `nightcast db apply`")
    return _run(opened)


def get(tx: Connection, run_id: int) -> Run:
    """A run by its number.

    Raises:
        NotFound: there is none.
    """
    return _found(row(tx, _SQL["get"], {"run_id": run_id}), run_id)


def lock(tx: Connection, run_id: int) -> Run:
    """A run, locked against other changes until the transaction ends; its steps can still be claimed.

    Raises:
        NotFound: there is none.
    """
    return _found(row(tx, _SQL["lock"], {"run_id": run_id}), run_id)


def find(tx: Connection, pipeline: str, scheduler_run_id: str, kind: RunKind = RunKind.NIGHT) -> Run | None:
    """The run that a scheduler's run opened."""
    found = row(tx, _SQL["find"], {"pipeline": pipeline, "kind": kind, "scheduler_run_id": scheduler_run_id})
    return _run(found) if found else None


def latest(tx: Connection, pipeline: str, origin: date, kind: RunKind = RunKind.NIGHT) -> Run | None:
    """The newest attempt at a night."""
    found = row(tx, _SQL["latest"], {"pipeline": pipeline, "kind": kind, "origin": origin})
    return _run(found) if found else None


def resume(tx: Connection, run_id: int) -> Run:
    """Open a stopped or failed run again, as when an operator clears its task; an open one stays as it is.

    Raises:
        NightRefused: the run has ended for good.
    """
    run = lock(tx, run_id)
    if run.state is RunState.OPEN:
        return run
    if run.state in TERMINAL:
        raise NightRefused(
            f"run {run_id} is {run.state}, which is final; start a new run of {run.pipeline} {run.origin}"
        )
    return _run(the_row(tx, _SQL["reopen"], {"run_id": run_id}))


def pin(tx: Connection, run_id: int, **values: Any) -> Run:
    """Store what a run is made from: any of `PINS`. Pins of a run that has ended never change.

    Raises:
        NightRefused: the run is not open.
    """
    return _set(tx, run_id, values, PINS)


def count(tx: Connection, run_id: int, **values: int) -> Run:
    """Store counts of rows: any of `COUNTS`.

    Raises:
        NightRefused: the run is not open.
    """
    return _set(tx, run_id, values, COUNTS)


def finish(tx: Connection, run_id: int, state: RunState, reason: str | None = None) -> Run:
    """End an open run. Ending it again in the same state changes nothing; `published` is set by publishing alone.

    Raises:
        NightRefused: the run has ended in another state.
    """
    run = lock(tx, run_id)
    if run.state is state:
        return run
    if run.state is not RunState.OPEN or state is RunState.OPEN:
        raise NightRefused(f"run {run_id} is {run.state} and cannot become {state}; expected an open run")
    return _run(the_row(tx, _SQL["finish"], {"run_id": run_id, "state": state, "reason": reason}))


def recent(
    tx: Connection,
    pipeline: str | None = None,
    kind: RunKind | None = None,
    limit: int = 50,
    origin: date | None = None,
) -> list[Run]:
    """Runs, newest first."""
    asked = {"pipeline": pipeline, "kind": kind, "limit": limit, "origin": origin}
    return [_run(found) for found in rows(tx, _SQL["recent"], asked)]


def newest_origin(tx: Connection, pipeline: str) -> date:
    """The newest origin of a night or an import.

    Raises:
        NotFound: there was none yet.
    """
    found: date | None = the_row(tx, _SQL["newest_origin"], {"pipeline": pipeline})["origin"]
    if found is None:
        raise NotFound(f"nothing of {pipeline} was taken in yet; `nightcast import` takes in its history")
    return found


def newest_pin(tx: Connection, pipeline: str, version: int, name: str) -> str | None:
    """What the newest run on a version of the tables that pinned `name` in its environment has there."""
    found = row(tx, _SQL["newest_pin"], {"pipeline": pipeline, "version": version, "name": name})
    return str(found["value"]) if found else None


def left_open(tx: Connection, longer_than: timedelta) -> list[Run]:
    """Open runs none of whose steps began or ended within `longer_than`: their scheduler run may be over."""
    return [_run(found) for found in rows(tx, _SQL["left_open"], {"age": longer_than})]


def _set(tx: Connection, run_id: int, values: Mapping[str, Any], allowed: frozenset[str]) -> Run:
    unknown = set(values) - allowed
    if unknown or not values:
        raise ValueError(f"cannot set {sorted(unknown) or 'nothing'}; expected some of {sorted(allowed)}")
    run = lock(tx, run_id)
    if run.state is not RunState.OPEN:
        raise NightRefused(f"run {run_id} is {run.state}; its {', '.join(sorted(values))} can no longer change")
    parts = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in sorted(values)]
    statement = sql.SQL(_SQL["set"]).format(assignments=sql.SQL(", ").join(parts))
    given = {name: as_json(value) if isinstance(value, Mapping) else value for name, value in values.items()}
    execute(tx, statement, {**given, "run_id": run_id})
    return get(tx, run_id)


def _found(found: Row | None, run_id: int) -> Run:
    if found is None:
        raise NotFound(f"there is no run {run_id}; `nightcast runs` lists them")
    return _run(found)


def _run(found: Row) -> Run:
    return Run(**found | {k: t(found[k]) for k, t in (("kind", RunKind), ("mode", RunMode), ("state", RunState))})
