"""Register the sealed bundle as a model version. A pipeline's first version goes live by itself."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Any

from nightcast import models
from nightcast.domain.night import RunState
from nightcast.steps.rooms import Clock, Rooms
from nightcast.steps.running import attempt, committing, finish, over
from nightcast.store import models as registry
from nightcast.store import runs


def run(training: Mapping[str, Any], rooms: Rooms, clock: Clock) -> dict[str, Any]:
    """Open the bundle as a night would, then write version and ledger in one transaction.

    The same bundle registered twice is one version.
    """
    if done := over(training, rooms):
        return done
    with attempt(training, rooms, "register") as trial:
        opened = models.open_bundle(rooms.lake.get(training["bundle"]), training["bundle"])
        who = f"{getpass.getuser()} ({'scheduler' if trial.run.scheduler_run_id else 'shell'})"
        why = training.get("reason") or "training run"
        with committing(trial, rooms) as tx:
            made = registry.register(
                tx,
                trial.run.pipeline,
                bundle_digest=opened.digest,
                trained_through=trial.run.origin,
                training_digest=str(trial.run.manifest_digest),
                spec_digest=str(trial.run.spec_digest),
                who=who,
                why=why,
                run_id=trial.run.run_id,
                metrics=dict(opened.about["metrics"]),
            )
            if registry.live(tx, trial.run.pipeline) is None:
                made = registry.promote(
                    tx,
                    trial.run.pipeline,
                    made.version,
                    effective_from=trial.run.origin,
                    who=who,
                    why="the first version of a pipeline goes live by itself",
                    evidence=dict(opened.about["metrics"]),
                )
            finish(tx, trial, counts={"version": made.version}, result={"version": made.version, "state": made.state})
            runs.finish(tx, trial.run.run_id, RunState.DONE, f"model version {made.version} ({made.state})")
    return {**training, "version": made.version, "state": made.state}
