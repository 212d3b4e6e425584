"""Let a stopped night go on past one check, because a person looked and says so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

from nightcast import checks
from nightcast.domain.decision import Asked, DecisionKind, Outcome, not_waivable
from nightcast.domain.night import RunKind, RunState
from nightcast.domain.verdict import STOPPING
from nightcast.errors import DecisionRefused, NotFound
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import pinned_folder
from nightcast.store import checks as check_store
from nightcast.store import decisions, runs
from nightcast.store.checks import StoredCheck


def run(asked: Asked, rooms: Rooms, clock: Clock, *, run_id: int, check_id: str, day: date | None = None) -> Outcome:
    """Waive one check of a stopped night, for this run alone: its task, cleared, goes on past it.

    A row rule that quarantines sets no row aside in this run. `day`: an earlier event day that the run judged too;
    None is the night's own.

    Raises:
        DecisionRefused: the run is not a stopped night; or the check could not run, belongs to the contract, says that
            the night is not whole, or stops nothing.
        NotFound: there is no such run, or it has no result of that check.
    """
    with rooms.transaction() as tx:
        found = runs.get(tx, run_id)
    contract = _contract(found, rooms)
    scopes = (day.isoformat(),) if day else (found.origin.isoformat(), "")
    with rooms.transaction() as tx:
        decisions.lock(tx, found.pipeline)
        known = decisions.waivers(tx, found.pipeline, run_id)
        if waiver := next((known[check_id, s] for s in scopes if (check_id, s) in known), None):
            text = f"already waived: {check_id} of run {run_id}, {waiver.said}"
            return Outcome(text=text, decision=waiver.decision)
        found = runs.lock(tx, run_id)
        if found.kind is not RunKind.NIGHT or found.state is not RunState.STOPPED:
            raise DecisionRefused(
                f"run {run_id} is a {found.kind} in state {found.state}; expected a stopped night: a check is waived "
                "where it keeps a night waiting"
            )
        results = check_store.of_run(tx, run_id)
        result = _result(results, found, check_id, scopes)
        if why := not_waivable(result, contract):
            raise DecisionRefused(f"{check_id} of run {run_id} cannot be waived: {why}")
        text = _text(found, result, results)
        if asked.dry_run:
            return Outcome(text=f"would waive {text}")
        made = decisions.enter(tx, DecisionKind.WAIVE, _about(found, result), asked)
        return Outcome(text=f"waived {text}", decision=made.decision_id)


def _result(results: Sequence[StoredCheck], found: runs.Run, check_id: str, scopes: Collection[str]) -> StoredCheck:
    result = next((r for r in results if r.check_id == check_id and r.scope in scopes), None)
    if result is None:
        failing = ", ".join(f"{r.check_id} {r.scope}".strip() for r in results if r.state in STOPPING)
        days = " or ".join(s or "the night as a whole" for s in scopes)
        raise NotFound(
            f"run {found.run_id} has no result of a check {check_id!r} for {days}; those that failed are: "
            f"{failing or 'none'}"
        )
    return result


def _about(found: runs.Run, result: StoredCheck) -> decisions.About:
    day = date.fromisoformat(result.scope) if result.scope else None
    return decisions.About(
        pipeline=found.pipeline,
        run_id=found.run_id,
        check_id=result.check_id,
        first_day=day,
        last_day=day,
        evidence={"step": result.step, "rows": result.rows, "bad_rows": result.bad_rows},  # a message may quote
    )


def _text(found: runs.Run, result: StoredCheck, results: Sequence[StoredCheck]) -> str:
    """What is waived, what goes on stopping the night, and how it goes on."""
    of = f"{result.check_id} of run {found.run_id} ({found.pipeline} {found.origin}): {result.message}"
    mine = ("", found.origin.isoformat())
    others = [r.check_id for r in results if r.state in STOPPING and r.scope in mine and r is not result]
    more = f"\nstill stopping it: {', '.join(others)}" if others else ""
    return f"{of}{more}\nto go on: clear the task {result.step} and what follows it, or " + (
        f"`nightcast step {result.step} --run {found.run_id}` and the steps after it"
    )


def _contract(found: runs.Run, rooms: Rooms) -> frozenset[str]:
    if found.spec_digest is None:
        return frozenset(checks.CONTRACT_IDS)
    declared = checks.load(pinned_folder(found, rooms).expectations).contract
    return frozenset((*checks.CONTRACT_IDS, *(entry.id for entry in declared)))
