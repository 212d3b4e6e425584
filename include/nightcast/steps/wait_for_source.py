"""Wait until the source has the last day that it should have."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nightcast import source
from nightcast.domain.night import Window
from nightcast.domain.pipeline import PipelineFolder
from nightcast.errors import SourceNotFresh
from nightcast.steps.calendar import read_calendar
from nightcast.steps.extract import rows_of
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import attempt, committing, finish, origin_of, over, pinned_folder
from nightcast.store import runs


def run(night: Mapping[str, Any], rooms: Rooms, clock: Clock) -> bool | dict[str, Any]:
    """True when the last open day up to the origin has rows; False to be asked again later.

    A run that takes in nothing new (its snapshot is pinned) does not wait.

    Raises:
        SourceNotFresh: the day is not there and the spec's deadline has passed.
    """
    if done := over(night, rooms):
        return done
    with rooms.transaction() as tx:
        waiting = runs.get(tx, night["run_id"])
    if waiting.manifest_digest is not None:
        return True
    folder, origin = pinned_folder(waiting, rooms), origin_of(night)
    expected, deadline = _last_open_day(folder, rooms, origin), _deadline(folder, origin)
    there = expected is None or _has_rows(folder, rooms, expected)
    if not there and clock() < deadline:
        return False  # asked again every minute: only how it ends is recorded
    with attempt(night, rooms, "wait_for_source") as trial:
        if not there:
            raise SourceNotFresh(
                f"the source {folder.pipeline.source.connection!r} has no rows for {expected}, an open day; expected "
                f"them by {deadline:%Y-%m-%d %H:%M %Z}. Ask its owner; when the day is there, clear this task"
            )
        with committing(trial, rooms) as tx:
            finish(tx, trial, counts={"found": there}, result={"expected_day": expected and expected.isoformat()})
    return True


def _last_open_day(folder: PipelineFolder, rooms: Rooms, origin: date) -> date | None:
    """The last open day of the night's window, or None where the whole window is closed."""
    first = origin - timedelta(days=folder.pipeline.source.late_arrival)
    calendar = read_calendar(folder, rooms.settings, first, origin)
    return max((c.day for c in calendar if c.open), default=None)


def _has_rows(folder: PipelineFolder, rooms: Rooms, day: date) -> bool:
    """Whether `freshness.sql` says so of that day (first column of its first row), or else its first rows arrive."""
    if freshness := folder.files.get("freshness.sql"):
        values = {"window_start": day, "window_end": day + timedelta(days=1)}
        url, zone = rooms.settings.source_url(folder.pipeline.source.connection), folder.pipeline.schedule.timezone
        told = source.query(url, freshness, values, timezone=zone)
        return bool(told and next(iter(told[0].values())))
    batches = rows_of(folder, Window(start=day, end=day), rooms)
    return any(batch.num_rows for batch in batches)  # a source closes when its iterator is dropped


def _deadline(folder: PipelineFolder, origin: date) -> datetime:
    zone = ZoneInfo(folder.pipeline.schedule.timezone)
    return datetime.combine(origin + timedelta(days=1), folder.pipeline.source.deadline, tzinfo=zone)
