"""What a day is compared with, out of the intake and the ledger."""

from __future__ import annotations

from datetime import date

from nightcast.domain.baseline import DAYS, Baseline, level_at, way_out
from nightcast.store import decisions, intake
from nightcast.store.connect import Connection


def baseline_of(tx: Connection, pipeline: str, day: date, known_at: date | None) -> Baseline:
    """The accepted days that `day` is compared with, as a run of the night `known_at` may know them."""
    since = level_at(decisions.levels(tx, pipeline), day)
    past = intake.trailing(tx, pipeline, day, count=DAYS, known_at=known_at, since=since)
    first = intake.rejected_since(tx, pipeline, day, known_at=known_at) or day
    return Baseline(
        rows=tuple(int(r.signals["rows"]) for r in past if "rows" in r.signals),
        since=since,
        way_out=way_out(pipeline, first),
    )
