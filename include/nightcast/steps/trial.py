"""`nightcast try`: a night that publishes nothing, to see what a change of the folder would do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from nightcast.domain.night import RunKind, RunState
from nightcast.domain.verdict import CheckResult
from nightcast.errors import NightStopped
from nightcast.steps import audit, extract, failure, open_run, predict, validate
from nightcast.steps.rooms import Clock, Rooms
from nightcast.store import checks as check_store
from nightcast.store import predictions, publication, runs


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a night would have been: its run, its checks, its forecast, and the published one beside it."""

    run: runs.Run
    checks: tuple[CheckResult, ...]
    forecast: pa.Table | None
    published: pa.Table | None
    stopped: str | None


def run(
    pipeline: str, origin: date, rooms: Rooms, clock: Clock, progress: Callable[[str], None] = lambda _: None
) -> Trial:
    """Run a night of kind `try` with the folder as it is now, up to and including the audit.

    Its rows stay in the prediction table under its run, where no reader sees them.
    """
    request = {"pipeline": pipeline, "partition_key": origin.isoformat(), "kind": RunKind.TRY}
    night = open_run.run(request, rooms, clock)
    stopped = None
    try:
        with failure.recording(night, "try", rooms, clock, BaseException):
            _steps(night, rooms, clock, progress)
    except NightStopped as error:
        stopped = str(error)
    with rooms.transaction() as tx:
        found = runs.get(tx, night["run_id"])
        if found.state is RunState.OPEN:
            found = runs.finish(tx, found.run_id, RunState.DONE, "tried; nothing was published")
        shown = publication.current(tx, pipeline, origin)
        folder = open_run.folder_of(pipeline, rooms)
        return Trial(
            run=found,
            checks=tuple(check_store.of_run(tx, found.run_id)),
            forecast=predictions.of_run(tx, folder.pipeline, found.run_id) if found.predictions else None,
            published=predictions.of_run(tx, folder.pipeline, shown.run_id) if shown else None,
            stopped=stopped,
        )


def _steps(night: Mapping[str, Any], rooms: Rooms, clock: Clock, progress: Callable[[str], None]) -> None:
    for step in (extract, validate):
        progress(step.__name__.rsplit(".", 1)[-1])
        step.run(night, rooms, clock)
    for shard in range(night["shards"]):
        progress("predict")
        predict.run(night, rooms, clock, shard=shard)
    progress("audit")
    audit.run(night, rooms, clock)
