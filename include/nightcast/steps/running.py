"""How every step runs: what was pinned is loaded, the attempt is claimed, results are committed only by its owner.

Compute first; then one short transaction that checks the fence, writes everything and marks the attempt done.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from nightcast import models, spec
from nightcast.domain.changes import Inputs, changes
from nightcast.domain.night import TERMINAL, RunMode, RunState, StepState
from nightcast.domain.pipeline import PipelineFolder
from nightcast.errors import Fenced, NightRefused, NightStopped
from nightcast.steps.code_version import code_version
from nightcast.steps.rooms import Rooms
from nightcast.steps.snapshot import load_manifest
from nightcast.store import fence, publication, removals, runs
from nightcast.store.connect import Connection

CODE = "code"  # the name of the engine code's digest among what a run ran on


def code_pins(rooms: Rooms, more: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What every run pins of code and machine; `more` is added to its environment."""
    code = code_version(rooms.settings)
    return {
        "code_commit": code.commit,
        "code_dirty": code.dirty,
        "environment": {**models.environment(), CODE: code.digest, **(more or {})},
    }


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a step: what it works on, and the number that fences its writes."""

    run: runs.Run
    folder: PipelineFolder
    step: str
    shard: int
    number: int
    cpu_at_start: float


def over(night: Mapping[str, Any], rooms: Rooms) -> dict[str, Any] | None:
    """The answer of a step whose run has come to its end, or None where there is work to do."""
    with rooms.transaction() as tx:
        run = runs.get(tx, night["run_id"])
    if run.state not in TERMINAL:
        return None
    return {**night, "state": run.state, "skip": True, "why": f"run {run.run_id} is {run.state}: {run.reason or ''}"}


@contextmanager
def attempt(
    night: Mapping[str, Any], rooms: Rooms, step: str, shard: int = 0, *, judges: bool = True
) -> Iterator[Attempt]:
    """Claim the next attempt at a step and record how it ends, where the step itself does not.

    A step that `judges` or produces resumes a run that was stopped or had failed, and runs on the code of `open_run`
    only. A monitor leaves the run's state alone, and may be run again after an upgrade.

    Raises:
        NightRefused: the code changed since `open_run`.
    """
    with rooms.transaction() as tx:
        run = runs.get(tx, night["run_id"])
        if judges and run.state in (RunState.STOPPED, RunState.FAILED):
            runs.resume(tx, run.run_id)
        number = fence.claim(tx, run.run_id, step, shard)
    cpu = time.process_time()
    try:
        if judges:
            _same_code(run, rooms)
        folder = pinned_folder(run, rooms)
        yield Attempt(run=run, folder=folder, step=step, shard=shard, number=number, cpu_at_start=cpu)
    except (Fenced, NightStopped):
        raise  # recorded by its owner, or stored with the verdict
    except BaseException as error:
        with rooms.transaction() as tx:
            fence.failed(tx, run.run_id, step, shard, number, error)
        raise


@contextmanager
def committing(trial: Attempt, rooms: Rooms) -> Iterator[Connection]:
    """The one transaction in which an attempt writes; refused where a newer attempt owns the step."""
    with rooms.transaction() as tx:
        fence.own(tx, trial.run.run_id, trial.step, trial.shard, trial.number)
        yield tx


def finish(
    tx: Connection,
    trial: Attempt,
    *,
    counts: Mapping[str, Any],
    result: Mapping[str, Any],
    state: StepState = StepState.DONE,
) -> None:
    """Mark the attempt ended, with numbers for people and what later steps read."""
    fence.done(
        tx,
        trial.run.run_id,
        trial.step,
        trial.shard,
        trial.number,
        state=state,
        counts=counts,
        result=result,
        cpu_seconds=time.process_time() - trial.cpu_at_start,
    )


def pin_family(tx: Connection, trial: Attempt, family: str) -> None:
    """Add the libraries of the model's family, as this process has them, to what the run ran on."""
    environment = dict(trial.run.environment) | models.environment(family)
    if environment != trial.run.environment:
        runs.pin(tx, trial.run.run_id, environment=environment)


def inputs_differ(then: runs.Run, now: runs.Run, rooms: Rooms) -> str:
    """How the inputs of a run differ from those of an earlier one of its night, in words."""
    found = changes(inputs_of(then, rooms), inputs_of(now, rooms)).words
    if not found:  # of a rewritten snapshot nothing differs
        with rooms.transaction() as tx:
            found = "; ".join(removal.said for removal in removals.of_run(tx, then.run_id))
    ran_on = sorted(n for n, value in now.environment.items() if then.environment.get(n) != value)
    return found or f"the same inputs gave other rows; not as then: {', '.join(ran_on) or 'nothing that is recorded'}"


def inputs_of(run: runs.Run, rooms: Rooms) -> Inputs:
    """What a run that was published was made from."""
    return Inputs(
        manifest=load_manifest(rooms.lake, str(run.manifest_digest)),
        model_version=run.model_version or 0,
        files=rooms.lake.get_json(str(run.spec_digest)),
    )


def pinned_folder(run: runs.Run, rooms: Rooms) -> PipelineFolder:
    """The pipeline's folder as it was when the run was opened; the disk may have changed since."""
    if run.spec_digest is None:
        raise NightRefused(
            f"run {run.run_id} has no pinned spec; expected `open_run` to have ended. Clear it from there"
        )
    return spec.from_files(run.pipeline, rooms.lake.get_json(run.spec_digest))


def night_result(run: runs.Run, folder: PipelineFolder, **more: Any) -> dict[str, Any]:
    """What steps hand to each other: ids and small values, ready for JSON."""
    shards = folder.pipeline.shards
    return {
        "run_id": run.run_id,
        "pipeline": run.pipeline,
        "origin": run.origin.isoformat(),
        "shards": shards,
        "state": run.state,
    } | more


def published_run(tx: Connection, of: runs.Run) -> runs.Run | None:
    """The run that readers see of the same night, if it is another one."""
    shown = publication.current(tx, of.pipeline, of.origin)
    return runs.get(tx, shown.run_id) if shown and shown.run_id != of.run_id else None


def known_at(run: runs.Run) -> date | None:
    """The night up to whose runs a run may know the intake; None: it may know everything."""
    return run.origin if run.mode is RunMode.KNOWN_THEN else None


def origin_of(night: Mapping[str, Any]) -> date:
    """The night's origin."""
    return date.fromisoformat(night["origin"])


def _same_code(run: runs.Run, rooms: Rooms) -> None:
    then, now = run.environment.get(CODE), code_version(rooms.settings).digest
    if then is not None and then != now:
        raise NightRefused(
            f"run {run.run_id} was opened by engine code {then[:12]}, this is {now[:12]}; expected one and the same "
            "for all steps of a run. Clear the run from its first task to pin the new code"
        )
