"""The snapshot of a run: its manifest, the panel behind it, and the calendar around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

import pyarrow as pa

from nightcast.domain.manifest import CalendarDay, Manifest, PanelDay, manifest_from_json
from nightcast.domain.night import DayState
from nightcast.domain.panel import Cube, build_cube, wanted_days
from nightcast.domain.pipeline import PipelineFolder
from nightcast.lake import Lake
from nightcast.store.intake import IntakeState, Taken


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
