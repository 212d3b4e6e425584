"""Parses DAG folders as Airflow's DAG processor does, in a process of its own.

Input: JSON {name: {dags: folder, VARIABLE: value, …}} on stdin; output: JSON {name: facts} on stdout.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

HEAVY = ("pandas", "numpy", "pyarrow", "scipy", "sklearn", "skops", "great_expectations", "psycopg2")


def nights(dag: SerializedDAG, count: int) -> list[list[str]]:
    """(when it starts, partition key) of the first runs that the scheduler would make."""
    found, last = [], None
    restriction = TimeRestriction(earliest=dag.start_date, latest=None, catchup=dag.catchup)
    for _ in range(count):
        last = dag.timetable.next_dagrun_info_v2(last_dagrun_info=last, restriction=restriction)
        found.append([last.run_after.isoformat(), last.partition_key])
    return found


def task_facts(task: Any) -> dict[str, Any]:
    """What the tests ask about a task."""
    arguments = task.partial_kwargs if task.is_mapped else vars(task)
    return {
        "downstream": sorted(task.downstream_task_ids),
        "retries": task.retries,
        "backoff": arguments["retry_exponential_backoff"],
        "longest_delay": arguments["max_retry_delay"].total_seconds(),
        "timeout": arguments["execution_timeout"].total_seconds(),
        "owner": task.owner,
        "doc_md": task.doc_md,
        "teardown": task.is_teardown,
        "counts": task.on_failure_fail_dagrun or not task.is_teardown,
        "mode": getattr(task, "mode", None),
        "depends_on_past": task.depends_on_past,
        "policy": [[r.exception_path, r.action.value] for r in task.retry_policy.rules],
        "outlets": [o.uri for o in task.outlets],
    }


def dag_facts(dag: Any) -> dict[str, Any]:
    """What the tests ask about a DAG."""
    serialized = DagSerialization.serialize_dag(dag)
    scheduled = DagSerialization.deserialize_dag(serialized)
    serialized.pop("_processor_dags_folder", None)
    return {
        "serialized": serialized,
        "fileloc": dag.fileloc,
        "nights": nights(scheduled, 8) if dag.schedule is not None else [],
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "tags": sorted(dag.tags),
        "params": {name: dag.params.get_param(name).serialize() for name in dag.params},
        "doc_md": dag.doc_md,
        "paused": dag.is_paused_upon_creation,
        "tasks": {task.task_id: task_facts(task) for task in dag.tasks},
    }


def parse(dags: str, **variables: str) -> dict[str, Any]:
    """Facts about the DAG files of a folder, parsed with these environment variables."""
    before = dict(os.environ)
    os.environ.update(variables)
    bag = DagBag(dag_folder=dags)
    facts = {
        "import_errors": bag.import_errors,
        "dags": {dag_id: dag_facts(dag) for dag_id, dag in bag.dags.items()},
        "heavy": [name for name in HEAVY if name in sys.modules],
    }
    os.environ.clear()
    os.environ.update(before)
    return facts


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    print("\n=== facts ===\n" + json.dumps({name: parse(**each) for name, each in asked.items()}, default=str))
