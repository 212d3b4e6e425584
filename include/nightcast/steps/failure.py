"""Record that a run could not go on: Airflow knows it, the run record must too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nightcast.domain.night import RunKind, RunState
from nightcast.errors import Fenced, Permanent
from nightcast.steps.rooms import Clock, Rooms
from nightcast.store import runs

SCHEDULED = (RunKind.NIGHT, RunKind.TRAINING)  # kinds of runs that a scheduler opens


def record(
    subject: Mapping[str, Any],
    step: str,
    error: BaseException,
    rooms: Rooms,
    clock: Clock,
    *,
    final: bool,
) -> None:
    """Mark an open run as failed when no further try follows. A run that ended otherwise keeps its state, and so does
    one whose newer attempt goes on.

    `subject` is what `open_run` returned, or what it was asked for where it did not come so far.
    """
    if not final or step.startswith("monitor_") or isinstance(error, Fenced):
        return
    with rooms.transaction() as tx:
        run = _run_of(tx, subject)
        if run is not None and run.state is RunState.OPEN:
            runs.finish(tx, run.run_id, RunState.FAILED, f"{step}: {type(error).__name__}: {error}"[:4000])


@contextmanager
def recording(
    subject: Mapping[str, Any], step: str, rooms: Rooms, clock: Clock, kind: type[BaseException] = Permanent
) -> Iterator[None]:
    """Record an error of `kind` as final: of what no retry mends, and of all that runs in one process, nobody else
    would.
    """
    try:
        yield
    except kind as error:
        record(subject, step, error, rooms, clock, final=True)
        raise


def _run_of(tx: Any, subject: Mapping[str, Any]) -> runs.Run | None:
    if subject.get("run_id"):
        return runs.get(tx, subject["run_id"])
    if subject.get("scheduler_run_id"):
        found = (runs.find(tx, subject["pipeline"], subject["scheduler_run_id"], kind) for kind in SCHEDULED)
        return next((run for run in found if run is not None), None)
    return None
