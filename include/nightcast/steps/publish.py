"""Show the night to readers: a pointer moves, in one short transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nightcast.domain.night import RunState, StepState
from nightcast.errors import NightStopped
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import attempt, committing, finish, inputs_differ, night_result, over
from nightcast.store import publication, runs


def run(night: Mapping[str, Any], rooms: Rooms, clock: Clock) -> dict[str, Any]:
    """Publish, or end the run as unchanged or superseded; readers see the night before, or all of this one.

    Raises:
        NightStopped: a person withdrew what the same inputs made.
    """
    with rooms.transaction() as tx:
        shown = publication.of_run(tx, night["run_id"])
    if shown and shown[-1].withdrawn_at is not None:
        why = f"run {night['run_id']} was published (revision {shown[-1].revision}) until: {shown[-1].reason}"
        return {**night, "state": "withdrawn", "skip": True, "why": why}
    if shown:  # by a try whose answer was lost: consumers must still hear of it
        return {**night, "state": RunState.PUBLISHED, "revision": shown[-1].revision}
    if done := over(night, rooms):
        return done
    with attempt(night, rooms, "publish") as trial, committing(trial, rooms) as tx:
        outcome = publication.publish(tx, trial.run.run_id, lambda then, now: inputs_differ(then, now, rooms))
        revision = getattr(outcome, "revision", None)
        ended = runs.get(tx, trial.run.run_id)
        state = StepState.STOPPED if ended.state is RunState.STOPPED else StepState.DONE
        result = {"revision": revision, "state": ended.state}
        finish(tx, trial, counts={"revision": revision}, result=result, state=state)
    if ended.state is RunState.STOPPED:
        raise NightStopped(f"publish stopped {ended.pipeline} {ended.origin}: {ended.reason}")
    return night_result(ended, trial.folder, revision=revision, reason=ended.reason)
