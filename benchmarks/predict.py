"""A shard scored: panel, features, model, quantiles and profiles, beside the bare `predict` of the same model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.generated import FIRST
from benchmarks.harness import Cost, Line, Progress, flatness, in_words, measure, side_by_side
from benchmarks.place import FOLDERS, PIPELINE, Place
from nightcast import spec
from nightcast.domain.manifest import CalendarDay, Manifest, PanelDay, manifest_json
from nightcast.domain.night import DayState
from nightcast.domain.panel import panel_schema, totals
from nightcast.domain.pipeline import PipelineFolder
from nightcast.domain.rows import buckets
from nightcast.lake import Lake

DAYS = 91  # of history, the longest window that matters to most features
ACTIVE = 0.2  # of the articles on a day
LEARNED = 2_000  # articles that the model is trained on


def lines(place: Place, sizes: list[int], runs: int, progress: Progress) -> list[Line]:
    """Costs at each size, and what the largest takes more than the smallest."""
    found: dict[int, dict[str, Cost]] = {}
    made: list[Line] = []
    model = model_of(str(place.folder))
    for rows in sizes:
        times = runs if rows == sizes[0] else 1
        progress(f"predict: making the panel behind {in_words(rows)} predictions, then {times} × each way")
        lake, manifest = snapshot_of(place, rows)
        found[rows] = side_by_side(
            times,
            ours=lambda lake=lake, manifest=manifest: measure(ours, lake=lake, manifest=manifest, model=model),
            plain=lambda rows=rows: measure(plain, rows=rows, model=model),
        )
        size = in_words(rows)
        mine, bare = found[rows]["ours"], found[rows]["plain"]
        for name, unit, pair in (("CPU", "CPU-s", (mine.cpu, bare.cpu)), ("time", "s", (mine.wall, bare.wall))):
            made.append(Line(subject="predict", name=f"predict {size} rows: {name}", unit=unit, ours=pair[0],
                             other=pair[1], against="predict of ready features", runs=times))  # fmt: skip
    return made + flatness("predict", found)


def folder_of() -> PipelineFolder:
    return spec.load_folder(FOLDERS / PIPELINE)


@cache
def model_of(folder: str) -> str:
    """The path of a sealed model of the pipeline's recipe, trained on a small panel."""
    from nightcast import models
    from nightcast.domain import recipe
    from nightcast.domain.calendar_view import calendar_view
    from nightcast.steps.snapshot import load_cube, load_manifest

    lake = Lake(tempfile.mkdtemp(dir=folder))
    digest = panel(lake, LEARNED, DAYS)
    manifest, pipeline = load_manifest(lake, digest), folder_of().pipeline
    cube = load_cube(lake, manifest, folder_of())
    fitted = recipe.train(cube, calendar_view(manifest.calendar), pipeline, manifest.origin, models.fit, models.predict)
    path = Path(folder) / "model.bundle"
    path.write_bytes(models.seal(fitted, {}, {}))
    return str(path)


def snapshot_of(place: Place, rows: int) -> tuple[str, str]:
    """A lake with the panel behind so many predictions, and the digest of its manifest."""
    folder = tempfile.mkdtemp(dir=place.folder)
    return folder, panel(Lake(folder), -(-rows // folder_of().pipeline.forecast.horizon), DAYS)


def panel(lake: Lake, articles: int, days: int) -> str:
    """Keep a panel in which some articles are sold each day, each of them often enough to be forecast."""
    pipeline = folder_of().pipeline
    keys = pa.table({"sku": [f"SKU{n:07d}" for n in range(articles)]})
    bucket = buckets(keys, ["sku"])
    order = np.argsort(bucket, kind="stable")
    keys, bucket = keys.take(pa.array(order)), bucket[order]
    known = []
    for n in range(days):
        rng = np.random.default_rng([20240101, n])
        sold = rng.random(articles) < ACTIVE
        sold |= (order + n) % 15 == 0  # so that three days of eight weeks are never too many to ask
        at = np.flatnonzero(sold)
        day, orders = FIRST + timedelta(days=n), rng.integers(1, 4, len(at))
        units = orders * rng.integers(1, 13, len(at))
        columns = [keys["sku"].take(pa.array(at)), pa.array(np.full(len(at), np.datetime64(day)), pa.date32()),
                   pa.array(bucket[at]), units, orders, units * 4200]  # fmt: skip
        table = pa.table(columns, schema=panel_schema(pipeline))
        known.append(PanelDay(day=day, state=DayState.ACCEPTED, panel_object=lake.put_table(table),
                              totals=totals(table)))  # fmt: skip
    end = days + pipeline.forecast.horizon + 7
    calendar = tuple(_calendar_day(FIRST + timedelta(days=n)) for n in range(end))
    origin = known[-1].day
    return lake.put_text(
        manifest_json(Manifest(pipeline=pipeline.name, origin=origin, days=tuple(known), calendar=calendar))
    )


def _calendar_day(day: date) -> CalendarDay:
    passed = day.timetuple().tm_yday
    columns = {"day_of_year": passed, "day_of_month": day.day, "days_to_year_end": 366 - passed}
    return CalendarDay(day=day, open=True, columns={name: float(n) for name, n in columns.items()})


def ours(lake: str, manifest: str, model: str) -> Iterator[None]:
    """What the step `predict` does before it writes: predictions in a local file, and profiles."""
    import hashlib

    from nightcast import models
    from nightcast.lake import Kept
    from nightcast.steps import predict

    folder, data = folder_of(), Path(model).read_bytes()
    opened = models.open_bundle(data, hashlib.sha256(data).hexdigest())
    with tempfile.TemporaryDirectory() as place:
        forecasts = Kept(Path(place) / "forecasts.arrow")
        yield
        scored = predict.predicted(opened.fitted, folder, Lake(lake), manifest, (0, 1))
        entities, _ = predict.keep(scored, forecasts, folder.pipeline)
        return entities


def plain(rows: int, model: str) -> Iterator[None]:
    """`predict` over a matrix of ready features in memory, a chunk at a time."""
    import hashlib

    from nightcast import models
    from nightcast.domain.forecast import CHUNK

    data = Path(model).read_bytes()
    fitted = models.open_bundle(data, hashlib.sha256(data).hexdigest()).fitted
    columns = len(fitted.feature_names) - len(fitted.dropped)
    golden, _ = fitted.golden.inputs()
    names = [at for at, name in enumerate(fitted.feature_names) if name not in fitted.dropped]
    x = np.random.default_rng(7).permuted(np.resize(golden[:, names], (CHUNK, columns)), axis=0).astype(np.float32)
    yield
    total = 0.0
    for start in range(0, rows, CHUNK):
        total += float(models.predict(fitted.estimator, x[: min(CHUNK, rows - start)]).sum())
    return total
