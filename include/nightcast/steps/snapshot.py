"""The snapshot of a run: its manifest, the panel behind it, and the calendar around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from nightcast.domain.manifest import CalendarDay, Manifest, PanelDay, manifest_from_json
from nightcast.domain.night import DayState
from nightcast.domain.panel import Cube, build_cube, cube_of, panel_schema, reconcile, rows_of, sums_of, wanted_days
from nightcast.domain.pipeline import Pipeline, PipelineFolder
from nightcast.domain.rows import BUCKETS, group_codes
from nightcast.lake import Lake, Spill, by_number, scratch
from nightcast.store.intake import IntakeState, Taken

BUDGET = 128 << 20  # bytes of panels and features that scoring holds at once
HELD = 500_000  # panel rows that stay in memory; more of them wait in local files


def manifest_of(
    folder: PipelineFolder, origin: date, intake: Mapping[date, Taken], calendar: tuple[CalendarDay, ...]
) -> Manifest:
    """The manifest at `origin` from the intake that the run may know. The calendar starts at the first known day.

    A day without an accepted intake is closed where the calendar says so, else missing: not zero.
    """
    opened = {c.day: c.open for c in calendar}
    first = calendar[0].day
    days = [first + timedelta(days=n) for n in range((origin - first).days + 1)]
    return Manifest(
        pipeline=folder.pipeline.name,
        origin=origin,
        days=tuple(_panel_day(day, intake.get(day), opened[day]) for day in days),
        calendar=calendar,
    )


def _panel_day(day: date, known: Taken | None, opened: bool) -> PanelDay:
    if known is not None and known.state is IntakeState.ACCEPTED:
        return PanelDay(
            day=day,
            state=DayState.ACCEPTED,
            content=known.content_digest,
            panel=known.panel_digest,
            panel_object=known.panel_object,
            totals=known.totals,
        )
    return PanelDay(day=day, state=DayState.MISSING if opened else DayState.CLOSED)


def missing_lately(manifest: Manifest, days: int = 7) -> list[date]:
    """The missing days among the last `days` up to the origin."""
    recent = manifest.days[-days:]
    return [d.day for d in recent if d.state is DayState.MISSING]


def load_manifest(lake: Lake, digest: str) -> Manifest:
    """The manifest of that digest."""
    return manifest_from_json(lake.get_text(digest))


def load_cube(lake: Lake, manifest: Manifest, folder: PipelineFolder, shard: tuple[int, int] | None = None) -> Cube:
    """The cube of a snapshot, or of one shard of its entities."""
    wanted = wanted_days(manifest.days)

    def panels() -> Iterator[tuple[str, pa.Table]]:
        for digest in sorted(wanted):
            yield digest, lake.get_table(digest)

    return build_cube(panels(), manifest.days, manifest.calendar, folder.pipeline, shard)


def cubes(
    lake: Lake,
    manifest: Manifest,
    folder: PipelineFolder,
    shard: tuple[int, int],
    budget: int = BUDGET,
    held: int = HELD,
) -> Iterator[Cube]:
    """The cube of shard (i, n) in parts, by rising buckets: each has whole buckets, and takes about `budget` bytes.

    So memory grows neither with the entities nor with the days, and what is made of an entity is the same in any part.
    """
    pipeline, whole = folder.pipeline, shard[1] == 1
    most = max(1, budget // _bytes_per_entity(len(manifest.days), pipeline))
    sums: dict[str, Any] = {}
    with scratch() as place:
        for rows in _parts(_panel_rows(lake, manifest, None if whole else shard), pipeline, most, held, place):
            cube = cube_of(rows, manifest.days, manifest.calendar, pipeline)
            sums = {name: sums.get(name, 0) + found for name, found in sums_of(cube).items()}
            yield cube
        if whole:
            reconcile(sums, cube)


def _bytes_per_entity(days: int, pipeline: Pipeline) -> int:
    """Three numbers per day and measure (values, sums, days above zero), two per feature row (itself, profiled)."""
    return 8 * (3 * days * len(pipeline.measures) + 2 * pipeline.forecast.horizon * len(pipeline.feature_names))


def _panel_rows(lake: Lake, manifest: Manifest, shard: tuple[int, int] | None) -> Iterator[pa.Table]:
    for digest, days in sorted(wanted_days(manifest.days).items()):
        for piece in lake.get_pieces(digest):
            yield rows_of(piece, days, shard)


def _parts(pieces: Iterator[pa.Table], pipeline: Pipeline, most: int, held: int, place: Path) -> Iterator[pa.Table]:
    """All rows, in tables of whole buckets with at most `most` entities, or of one bucket; at least one table."""
    schema, spill = panel_schema(pipeline), Spill[int](place)
    waiting: list[pa.Table] = [schema.empty_table()]
    for piece in pieces:
        waiting.append(piece)
        if sum(len(t) for t in waiting) > held:
            spill.add(_by_bucket(pa.concat_tables(waiting)), schema)
            waiting = [schema.empty_table()]
    rest = pa.concat_tables(waiting)
    if not spill.keys and _entities(rest, pipeline) <= most:
        yield rest
        return
    spill.add(_by_bucket(rest), schema)
    del rest, waiting
    part, entities = [schema.empty_table()], 0
    for bucket in sorted(spill.keys):
        rows = pa.Table.from_batches(spill.rows(bucket))
        count = _entities(rows, pipeline)
        if entities and entities + count > most:
            yield pa.concat_tables(part)
            part, entities = [], 0
        part.append(rows)
        entities += count
    yield pa.concat_tables(part)


def _by_bucket(rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    return by_number(rows, rows["bucket"].to_numpy().astype(np.uint8), BUCKETS)


def _entities(rows: pa.Table, pipeline: Pipeline) -> int:
    return len(group_codes(rows, pipeline.keys)[1])
