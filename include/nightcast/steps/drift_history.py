"""Drift of every imported day against the same weekdays before it: the past that later nights are ranked among."""

from __future__ import annotations

from datetime import date, timedelta

from nightcast.domain.drift import same_weekday_reference
from nightcast.domain.night import DayState
from nightcast.domain.pipeline import PipelineFolder
from nightcast.steps.drifting import SAME_WEEKDAY, compared, input_profiles, merged
from nightcast.steps.rooms import Rooms
from nightcast.store import intake, runs, scores

REACH = timedelta(weeks=16)  # in which the reference's nights lie, also where some were closed or missing


def run(import_run: runs.Run, folder: PipelineFolder, first: date, last: date, rooms: Rooms) -> int:
    """Store the scores of the accepted days from `first` to `last` under the import; how many there are."""
    pipeline = folder.pipeline
    with rooms.transaction() as tx:
        known = intake.newest(tx, pipeline.name, first - REACH, last, states=[intake.IntakeState.ACCEPTED])
    profiles = {
        day: input_profiles(rooms.lake, taken.profile_object, pipeline)
        for day, taken in known.items()
        if taken.profile_object
    }
    accepted = dict.fromkeys(profiles, DayState.ACCEPTED)
    found: list[scores.DriftScore] = []
    for day, current in ((day, profile) for day, profile in profiles.items() if day >= first):
        reference = merged(profiles[d] for d in same_weekday_reference(accepted, day))
        found += compared(current, reference, SAME_WEEKDAY, {}, origin=day)
    with rooms.transaction() as tx:
        return scores.replace(tx, import_run.run_id, found)
