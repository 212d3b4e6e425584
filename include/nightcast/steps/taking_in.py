"""What a night or an import keeps of a screened day: its panel, its profile, and its line in the intake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from nightcast.domain.manifest import digest_json
from nightcast.domain.panel import panel_digest, panel_key, panel_of_day, totals
from nightcast.domain.pipeline import Pipeline, PipelineFolder
from nightcast.domain.profile import kind_of, profile_table, to_json
from nightcast.domain.slices import split_table, split_to_json
from nightcast.lake import Lake
from nightcast.steps.screening import ScreenedDay
from nightcast.store.checks import QuarantinedRow
from nightcast.store.intake import IntakeState, Taken

SPLIT = "by "  # no column is called so: names have no spaces


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """A day as `extract` left it in the lake."""

    day: date
    content: str
    raw_object: str
    rows: int
    restated: bool


def extracted(value: Mapping[str, Any]) -> Extracted:
    """From the JSON of `extract`'s result."""
    return Extracted(**{**value, "day": date.fromisoformat(value["day"])})


def take_in(
    days: Sequence[ScreenedDay], about: Mapping[date, Extracted], folder: PipelineFolder, rules: str, lake: Lake
) -> list[Taken]:
    """Accepted intake lines of some days, whose panels share one object. Nothing is written to Postgres."""
    panels = {d.day: panel_of_day(d.accepted, folder.pipeline, d.day) for d in days}
    if not panels:
        return []
    shared = lake.put_table(pa.concat_tables([panels[d.day] for d in days]))
    return [
        Taken(
            event_day=d.day,
            state=IntakeState.ACCEPTED,
            content_digest=about[d.day].content,
            raw_object=about[d.day].raw_object,
            panel_key=panel_key(
                content=about[d.day].content, pipeline=folder.pipeline, row_rules=rules, waivers=d.waived
            ),
            panel_digest=panel_digest(panels[d.day]),
            panel_object=shared,
            profile_object=lake.put_json(day_profile(d.accepted, folder.pipeline)),
            totals=totals(panels[d.day]),
            signals={"rows": d.distinct_rows},
            restated=about[d.day].restated,
            pulled=d.pulled,
            accepted=d.accepted.num_rows,
            quarantined=len(d.set_aside),
            duplicates=d.duplicates,
        )
        for d in days
    ]


def rejected(day: ScreenedDay | None, about: Extracted, folder: PipelineFolder, lake: Lake) -> Taken:
    """The intake line of a day that a check rejected: kept, profiled for those who look at it, never a baseline."""
    return Taken(
        event_day=about.day,
        state=IntakeState.REJECTED,
        content_digest=about.content,
        raw_object=about.raw_object,
        profile_object=lake.put_json(day_profile(day.accepted, folder.pipeline)) if day else None,
        restated=about.restated,
        pulled=about.rows,
        accepted=day.accepted.num_rows if day else 0,
        quarantined=len(day.set_aside) if day else 0,
        duplicates=day.duplicates if day else 0,
    )


def empty(day: date, *, opened: bool) -> Taken:
    """The intake line of a day without rows."""
    return Taken(
        event_day=day,
        state=IntakeState.MISSING if opened else IntakeState.CLOSED,
        pulled=0,
        accepted=0,
        quarantined=0,
        duplicates=0,
    )


def day_profile(accepted: pa.Table, pipeline: Pipeline) -> dict[str, Any]:
    """Profiles of the columns whose values have a distribution: measures and attributes.

    Beside them, under `SPLIT` and a column of the slices, the profiles of the others for each of its levels.
    """
    declared = pipeline.source.stored
    columns = {n: (kind, accepted[n]) for n, c in declared.items() if (kind := kind_of(c)) is not None}
    found: dict[str, Any] = {name: to_json(profile) for name, profile in profile_table(columns).items()}
    for by in pipeline.monitoring.slices:
        others = {name: column for name, column in columns.items() if name != by}
        found[SPLIT + by] = split_to_json(split_table(accepted[by], others))
    return found


def set_aside_rows(day: ScreenedDay) -> list[QuarantinedRow]:
    """A day's quarantined rows as the store keeps them."""
    return [QuarantinedRow(event_day=day.day, position=s.position, reasons=s.reasons, row=s.row) for s in day.set_aside]


def rules_digest(expectations: str) -> str:
    """Digest of the text of the checks: part of the name under which a panel is remembered."""
    return digest_json(expectations)
