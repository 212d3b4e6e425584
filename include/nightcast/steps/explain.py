"""From one published prediction back to everything that it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from nightcast import models
from nightcast.domain.calendar_view import calendar_view
from nightcast.domain.feature_matrix import scoring_rows
from nightcast.domain.panel import Cube
from nightcast.domain.windows import History
from nightcast.errors import NotFound
from nightcast.steps.open_run import folder_of
from nightcast.steps.rooms import Rooms
from nightcast.steps.running import pinned_folder
from nightcast.steps.snapshot import load_cube, load_manifest
from nightcast.store import models as registry
from nightcast.store import predictions, publication, runs


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A prediction with its lineage. `features` are in the model's order; None is a feature without a value."""

    prediction: Mapping[str, Any]
    revision: int
    run: runs.Run
    model: registry.ModelVersion
    features: Mapping[str, float | None]
    scale: float
    recent: Mapping[date, int]  # the target measure on the last 14 days up to the origin
    trained_with: Mapping[str, str]


def run(pipeline: str, key: Mapping[str, Any], target: date, rooms: Rooms, origin: date | None = None) -> Explanation:
    """Explain what readers see for a key and target date, from the newest origin or from `origin`.

    Raises:
        NotFound: nothing is published for it.
    """
    folder = folder_of(pipeline, rooms)
    with rooms.transaction() as tx:
        shown = publication.published(tx, pipeline, first=origin, last=origin)
        for each in reversed(shown):
            found = [r for r in predictions.of_key(tx, folder.pipeline, each.run_id, key) if r["target_date"] == target]
            if found:
                run_ = runs.get(tx, each.run_id)
                version = registry.get(tx, pipeline, run_.model_version or 0)
                return _explained(found[0], each.revision, run_, version, rooms)
    raise NotFound(
        f"{pipeline} has no published prediction for {dict(key)} on {target}; expected an open day within "
        f"{folder.pipeline.forecast.horizon} days after a published origin, and a key of its universe"
    )


def _explained(
    row: Mapping[str, Any], revision: int, run_: runs.Run, version: registry.ModelVersion, rooms: Rooms
) -> Explanation:
    folder = pinned_folder(run_, rooms)
    manifest = load_manifest(rooms.lake, str(run_.manifest_digest))
    cube = load_cube(rooms.lake, manifest, folder)
    rows = scoring_rows(History(cube), calendar_view(manifest.calendar), manifest.origin, folder.pipeline)
    entity = _entity(cube, {k: row[k] for k in folder.pipeline.keys})
    at = int(np.flatnonzero((rows.entity == entity) & (rows.target == np.datetime64(row["target_date"])))[0])
    opened = models.open_bundle(rooms.lake.get(version.bundle_digest), version.bundle_digest)
    values = {n: None if np.isnan(v) else float(v) for n, v in zip(rows.names, rows.x[at], strict=True)}
    measure = cube.values[folder.pipeline.forecast.target][entity][-14:]
    recent = dict(zip((d.astype(date) for d in cube.days[-14:]), (int(v) for v in measure), strict=True))
    return Explanation(
        prediction=row,
        revision=revision,
        run=run_,
        model=version,
        features=values,
        scale=float(rows.scale[at]),
        recent=recent,
        trained_with=opened.trained_with,
    )


def _entity(cube: Cube, key: Mapping[str, Any]) -> int:
    rows = cube.keys.to_pylist()
    return int(rows.index(dict(key)))
