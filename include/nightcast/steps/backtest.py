"""`nightcast backtest`: forecasts at past origins, each by a model made from what was known there, beside what came.

Nothing is written: no run, no model version, no prediction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from nightcast import models, spec
from nightcast.domain import recipe
from nightcast.domain.backtest import Compared, checked_origins, compared, cut, matured_origins, together
from nightcast.domain.backtest_report import MODEL, declared, report
from nightcast.domain.baselines import METHODS, reference_forecasts
from nightcast.domain.calendar_view import CalendarView, calendar_view
from nightcast.domain.feature_matrix import CALENDAR_AHEAD, FeatureRows, scoring_rows
from nightcast.domain.forecast import Scores, score
from nightcast.domain.manifest import Manifest, content_digest
from nightcast.domain.panel import Cube
from nightcast.domain.pipeline import Pipeline, PipelineFolder
from nightcast.domain.windows import History
from nightcast.errors import NightcastError, NotFound, TrainingImpossible
from nightcast.steps.calendar import read_calendar
from nightcast.steps.code_version import code_version
from nightcast.steps.open_run import folder_of
from nightcast.steps.rooms import Rooms
from nightcast.steps.snapshot import load_cube, manifest_of
from nightcast.store import intake

ADIDA = "adida"
EVERY, COUNT = 28, 6  # days between origins, and how many, where none are named

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to test: the origins, or the newest `count` that have matured, `every` days apart.

    `models` are files that declare `model`, to be compared with the folder's own; each is named after its file.
    """

    pipeline: str
    origins: tuple[date, ...] = ()
    every: int = EVERY
    count: int = COUNT
    models: tuple[Path, ...] = ()


def run(asked: Asked, rooms: Rooms, progress: Progress = lambda _: None) -> dict[str, Any]:
    """The report of a backtest, as `backtest_report.report` describes it.

    The data is what is known now: the newest accepted revision of each day up to the last target day. At an origin,
    models are trained and asked on the days up to it only. Memory: the cube, the training rows of one origin, and per
    row of the universe at each origin a number for each method and quantile.

    Raises:
        NotFound: an origin that is not in the history, or whose horizon has not come.
        TrainingImpossible: the history before an origin is too short.
    """
    folder = folder_of(asked.pipeline, rooms)
    pipelines = {MODEL: folder.pipeline} | _others(asked.models, folder)
    manifest, origins = _snapshot(asked, folder, rooms)
    progress(f"snapshot of {len(manifest.days)} days, {len(origins)} origins from {origins[0]} to {origins[-1]}")
    beside = models.optional_libraries()
    if not beside:
        progress(f"statsforecast is not installed here: without the row {ADIDA}")
    whole, calendar = load_cube(rooms.lake, manifest, folder), calendar_view(manifest.calendar)
    parts = []
    for origin in origins:
        try:
            parts.append(compared_at(origin, whole, calendar, pipelines, progress, with_adida=bool(beside)))
        except NightcastError as error:
            error.add_note(f"At origin {origin} of the backtest")
            raise
    made_with = {
        "code": code_version(rooms.settings).digest,
        "data": content_digest(manifest),
        "spec": declared(folder.pipeline),
        "other_models": {name: declared(p) for name, p in pipelines.items() if name != MODEL},
        "libraries": beside | _libraries(pipelines.values()),
    }
    progress("measuring")
    return report(together(parts), folder.pipeline, made_with)


def _others(files: Sequence[Path], folder: PipelineFolder) -> dict[str, Pipeline]:
    found = {file.stem: spec.with_model(folder, file) for file in files}
    if len(found) < len(files) or found.keys() & {MODEL, ADIDA, *METHODS}:
        raise NotFound(
            f"model files are named {', '.join(f.stem for f in files)}; expected names that differ, and none of "
            f"{', '.join((MODEL, *METHODS, ADIDA))}: they name rows of the table. Rename the file"
        )
    return found


def _snapshot(asked: Asked, folder: PipelineFolder, rooms: Rooms) -> tuple[Manifest, tuple[date, ...]]:
    """What is known from the first day to the last target day, and the origins. Later days do not change it."""
    name, horizon = folder.pipeline.name, timedelta(days=folder.pipeline.forecast.horizon)
    with rooms.transaction() as tx:
        known = intake.newest(tx, name, states=[intake.IntakeState.ACCEPTED])
    if not known:
        raise NotFound(
            f"{name} has no accepted day; expected a history to test on. Import one: "
            f"nightcast import {name} --first DATE --last DATE"
        )
    first, last = min(known), max(known)
    origins = (
        checked_origins(asked.origins, first, last, folder.pipeline)
        if asked.origins
        else matured_origins(first, last, folder.pipeline, asked.every, asked.count)
    )
    through = origins[-1] + horizon
    calendar = read_calendar(folder, rooms.settings, first, through, CALENDAR_AHEAD)
    return manifest_of(folder, through, {d: r for d, r in known.items() if d <= through}, calendar), origins


def compared_at(
    origin: date,
    whole: Cube,
    calendar: CalendarView,
    pipelines: Mapping[str, Pipeline],
    progress: Progress,
    *,
    with_adida: bool,
) -> Compared:
    """Every method at one origin: it is given the days up to the origin, and then measured by those after it."""
    known, spent = cut(whole, origin), {}
    history = History(known)
    rows = scoring_rows(history, calendar, origin, pipelines[MODEL])
    if not len(rows):
        raise TrainingImpossible(f"no row is to be forecast from {origin}; expected entities and open days after it")
    forecast = pipelines[MODEL].forecast
    methods: dict[str, Scores] = {}
    for name, pipeline in pipelines.items():
        begun = time.monotonic()
        methods[name] = _scored(known, history, calendar, origin, pipeline)
        spent[name] = time.monotonic() - begun
    methods |= reference_forecasts(history, rows, forecast.target, forecast.quantiles)
    if with_adida:
        begun = time.monotonic()
        methods[ADIDA] = _adida(history, rows, forecast.target)
        spent[ADIDA] = time.monotonic() - begun
    found = compared(whole, history, rows, methods, pipelines[MODEL])
    progress(f"{origin}: {len(found):,} rows; " + ", ".join(f"{n} {s:.1f} s" for n, s in spent.items()))
    return found


def _scored(known: Cube, history: History, calendar: CalendarView, origin: date, pipeline: Pipeline) -> Scores:
    """What the pipeline's own training and scoring say at an origin."""
    fitted = recipe.train(known, calendar, pipeline, origin, models.fit, models.predict)
    rows = scoring_rows(history, calendar, origin, pipeline)
    return score(fitted, rows.x, rows.scale, models.predict)


def _adida(history: History, rows: FeatureRows, target: str) -> Scores:
    """A flat forecast per entity, from its open days since the first above zero."""
    entities, at = np.unique(rows.entity, return_inverse=True)
    values = history.cube.values[target][entities][:, history.cube.open].astype(np.float64)
    mean = models.adida([v[int((v > 0).argmax()) :] for v in values])
    return Scores(mean=mean[at], quantiles=np.empty((len(rows), 0)))


def _libraries(pipelines: Iterable[Pipeline]) -> dict[str, str]:
    """Versions of everything that decides a number; not the processor, which is not the same everywhere."""
    found: dict[str, str] = {}
    for pipeline in pipelines:
        found |= models.libraries(pipeline.model.family)
    return found
