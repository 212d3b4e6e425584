"""Orphans and twins: whatever runs beside a night, its rows are there once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nightcast.domain.night import RunState
from nightcast.errors import Fenced, NightRefused
from nightcast.steps import predict, running
from nightcast.store import fence, runs
from steps.world import FIRST_NIGHT, PIPELINE, World, asked, scheduled

pytestmark = pytest.mark.postgres


def up_to_predict(world: World) -> dict[str, Any]:
    night: dict[str, Any] = world.step("open_run", asked(FIRST_NIGHT, **scheduled(FIRST_NIGHT)), FIRST_NIGHT)
    for name in ("extract", "validate"):
        world.step(name, night, FIRST_NIGHT)
    return night


def test_an_orphan_of_predict_that_wakes_up_late_writes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    night, real = up_to_predict(world), predict.predicted
    scored, go_on = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        found = list(real(*arguments))
        scored.set()
        assert go_on.wait(60)
        return iter(found)

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(predict, "predicted", slow)
        orphan = pool.submit(world.step, "predict", night, FIRST_NIGHT)
        assert scored.wait(60)
        monkeypatch.setattr(predict, "predicted", real)
        retry = world.step("predict", night, FIRST_NIGHT)
        before = world.fingerprint(but=())
        go_on.set()
        with pytest.raises(Fenced, match="attempt 2 owns its rows"):
            orphan.result(60)
    assert world.fingerprint(but=()) == before
    with world.writing() as tx:
        told = {a.attempt: (a.state, a.error_class) for a in fence.attempts(tx, night["run_id"]) if a.step == "predict"}
    assert told[1][0] == "failed"
    assert told[2] == ("done", None)
    assert world.step("audit", night, FIRST_NIGHT)["rows"] == retry["rows"]
    assert world.step("publish", night, FIRST_NIGHT)["revision"] == 1


def test_an_attempt_is_refused_at_every_step_once_a_newer_one_is_claimed(world: World) -> None:
    night = up_to_predict(world)
    for step in ("extract", "validate", "predict", "audit", "publish", "monitor_drift", "monitor_accuracy"):
        with pytest.raises(Fenced):
            overtaken(world, night, step)


def overtaken(world: World, night: dict[str, Any], step: str) -> None:
    with running.attempt(night, world.rooms, step) as orphan:
        with world.writing() as tx:
            fence.claim(tx, night["run_id"], step)
        with running.committing(orphan, world.rooms):
            pytest.fail("an orphan may write")


def test_two_runs_of_a_night_at_once_leave_one_revision(world: World, published: World) -> None:
    """Two processes, as Airflow would have them: Great Expectations does not promise to work in two threads."""
    command = [sys.executable, "-m", "nightcast.cli", "night", PIPELINE, "--origin", FIRST_NIGHT.isoformat()]
    environment = world.environment | {"PYTHONPATH": os.pathsep.join(sys.path)}
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    with world.writing() as tx:
        ended = runs.recent(tx, PIPELINE, origin=FIRST_NIGHT)
    assert len(ended) == 2
    states = [r.state for r in ended]
    assert states.count(RunState.PUBLISHED) == 1
    assert set(states) - {RunState.PUBLISHED} <= {RunState.UNCHANGED, RunState.SUPERSEDED}
    assert len(world.as_writer("SELECT 1 FROM internal.publication")) == 1
    digests = {r.row_digest for r in ended} - {None}  # one that saw the other published did not score
    with published.writing() as tx:
        live = runs.latest(tx, PIPELINE, FIRST_NIGHT)
    assert live is not None
    assert digests == {live.row_digest}
    twice = world.as_writer(
        "SELECT event_day FROM internal.intake GROUP BY event_day, content_digest HAVING count(*) > 1"
    )
    assert not twice


def test_a_shard_that_the_run_does_not_have_is_refused(world: World) -> None:
    night = up_to_predict(world)
    for shard in (-1, 1):
        with pytest.raises(NightRefused, match="it has 1, from 0 on"):
            world.step("predict", night, FIRST_NIGHT, shard=shard)
    assert world.step("predict", night, FIRST_NIGHT)["rows"] > 0
    assert world.step("audit", night, FIRST_NIGHT)["rows"] > 0
