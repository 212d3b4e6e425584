"""A whole night in one process, as Airflow would run it: for tests, trials and shells."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from nightcast.errors import NightcastError, SourceNotFresh
from nightcast.steps import failure, open_run
from nightcast.steps.rooms import Clock, Rooms

Progress = Callable[[str], None]

BEFORE_PREDICT = ("wait_for_source", "extract", "validate")
AFTER_PREDICT = ("audit", "publish")
MONITORS = ("monitor_drift", "monitor_accuracy")
TRAINING = ("build_training_set", "train", "evaluate", "register")


def run_night(
    request: Mapping[str, Any], rooms: Rooms, clock: Clock, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Open the night that is asked for and run its steps in order; the last result.

    The monitors run after a night that broke too; its error is the one that is raised.

    Raises:
        SourceNotFresh: the last expected day is not in the source, deadline or not: one process does not wait for it.
    """
    night = open_run.run(request, rooms, clock)
    if night.get("skip"):
        return night
    try:
        last = _steps(night, rooms, clock, progress)
    except Exception as error:
        try:
            _monitor(night, rooms, clock, progress)
        except NightcastError as beside:
            error.add_note(f"then a monitor failed too: {type(beside).__name__}: {beside}")
        raise
    if not last.get("skip"):
        _monitor(night, rooms, clock, progress)
    return last


def run_training(
    request: Mapping[str, Any], rooms: Rooms, clock: Clock, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Make a model version in one process; the result of `register`."""
    result: dict[str, Any] = dict(request)
    for name in TRAINING:
        result = _call(name, result, rooms, clock, progress)
    return result


def _steps(night: Mapping[str, Any], rooms: Rooms, clock: Clock, progress: Progress) -> dict[str, Any]:
    last: Any = {}
    for name in BEFORE_PREDICT:
        last = _call(name, night, rooms, clock, progress)
        if isinstance(last, Mapping) and last.get("skip"):
            return dict(last)
    for shard in range(night["shards"]):
        _call("predict", night, rooms, clock, progress, shard=shard)
    for name in AFTER_PREDICT:
        last = _call(name, night, rooms, clock, progress)
    return dict(last)


def _monitor(night: Mapping[str, Any], rooms: Rooms, clock: Clock, progress: Progress) -> None:
    for name in MONITORS:
        _call(name, night, rooms, clock, progress)


def _call(
    name: str, subject: Mapping[str, Any], rooms: Rooms, clock: Clock, progress: Progress, **arguments: Any
) -> Any:
    """Run a step, and record a failure: here no retry follows."""
    progress(name)
    step = importlib.import_module(f"nightcast.steps.{name}")
    with failure.recording(subject, name, rooms, clock, BaseException):
        result = step.run(subject, rooms, clock, **arguments)
        if result is False:
            raise SourceNotFresh(
                f"the last expected day up to {subject['origin']} is not in the source yet; expected it, as a night "
                "in one process does not wait. Run the night again when the day is there"
            )
    return result
