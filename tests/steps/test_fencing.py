"""Orphans and twins: whatever runs beside a night, its rows are there once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from nightcast.domain.night import RunState
from nightcast.errors import Fenced, NightRefused
from nightcast.steps import predict, running, sequence
from nightcast.store import fence, runs
from steps.world import FIRST_NIGHT, PIPELINE, World, asked, clock_of, scheduled

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
        found = real(*arguments)
        scored.set()
        assert go_on.wait(60)
        return found

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


def meeting(*names: str) -> Callable[[str], None]:
    """A callback that makes two nights begin each of these steps together."""
    gates = {name: threading.Barrier(2, timeout=60) for name in names}
    return lambda name: gates[name].wait() if name in gates else None  # type: ignore[return-value]


def test_two_runs_of_a_night_at_once_leave_one_revision(world: World, published: World) -> None:
    together = meeting("extract", "validate", "predict", "publish")

    def whole(run: str) -> dict[str, Any]:
        request = asked(FIRST_NIGHT, scheduler_run_id=run)
        return sequence.run_night(request, world.rooms, clock_of(FIRST_NIGHT), together)

    with ThreadPoolExecutor(2) as pool:
        ended = sorted(pool.map(whole, ("scheduled__1", "manual__1")), key=lambda r: r["run_id"])
    states = [r["state"] for r in ended]
    assert states.count(RunState.PUBLISHED) == 1
    assert set(states) - {RunState.PUBLISHED} <= {RunState.UNCHANGED, RunState.SUPERSEDED}
    assert len(world.as_writer("SELECT 1 FROM internal.publication")) == 1
    digests = {world.run(r["run_id"]).row_digest for r in ended}
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
