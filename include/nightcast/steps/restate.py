"""Find the published nights whose data are others by now, and publish them anew: only where somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from nightcast.domain.changes import Changes, Inputs, changes
from nightcast.domain.feature_matrix import CALENDAR_AHEAD
from nightcast.domain.manifest import CalendarDay
from nightcast.domain.night import RunMode, Window
from nightcast.domain.pipeline import PipelineFolder
from nightcast.errors import NightRefused, NightStopped
from nightcast.steps import sequence
from nightcast.steps.calendar import read_calendar
from nightcast.steps.extract import news, pull
from nightcast.steps.open_run import folder_of
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import inputs_of
from nightcast.steps.snapshot import manifest_of
from nightcast.store import intake, publication, runs
from nightcast.store import models as registry
from nightcast.store.connect import Connection

ACCEPTED = intake.IntakeState.ACCEPTED
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Restated:
    """A published night, and what it would be made from now: nothing otherwise where `changes.data` is False."""

    shown: publication.Publication
    changes: Changes


@dataclass(frozen=True, kw_only=True)
class _Now:
    """What a run that looks anew would find: the accepted days and the calendar, all of them."""

    accepted: Mapping[date, intake.Taken]
    calendar: tuple[CalendarDay, ...]
    first: date


def plan(pipeline: str, since: date, until: date | None, rooms: Rooms) -> list[Restated]:
    """Every published night from `since` to `until` (both included; None: the newest), and what is otherwise now.

    The source is read over the windows of these nights and compared with what was taken in. Nothing is recorded.

    Raises:
        NightRefused: `since` is after `until`.
    """
    if until is not None and since > until:
        raise NightRefused(f"the nights go from {since} to {until}; expected a first night that is not later")
    folder = folder_of(pipeline, rooms)
    with rooms.transaction() as tx:
        nights = publication.published(tx, pipeline, since, until)
    if not nights:
        return []
    now = _now(folder, nights, rooms)
    with rooms.transaction() as tx:
        return [_compared(tx, night, folder, now, rooms) for night in nights]


def run(affected: Sequence[Restated], rooms: Rooms, clock: Clock, progress: Progress) -> Iterator[dict[str, Any]]:
    """Run these nights anew, in order, as known now; how each ended. One that a gate stops keeps what it has."""
    for each in affected:
        night = each.shown
        request = {"pipeline": night.pipeline, "partition_key": night.origin.isoformat(), "mode": RunMode.KNOWN_NOW}
        progress(f"{night.origin}: {each.changes.words}")
        try:
            yield sequence.run_night(request, rooms, clock)
        except NightStopped as stopped:
            yield {"origin": night.origin.isoformat(), "state": "stopped", "why": str(stopped)}


def _now(folder: PipelineFolder, nights: Sequence[publication.Publication], rooms: Rooms) -> _Now:
    pipeline, last = folder.pipeline, nights[-1].origin
    windows = _windows([n.origin for n in nights], pipeline.source.late_arrival)
    with rooms.transaction() as tx:
        accepted: dict[date, intake.Taken] = dict(intake.newest(tx, pipeline.name, last=last, states=[ACCEPTED]))
        known = intake.newest(tx, pipeline.name, last=last)
    for window in windows:
        for found in news(pull(folder, window, rooms), known):
            if found.day not in known or known[found.day].content_digest != found.content:
                accepted[found.day] = _as_it_is(found.day, found.content)
    first = min([*known, windows[0].start])
    ahead = last + timedelta(days=pipeline.forecast.horizon)
    calendar = read_calendar(folder, rooms.settings, first, ahead, CALENDAR_AHEAD)
    return _Now(accepted=accepted, calendar=calendar, first=first)


def _as_it_is(day: date, content: str) -> intake.Taken:
    """A day as the source has it, in the place of what was taken in. Its panel is not made: it only has to differ."""
    return intake.Taken(event_day=day, state=ACCEPTED, content_digest=content, panel_digest=content)


def _windows(origins: Sequence[date], late_arrival: int) -> list[Window]:
    """The event days that runs of these nights read, as few windows as hold no other day."""
    windows: list[Window] = []
    for origin in origins:
        start = origin - timedelta(days=late_arrival)
        if windows and start <= windows[-1].end + timedelta(days=1):
            start = windows.pop().start
        windows.append(Window(start=start, end=origin))
    return windows


def _compared(
    tx: Connection, night: publication.Publication, folder: PipelineFolder, now: _Now, rooms: Rooms
) -> Restated:
    then = inputs_of(runs.get(tx, night.run_id), rooms)
    end = night.origin + timedelta(days=folder.pipeline.forecast.horizon + CALENDAR_AHEAD)
    calendar = tuple(c for c in now.calendar if c.day <= end)
    model = registry.model_as_of(tx, night.pipeline, night.origin)
    found = Inputs(
        manifest=manifest_of(folder, night.origin, now.accepted, calendar),
        model_version=model.version if model else then.model_version,
        files=folder.files,
    )
    return Restated(shown=night, changes=changes(then, found))
