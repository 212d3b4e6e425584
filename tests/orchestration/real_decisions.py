"""Runs the DAGs of decisions with the real steps, in a process of its own, and prints how they ended.

Input: JSON [{dag, conf}, …] on stdin; output: JSON [{state, result}, …] on stdout, `result` as XCom keeps it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select

from nightcast import spec
from nightcast.orchestration.decisions import decision_dags
from nightcast.settings import from_environment
from orchestration.night_runs import quickly


def decided(dag_id: str, conf: dict[str, Any]) -> dict[str, Any]:
    """One run of a decision's DAG, as somebody triggers it by hand."""
    (dag,) = decision_dags(spec.list_pipelines(from_environment(os.environ).pipelines), dag_id)
    run = quickly(dag).test(logical_date=None, run_conf=conf)
    with create_session() as session:
        kept = session.scalars(select(XComModel).where(XComModel.run_id == run.run_id, XComModel.key == "return_value"))
        results = [XComModel.deserialize_value(each) for each in kept]
    return {"state": str(run.state), "result": results[0] if results else None}


if __name__ == "__main__":
    ended = [decided(each["dag"], each["conf"]) for each in json.load(sys.stdin)]
    print("\n=== decisions ===\n" + json.dumps(ended))
