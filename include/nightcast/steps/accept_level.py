"""A true change of level becomes what trailing checks compare with: days from then on, and none before."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

from nightcast.domain.baseline import ENOUGH
from nightcast.domain.decision import Asked, DecisionKind, Outcome
from nightcast.domain.night import RunKind, RunState
from nightcast.errors import DecisionRefused
from nightcast.steps.open_run import folder_of
from nightcast.steps.rooms import Clock, Rooms
from nightcast.store import decisions, layout, runs
from nightcast.store.connect import Connection


def run(asked: Asked, rooms: Rooms, clock: Clock, *, pipeline: str, since: date) -> Outcome:
    """Accept the level of the days from `since` on. Nights of earlier origins are compared as before.

    Raises:
        DecisionRefused: `since` is a day that has not come.
        SpecError, TablesDoNotFit: there is no such pipeline, or it has no tables.
    """
    folder = folder_of(pipeline, rooms)
    today = clock().astimezone(ZoneInfo(folder.pipeline.schedule.timezone)).date()
    if since > today:
        raise DecisionRefused(f"the level begins on {since}, and it is {today}; expected a day that has come")
    with rooms.transaction() as tx:
        layout.fits(tx, folder.pipeline)
        decisions.lock(tx, pipeline)
        before = decisions.standing(tx, pipeline, DecisionKind.ACCEPT_LEVEL)
        if same := next((d for d in before if d.first_day == since), None):
            return Outcome(text=f"already accepted: {pipeline} from {since}, {same.said}", decision=same.decision_id)
        text = (
            f"the level of {pipeline} from {since} on: trailing checks compare with days and nights from then on only, "
            f"and warn instead of stopping until there are {ENOUGH} of the weekday{_waiting(tx, pipeline, since)}"
        )
        if asked.dry_run:
            return Outcome(text=f"would accept {text}")
        about = decisions.About(pipeline=pipeline, first_day=since)
        made = decisions.enter(tx, DecisionKind.ACCEPT_LEVEL, about, asked)
        return Outcome(text=f"accepted {text}", decision=made.decision_id)


def _waiting(tx: Connection, pipeline: str, since: date) -> str:
    """The stopped nights from then on, which can go on."""
    newest = {run.origin: run for run in reversed(runs.recent(tx, pipeline, RunKind.NIGHT, 200))}
    stopped = [r for o, r in sorted(newest.items()) if o >= since and r.state is RunState.STOPPED]
    if not stopped:
        return ""
    named = ", ".join(f"run {r.run_id} ({r.origin})" for r in stopped)
    return f"\nstopped nights, to be cleared from their red task, oldest first: {named}"
