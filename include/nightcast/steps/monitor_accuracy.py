"""Record what happened, and how far the forecasts made for it were off, beside seasonal naive on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightcast.domain import accuracy, baselines
from nightcast.domain.manifest import Manifest
from nightcast.domain.night import RunState
from nightcast.domain.panel import Cube, build_cube, wanted_days
from nightcast.domain.pipeline import Pipeline
from nightcast.domain.rows import arrow_type
from nightcast.lake import Lake
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import Attempt, attempt, committing, finish, night_result
from nightcast.steps.snapshot import load_manifest
from nightcast.store import actuals, intake, predictions, publication, runs
from nightcast.store.connect import Connection

NAIVE_DAYS = 35  # of history that seasonal naive may need: the same weekday, closed weeks passed over


def run(night: Mapping[str, Any], rooms: Rooms, clock: Clock) -> dict[str, Any]:
    """Take the accepted days of the window into the actuals, and score every published forecast of them.

    Truth is what is known now: the monitor of an older night, run again, takes nothing back that came later. A failure
    here takes nothing back that was published.
    """
    with rooms.transaction() as tx:
        state = runs.get(tx, night["run_id"]).state
    if state in (RunState.UNCHANGED, RunState.TOO_OLD):
        return {**night, "skip": True, "why": f"run {night['run_id']} is {state}: nothing new to score"}
    with attempt(night, rooms, "monitor_accuracy", judges=False) as trial:
        pipeline, window = trial.folder.pipeline, trial.run.window
        if window is None:
            return {**night, "skip": True, "why": f"run {night['run_id']} has no window"}
        with rooms.transaction() as tx:
            accepted = [intake.IntakeState.ACCEPTED]
            days = intake.newest(tx, pipeline.name, window.start, window.end, states=accepted)
        truth = _actuals(days, pipeline, rooms.lake)
        with rooms.transaction() as tx:
            actuals.record(tx, pipeline, trial.run.run_id, list(days), truth)
            seen = _seen(tx, trial)
            found = [s for shown in _forecasts(tx, trial) for s in _scored(tx, shown, seen, pipeline, rooms.lake)]
        with committing(trial, rooms) as tx:
            fresh = actuals.add_accuracy(tx, found)
            counts = {"days": len(days), "actuals": truth.num_rows, "scores": len(found), "new_scores": fresh}
            finish(tx, trial, counts=counts, result={})
        return night_result(trial.run, trial.folder, **counts)


def _seen(tx: Connection, trial: Attempt) -> date:
    """The newest night that has recorded actuals: this one, unless it is run again or late."""
    origin = trial.run.origin
    return max(actuals.recorded_days(tx, trial.folder.pipeline, origin, date.max), default=origin)


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


def _forecasts(tx: Connection, trial: Attempt) -> list[publication.Publication]:
    """The published nights whose horizon reaches into the window; and the night itself, in case it is made late."""
    window = trial.run.window
    first = (window.start if window else trial.run.origin) - timedelta(days=trial.folder.pipeline.forecast.horizon)
    shown = publication.published(tx, trial.run.pipeline, first, trial.run.origin)
    return [s for s in shown if not runs.get(tx, s.run_id).look_ahead]


def _scored(
    tx: Connection, shown: publication.Publication, seen: date, pipeline: Pipeline, lake: Lake
) -> list[actuals.AccuracyScore]:
    """Accuracy of one night over all its target days that have come by the night `seen`."""
    last = shown.origin + timedelta(days=pipeline.forecast.horizon)
    came = sorted(actuals.recorded_days(tx, pipeline, shown.origin + timedelta(days=1), last))
    forecast = predictions.of_run(tx, pipeline, shown.run_id)
    forecast = forecast.filter(pc.is_in(forecast["target_date"], value_set=pa.array(came, type=pa.date32())))
    if not forecast.num_rows:
        return []
    truth = actuals.read(tx, pipeline, came[0], came[-1])
    joined = forecast.append_column("row", pa.array(np.arange(forecast.num_rows))).join(
        truth, [*pipeline.keys, "target_date"], [*pipeline.keys, "event_day"], join_type="left outer"
    )
    order = np.argsort(joined["row"].to_numpy())
    actual = pc.fill_null(joined["value"], 0).to_numpy()[order]
    naive, known = _naive(forecast, runs.get(tx, shown.run_id), pipeline, lake)
    forecasts = {"model": forecast["mean"].to_numpy()[known], "seasonal_naive": naive[known]}
    found = accuracy.accuracy(
        actual[known], forecasts, forecast["horizon"].to_numpy()[known], pipeline.forecast.horizon
    )
    settled = accuracy.joint_maturity(accuracy.maturity(day, seen, pipeline.source.late_arrival) for day in came)
    return [
        actuals.AccuracyScore(
            run_id=shown.run_id,
            horizon_bucket=f.horizon_bucket,
            method=f.method,
            metric=f.metric.value,
            maturity=settled.value,
            value=f.value,
            n=f.n,
            sum_actual=f.sum_actual,
        )
        for f in found
    ]


def _naive(
    forecast: pa.Table, run_: runs.Run, pipeline: Pipeline, lake: Lake
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Seasonal naive for the rows of a forecast, from what the night itself knew; and where there is one."""
    manifest = load_manifest(lake, str(run_.manifest_digest))
    cube = _recent(manifest, pipeline, lake)
    days = np.unique(forecast["target_date"].to_numpy().astype("datetime64[D]"))
    naive = baselines.seasonal_naive(cube.values[pipeline.forecast.target], cube.days, cube.open, manifest.origin, days)
    column = np.searchsorted(days, forecast["target_date"].to_numpy().astype("datetime64[D]"))
    entity = _places(cube, forecast, pipeline.keys)
    values = np.where(entity >= 0, naive.values[np.maximum(entity, 0), column], 0)
    return values, naive.known[column]


def _recent(manifest: Manifest, pipeline: Pipeline, lake: Lake) -> Cube:
    days = manifest.days[-NAIVE_DAYS:]
    panels = ((digest, lake.get_table(digest)) for digest in sorted(wanted_days(days)))
    return build_cube(panels, days, manifest.calendar, pipeline)


def _places(cube: Cube, rows: pa.Table, keys: Sequence[str]) -> np.ndarray[Any, Any]:
    """The index in the cube of each row's entity; -1 for one that sold nothing lately, whose naive forecast is 0."""
    index = cube.keys.append_column("place", pa.array(np.arange(cube.keys.num_rows)))
    numbered = rows.select(list(keys)).append_column("row", pa.array(np.arange(rows.num_rows)))
    joined = numbered.join(index, list(keys), join_type="left outer")
    order = np.argsort(joined["row"].to_numpy())
    places: np.ndarray[Any, Any] = pc.fill_null(joined["place"], -1).to_numpy()[order]
    return places
