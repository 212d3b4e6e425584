"""Decisions taken by triggering their DAGs: Airflow's own runs, on an installation with a stopped night."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from orchestration.conftest import HERE, ROOT, run_python
from steps.world import DOUBLED, PIPELINE, World

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]

WHO = "dag_test"  # the user that `dag.test()` gives its runs


def test_decisions_are_taken_where_airflow_is_all_there_is(
    doubled: World, copy: Callable[..., World], airflow_environment: Callable[..., dict[str, str]]
) -> None:
    world = copy(doubled)
    run = world.last_run().run_id
    waive = {"run_id": run, "check_id": "duplicates", "reason": "both loads are known"}
    level = {"pipeline": PIPELINE, "since": str(DOUBLED), "reason": "smaller range", "dry_run": False}
    asked: list[dict[str, Any]] = [
        {"dag": "nightcast_waive", "conf": waive},
        {"dag": "nightcast_waive", "conf": waive | {"dry_run": False}},
        {"dag": "nightcast_waive", "conf": waive | {"dry_run": False}},
        {"dag": "nightcast_waive", "conf": waive | {"check_id": "contract.types", "dry_run": False}},
        {"dag": "nightcast_undo", "conf": {"decision_id": 1, "reason": "to be corrected", "dry_run": False}},
        {"dag": "nightcast_accept_level", "conf": level},
        {"dag": "nightcast_withdraw", "conf": {"run_id": run - 1, "reason": "wrong prices", "dry_run": False}},
        {
            "dag": "nightcast_quarantine_discard",
            "conf": {
                "pipeline": PIPELINE,
                "first": "2010-10-01",
                "last": str(DOUBLED),
                "reason": "?",
                "dry_run": False,
            },
        },
        {"dag": "nightcast_quarantine_replay", "conf": {"pipeline": PIPELINE, "first": "2009-01-01", "reason": "rule"}},
    ]
    environment = airflow_environment(ROOT / "dags", **world.environment)
    output = run_python([str(HERE / "real_decisions.py")], environment, json.dumps(asked))
    dry, waived, again, refused, undone, accepted, withdrawn, discarded, nothing = json.loads(
        output.rpartition("=== decisions ===\n")[2]
    )
    assert (dry["state"], dry["result"]["decision"], dry["result"]["dry_run"]) == ("success", None, True)
    assert dry["result"]["text"].startswith(f"would waive duplicates of run {run}")
    assert waived["result"]["text"].startswith(f"waived duplicates of run {run} ({PIPELINE} {DOUBLED})")
    assert (waived["result"]["decision"], waived["result"]["who"]) == (1, WHO)
    assert again["result"]["text"].startswith("already waived")
    assert (refused["state"], nothing["state"]) == ("failed", "failed")
    assert [d["result"]["decision"] for d in (undone, accepted, withdrawn, discarded)] == [2, 3, 4, 5]
    ledger = world.as_writer("SELECT kind, who, reason FROM internal.decision ORDER BY decision_id")
    assert [(d["kind"], d["who"]) for d in ledger] == [
        (kind, WHO) for kind in ("waive", "undo", "accept_level", "withdraw", "discard")
    ]
    assert world.as_analyst(f"SELECT DISTINCT origin FROM forecast.{PIPELINE}_history") == []
