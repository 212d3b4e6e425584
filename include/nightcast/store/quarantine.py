"""The rows that are set aside now: those of the revisions in use, with what was decided about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.errors import NotFound
from nightcast.store.intake import IntakeState
from nightcast.store.queries import load, rows

_SQL = load("quarantine")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which rows: of a pipeline, and of the days, the run and the check that are named. `discarded`: those too that
    somebody has dealt with.
    """

    pipeline: str
    first: date | None = None
    last: date | None = None
    run_id: int | None = None
    check_id: str | None = None
    discarded: bool = False


@dataclass(frozen=True, kw_only=True)
class CheckCount:
    """How many rows fail a check, `discarded` of them dealt with; a row that fails several counts for each."""

    check_id: str
    rows: int
    discarded: int
    days: int
    first_day: date
    last_day: date


@dataclass(frozen=True, kw_only=True)
class DayCount:
    """How many rows are set aside of a day, in the revision of it that is in use and that `run_id` took in."""

    event_day: date
    revision: int
    run_id: int
    day_state: IntakeState
    rows: int
    discarded: int
    discarded_by: int | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row that is set aside. `position` is its place in the day's canonical order, from 0."""

    event_day: date
    run_id: int
    position: int
    reasons: Sequence[str]
    row: Mapping[str, Any]
    discarded_by: int | None


def summary(tx: Connection, wanted: Wanted) -> list[CheckCount]:
    """By check, the most rows first."""
    return [CheckCount(**found) for found in _chosen(tx, "summary", wanted)]


def days(tx: Connection, wanted: Wanted) -> list[DayCount]:
    """By event day, the newest first."""
    found = _chosen(tx, "days", wanted)
    return [DayCount(**each | {"day_state": IntakeState(each["day_state"])}) for each in found]


def held(tx: Connection, wanted: Wanted, limit: int) -> list[Row]:
    """The rows themselves, of the newest days first."""
    return [Row(**found) for found in _chosen(tx, "rows", wanted, limit=limit)]


def nothing_in(pipeline: str) -> NotFound:
    """The error where nothing of a pipeline is set aside in what was named."""
    return NotFound(f"no row of {pipeline} is set aside there; `nightcast quarantine list {pipeline}` counts them")


def reasons(tx: Connection, run_id: int, event_day: date) -> dict[int, tuple[str, ...]]:
    """What a run set aside of a day: position -> ids of the checks that the row failed."""
    found = rows(tx, _SQL["reasons"], {"run_id": run_id, "event_day": event_day})
    return {each["position"]: tuple(each["reasons"]) for each in found}


def _chosen(tx: Connection, name: str, wanted: Wanted, **more: int) -> list[dict[str, Any]]:
    """The rows of a query about what is wanted."""
    query = sql.SQL(_SQL[name]).format(wanted=sql.SQL(_SQL["wanted"]))
    return rows(tx, query, vars(wanted) | more)
