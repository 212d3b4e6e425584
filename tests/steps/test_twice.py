"""Every step run twice leaves the rows that it left once, and hands the same on."""

from __future__ import annotations

from typing import Any

import pytest

from nightcast.domain.night import RunState
from steps.world import EARLY, FIRST_NIGHT, RECIPE, SMALL, World, asked, scheduled

pytestmark = pytest.mark.postgres

STEPS = ("wait_for_source", "extract", "validate", "predict", "audit", "publish", "monitor_drift", "monitor_accuracy")
SAME = ("run_id", "pipeline", "origin", "shards", "revision")


def test_each_step_of_a_night_may_run_twice(world: World) -> None:
    request = asked(FIRST_NIGHT, **scheduled(FIRST_NIGHT))
    before = world.fingerprint()
    night = world.step("open_run", request, FIRST_NIGHT)
    opened = world.fingerprint()
    assert world.step("open_run", request, FIRST_NIGHT) == night
    assert world.fingerprint() == opened != before
    for name in STEPS:
        first = world.step(name, night, FIRST_NIGHT)
        once = world.fingerprint()
        second = world.step(name, night, FIRST_NIGHT)
        assert world.fingerprint() == once, f"{name} twice is not {name} once"
        assert kept(first) == kept(second)
    attempts = world.as_writer(
        "SELECT step, attempt, state FROM internal.run_step WHERE run_id = " + str(night["run_id"])
    )
    assert {a["state"] for a in attempts} == {"done"}
    assert world.run(night["run_id"]).state is RunState.PUBLISHED


def kept(result: Any) -> Any:
    return {k: result[k] for k in SAME if k in result} if isinstance(result, dict) else result


def test_each_step_of_a_training_may_run_twice(early: World, copy: Any) -> None:
    world: World = copy(early)
    for old, new in zip(RECIPE, SMALL, strict=True):
        world.edit("pipeline.yaml", old, new)
    world.edit("pipeline.yaml", "max_iter: 150", "max_iter: 10")
    request = {
        "pipeline": "daily_demand",
        "trained_through": str(EARLY),
        "scheduler_run_id": "manual__1",
        "reason": "?",
    }
    training: Any = request
    for name in ("build_training_set", "train", "evaluate", "register"):
        result = world.step(name, training, EARLY)
        once = world.fingerprint()
        again = world.step(name, training, EARLY)
        assert world.fingerprint() == once, f"{name} twice is not {name} once"
        assert again == result or (name == "register" and again["skip"])  # its run is done
        training = result
    versions = world.as_writer("SELECT version, state FROM internal.model_version ORDER BY 1")
    assert [(v["version"], v["state"]) for v in versions] == [(1, "live"), (2, "candidate")]
