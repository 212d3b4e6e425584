"""Intake: which revision of an event day's data we had when."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.store.queries import Row, as_json, load, lock, rows, the_row

_SQL = load("intake")
_SAME = ("state", "content_digest", "panel_key", "panel_digest")  # equal in these: nothing new was learnt


class IntakeState(StrEnum):
    """What became of a day's rows."""

    ACCEPTED = "accepted"
    MISSING = "missing"  # open by the calendar, without rows
    CLOSED = "closed"  # closed by the calendar
    REJECTED = "rejected"  # a check said no


@dataclass(frozen=True, kw_only=True)
class Taken:
    """One day as a run took it in. Digests and objects are lake digests; counts are of rows."""

    event_day: date
    state: IntakeState
    content_digest: str | None = None
    raw_object: str | None = None
    panel_key: str | None = None
    panel_digest: str | None = None
    panel_object: str | None = None
    profile_object: str | None = None
    pulled: int | None = None
    accepted: int | None = None
    quarantined: int | None = None
    duplicates: int | None = None
    totals: Mapping[str, int] = field(default_factory=dict)
    signals: Mapping[str, float] = field(default_factory=dict)
    restated: bool = False


@dataclass(frozen=True, kw_only=True)
class Revision(Taken):
    """A stored revision of a day."""

    pipeline: str
    revision: int
    run_id: int
    known_from: datetime


def record(tx: Connection, pipeline: str, run_id: int, taken: Taken) -> Revision:
    """Store what a run took in for a day: a new revision, or the one that this run's night knows already if equal.

    So the same step run twice leaves one revision. Equal means: same state, content and panel.
    """
    lock(tx, "intake", pipeline)
    what = {"pipeline": pipeline, "event_day": taken.event_day, "run_id": run_id}
    known = [_revision(found) for found in rows(tx, _SQL["known_to_run"], what)]
    if known and all(getattr(known[0], name) == getattr(taken, name) for name in _SAME):
        return known[0]
    given = asdict(taken) | {"totals": as_json(taken.totals), "signals": as_json(taken.signals)}
    return _revision(the_row(tx, _SQL["insert"], {**given, **what}))


def newest(
    tx: Connection,
    pipeline: str,
    first: date | None = None,
    last: date | None = None,
    *,
    known_at: date | None = None,
    states: Collection[IntakeState] | None = None,
) -> dict[date, Revision]:
    """The newest revision of each event day from `first` to `last`, both included, in the order of days.

    `known_at` is an origin: only what runs of that night or of earlier ones took in counts (known then); None counts
    everything (known now). `states` leaves out revisions in other states before the newest is chosen, so that a
    rejected restatement does not hide the accepted revision before it. What was taken in because of a decision that was
    undone since does not count.
    """
    asked = {
        "pipeline": pipeline,
        "first": first,
        "last": last,
        "origin": known_at,
        "states": [str(s) for s in states] if states is not None else None,
    }
    found = [_revision(each) for each in rows(tx, _SQL["newest"], asked)]
    return {each.event_day: each for each in found}


def last_day(tx: Connection, pipeline: str, last: date, *, known_at: date | None = None) -> date | None:
    """The newest event day up to `last` that any run took in, whatever became of it; `known_at` as in `newest`."""
    found = the_row(tx, _SQL["last_day"], {"pipeline": pipeline, "last": last, "origin": known_at})
    day: date | None = found["last_day"]
    return day


def trailing(
    tx: Connection, pipeline: str, day: date, *, count: int, known_at: date | None = None, since: date | None = None
) -> list[Revision]:
    """The last `count` accepted days of `day`'s weekday, strictly before it and not before `since`, newest first."""
    asked = {"pipeline": pipeline, "day": day, "count": count, "origin": known_at, "since": since}
    return [_revision(found) for found in rows(tx, _SQL["trailing"], asked)]


def rejected_since(tx: Connection, pipeline: str, day: date, *, known_at: date | None = None) -> date | None:
    """The first of the days before `day` that were rejected with no accepted one after them, or None."""
    asked = {"pipeline": pipeline, "day": day, "origin": known_at}
    found: date | None = the_row(tx, _SQL["rejected_since"], asked)["day"]
    return found


def of_run(tx: Connection, run_id: int) -> list[Revision]:
    """The revisions that a run took in, in the order of days."""
    return [_revision(found) for found in rows(tx, _SQL["of_run"], {"run_id": run_id})]


def history(tx: Connection, pipeline: str, event_day: date) -> list[Revision]:
    """All revisions of a day, oldest first."""
    return [_revision(found) for found in rows(tx, _SQL["history"], {"pipeline": pipeline, "event_day": event_day})]


def counts_of(tx: Connection, run_id: int) -> dict[str, Any]:
    """pulled, accepted, quarantined and duplicates over the accepted and closed revisions that a run took in."""
    return the_row(tx, _SQL["counts"], {"run_id": run_id})


def objects(tx: Connection) -> set[str]:
    """Every lake object that any revision refers to: what garbage collection must keep."""
    return {found["object"] for found in rows(tx, _SQL["objects"])}


def _revision(found: Row) -> Revision:
    return Revision(**found | {"state": IntakeState(found["state"])})
