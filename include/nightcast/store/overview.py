"""What a page or a terminal shows first: how fresh each pipeline is, and its last nights."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.domain.night import RunState
from nightcast.store.queries import load, rows

_SQL = load("overview")


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """One row of forecast.freshness; the comments of its columns say what each means."""

    pipeline: str
    title: str
    owner: str
    last_published_origin: date | None
    last_published_at: datetime | None
    expected_origin: date | None
    late_by: timedelta | None


@dataclass(frozen=True, kw_only=True)
class NightRow:
    """A run of kind night. `revision` is the last that showed its rows, `shown` whether readers still see them."""

    run_id: int
    pipeline: str
    origin: date
    attempt: int
    state: RunState
    reason: str | None
    pulled: int | None
    accepted: int | None
    quarantined: int | None
    duplicates: int | None
    predictions: int | None
    model_version: int | None
    opened_at: datetime
    ended_at: datetime | None
    revision: int | None
    shown: bool


@dataclass(frozen=True, kw_only=True)
class Unpublished:
    """One row of forecast.unpublished; the comments of its columns say what each means."""

    pipeline: str
    origin: date
    due: datetime
    state: RunState | None
    reason: str | None
    run: int | None


def freshness(tx: Connection) -> list[Freshness]:
    """Every pipeline, by name."""
    return [Freshness(**found) for found in rows(tx, _SQL["freshness"])]


def unpublished(tx: Connection, pipeline: str | None = None) -> list[Unpublished]:
    """The nights that are due and that readers do not have, newest first within a pipeline."""
    found = rows(tx, _SQL["unpublished"], {"pipeline": pipeline})
    return [Unpublished(**each | {"state": each["state"] and RunState(each["state"])}) for each in found]


def nights(tx: Connection, limit: int = 50) -> list[NightRow]:
    """The newest runs of all pipelines' nights, newest first."""
    found = rows(tx, _SQL["nights"], {"limit": limit})
    return [NightRow(**each | {"state": RunState(each["state"])}) for each in found]
