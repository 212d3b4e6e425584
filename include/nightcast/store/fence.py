"""Fencing: the highest attempt at a (run, step, shard) owns its rows, a lower one writes nothing.

A worker that was lost may run on beside its retry. So a step claims an attempt, computes, and then writes all its
rows in one short transaction that begins with `own` and ends with `done`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.domain.night import StepState
from nightcast.errors import Fenced, NotFound
from nightcast.store.queries import Row, as_json, execute, load, lock_step, row, rows, the_row

_SQL = load("fence")


@dataclass(frozen=True, kw_only=True)
class StepAttempt:
    """One row of internal.run_step."""

    run_id: int
    step: str
    shard: int
    attempt: int
    state: StepState
    started_at: datetime
    ended_at: datetime | None
    seconds: float | None
    cpu_seconds: float | None
    counts: Mapping[str, Any]
    result: Mapping[str, Any] | None
    error_class: str | None
    error: str | None


def claim(tx: Connection, run_id: int, step: str, shard: int = 0) -> int:
    """Become the owner of a step's rows: the number of the new attempt. Commit at once, so that others see it.

    Waits while the attempt before is writing. That one, if it still runs, is marked as failed: it has lost.

    Raises:
        NotFound: there is no such run.
    """
    what = {"run_id": run_id, "step": step, "shard": shard}
    lock_step(tx, run_id, step, shard)  # two claims at once take turns; without a row yet there is none to lock
    row(tx, _SQL["lock_highest"], what)
    if row(tx, _SQL["run"], what) is None:
        raise NotFound(f"there is no run {run_id}; `nightcast runs` lists them")
    attempt = int(the_row(tx, _SQL["claim"], what)["attempt"])
    execute(tx, _SQL["lose"], what | {"attempt": attempt})
    return attempt


def own(tx: Connection, run_id: int, step: str, shard: int, attempt: int) -> None:
    """Make sure that this attempt may write, and keep it so until the transaction ends.

    Raises:
        Fenced: a newer attempt owns the rows, or this one was never claimed.
    """
    what = {"run_id": run_id, "step": step, "shard": shard, "attempt": attempt}
    mine = row(tx, _SQL["lock_mine"], what)
    highest = the_row(tx, _SQL["highest"], what)["attempt"]
    if mine is None or highest != attempt:
        raise Fenced(
            f"attempt {attempt} of {step} (run {run_id}, shard {shard}) may not write: attempt {highest} owns its "
            "rows. Nothing to do"
        )


def done(
    tx: Connection,
    run_id: int,
    step: str,
    shard: int,
    attempt: int,
    *,
    result: Mapping[str, Any] | None = None,
    counts: Mapping[str, Any] | None = None,
    cpu_seconds: float | None = None,
    state: StepState = StepState.DONE,
) -> None:
    """Mark an attempt as done (or `stopped`, `skipped`), in the transaction that wrote its rows.

    Raises:
        Fenced: a newer attempt owns the rows, or this one has ended.
    """
    own(tx, run_id, step, shard, attempt)
    what = {"run_id": run_id, "step": step, "shard": shard, "attempt": attempt, "state": state}
    ended = {"cpu_seconds": cpu_seconds, "counts": as_json(counts or {}), "error_class": None, "error": None}
    if not execute(tx, _SQL["end"], {**what, **ended, "result": None if result is None else as_json(result)}):
        raise Fenced(
            f"attempt {attempt} of {step} (run {run_id}, shard {shard}) has ended already; it may write nothing more"
        )


def failed(tx: Connection, run_id: int, step: str, shard: int, attempt: int, error: BaseException) -> None:
    """Mark an attempt that still runs as failed with its error; never refused, and never undoes an end."""
    what = {"run_id": run_id, "step": step, "shard": shard, "attempt": attempt, "state": StepState.FAILED}
    told = {"error_class": type(error).__name__, "error": str(error)[:10_000], "result": None}
    execute(tx, _SQL["end"], {**what, **told, "cpu_seconds": None, "counts": as_json({})})


def result_of(tx: Connection, run_id: int, step: str, shard: int = 0) -> dict[str, Any] | None:
    """What the newest attempt that is done handed on; None where none is done."""
    found = row(tx, _SQL["result"], {"run_id": run_id, "step": step, "shard": shard})
    return (found["result"] or {}) if found else None


def results_of(tx: Connection, run_id: int, step: str) -> dict[int, dict[str, Any]]:
    """Of every shard that is done: what its newest attempt handed on."""
    found = rows(tx, _SQL["results"], {"run_id": run_id, "step": step})
    return {each["shard"]: each["result"] or {} for each in found}


def attempts(tx: Connection, run_id: int) -> list[StepAttempt]:
    """All attempts at all steps of a run, in the order in which they began."""
    return [_attempt(found) for found in rows(tx, _SQL["attempts"], {"run_id": run_id})]


def _attempt(found: Row) -> StepAttempt:
    return StepAttempt(**found | {"state": StepState(found["state"])})
