"""Commands that do a step's work in this process."""

from __future__ import annotations

import importlib
import json
from datetime import date

import typer

from nightcast.cli.text import table, timed
from nightcast.domain.night import RunMode
from nightcast.domain.verdict import CheckState
from nightcast.errors import NotFound
from nightcast.settings import Settings
from nightcast.steps import failure, import_history, sequence, trial
from nightcast.steps import reproduce as reproduce_step
from nightcast.steps import rooms as rooms_
from nightcast.steps.rooms import Clock
from nightcast.steps.running import night_result, pinned_folder
from nightcast.store import runs

STEPS = ("wait_for_source", "extract", "validate", "predict", "audit", "publish", "monitor_drift", "monitor_accuracy")


def reproduce(settings: Settings, run_id: int, threads: int | None, shards: int | None) -> None:
    """Print whether a run came out the same to the byte; exit 1 if not."""
    found = reproduce_step.run(run_id, rooms_.build(settings), threads, shards)
    with_ = f"{found.shards} shard(s), {found.threads or 'all'} thread(s)"
    if found.identical:
        print(f"identical: run {run_id}, {found.rows:,} rows, digest {found.published} ({with_})")
        return
    print(f"DIFFERENT: run {run_id}, {found.rows:,} rows ({with_})")
    print(f"published  {found.published}\nnow        {found.reproduced}")
    print("not as then: " + ("; ".join(found.differences) or "nothing that is recorded"))
    raise typer.Exit(1)


def try_(settings: Settings, pipeline: str, origin: date, clock: Clock) -> None:
    """Print what a night would be with the folder as it is now."""
    found = trial.run(pipeline, origin, rooms_.build(settings), clock, timed())
    said = f"stopped: {found.stopped}" if found.stopped else "would be published"
    print(f"{pipeline} {origin}: {said} (run {found.run.run_id}, nothing was published)")
    told = [c for c in found.checks if c.state is not CheckState.PASS]
    print(f"\nchecks: {len(found.checks) - len(told)} of {len(found.checks)} passed")
    if told:
        print(table(["state", "check", "scope", "message"], [[c.state, c.check_id, c.scope, c.message] for c in told]))
    if found.forecast is not None:
        sample = found.forecast.slice(0, 10)
        print("\n" + table(sample.column_names, [list(row.values()) for row in sample.to_pylist()]))
        total = sum(found.forecast["mean"].to_pylist())
        beside = sum(found.published["mean"].to_pylist()) if found.published is not None else None
        change = f", published {beside:,.0f} ({total / beside - 1:+.2%})" if beside else ", nothing is published"
        print(f"\n{found.forecast.num_rows:,} rows, total of the means {total:,.0f}{change}")


def night(settings: Settings, pipeline: str, origin: date, mode: RunMode, clock: Clock) -> None:
    """Run one night and print how it ended."""
    request = {"pipeline": pipeline, "partition_key": origin.isoformat(), "mode": mode}
    last = sequence.run_night(request, rooms_.build(settings), clock, timed())
    print(f"run {last['run_id']}: {last['state']}" + (f" ({last['why']})" if last.get("why") else ""))


def step(settings: Settings, name: str, run_id: int, shard: int, clock: Clock) -> None:
    """Run one step of a night."""
    if name not in STEPS:
        raise NotFound(f"there is no step {name!r}; expected one of {', '.join(STEPS)}")
    rooms = rooms_.build(settings)
    with rooms.transaction() as tx:
        run = runs.get(tx, run_id)
    arguments = {"shard": shard} if name == "predict" else {}
    module, subject = importlib.import_module(f"nightcast.steps.{name}"), night_result(run, pinned_folder(run, rooms))
    with failure.recording(subject, name, rooms, clock, BaseException):  # a run that had failed does not stay open
        print(json.dumps(module.run(subject, rooms, clock, **arguments), default=str))


def import_(settings: Settings, pipeline: str, first: date, last: date, clock: Clock) -> None:
    """Import a history and print what it held."""
    request = {"pipeline": pipeline, "first": first.isoformat(), "last": last.isoformat()}
    done = import_history.run(request, rooms_.build(settings), clock, timed())
    print(", ".join(f"{name} {value}" for name, value in done.items()))


def train(settings: Settings, pipeline: str, through: date | None, reason: str, clock: Clock) -> None:
    """Make a model version."""
    request = {"pipeline": pipeline, "trained_through": through and through.isoformat(), "reason": reason}
    made = sequence.run_training(request, rooms_.build(settings), clock, timed())
    print(f"model version {made['version']} of {pipeline} is {made['state']} (bundle {made['bundle']})")
