"""Record what happened, and how far the forecasts made for it were off, beside seasonal naive on the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightcast.domain.night import RunState
from nightcast.domain.pipeline import Pipeline, PipelineFolder
from nightcast.domain.rows import arrow_type
from nightcast.errors import SpecError
from nightcast.lake import Lake
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import Attempt, attempt, committing, finish, night_result, pinned_folder
from nightcast.steps.scoring import Truth, kept_yardstick, scored
from nightcast.store import accuracy, actuals, intake, predictions, runs
from nightcast.store.accuracy import AccuracyScore, Night
from nightcast.store.connect import Connection

MOST_NIGHTS = 60  # scored by one task, the newest first; what is left waits for the next night


@dataclass(frozen=True, kw_only=True)
class ScoredNight:
    """The scores of one night, with what they rest on."""

    night: Night
    scores: list[AccuracyScore]
    yardstick: str
    last_target: date
    truth: str


def run(night: Mapping[str, Any], rooms: Rooms, clock: Clock) -> dict[str, Any]:
    """Take accepted days into the actuals, and score every published night for which truth has changed.

    Truth is what is known now: the monitor of an older night, run again, takes nothing back that came later; and what
    an earlier monitor could not do is made up for. A failure here takes nothing back that was published.
    """
    with rooms.transaction() as tx:
        state = runs.get(tx, night["run_id"]).state
    if state in (RunState.UNCHANGED, RunState.TOO_OLD):
        return {**night, "skip": True, "why": f"run {night['run_id']} is {state}: nothing new to score"}
    with attempt(night, rooms, "monitor_accuracy", judges=False) as trial:
        window = trial.run.window
        if window is None:
            return {**night, "skip": True, "why": f"run {night['run_id']} has no window"}
        with rooms.transaction() as tx:
            counts = _record_truth(tx, trial, window.start, rooms.lake)
        with rooms.transaction() as tx:
            truth = _truth(tx, trial)
            stale = _stale(tx, trial, truth)
        found = list(_scored(stale[-MOST_NIGHTS:], truth, trial, rooms))
        with committing(trial, rooms) as tx:
            fresh = _store(tx, found, trial)
            counts |= {"nights": len(found), "nights_left": len(stale) - len(found), "new_scores": fresh}
            finish(tx, trial, counts=counts, result={})
        return night_result(trial.run, trial.folder, **counts)


def _record_truth(tx: Connection, trial: Attempt, first: date, lake: Lake) -> dict[str, int]:
    """Record the accepted days, from the first published night or the window on, whose newest panel is not recorded."""
    pipeline = trial.folder.pipeline
    actuals.lock_truth(tx, pipeline)
    shown = accuracy.nights(tx, pipeline)
    first = min([first, *(n.origin for n in shown[:1])])
    days = intake.newest(tx, pipeline.name, first, states=[intake.IntakeState.ACCEPTED])
    recorded = actuals.recorded_days(tx, pipeline, first)
    fresh = {day: taken for day, taken in days.items() if recorded.get(day) != taken.panel_digest}
    table = _actuals(fresh, pipeline, lake)
    panels = {day: taken.panel_digest for day, taken in fresh.items()}
    changed = actuals.record(tx, pipeline, trial.run.run_id, panels, table)
    return {"days": len(fresh), "actuals": table.num_rows, "closed": changed.closed, "opened": changed.opened}


def _actuals(days: Mapping[date, intake.Revision], pipeline: Pipeline, lake: Lake) -> pa.Table:
    """Keys, event day and value of some days; a key without a row is a zero."""
    wanted: dict[str, list[date]] = {}
    for day, taken in days.items():
        wanted.setdefault(str(taken.panel_object), []).append(day)
    schema = pa.schema([("event_day", pa.date32()), ("value", pa.int64())])
    parts = []
    for digest, held in wanted.items():
        panel = lake.get_table(digest)
        panel = panel.filter(pc.is_in(panel["day"], value_set=pa.array(held, type=pa.date32())))
        columns = {key: panel[key] for key in pipeline.keys}
        columns |= {"event_day": panel["day"], "value": panel[pipeline.forecast.target]}
        parts.append(pa.table(columns).filter(pc.not_equal(columns["value"], 0)))
    if not parts:
        keys = [pa.field(key, arrow_type(pipeline.source.columns[key])) for key in pipeline.keys]
        return pa.schema([*keys, *schema]).empty_table()
    return pa.concat_tables(parts)


def _truth(tx: Connection, trial: Attempt) -> Truth:
    pipeline = trial.folder.pipeline
    return Truth(
        recorded=actuals.recorded_days(tx, pipeline, date.min),
        seen=accuracy.seen(tx, pipeline) or trial.run.origin,
        late_arrival=pipeline.source.late_arrival,
    )


def _stale(tx: Connection, trial: Attempt, truth: Truth) -> list[Night]:
    """The nights whose scores rest on another truth than what is known now, or that have none, oldest first."""
    found = accuracy.nights(tx, trial.folder.pipeline)
    return [n for n in found if n.last_target is None or truth.digest(n, n.last_target) != n.truth]


def _scored(nights: list[Night], truth: Truth, trial: Attempt, rooms: Rooms) -> Iterator[ScoredNight]:
    """Score each night by its own pinned spec, one night in memory at a time.

    A night whose spec this version of the engine can no longer read keeps the scores that it has.
    """
    if not nights:
        return
    with rooms.transaction() as tx:
        last = nights[-1].origin + timedelta(days=366)
        happened = actuals.read(tx, trial.folder.pipeline, nights[0].origin, last)
    held: dict[int, pa.Table] = {}
    folders: dict[str | None, PipelineFolder | None] = {}
    for night in nights:
        made_by = _run(rooms, night.run_id)
        if made_by.spec_digest not in folders:
            folders[made_by.spec_digest] = _readable_folder(made_by, rooms)
        if (folder := folders[made_by.spec_digest]) is None:
            continue
        for run_id in filter(None, (night.before, night.run_id)):
            if run_id not in held:
                with rooms.transaction() as tx:
                    held[run_id] = predictions.of_run(tx, folder.pipeline, run_id)
        forecast, before = held[night.run_id], held[night.before] if night.before else None
        digest, measured = kept_yardstick(night, made_by, folder, rooms.lake)
        last = max(forecast["target_date"].unique().to_pylist(), default=night.origin)
        found = scored(night, forecast, before, measured, happened, truth, folder.pipeline)
        yield ScoredNight(
            night=night, scores=found, yardstick=digest, last_target=last, truth=truth.digest(night, last)
        )
        held = {night.run_id: forecast}


def _store(tx: Connection, found: list[ScoredNight], trial: Attempt) -> int:
    """Store the scores of the nights whose truth is still the one that they were made from."""
    accuracy.lock(tx, trial.folder.pipeline)
    now, nights = _truth(tx, trial), {n.run_id: n for n in accuracy.nights(tx, trial.folder.pipeline)}
    fresh = 0
    for each in found:
        night = nights.get(each.night.run_id)
        if night is not None and now.digest(night, each.last_target) == each.truth:
            fresh += accuracy.add(tx, each.scores)
            accuracy.keep_basis(
                tx, night.run_id, yardstick=each.yardstick, last_target=each.last_target, truth=each.truth
            )
    return fresh


def _readable_folder(made_by: runs.Run, rooms: Rooms) -> PipelineFolder | None:
    try:
        return pinned_folder(made_by, rooms)
    except SpecError:
        return None


def _run(rooms: Rooms, run_id: int) -> runs.Run:
    with rooms.transaction() as tx:
        return runs.get(tx, run_id)
