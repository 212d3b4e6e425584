"""Fit the recipe on the pinned snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nightcast import models
from nightcast.domain import recipe
from nightcast.domain.calendar_view import calendar_view
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import attempt, committing, finish, over, pin_family
from nightcast.steps.snapshot import load_cube, load_manifest


def run(training: Mapping[str, Any], rooms: Rooms, clock: Clock) -> dict[str, Any]:
    """Train, and keep what was fitted as a draft bundle: without profiles, and not registered."""
    if done := over(training, rooms):
        return done
    with attempt(training, rooms, "train") as trial:
        manifest = load_manifest(rooms.lake, str(trial.run.manifest_digest))
        cube = load_cube(rooms.lake, manifest, trial.folder)
        fitted = recipe.train(
            cube,
            calendar_view(manifest.calendar),
            trial.folder.pipeline,
            trial.run.origin,
            models.fit,
            models.predict,
        )
        draft = rooms.lake.put(models.seal(fitted, {}, {}))
        with committing(trial, rooms) as tx:
            pin_family(tx, trial, trial.folder.pipeline.model.family)
            finish(tx, trial, counts=dict(fitted.metrics), result={"draft": draft})
    return {**training, "draft": draft}
