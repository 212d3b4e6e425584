"""Publishing: a pointer moves from one run's rows to another's, in one short transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from psycopg2 import errors as pg
from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.domain.night import RunKind, RunState
from nightcast.errors import NightRefused
from nightcast.store import runs
from nightcast.store.models import ModelState
from nightcast.store.queries import Row, execute, load, lock_pipeline, row, rows, the_row
from nightcast.store.runs import Run

_SQL = load("publication")


@dataclass(frozen=True, kw_only=True)
class Publication:
    """One revision of a night, with the pins of its run."""

    publication_id: int
    pipeline: str
    origin: date
    revision: int
    run_id: int
    published_at: datetime
    withdrawn_at: datetime | None
    reason: str | None
    model_version: int | None
    input_digest: str | None
    row_digest: str | None
    tables_version: int


@dataclass(frozen=True, kw_only=True)
class Published:
    """Readers see this run's rows."""

    revision: int
    published_at: datetime


@dataclass(frozen=True, kw_only=True)
class Unchanged:
    """The same inputs and rows were published already; readers go on seeing that revision."""

    revision: int


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """A person withdrew what these inputs made; it is not shown again behind their back."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Superseded:
    """The run may no longer publish."""

    reason: str


def publish(
    tx: Connection, run_id: int, differs: Callable[[Run, Run], str] | None = None
) -> Published | Unchanged | Superseded | Withheld:
    """Show a run's rows to readers and end the run as published, unchanged or superseded. Repeating it changes nothing.

    What was made from inputs whose forecast a person withdrew is withheld: the run is stopped.

    Under the pipeline's lock: the model version must still be allowed, and no newer run of the night published.
    `differs` is asked where the run takes the place of another: how its inputs differ from those of the one before, in
    words that are stored with the withdrawal.

    Raises:
        NotFound: there is no such run.
        NightRefused: the run is not a night, is not open, lacks a pin, or its counts do not reconcile.
    """
    pipeline = runs.get(tx, run_id).pipeline
    lock_pipeline(tx, pipeline)
    run = runs.lock(tx, run_id)
    shown = current(tx, pipeline, run.origin)
    told = _told_before(tx, run, shown)
    if told:
        return told
    refusal = _refusal(tx, run, shown)
    if refusal:
        runs.finish(tx, run_id, RunState.SUPERSEDED, refusal)
        return Superseded(reason=refusal)
    if shown and run.input_digest and (run.input_digest, run.row_digest) == (shown.input_digest, shown.row_digest):
        runs.finish(
            tx,
            run_id,
            RunState.UNCHANGED,
            f"revision {shown.revision} (run {shown.run_id}) has the same inputs and rows",
        )
        return Unchanged(revision=shown.revision)
    if withheld := withdrawn_inputs(tx, pipeline, run.origin, run.input_digest):
        runs.finish(tx, run_id, RunState.STOPPED, withheld)
        return Withheld(reason=withheld)
    because = differs(runs.get(tx, shown.run_id), run) if shown and differs else ""
    return _move_pointer(tx, run, f"replaced by run {run_id}" + (f": {because}" if because else ""))


def withdraw(tx: Connection, run: Run, reason: str, instead: int | None = None) -> int | None:
    """Readers cease to see a night, or see the run `instead` from the same instant on: the revision of that.

    The caller holds the pipeline's lock.
    """
    what = {"pipeline": run.pipeline, "origin": run.origin, "run_id": instead}
    instant = the_row(tx, _SQL["instant"], what)
    execute(tx, _SQL["withdraw"], {**what, **instant, "reason": reason})
    if instead is None:
        return None
    execute(tx, _SQL["open"], {**what, **instant})
    return int(instant["revision"])


def withdrawn_inputs(tx: Connection, pipeline: str, origin: date, input_digest: str | None) -> str | None:
    """Why what these inputs make of a night is not to be shown: a decision withdrew it, and stands. Else None."""
    asked = {"pipeline": pipeline, "origin": origin, "input_digest": input_digest}
    found = row(tx, _SQL["withdrawn_inputs"], asked)
    if found is None:
        return None
    return (
        f"the same inputs were published by run {found['run_id']} (revision {found['revision']}) and withdrawn by "
        f"{found['who']} (decision {found['decision_id']}): {found['reason']}; expected other inputs. To show that "
        f"forecast again: `nightcast undo {found['decision_id']} --reason TEXT`"
    )


def earlier(tx: Connection, run: Run) -> Publication | None:
    """The newest revision of a run's night by another run that readers may see again: its model is allowed, and no
    decision withdrew it.
    """
    asked = {"pipeline": run.pipeline, "origin": run.origin, "run_id": run.run_id}
    found = row(tx, _SQL["earlier"], asked)
    return Publication(**found) if found else None


def current(tx: Connection, pipeline: str, origin: date) -> Publication | None:
    """What readers see of a night: its open revision."""
    found = row(tx, _SQL["current"], {"pipeline": pipeline, "origin": origin})
    return Publication(**found) if found else None


def same_inputs(tx: Connection, pipeline: str, origin: date, input_digest: str) -> Publication | None:
    """The open revision of a night, if it was made from these inputs: a rerun can end as unchanged without scoring."""
    shown = current(tx, pipeline, origin)
    return shown if shown and shown.input_digest == input_digest else None


def before(tx: Connection, pipeline: str, origin: date) -> Publication | None:
    """The newest published night strictly before an origin."""
    found = row(tx, _SQL["before"], {"pipeline": pipeline, "origin": origin})
    return Publication(**found) if found else None


def of_run(tx: Connection, run_id: int) -> list[Publication]:
    """The revisions that showed a run's rows, oldest first."""
    return _all(rows(tx, _SQL["of_run"], {"run_id": run_id}))


def published(tx: Connection, pipeline: str, first: date | None = None, last: date | None = None) -> list[Publication]:
    """The open revision of every night from `first` to `last`, both included, in the order of nights."""
    return _all(rows(tx, _SQL["published"], {"pipeline": pipeline, "first": first, "last": last}))


def revisions(tx: Connection, pipeline: str, origin: date) -> list[Publication]:
    """All revisions of a night, oldest first."""
    return _all(rows(tx, _SQL["revisions"], {"pipeline": pipeline, "origin": origin}))


def _move_pointer(tx: Connection, run: Run, reason: str) -> Published:
    what = {"pipeline": run.pipeline, "origin": run.origin, "run_id": run.run_id}
    instant = the_row(tx, _SQL["instant"], what)
    try:
        execute(tx, _SQL["end_run"], {**what, **instant})
    except pg.CheckViolation as error:
        raise NightRefused(_unpublishable(run, error.diag.constraint_name)) from error
    execute(tx, _SQL["withdraw"], {**what, **instant, "reason": reason})
    execute(tx, _SQL["open"], {**what, **instant})
    return Published(revision=instant["revision"], published_at=instant["at"])


def _told_before(tx: Connection, run: Run, shown: Publication | None) -> Published | Unchanged | Superseded | None:
    """The answer for a run that has ended: a repeated call says again what the first one said."""
    if run.kind is not RunKind.NIGHT:
        raise NightRefused(f"run {run.run_id} is of kind {run.kind}; only a night is published")
    if run.state is RunState.PUBLISHED:
        first = of_run(tx, run.run_id)[0]
        return Published(revision=first.revision, published_at=first.published_at)
    if run.state is RunState.UNCHANGED and shown:
        return Unchanged(revision=shown.revision)
    if run.state is RunState.SUPERSEDED:
        return Superseded(reason=run.reason or "superseded")
    if run.state is not RunState.OPEN:
        raise NightRefused(f"run {run.run_id} is {run.state}; expected an open run")
    return None


def _refusal(tx: Connection, run: Run, shown: Publication | None) -> str | None:
    if why := refused_model(tx, run):
        return why
    if shown and shown.run_id > run.run_id:
        return f"run {shown.run_id} of this night is newer and published (revision {shown.revision})"
    return None


def refused_model(tx: Connection, run: Run) -> str | None:
    """Why the run's model version may not be shown (any more), or None."""
    if run.model_version is not None:
        asked = {"pipeline": run.pipeline, "version": run.model_version}
        state = the_row(tx, _SQL["model_state"], asked)["state"]
        if state not in (ModelState.LIVE, ModelState.RETIRED):  # retired: it was live at this night's close
            return f"model version {run.model_version} is {state}; expected one that is or was live"
    return None


def _unpublishable(run: Run, constraint: str | None) -> str:
    if constraint == "run_reconciles":
        return (
            f"run {run.run_id} does not reconcile: pulled {run.pulled} = accepted {run.accepted} + quarantined "
            f"{run.quarantined} + duplicates {run.duplicates}, expected {run.expected} = predictions {run.predictions}"
            ". The night stays unpublished; compare `nightcast show` with the step counts"
        )
    return (
        f"run {run.run_id} lacks a pin ({constraint}): spec {run.spec_digest}, model {run.model_version}, "
        f"manifest {run.manifest_digest}, inputs {run.input_digest}, rows {run.row_digest}; expected all of them"
    )


def _all(found: list[Row]) -> list[Publication]:
    return [Publication(**each) for each in found]
