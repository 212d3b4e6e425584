"""Open a night's run and pin what it is made from: spec, window, model version, code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nightcast import checks, spec
from nightcast.domain.night import TERMINAL, RunKind, RunMode, RunState
from nightcast.domain.pipeline import PipelineFolder
from nightcast.errors import NightRefused, NoLiveModel
from nightcast.steps import failure
from nightcast.steps.pseudonyms import key_pin
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import code_pins, known_at, night_result, published_run
from nightcast.store import intake, layout, runs
from nightcast.store import models as registry
from nightcast.store.connect import Connection


def run(request: Mapping[str, Any], rooms: Rooms, clock: Clock) -> dict[str, Any]:
    """Open the run that is asked for, or return the one that this request opened before.

    `request`: pipeline, partition_key (the origin, ISO), scheduler_run_id (None from a shell), mode (None: known_then),
    kind (None: night), scheduled (True: the schedule asked, so that a night that is too old is only recorded).
    A night that is published and asked for again is served from its own pins; only `known_now` looks anew. One that was
    stopped or failed goes on, however old it is: somebody cleared it.

    Raises:
        NightRefused: no partition key, or not a date, or a date that is not over.
        NoLiveModel: no model version served that origin.
        SettingMissing: pseudonyms would be made with another key than before.
        SpecError, TablesDoNotFit: the folder, or the tables, are wrong.
    """
    origin = _origin(request)
    folder = folder_of(request["pipeline"], rooms)
    expectations = checks.load(folder.expectations, pipeline=folder.pipeline.name)
    checks.verify_columns(expectations, folder.pipeline)  # a bad entry fails here, before rows are pulled
    _refuse_future(origin, folder, clock)
    kind, mode = RunKind(request.get("kind") or RunKind.NIGHT), RunMode(request.get("mode") or RunMode.KNOWN_THEN)
    spec_digest = rooms.lake.put_json(dict(folder.files))
    with rooms.transaction() as tx:  # of its own: a night that cannot be pinned is recorded all the same
        layout.fits(tx, folder.pipeline)
        opened = runs.open_run(tx, folder.pipeline.name, origin, kind, mode, request.get("scheduler_run_id"))
        if opened.state in TERMINAL:
            return _over(opened, folder)
        if opened.state is not RunState.OPEN:
            opened = runs.resume(tx, opened.run_id)
        elif request.get("scheduled") and _too_old(origin, folder, clock):
            reason = (
                f"older than catch_up_days ({folder.pipeline.schedule.catch_up_days}) when it started. To make it all "
                f"the same: nightcast night {folder.pipeline.name} --origin {origin}, or trigger it by hand"
            )
            return _over(runs.finish(tx, opened.run_id, RunState.TOO_OLD, reason), folder)
    with failure.recording({"run_id": opened.run_id}, "open_run", rooms, clock), rooms.transaction() as tx:
        opened = _pinned(tx, opened, folder, spec_digest, rooms)
    return night_result(opened, folder)


def folder_of(pipeline: str, rooms: Rooms) -> PipelineFolder:
    """A pipeline's folder as it is on the disk now."""
    return spec.load_folder(rooms.settings.pipelines / pipeline)


def _pinned(tx: Connection, opened: runs.Run, folder: PipelineFolder, spec_digest: str, rooms: Rooms) -> runs.Run:
    earlier = published_run(tx, opened)
    if earlier and opened.kind is RunKind.NIGHT and opened.mode is RunMode.KNOWN_THEN:
        kept = ("spec_digest", "model_version", "manifest_digest", "look_ahead", "window_start", "window_end")
        return runs.pin(tx, opened.run_id, **code_pins(rooms), **{name: getattr(earlier, name) for name in kept})
    model = registry.model_as_of(tx, opened.pipeline, opened.origin)
    if model is None:
        raise NoLiveModel(
            f"no model version of {opened.pipeline} was live on {opened.origin}; expected one. Train one: trigger the "
            f"DAG {opened.pipeline}_retraining, or run `nightcast train {opened.pipeline} --through DATE`"
        )
    return runs.pin(
        tx,
        opened.run_id,
        spec_digest=spec_digest,
        model_version=model.version,
        manifest_digest=None,
        look_ahead=model.trained_through > opened.origin,
        window_start=_window_start(tx, opened, folder),
        window_end=opened.origin,
        **code_pins(rooms, key_pin(tx, folder, rooms)),
    )


def _window_start(tx: Connection, opened: runs.Run, folder: PipelineFolder) -> date:
    """The first day that may still change; or an earlier one, where nights were not run and nobody took it in."""
    start = opened.origin - timedelta(days=folder.pipeline.source.late_arrival)
    known = intake.last_day(tx, opened.pipeline, opened.origin, known_at=known_at(opened))
    return min(start, known + timedelta(days=1)) if known else start


def _origin(request: Mapping[str, Any]) -> date:
    key = request.get("partition_key")
    if not key:
        raise NightRefused(
            "the run has no partition key; expected the origin as YYYY-MM-DD. Give one when you trigger the DAG "
            "(Trigger > Partition key), or use `airflow backfill create --from-date ... --to-date ...`"
        )
    try:
        origin = date.fromisoformat(key)
    except ValueError:
        origin = None
    if origin is None or origin.isoformat() != key:  # Python reads 20111024 and 2011-W43-1 too
        raise NightRefused(f"the partition key is {key!r}; expected the origin as YYYY-MM-DD")
    return origin


def _refuse_future(origin: date, folder: PipelineFolder, clock: Clock) -> None:
    today = clock().astimezone(ZoneInfo(folder.pipeline.schedule.timezone)).date()
    if origin >= today:
        raise NightRefused(
            f"the origin {origin} is not over: it is {today} in {folder.pipeline.schedule.timezone}; "
            f"expected at most {today - timedelta(days=1)}"
        )


def _too_old(origin: date, folder: PipelineFolder, clock: Clock) -> bool:
    today = clock().astimezone(ZoneInfo(folder.pipeline.schedule.timezone)).date()
    return origin < today - timedelta(days=folder.pipeline.schedule.catch_up_days)


def _over(run_: runs.Run, folder: PipelineFolder) -> dict[str, Any]:
    why = f"run {run_.run_id} is {run_.state}" + (f": {run_.reason}" if run_.reason else "")
    return night_result(run_, folder, skip=True, why=why)
