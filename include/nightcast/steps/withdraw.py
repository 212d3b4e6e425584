"""Take a published night from readers, because a person says that it is wrong."""

from __future__ import annotations

from nightcast.domain.decision import Asked, DecisionKind, Outcome
from nightcast.errors import DecisionRefused
from nightcast.steps.rooms import Clock, Rooms
from nightcast.store import decisions, publication, runs
from nightcast.store.connect import Connection
from nightcast.store.publication import Publication


def run(asked: Asked, rooms: Rooms, clock: Clock, *, run_id: int, restore_previous: bool = False) -> Outcome:
    """Close the revision that shows a run, under the publish lock, in one transaction. Its rows stay, and `…_as_of`
    goes on telling what readers saw.

    Readers are left without a forecast of that night. With `restore_previous` they see its revision before from the
    same instant on, as a new revision: the newest one of another run that was not withdrawn itself.

    Raises:
        DecisionRefused: readers do not see the run; or there is no revision before that they may see.
        NotFound: there is no such run.
    """
    with rooms.transaction() as tx:
        found = runs.get(tx, run_id)
        decisions.lock(tx, found.pipeline)
        shown = publication.current(tx, found.pipeline, found.origin)
        if shown is None or shown.run_id != run_id:
            return _told_before(tx, found, shown)
        earlier = publication.earlier(tx, found)
        if restore_previous and earlier is None:
            raise DecisionRefused(
                f"there is no revision before run {run_id} of {found.pipeline} {found.origin} that readers may see; "
                "expected one that no decision withdrew, by a model that is or was live. Withdraw it without restoring"
            )
        instead = earlier.run_id if restore_previous and earlier else None
        text = f"revision {shown.revision} of {found.pipeline} {found.origin} (run {run_id})"
        if asked.dry_run:
            return Outcome(text=f"would withdraw {text}; {_readers(tx, found, instead, 'would see')}")
        revision = publication.withdraw(tx, found, f"withdrawn: {asked.reason.strip()}", instead)
        evidence = {"withdrawn_revision": shown.revision, "opened_run": instead, "opened_revision": revision}
        about = decisions.About(pipeline=found.pipeline, run_id=run_id, evidence=evidence)
        made = decisions.enter(tx, DecisionKind.WITHDRAW, about, asked)
        return Outcome(text=f"withdrew {text}; {_readers(tx, found, instead, 'see')}", decision=made.decision_id)


def _told_before(tx: Connection, found: runs.Run, shown: Publication | None) -> Outcome:
    before = decisions.standing(tx, found.pipeline, DecisionKind.WITHDRAW, found.run_id)
    if before:
        text = f"already withdrawn: run {found.run_id}, {before[0].said}"
        return Outcome(text=text, decision=before[0].decision_id)
    see = f"run {shown.run_id} (revision {shown.revision})" if shown else "no forecast"
    raise DecisionRefused(
        f"readers see {see} of {found.pipeline} {found.origin}, not run {found.run_id}, which is {found.state}; "
        "expected the run that they see"
    )


def _readers(tx: Connection, found: runs.Run, instead: int | None, see: str) -> str:
    if instead is not None:
        return f"readers {see} run {instead} of that night again"
    newest = publication.published(tx, found.pipeline)
    others = [p.origin for p in newest if p.origin != found.origin]
    return f"readers {see} no forecast of that night; the newest that they {see} is {max(others, default='none')}"
