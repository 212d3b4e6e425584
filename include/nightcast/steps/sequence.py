"""A whole night in one process, as Airflow would run it: for tests, trials and shells."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from nightcast.steps import failure, open_run, predict
from nightcast.steps.rooms import Clock, Rooms

BEFORE_PREDICT = ("wait_for_source", "extract", "validate")
AFTER_PREDICT = ("audit", "publish")
MONITORS = ("monitor_drift", "monitor_accuracy")
TRAINING = ("build_training_set", "train", "evaluate", "register")


def run_night(
    request: Mapping[str, Any], rooms: Rooms, clock: Clock, progress: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Open the night that is asked for and run its steps in order; the last result.

    The monitors run after a stopped night too, before its error is raised.
    """
    night = open_run.run(request, rooms, clock)
    if night.get("skip"):
        return night
    try:
        last = _steps(night, rooms, clock, progress)
    except Exception as error:
        failure.record(night, "sequence", error, rooms, clock, final=True)
        _monitor(night, rooms, clock, progress)
        raise
    if not last.get("skip"):
        _monitor(night, rooms, clock, progress)
    return last


def _steps(night: Mapping[str, Any], rooms: Rooms, clock: Clock, progress: Callable[[str], None]) -> dict[str, Any]:
    last: Any = {}
    for name in BEFORE_PREDICT:
        progress(name)
        last = importlib.import_module(f"nightcast.steps.{name}").run(night, rooms, clock)
        if isinstance(last, Mapping) and last.get("skip"):
            return dict(last)
    for shard in range(night["shards"]):
        progress("predict")
        last = predict.run(night, rooms, clock, shard=shard)
    for name in AFTER_PREDICT:
        progress(name)
        last = importlib.import_module(f"nightcast.steps.{name}").run(night, rooms, clock)
    return dict(last)


def _monitor(night: Mapping[str, Any], rooms: Rooms, clock: Clock, progress: Callable[[str], None]) -> None:
    for name in MONITORS:
        progress(name)
        importlib.import_module(f"nightcast.steps.{name}").run(night, rooms, clock)


def run_training(
    request: Mapping[str, Any], rooms: Rooms, clock: Clock, progress: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Make a model version in one process; the result of `register`."""
    result: dict[str, Any] = dict(request)
    for name in TRAINING:
        progress(name)
        result = importlib.import_module(f"nightcast.steps.{name}").run(result, rooms, clock)
    return result
