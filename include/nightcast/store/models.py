"""Model versions, and the append-only ledger of what was decided about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.errors import NightRefused, NotFound
from nightcast.store.queries import Row, as_json, execute, load, lock_pipeline, row, rows, the_row

_SQL = load("models")


class ModelState(StrEnum):
    """What a model version may do."""

    CANDIDATE = "candidate"
    CANARY = "canary"
    LIVE = "live"
    RETIRED = "retired"
    REJECTED = "rejected"


class ModelEvent(StrEnum):
    """Decisions of the ledger."""

    REGISTER = "register"
    GATE = "gate"
    CANARY = "canary"
    PROMOTE = "promote"
    ABORT = "abort"
    ROLL_BACK = "roll_back"
    RETIRE = "retire"


_AFTER = {  # the state that a decision leads to; the others leave it as it is
    ModelEvent.CANARY: ModelState.CANARY,
    ModelEvent.ABORT: ModelState.REJECTED,
    ModelEvent.RETIRE: ModelState.RETIRED,
}
_GOES_LIVE = frozenset((ModelEvent.PROMOTE, ModelEvent.ROLL_BACK))


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """One row of internal.model_version."""

    pipeline: str
    version: int
    bundle_digest: str
    state: ModelState
    trained_through: date
    training_digest: str
    spec_digest: str
    run_id: int | None
    metrics: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One row of internal.model_event."""

    event_id: int
    pipeline: str
    version: int
    event: ModelEvent
    effective_from: date | None
    who: str
    why: str
    evidence: Mapping[str, Any]
    at: datetime


def register(
    tx: Connection,
    pipeline: str,
    *,
    bundle_digest: str,
    trained_through: date,
    training_digest: str,
    spec_digest: str,
    who: str,
    why: str,
    run_id: int | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> ModelVersion:
    """A new candidate; or the version that has this bundle already: bundles are byte-reproducible."""
    lock_pipeline(tx, pipeline)
    known = row(tx, _SQL["by_bundle"], {"pipeline": pipeline, "bundle_digest": bundle_digest})
    if known:
        return _version(known)
    given = {
        "pipeline": pipeline,
        "bundle_digest": bundle_digest,
        "trained_through": trained_through,
        "training_digest": training_digest,
        "spec_digest": spec_digest,
        "run_id": run_id,
        "metrics": as_json(metrics or {}),
    }
    made = _version(the_row(tx, _SQL["register"], given))
    _enter(tx, made, ModelEvent.REGISTER, who, why, {"bundle": bundle_digest})
    return made


def record(
    tx: Connection,
    pipeline: str,
    version: int,
    event: ModelEvent,
    *,
    who: str,
    why: str,
    evidence: Mapping[str, Any] | None = None,
) -> ModelVersion:
    """Enter a decision (gate, canary, abort, retire) and bring the version to the state that it leads to.

    Raises:
        NotFound: there is no such version.
        NightRefused: the decision is not one of these, or the live version would go without a successor.
    """
    lock_pipeline(tx, pipeline)
    found = get(tx, pipeline, version)
    if event in _GOES_LIVE or event is ModelEvent.REGISTER:
        raise NightRefused(f"{event} is not entered by hand; expected gate, canary, abort or retire")
    after = _AFTER.get(event)
    if after and found.state is ModelState.LIVE:
        raise NightRefused(
            f"version {version} of {pipeline} is live and cannot {event}; promote or roll back to another version first"
        )
    _enter(tx, found, event, who, why, evidence)
    if after:
        execute(tx, _SQL["set_state"], {"pipeline": pipeline, "version": version, "state": after})
    return get(tx, pipeline, version)


def promote(
    tx: Connection,
    pipeline: str,
    version: int,
    *,
    effective_from: date,
    who: str,
    why: str,
    evidence: Mapping[str, Any] | None = None,
    event: ModelEvent = ModelEvent.PROMOTE,
) -> ModelVersion:
    """Make a version live for origins from `effective_from` on and retire the one before. Event: promote or roll_back.

    Raises:
        NotFound: there is no such version.
        NightRefused: it was rejected; or the decision would take effect before the newest one did, which would
            rewrite which model earlier nights had.
    """
    lock_pipeline(tx, pipeline)
    found = get(tx, pipeline, version)
    if event not in _GOES_LIVE:
        raise NightRefused(f"{event} makes no version live; expected promote or roll_back")
    if found.state is ModelState.REJECTED:
        raise NightRefused(f"version {version} of {pipeline} was rejected and cannot go live; register another")
    newest = the_row(tx, _SQL["newest_effect"], {"pipeline": pipeline})["effective_from"]
    if newest and effective_from < newest:
        raise NightRefused(
            f"version {version} of {pipeline} would serve from {effective_from}, before the newest decision took "
            f"effect ({newest}); expected {newest} or later"
        )
    before = live(tx, pipeline)
    if before and before.version != version:
        execute(tx, _SQL["set_state"], {"pipeline": pipeline, "version": before.version, "state": ModelState.RETIRED})
        _enter(tx, before, ModelEvent.RETIRE, who, f"version {version} took over ({event}): {why}", None)
    execute(tx, _SQL["set_state"], {"pipeline": pipeline, "version": version, "state": ModelState.LIVE})
    _enter(tx, found, event, who, why, evidence, effective_from)
    return get(tx, pipeline, version)


def model_as_of(tx: Connection, pipeline: str, origin: date) -> ModelVersion | None:
    """The version that serves an origin: of the newest promote or roll_back that takes effect by then."""
    found = row(tx, _SQL["as_of"], {"pipeline": pipeline, "origin": origin})
    return _version(found) if found else None


def live(tx: Connection, pipeline: str) -> ModelVersion | None:
    """The live version."""
    found = row(tx, _SQL["live"], {"pipeline": pipeline})
    return _version(found) if found else None


def get(tx: Connection, pipeline: str, version: int) -> ModelVersion:
    """A version by its number.

    Raises:
        NotFound: there is none.
    """
    found = row(tx, _SQL["get"], {"pipeline": pipeline, "version": version})
    if found is None:
        raise NotFound(f"{pipeline} has no model version {version}")
    return _version(found)


def versions(tx: Connection, pipeline: str) -> list[ModelVersion]:
    """All versions, newest first."""
    return [_version(found) for found in rows(tx, _SQL["versions"], {"pipeline": pipeline})]


def ledger(tx: Connection, pipeline: str) -> list[LedgerEntry]:
    """All decisions, oldest first."""
    found = rows(tx, _SQL["ledger"], {"pipeline": pipeline})
    return [LedgerEntry(**each | {"event": ModelEvent(each["event"])}) for each in found]


def _enter(
    tx: Connection,
    version: ModelVersion,
    event: ModelEvent,
    who: str,
    why: str,
    evidence: Mapping[str, Any] | None,
    effective_from: date | None = None,
) -> None:
    entry = {
        "event": event,
        "who": who,
        "why": why,
        "evidence": as_json(evidence or {}),
        "effective_from": effective_from,
    }
    execute(tx, _SQL["enter"], {**entry, "pipeline": version.pipeline, "version": version.version})


def _version(found: Row) -> ModelVersion:
    return ModelVersion(**found | {"state": ModelState(found["state"])})
