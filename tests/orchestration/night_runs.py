"""Runs DAGs of a small pipeline with `dag.test()` in a process of its own, and prints what became of every task.

What is tried is the graph: which tasks run, are retried, are skipped, and what the run is called in the end. So the
steps are stand-ins that fail as a scenario says. Input: JSON {name: scenario} on stdin; output: JSON on stdout.
"""

from __future__ import annotations

import json
import os
import sys
import time
import types
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import airflow.models.dagrun as dagrun_module
from airflow.sdk import DAG

from nightcast import errors
from nightcast.orchestration.documentation import STEPS
from nightcast.orchestration.inference import inference_dag
from nightcast.orchestration.retraining import retraining_dag
from nightcast.settings import from_environment
from orchestration.sample_pipeline import sample_folder

calls: list[dict[str, Any]] = []  # what the steps and the failure recorder were called with
tries: Counter[str] = Counter()
scenario: dict[str, Any] = {}
rest = time.sleep


def stand_in(step: str) -> Callable[..., Any]:
    """A step that does what the scenario says: [what the first try does, the second, …]; then it succeeds."""

    def run(subject: dict[str, Any], rooms: Any, clock: Callable[[], Any], **arguments: Any) -> Any:
        name = f"{step}[{arguments['shard']}]" if "shard" in arguments else step
        calls.append({"step": name, "subject": subject})
        planned = scenario.get("steps", {}).get(name, [])
        tries[name] += 1
        what = planned[tries[name] - 1] if tries[name] <= len(planned) else "succeed"
        if what in vars(errors):
            raise getattr(errors, what)(f"{name}: planned")
        if what == "RuntimeError":
            raise RuntimeError(f"{name}: planned")
        if what in ("published", "unchanged", "too_old"):
            return {"skip": True, "why": f"run 7 is {what}", "state": what}
        if step == "wait_for_source":
            return what != "wait"
        if step in ("open_run", "build_training_set"):
            return {"run_id": 7, "pipeline": "toy", "origin": "2011-11-01", "shards": scenario.get("shards", 2)}
        if step == "publish":
            return {"state": "superseded" if what == "superseded" else "published", "revision": 3, "reason": what}
        return {"state": "open"}

    return run


def install_stand_ins() -> None:
    """Put the stand-ins where the tasks import the steps from."""
    for step in STEPS:
        module = types.ModuleType(f"nightcast.steps.{step}")
        module.run = stand_in(step)
        sys.modules[module.__name__] = module
    failure = types.ModuleType("nightcast.steps.failure")
    failure.record = lambda subject, step, exception, rooms, clock, final: calls.append(
        {"recorded": step, "error": type(exception).__name__, "final": final, "subject": subject}
    )
    rooms = types.ModuleType("nightcast.steps.rooms")
    rooms.build = lambda settings: settings
    sys.modules |= {"nightcast.steps.failure": failure, "nightcast.steps.rooms": rooms}


def give_partition_key() -> None:
    """`dag.test()` knows no partition keys: add the scenario's to the run that it makes."""
    create = dagrun_module.get_or_create_dagrun

    def with_key(**arguments: Any) -> Any:
        made = create(**arguments)
        made.partition_key = scenario.get("partition_key")
        arguments["session"].commit()
        return made

    dagrun_module.get_or_create_dagrun = with_key


def quickly(dag: DAG) -> DAG:
    """Without waiting between tries, and without the second that `dag.test()` rests when no task can start."""
    time.sleep = lambda seconds: rest(min(seconds, 0.01))
    for task in dag.tasks:
        arguments = task.partial_kwargs if task.is_mapped else vars(task)
        arguments |= {"retry_delay": timedelta(0), "retry_exponential_backoff": 0}
        if task.task_id == "wait_for_source":
            task.poke_interval = 0
    return dag


def outcome() -> dict[str, Any]:
    """Run the scenario."""
    calls.clear()
    tries.clear()
    make = retraining_dag if scenario.get("dag") == "retraining" else inference_dag
    dag = quickly(make(sample_folder(), from_environment(os.environ)))
    run = dag.test(logical_date=None, run_conf=scenario.get("conf"))
    tasks = {
        ti.task_id + (f"[{ti.map_index}]" if ti.map_index >= 0 else ""): {
            "state": str(ti.state),
            "tries": ti.try_number,
            "label": ti.rendered_map_index,
        }
        for ti in run.get_task_instances()
    }
    return {"state": str(run.state), "tasks": tasks, "calls": list(calls), "events": asset_events(run.run_id)}


def asset_events(run_id: str) -> list[dict[str, Any]]:
    """What the run told DAGs that wait for its asset."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == run_id))
        return [{"extra": e.extra, "partition_key": e.partition_key} for e in found]


if __name__ == "__main__":
    install_stand_ins()
    give_partition_key()
    results = {}
    for name, asked in json.load(sys.stdin).items():
        scenario.clear()
        scenario.update(asked)
        results[name] = outcome()
    print("\n=== outcomes ===\n" + json.dumps(results))
