"""Commands with which a person decides."""

from __future__ import annotations

import getpass
from typing import Any

import pytest

from cli.calling import bad, cli, good
from nightcast.domain.night import RunState
from steps.world import DOUBLED, NIGHTS, PIPELINE, World

pytestmark = pytest.mark.postgres


def test_a_stopped_night_is_waived_shown_and_goes_on(doubled: World, copy: Any) -> None:
    world: World = copy(doubled)
    run = world.last_run().run_id
    assert "Missing option '--reason'" in cli(world, "waive", run, "duplicates").stderr
    assert "DecisionRefused: the decision has no reason" in bad(world, "waive", run, "duplicates", "--reason", " ")
    assert "belongs to the contract" in bad(world, "waive", run, "contract.types", "--reason", "looks fine")
    dry = good(world, "waive", run, "duplicates", "--reason", "known", "--dry-run")
    assert dry[0].startswith(f"would waive duplicates of run {run} ({PIPELINE} {DOUBLED}): found 269 of 538 rows")
    assert len(dry) == 2

    done = good(world, "waive", run, "duplicates", "--reason", "known", "--who", "ann")
    assert done[0].startswith("waived duplicates")
    assert done[-1] == "decision 1, by ann"
    again = good(world, "waive", run, "duplicates", "--reason", "known")
    assert again[0] == f"already waived: duplicates of run {run}, by ann (decision 1): known"
    for step in ("validate", "predict", "audit", "publish"):
        good(world, "step", step, "--run", run)
    assert world.run(run).state is RunState.PUBLISHED

    shown = good(world, "show", run)
    (decided,) = [line.split() for line in shown if line.startswith("1 ")]
    assert decided[:6] == ["1", "waive", str(run), "duplicates", str(DOUBLED), "ann"]
    assert any(line.startswith("waived ") and "waived by ann (decision 1): known; found 269" in line for line in shown)
    assert "went past duplicates already" in bad(world, "undo", 1, "--reason", "no")


def test_a_night_is_withdrawn_and_shown_again(served: World) -> None:
    run = served.last_run().run_id
    told = good(served, "withdraw", run, "--reason", "wrong prices", "--dry-run")
    assert told[0].startswith(f"would withdraw revision 1 of {PIPELINE} {NIGHTS[-1]} (run {run}); readers would see no")
    assert good(served, "decisions", PIPELINE) == ["(none)"]
    good(served, "withdraw", run, "--reason", "wrong prices")
    first, second, *_ = good(served, "show", run)
    me = getpass.getuser()
    assert first.endswith(f"PUBLISHED, WITHDRAWN by {me} (decision 1): wrong prices")
    assert second.startswith(f"Readers see the last published night: origin {NIGHTS[-2]}")
    assert good(served, "undo", 1, "--reason", "they were right")[-1] == f"decision 2, by {me}"
    assert good(served, "show", run)[1].startswith("Readers see this run")
    *_, newest, oldest = good(served, "decisions", PIPELINE)
    assert newest.split()[:2] == ["2", "undo"]
    assert newest.endswith("undoes 1: they were right")
    assert oldest.split()[:3] == ["1", "withdraw", str(run)]
    assert oldest.endswith("undone by 2: wrong prices")
    assert "there is no pipeline 'nosuch'" in bad(served, "decisions", "nosuch")


def test_the_person_may_be_named_by_the_environment(doubled: World, copy: Any) -> None:
    world: World = copy(doubled)
    run = world.last_run().run_id
    done = cli(world, "waive", run, "duplicates", "--reason", "known", NIGHTCAST_WHO="on-call")
    assert done.stdout.splitlines()[-1] == "decision 1, by on-call"
    assert "expected the run that they see" in bad(world, "withdraw", run, "--reason", "x")
