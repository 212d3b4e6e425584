"""Rows that are set aside, dealt with: somebody looked, and they are not wanted."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from nightcast.domain.decision import Asked, DecisionKind, Outcome
from nightcast.steps.rooms import Clock, Rooms
from nightcast.store import decisions, quarantine


def run(
    asked: Asked,
    rooms: Rooms,
    clock: Clock,
    *,
    pipeline: str,
    first: date,
    last: date | None = None,
    check_id: str | None = None,
) -> Outcome:
    """Mark the rows that are set aside of the days from `first` to `last` (None: that day alone), by one check or by
    any, as dealt with. They stay where they are; rows that a later revision of a day sets aside are new ones.

    Raises:
        NotFound: no row is set aside there.
    """
    about = decisions.About(pipeline=pipeline, check_id=check_id, first_day=first, last_day=last or first)
    wanted = quarantine.Wanted(pipeline=pipeline, first=first, last=about.last_day, check_id=check_id, discarded=True)
    with rooms.transaction() as tx:
        decisions.lock(tx, pipeline)
        days = quarantine.days(tx, wanted)
        if not days:
            raise quarantine.nothing_in(pipeline)
        pending = sum(d.rows - d.discarded for d in days)
        if not pending:
            by = decisions.get(tx, max(d.discarded_by or 0 for d in days))
            return Outcome(text=f"already discarded: {_all(days)}, {by.said}", decision=by.decision_id)
        text = f"{pending:,} of {_all(days)}"
        if asked.dry_run:
            return Outcome(text=f"would discard {text}")
        made = decisions.enter(tx, DecisionKind.DISCARD, replace(about, evidence={"rows": pending}), asked)
        return Outcome(text=f"discarded {text}", decision=made.decision_id)


def _all(days: list[quarantine.DayCount]) -> str:
    return f"{sum(d.rows for d in days):,} rows of {len(days)} days that are set aside"
