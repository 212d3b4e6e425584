"""Open a training run and pin the snapshot that the model will be made from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from nightcast.domain.feature_matrix import CALENDAR_AHEAD
from nightcast.domain.manifest import manifest_json
from nightcast.domain.night import RunKind, RunState
from nightcast.domain.training import training_origins
from nightcast.errors import TrainingImpossible
from nightcast.steps import failure
from nightcast.steps.calendar import read_calendar
from nightcast.steps.open_run import folder_of
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import attempt, code_pins, committing, finish
from nightcast.steps.snapshot import manifest_of
from nightcast.store import intake, layout, runs


def run(request: Mapping[str, Any], rooms: Rooms, clock: Clock) -> dict[str, Any]:
    """Pin spec, code and snapshot of a training run.

    `request`: pipeline, trained_through (ISO date or None: the newest accepted day), scheduler_run_id, reason.

    Raises:
        TrainingImpossible: no accepted history up to that day.
    """
    folder = folder_of(request["pipeline"], rooms)
    spec_digest = rooms.lake.put_json(dict(folder.files))
    with rooms.transaction() as tx:
        layout.fits(tx, folder.pipeline)
        known = intake.newest(tx, folder.pipeline.name, states=[intake.IntakeState.ACCEPTED])
        through = _through(request, known, folder.pipeline.name)
        opened = runs.open_run(
            tx, folder.pipeline.name, through, RunKind.TRAINING, scheduler_run_id=request.get("scheduler_run_id")
        )
        training = _handed_on(opened, request)
        if opened.state is RunState.DONE:
            return training | {"skip": True, "why": f"run {opened.run_id} has made its model: {opened.reason}"}
        opened = runs.resume(tx, opened.run_id)
        runs.pin(
            tx,
            opened.run_id,
            spec_digest=spec_digest,
            **code_pins(rooms),
            window_start=min(known),
            window_end=through,
        )
    step = "build_training_set"
    with failure.recording(training, step, rooms, clock), attempt(training, rooms, step) as trial:
        horizon = timedelta(days=folder.pipeline.forecast.horizon)
        calendar = read_calendar(folder, rooms.settings, min(known), through + horizon, CALENDAR_AHEAD)
        manifest = manifest_of(folder, through, {d: r for d, r in known.items() if d <= through}, calendar)
        digest = rooms.lake.put_text(manifest_json(manifest))
        counts = {"days": len(manifest.days), "origins": len(training_origins(through, folder.pipeline))}
        with committing(trial, rooms) as tx:
            runs.pin(tx, opened.run_id, manifest_digest=digest)
            finish(tx, trial, counts=counts, result={"manifest": digest})
    return training


def _through(request: Mapping[str, Any], known: Mapping[date, intake.Revision], name: str) -> date:
    asked = request.get("trained_through")
    through = date.fromisoformat(asked) if asked else max(known, default=None)
    if through is None or not any(day <= through for day in known):
        raise TrainingImpossible(
            f"{name} has no accepted day up to {through or 'today'}; expected a history. Import one: "
            f"nightcast import {name} --first DATE --last DATE"
        )
    return through


def _handed_on(run_: runs.Run, request: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "run_id": run_.run_id,
        "pipeline": run_.pipeline,
        "origin": run_.origin.isoformat(),
        "reason": request.get("reason") or "",
    }
