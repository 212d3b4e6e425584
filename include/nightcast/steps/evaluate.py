"""Measure the fitted recipe on origins that its calibration fit had not seen, and seal the bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from nightcast import models
from nightcast.domain import baselines
from nightcast.domain.calendar_view import CalendarView, calendar_view
from nightcast.domain.forecast import Fitted, score
from nightcast.domain.panel import Cube
from nightcast.domain.pipeline import Pipeline, quantile_column
from nightcast.domain.profile import Kind, profile_table, to_json
from nightcast.domain.training import Labelled, hash_keys, labelled_rows, training_origins
from nightcast.domain.windows import History
from nightcast.steps.drifting import day_of, merged
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import attempt, committing, finish, over
from nightcast.steps.snapshot import load_cube, load_manifest
from nightcast.store import fence, intake, runs

PROFILED_DAYS = 364  # of inputs, up to the end of training


def run(training: Mapping[str, Any], rooms: Rooms, clock: Clock) -> dict[str, Any]:
    """Seal the bundle with its metrics, beside those of seasonal naive on the same rows, and its reference profiles."""
    if done := over(training, rooms):
        return done
    with attempt(training, rooms, "evaluate") as trial:
        pipeline = trial.folder.pipeline
        with rooms.transaction() as tx:
            draft = str((fence.result_of(tx, trial.run.run_id, "train") or training)["draft"])
        fitted = models.open_bundle(rooms.lake.get(draft), draft).fitted
        manifest = load_manifest(rooms.lake, str(trial.run.manifest_digest))
        cube = load_cube(rooms.lake, manifest, trial.folder)
        held_out = _held_out(cube, calendar_view(manifest.calendar), pipeline, trial.run)
        metrics = dict(fitted.metrics) | _naive_metrics(cube, held_out, pipeline)
        about = {
            "pipeline": pipeline.name,
            "training": trial.run.manifest_digest,
            "spec": trial.run.spec_digest,
            "trained_through": trial.run.origin.isoformat(),
            "metrics": metrics,
        }
        profiles = _profiles(fitted, held_out, pipeline) | _input_profiles(trial.run, pipeline, rooms)
        bundle = rooms.lake.put(models.seal(fitted, about, profiles))
        with committing(trial, rooms) as tx:
            finish(tx, trial, counts=metrics, result={"bundle": bundle})
    return {**training, "bundle": bundle}


def _held_out(cube: Cube, calendar: CalendarView, pipeline: Pipeline, run_: runs.Run) -> list[Labelled]:
    """The rows of the newest training origins, the ones that calibration predicted without having learned them."""
    history, hashes = History(cube), hash_keys(cube.keys)
    origins = training_origins(run_.origin, pipeline)[: pipeline.model.calibration.origins]
    parts = [labelled_rows(history, calendar, origin, pipeline, hashes) for origin in origins]
    return [p for p in parts if p is not None and len(p)]


def _naive_metrics(cube: Cube, held_out: Sequence[Labelled], pipeline: Pipeline) -> dict[str, float]:
    """Seasonal naive on the rows of `calibration_wape`: per entity and origin, summed over the horizon."""
    target, actual, missed = pipeline.forecast.target, 0.0, 0.0
    for part in held_out:
        days = np.unique(part.rows.target)
        origin = date.fromisoformat(str(part.rows.origin))
        naive = baselines.seasonal_naive(cube.values[target], cube.days, cube.open, origin, days)
        forecast = naive.values[part.rows.entity, np.searchsorted(days, part.rows.target)]
        missed += float(np.abs(np.bincount(part.rows.entity, weights=forecast - part.y)).sum())
        actual += float(part.y.sum())
    return {"seasonal_naive_wape": missed / actual} if actual else {}


def _profiles(fitted: Fitted, held_out: Sequence[Labelled], pipeline: Pipeline) -> dict[str, Any]:
    """Features and predictions of the held-out origins: what a night's are compared with."""
    x = np.concatenate([p.rows.x for p in held_out])
    scores = score(fitted, x, np.concatenate([p.rows.scale for p in held_out]), models.predict)
    features = {n: (Kind.NUMBER, x[:, i].astype(np.float64)) for i, n in enumerate(pipeline.feature_names)}
    forecasts = {"mean": (Kind.NUMBER, scores.mean)} | {
        quantile_column(q): (Kind.NUMBER, scores.quantiles[:, i]) for i, q in enumerate(pipeline.forecast.quantiles)
    }
    found = {"feature": profile_table(features), "prediction": profile_table(forecasts)}
    return {kind: {n: to_json(p) for n, p in columns.items()} for kind, columns in found.items()}


def _input_profiles(run_: runs.Run, pipeline: Pipeline, rooms: Rooms) -> dict[str, Any]:
    with rooms.transaction() as tx:
        first = run_.origin - timedelta(days=PROFILED_DAYS - 1)
        known = intake.newest(tx, pipeline.name, first, run_.origin, states=[intake.IntakeState.ACCEPTED])
    found = merged(day_of(rooms.lake, r.profile_object).columns for r in known.values())
    grouped: dict[str, Any] = {}
    for (kind, name), profile in found.items():
        grouped.setdefault(kind, {})[name] = to_json(profile)
    return grouped
