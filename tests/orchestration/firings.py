"""Prints which origins the schedule asks for at its firings: JSON [{cron, timezone, first, count}, …] on stdin.

The firings are those of Airflow's own timetable, from the day `first` on, as the scheduler goes through them.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.timetables.base import TimeRestriction

from nightcast.orchestration.inference import inference_dag, night_request
from nightcast.settings import from_environment
from orchestration.sample_pipeline import sample_folder


def origins(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The first firings of a schedule: wall time, Airflow's key, and the origin that `open_run` is asked for."""
    folder, first = sample_folder(), date.fromisoformat(asked["first"])
    schedule = replace(folder.pipeline.schedule, cron=asked["cron"], timezone=asked["timezone"], first_night=first)
    pipeline = replace(folder.pipeline, schedule=schedule)
    dag = inference_dag(replace(folder, pipeline=pipeline), from_environment({}), register=False)
    timetable = coerce_to_core_timetable(dag.timetable)
    restriction = TimeRestriction(earliest=dag.start_date, latest=None, catchup=True)
    info, found = None, []
    for _ in range(asked["count"]):
        info = timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction)
        run = SimpleNamespace(run_type="scheduled", run_after=info.run_after)
        context = {"dag_run": run, "run_id": "x", "partition_key": info.partition_key, "params": {"mode": "known_then"}}
        request = night_request(pipeline.name, schedule.timezone, context)
        found.append({"fires": str(info.run_after.in_timezone(asked["timezone"])), "origin": request["partition_key"]})
    return found


if __name__ == "__main__":
    print("\n=== origins ===\n" + json.dumps([origins(asked) for asked in json.load(sys.stdin)]))
