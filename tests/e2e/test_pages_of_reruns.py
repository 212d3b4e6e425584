"""docs/how-to/rerun-and-backfill.md, typed as it stands; the backfill is Airflow's own, on the real scheduler."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest

from docs.pages import Block, Terminal, blocks, follow
from e2e.installation import INFERENCE, PIPELINE, Installation, until
from nightcast.domain.night import RunKind, RunMode, RunState

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

HISTORY = f"SELECT * FROM forecast.{PIPELINE}_history ORDER BY origin, sku, target_date"


def test_a_reader_who_follows_the_page_on_reruns_changes_nothing_that_is_published(
    machine: Installation, nights: dict[str, str], terminal: Terminal
) -> None:
    last = date.fromisoformat(max(nights))
    days = {"2026-11-23": last.isoformat(), "2026-11-24": (last + timedelta(days=1)).isoformat()}
    before = machine.digest(HISTORY)
    first = machine.recorded(RunKind.NIGHT)

    def typed(block: Block) -> str:
        said = terminal.run(re.sub(r"\d{4}-\d\d-\d\d", lambda found: days[found[0]], block.text), str(block))
        machine.progress(f"line {block.line}: {block.first}")
        if "backfill create" in block.text:
            until(lambda: backfilled(machine) and over(machine), "the backfill has ended", 180)
        return said

    def asked(block: Block) -> str:
        found = machine.read(block.text, "analyst")
        assert found[0].keys() == {"origin", "revision", "run", "published_at", "withdrawn_at", "reason"}
        return ""

    follow(blocks("rerun-and-backfill.md"), {"bash": typed, "sql": asked})

    (run,) = backfilled(machine)
    assert (run["partition_key"], run["state"]) == (last.isoformat(), "success")
    again, by_hand = [r for r in machine.recorded(RunKind.NIGHT) if r.run_id > first[0].run_id]
    assert again == machine.night(run["dag_run_id"])
    assert [(r.origin, r.mode, r.state) for r in (by_hand, again)] == [
        (last, RunMode.KNOWN_THEN, RunState.UNCHANGED),
        (last, RunMode.KNOWN_NOW, RunState.UNCHANGED),
    ]
    shown = machine.night(nights[last.isoformat()])
    assert shown.input_digest == by_hand.input_digest == again.input_digest
    assert machine.digest(HISTORY) == before


def backfilled(machine: Installation) -> list[dict[str, Any]]:
    return [run for run in machine.client.runs(INFERENCE) if run["run_type"] == "backfill"]


def over(machine: Installation) -> bool:
    return all(run["state"] in ("success", "failed") for run in backfilled(machine))
