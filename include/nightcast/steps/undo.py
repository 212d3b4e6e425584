"""Take back an earlier decision. The ledger keeps both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from nightcast.domain.baseline import level_at
from nightcast.domain.decision import Asked, DecisionKind, Outcome
from nightcast.domain.night import TERMINAL, RunState
from nightcast.domain.verdict import CheckState
from nightcast.errors import DecisionRefused
from nightcast.steps.rooms import Clock, Rooms
from nightcast.store import checks as check_store
from nightcast.store import decisions, publication, runs
from nightcast.store.connect import Connection
from nightcast.store.decisions import Decision

TakeBack = Callable[[Connection, Decision, Asked], str]  # does it, unless asked for a dry run; says what follows


def run(asked: Asked, rooms: Rooms, clock: Clock, *, decision_id: int) -> Outcome:
    """Undo a decision: what it changed is as if it had not been taken, from now on.

    Raises:
        DecisionRefused: it cannot be undone (any more); the message says what can be done instead.
        NotFound: there is no such decision.
    """
    with rooms.transaction() as tx:
        found = decisions.get(tx, decision_id)
        decisions.lock(tx, found.pipeline)
        found = decisions.get(tx, decision_id)  # as it is under the lock
        if found.undone_by is not None:
            by = decisions.get(tx, found.undone_by)
            return Outcome(text=f"already undone: decision {decision_id}, {by.said}", decision=by.decision_id)
        if found.kind is DecisionKind.UNDO:
            raise DecisionRefused(
                f"decision {decision_id} undoes decision {found.undoes}, and is not undone itself; take that one again"
            )
        follows = _BACK[found.kind](tx, found, asked)
        text = f"decision {decision_id} ({found.kind} {found.said}); {follows}"
        if asked.dry_run:
            return Outcome(text=f"would undo {text}")
        about = decisions.About(pipeline=found.pipeline)
        made = decisions.enter(tx, DecisionKind.UNDO, about, asked, undoes=decision_id)
        return Outcome(text=f"undid {text}", decision=made.decision_id)


def _waive(tx: Connection, found: Decision, asked: Asked) -> str:
    """Until readers see the run. One that went past the check is judged anew; what the waiver let in counts no more
    (view undone_intake).
    """
    run, scope = runs.lock(tx, found.run_id or 0), decisions.scope_of(found)
    if run.state is RunState.OPEN:
        raise DecisionRefused(f"run {run.run_id} is on its way past {found.check_id}; expected one that has ended")
    results = check_store.of_run(tx, run.run_id)
    if (found.check_id, scope, CheckState.WAIVED) not in {(r.check_id, r.scope, r.state) for r in results}:
        return f"run {run.run_id} is stopped by {found.check_id} again"
    shown = publication.current(tx, run.pipeline, run.origin)
    if shown and shown.run_id == run.run_id:
        raise DecisionRefused(
            f"readers see run {run.run_id}, which went past {found.check_id}; expected one that they do not see. Take "
            f"it from them first: `nightcast withdraw {run.run_id} --reason TEXT`"
        )
    if run.state in TERMINAL:
        return "the day that it let in counts no more" if scope else "nothing else changes"
    if not asked.dry_run:
        runs.resume(tx, run.run_id)
        runs.pin(tx, run.run_id, manifest_digest=None, input_digest=None)
        runs.finish(tx, run.run_id, RunState.STOPPED, f"the waiver of {found.check_id} was undone: {asked.reason}")
    return f"run {run.run_id} is judged anew: clear its task validate and what follows"


def _withdraw(tx: Connection, found: Decision, asked: Asked) -> str:
    """Show the run again, as a new revision, where readers see nothing of its night or what the withdrawal restored."""
    run = runs.get(tx, found.run_id or 0)
    shown = publication.current(tx, run.pipeline, run.origin)
    if shown and shown.revision != found.evidence["opened_revision"]:
        raise DecisionRefused(
            f"run {shown.run_id} of {run.pipeline} {run.origin} was published since (revision {shown.revision}); "
            "expected a night without a forecast, or the one that the withdrawal restored. Withdraw that run first"
        )
    if why := publication.refused_model(tx, run):
        raise DecisionRefused(f"run {run.run_id} cannot be shown again: {why}")
    if asked.dry_run:
        return f"readers would see run {run.run_id} again"
    why = f"replaced by run {run.run_id}: decision {found.decision_id} was undone"
    revision = publication.withdraw(tx, run, why, run.run_id)
    return f"readers see run {run.run_id} again, as revision {revision}"


def _accept_level(tx: Connection, found: Decision, asked: Asked) -> str:
    others = [d for d in decisions.levels(tx, found.pipeline) if d != found.first_day]
    before = level_at(others, found.first_day or date.max)
    return f"trailing checks compare with {f'days from {before} on' if before else 'all accepted days'} again"


def _discard(tx: Connection, found: Decision, asked: Asked) -> str:
    return f"its {found.evidence['rows']:,} rows are listed again"


def _replay(tx: Connection, found: Decision, asked: Asked) -> str:
    return "later nights use its days as they were before it, or as they were taken in since; what is published stays"


_BACK: Mapping[DecisionKind, TakeBack] = {
    DecisionKind.WAIVE: _waive,
    DecisionKind.WITHDRAW: _withdraw,
    DecisionKind.ACCEPT_LEVEL: _accept_level,
    DecisionKind.DISCARD: _discard,
    DecisionKind.REPLAY: _replay,
}
