"""Score one shard of the entities with the pinned model, and write its rows under the run: nobody sees them yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from nightcast import models
from nightcast.domain.calendar_view import calendar_view
from nightcast.domain.feature_matrix import FeatureRows, scoring_rows
from nightcast.domain.forecast import Scores, check_fits, score
from nightcast.domain.panel import Cube
from nightcast.domain.pipeline import Pipeline, PipelineFolder, quantile_column
from nightcast.domain.profile import ColumnProfile, Kind, merge, profile_column, profile_table, repeated, to_json
from nightcast.domain.windows import History
from nightcast.errors import NightRefused
from nightcast.lake import Kept, Lake, scratch
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import Attempt, attempt, committing, finish, night_result, over, pin_family
from nightcast.steps.snapshot import cubes, load_manifest
from nightcast.store import models as registry
from nightcast.store import predictions


def run(night: Mapping[str, Any], rooms: Rooms, clock: Clock, shard: int = 0) -> dict[str, Any]:
    """Predict every entity of the shard's universe on every open day of the horizon.

    The bundle is opened only if its bytes are the registered ones (`BundleRejected` otherwise).
    """
    if done := over(night, rooms):
        return done
    if not 0 <= shard < night["shards"]:
        raise NightRefused(f"there is no shard {shard} of run {night['run_id']}; it has {night['shards']}, from 0 on")
    with attempt(night, rooms, "predict", shard) as trial:
        pipeline = trial.folder.pipeline
        if trial.run.manifest_digest is None:
            raise NightRefused(f"run {trial.run.run_id} has no snapshot; expected `validate` to have ended. Clear it")
        opened = open_pinned(trial, rooms)
        scored = predicted(opened.fitted, trial.folder, rooms.lake, trial.run.manifest_digest, (shard, pipeline.shards))
        with scratch() as place:
            forecasts = Kept(place / "forecasts.arrow")
            entities, profiles = keep(scored, forecasts, pipeline)
            profile = rooms.lake.put_json(profiles)
            with rooms.transaction() as tx:
                predictions.ensure_partition(tx, pipeline, trial.run.origin)
            with committing(trial, rooms) as tx:
                pin_family(tx, trial, opened.family)
                written = predictions.replace_shard(tx, pipeline, trial.run.run_id, shard, forecasts)
                counts = {"rows": written, "entities": entities, "features": len(pipeline.feature_names)}
                finish(tx, trial, counts=counts, result={"profile": profile, "bundle": opened.digest})
        return night_result(trial.run, trial.folder, shard=shard, **counts)


def keep(
    scored: Iterator[tuple[pa.Table, FeatureRows]], forecasts: Kept, pipeline: Pipeline
) -> tuple[int, dict[str, Any]]:
    """Keep forecasts part by part until all are made; the number of entities, and the profiles of the shard.

    Nothing is written to Postgres meanwhile: its transaction is to be short.
    """
    entities, profiles = 0, dict[tuple[str, str], ColumnProfile]()
    for table, rows in scored:
        forecasts.add(table)
        entities += len(rows.first_of_entities())
        for column, profile in _profiles(rows, table, pipeline).items():
            profiles[column] = merge(profiles[column], profile) if column in profiles else profile
    kinds: dict[str, Any] = {"feature": {}, "prediction": {}}
    for (kind, name), profile in profiles.items():
        kinds[kind][name] = to_json(profile)
    return entities, kinds


def open_pinned(trial: Attempt, rooms: Rooms) -> models.Opened:
    """The bundle of the run's model version, after every check that `models` makes."""
    with rooms.transaction() as tx:
        version = registry.get(tx, trial.run.pipeline, trial.run.model_version or 0)
    return models.open_bundle(rooms.lake.get(version.bundle_digest), version.bundle_digest)


def predicted(
    fitted: Any,
    folder: PipelineFolder,
    lake: Lake,
    manifest_digest: str,
    shard: tuple[int, int],
    threads: int | None = None,
) -> Iterator[tuple[pa.Table, FeatureRows]]:
    """The predictions of a shard and the feature rows behind them, part by part (see `snapshot.cubes`).

    The same inputs give the same bytes.
    """
    pipeline = folder.pipeline
    check_fits(fitted, pipeline)
    manifest = load_manifest(lake, manifest_digest)
    calendar = calendar_view(manifest.calendar)
    for cube in cubes(lake, manifest, folder, shard):
        rows = scoring_rows(History(cube), calendar, manifest.origin, pipeline)
        scores = score(fitted, rows.x, rows.scale, lambda e, x: models.predict(e, x, threads))
        yield prediction_table(cube, rows, scores, pipeline), rows


def prediction_table(cube: Cube, rows: FeatureRows, scores: Scores, pipeline: Pipeline) -> pa.Table:
    """Keys, target date, horizon, mean and quantiles: the columns of the prediction table."""
    columns = {key: cube.keys[key].take(pa.array(rows.entity)) for key in pipeline.keys}
    columns["target_date"] = pa.array(rows.target.astype("datetime64[D]"), type=pa.date32())
    columns["horizon"] = pa.array(rows.horizon, type=pa.int16())
    columns["mean"] = pa.array(scores.mean)
    for at, level in enumerate(pipeline.forecast.quantiles):
        columns[quantile_column(level)] = pa.array(scores.quantiles[:, at])
    return pa.table(columns)


def _profiles(rows: FeatureRows, table: pa.Table, pipeline: Pipeline) -> dict[tuple[str, str], ColumnProfile]:
    """Profiles of features and predictions, to be merged over parts and shards."""
    forecasts = ("mean", *(quantile_column(level) for level in pipeline.forecast.quantiles))
    predictions_ = {name: (Kind.NUMBER, table[name].to_numpy()) for name in forecasts}
    found = {"feature": _feature_profiles(rows), "prediction": profile_table(predictions_)}
    return {(kind, name): profile for kind, columns in found.items() for name, profile in columns.items()}


def _feature_profiles(rows: FeatureRows) -> dict[str, ColumnProfile]:
    """Profiles of a night's features. Every entity has a row for every target date, so many values need one look."""
    first = rows.first_of_entities()
    targets = len(rows) // max(len(first), 1)
    found = {}
    for name, values in zip(rows.names, rows.x.T, strict=True):
        if name in rows.of_entity:
            found[name] = repeated(profile_column(values[first], Kind.NUMBER), targets)
        elif name in rows.of_target:
            found[name] = repeated(profile_column(values[:targets], Kind.NUMBER), len(first))
        else:
            found[name] = profile_column(values, Kind.NUMBER)
    return found
