"""Runs nights of the real pipeline with the real steps, in a process of its own, and prints how they ended.

Input: JSON {pipeline, keys: [partition key or null, …], connections: [name, …]} on stdin; output: JSON
{nights: [{state, tasks}], connections: {name: url}} on stdout.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from nightcast import spec
from nightcast.orchestration.bodies import connection_url
from nightcast.orchestration.inference import inference_dag
from nightcast.settings import from_environment
from orchestration.night_runs import give_partition_key, quickly, scenario


def night(pipeline: str, partition_key: str | None) -> dict[str, Any]:
    """One run of a pipeline's DAG."""
    scenario["partition_key"] = partition_key
    settings = from_environment(os.environ)
    dag = quickly(inference_dag(spec.load_folder(settings.pipelines / pipeline), settings))
    run = dag.test(logical_date=None)
    tasks = {
        ti.task_id + (f"[{ti.map_index}]" if ti.map_index >= 0 else ""): str(ti.state)
        for ti in run.get_task_instances()
    }
    return {"state": str(run.state), "tasks": tasks}


if __name__ == "__main__":
    give_partition_key()
    asked = json.load(sys.stdin)
    nights = [night(asked["pipeline"], key) for key in asked["keys"]]
    connections = {name: connection_url(name) for name in asked["connections"]}
    print("\n=== nights ===\n" + json.dumps({"nights": nights, "connections": connections}))
