"""The append-only ledger of decisions that people take about nights and their data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.domain.decision import Asked, DecisionKind, Waiver, Waivers
from nightcast.errors import NotFound
from nightcast.store.queries import Row, as_json, load, lock_pipeline, row, rows, the_row

_SQL = load("decisions")


@dataclass(frozen=True, kw_only=True)
class About:
    """What a decision concerns."""

    pipeline: str
    run_id: int | None = None
    check_id: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Decision(About):
    """One row of internal.decision. `undone_by` is known where decisions are listed."""

    decision_id: int
    kind: DecisionKind
    reason: str
    who: str
    at: datetime
    undoes: int | None = None
    undone_by: int | None = None

    @property
    def said(self) -> str:
        """Who decided and why, in the middle of a sentence."""
        return f"by {self.who} (decision {self.decision_id}): {self.reason}"


def lock(tx: Connection, pipeline: str) -> None:
    """The lock under which a pipeline's decisions are taken: the one of publish, promote and roll back."""
    lock_pipeline(tx, pipeline)


def enter(tx: Connection, kind: DecisionKind, about: About, asked: Asked, undoes: int | None = None) -> Decision:
    """Write a decision into the ledger. Whoever decides holds the pipeline's lock, so that nothing is decided twice."""
    given = {
        **vars(about),
        "evidence": as_json(about.evidence),
        "kind": kind,
        "reason": asked.reason.strip(),
        "who": asked.who.strip(),
        "undoes": undoes,
    }
    return _decision(the_row(tx, _SQL["enter"], given))


def get(tx: Connection, decision_id: int) -> Decision:
    """A decision by its number, with the one that undoes it.

    Raises:
        NotFound: there is none.
    """
    found = row(tx, _SQL["get"], {"decision_id": decision_id})
    if found is None:
        raise NotFound(f"there is no decision {decision_id}; `nightcast decisions PIPELINE` lists them")
    undone = row(tx, _SQL["undone_by"], {"decision_id": decision_id})
    return _decision(found | {"undone_by": undone and undone["decision_id"]})


def standing(tx: Connection, pipeline: str, kind: DecisionKind, run_id: int | None = None) -> list[Decision]:
    """The decisions of a kind that nothing undoes, newest first; of a run alone where one is named."""
    asked = {"pipeline": pipeline, "kind": kind, "run_id": run_id}
    return [_decision(found) for found in rows(tx, _SQL["standing"], asked)]


def of_pipeline(tx: Connection, pipeline: str, limit: int = 50) -> list[Decision]:
    """All decisions about a pipeline, newest first."""
    return [_decision(found) for found in rows(tx, _SQL["of_pipeline"], {"pipeline": pipeline, "limit": limit})]


def of_run(tx: Connection, run_id: int) -> list[Decision]:
    """The decisions about a run, and what undid them, oldest first."""
    return [_decision(found) for found in rows(tx, _SQL["of_run"], {"run_id": run_id})]


def waivers(tx: Connection, pipeline: str, run_id: int) -> Waivers:
    """What was waived of a run."""
    found = standing(tx, pipeline, DecisionKind.WAIVE, run_id)
    made = (Waiver(check_id=str(d.check_id), scope=scope_of(d), decision=d.decision_id, said=d.said) for d in found)
    return {(waiver.check_id, waiver.scope): waiver for waiver in made}


def scope_of(decision: About) -> str:
    """The scope of the results that a waiver concerns."""
    return decision.first_day.isoformat() if decision.first_day else ""


def levels(tx: Connection, pipeline: str) -> list[date]:
    """The days from which on a level was accepted, the earliest first."""
    return [found["first_day"] for found in rows(tx, _SQL["levels"], {"pipeline": pipeline})]


def _decision(found: Row) -> Decision:
    return Decision(**found | {"kind": DecisionKind(found["kind"])})
