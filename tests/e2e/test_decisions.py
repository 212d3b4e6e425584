"""Decisions taken in Airflow: who triggers the DAG is who decided."""

from __future__ import annotations

import pytest

from e2e.installation import PIPELINE, Installation, until
from nightcast.errors import Permanent

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

LEVEL, UNDO = "nightcast_accept_level", "nightcast_undo"


def test_the_ledger_has_the_user_who_triggered(machine: Installation, nights: dict[str, str]) -> None:
    """A level is accepted and that is undone, so that no other test finds other baselines."""
    client = machine.client
    until(lambda: {LEVEL, UNDO} <= set(client.dag_ids()), "the DAGs of decisions are known to Airflow")
    asked = {"pipeline": PIPELINE, "since": machine.calendar.first_night.isoformat(), "reason": "as tried"}
    assert machine.ended(LEVEL, client.trigger(LEVEL, conf=asked)) == "success"
    assert machine.read("SELECT * FROM internal.decision") == [], "a dry run is the default"
    assert machine.ended(LEVEL, client.trigger(LEVEL, conf=asked | {"dry_run": False})) == "success"
    (decision,) = machine.read("SELECT * FROM internal.decision")
    assert (decision["kind"], decision["who"], decision["reason"]) == ("accept_level", "admin", "as tried")
    taken_back = {"decision_id": decision["decision_id"], "reason": "it was a trial", "dry_run": False}
    assert machine.ended(UNDO, client.trigger(UNDO, conf=taken_back)) == "success"
    assert machine.read("SELECT * FROM internal.standing_decision") == []
    said = machine.command("decisions", PIPELINE)
    assert "undone by" in said
    assert "it was a trial" in said


def test_a_form_without_a_reason_is_refused_by_airflow(machine: Installation, nights: dict[str, str]) -> None:
    for reason in ({}, {"reason": ""}):
        with pytest.raises(Permanent, match=r"with 400: .*reason"):
            machine.client.trigger(UNDO, conf={"decision_id": 1, "dry_run": True} | reason)
