"""Drift of every imported day against the same weekdays before it: the past that later nights are ranked among."""

from __future__ import annotations

from datetime import date, timedelta

from nightcast.domain.night import DayState
from nightcast.domain.own_past import same_weekday_reference
from nightcast.domain.pipeline import PipelineFolder
from nightcast.steps.drifting import HISTORY, SAME_WEEKDAY, Comparison, compared, compared_slices, day_of, merged
from nightcast.steps.rooms import Rooms
from nightcast.store import intake, runs, scores

REACH = timedelta(weeks=16)  # in which the reference's nights lie, also where some were closed or missing
SLICED = 130  # days whose slices are compared: enough for a rank of 1 in 100, at a third of the cost of all


def run(import_run: runs.Run, folder: PipelineFolder, first: date, last: date, rooms: Rooms) -> int:
    """Store the scores of the accepted days from `first` to `last` under the import; how many there are.

    Of more days than a rank looks back on, the last ones count.
    """
    with rooms.transaction() as tx:
        known = intake.newest(tx, folder.pipeline.name, first - REACH, last, states=[intake.IntakeState.ACCEPTED])
    days = {day: day_of(rooms.lake, taken.profile_object) for day, taken in sorted(known.items())}
    accepted = dict.fromkeys(days, DayState.ACCEPTED)
    found: list[scores.DriftScore] = []
    scored = [day for day in days if day >= first][-HISTORY:]
    for day in scored:
        reference = [days[d] for d in same_weekday_reference(accepted, day)]
        if reference:
            how = Comparison(reference=SAME_WEEKDAY, origin=day)
            found += compared(how, days[day].columns, merged(r.columns for r in reference))
            found += compared_slices(how, days[day], reference) if day in scored[-SLICED:] else ()
    with rooms.transaction() as tx:
        return scores.replace(tx, import_run.run_id, found)
