"""Apply a pipeline's retention: rows of the source, and predictions, whose time is over are deleted."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from nightcast.steps.erase import finish
from nightcast.steps.open_run import folder_of
from nightcast.steps.rooms import Clock, Rooms
from nightcast.store import connect, removals


@dataclass(frozen=True, kw_only=True)
class Expiry:
    """What expired, or would. A day before which something goes is None where the spec keeps it for ever."""

    pipeline: str
    rows_before: date | None
    predictions_before: date | None
    counts: Mapping[str, int]
    runs: tuple[int, ...]


class _OnlyAsked(Exception):  # ends the transaction of a dry run
    """Nothing is to be kept of what was done."""


def run(pipeline: str, who: str, rooms: Rooms, clock: Clock, *, dry_run: bool = False) -> Expiry:
    """Delete what is older than the spec's `retention`. Needs the owner's URL; repeating it finds nothing.

    Raises:
        NightRefused: a run of the pipeline is at work.
    """
    declared = folder_of(pipeline, rooms).pipeline
    today = clock().astimezone(ZoneInfo(declared.schedule.timezone)).date()
    rows_before, predictions_before = (
        None if days is None else today - timedelta(days=days)
        for days in (declared.retention.rows, declared.retention.predictions)
    )
    counts, runs, objects = dict[str, int](), dict[int, int](), list[str]()
    with suppress(_OnlyAsked), connect.transaction(rooms.settings.owner_url) as tx:
        removals.begin(tx, pipeline)
        if rows_before:
            objects, counts = removals.expire_rows(tx, pipeline, rows_before)
            never_taken_in = [e for e in removals.extracted(tx, pipeline) if e["event_day"] < rows_before]
            objects += [e["raw_object"] for e in never_taken_in]
        if predictions_before:
            runs = removals.expire_predictions(tx, declared, predictions_before)
            counts["predictions"] = sum(runs.values())
        if dry_run:
            raise _OnlyAsked
        if any(counts.values()):
            policy = f"retention: rows {declared.retention.rows}, predictions {declared.retention.predictions} days"
            removals.record(
                tx,
                pipeline=pipeline,
                kind="expired",
                subject=None,
                columns=[],
                who=who,
                why=policy,
                first_day=None,
                last_day=max(filter(None, (rows_before, predictions_before))) - timedelta(days=1),
                counts=counts,
                runs=sorted(runs),
                objects=sorted(set(objects)),
            )
    if not dry_run:
        finish(rooms)
    return Expiry(
        pipeline=pipeline,
        rows_before=rows_before,
        predictions_before=predictions_before,
        counts=counts,
        runs=tuple(sorted(runs)),
    )
