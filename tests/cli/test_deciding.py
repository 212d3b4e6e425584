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
    assert "which went past duplicates" in bad(world, "undo", 1, "--reason", "no")


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


def test_rows_that_were_set_aside_are_counted_and_dealt_with(served: World) -> None:
    first, _, header, rule, *rows = good(served, "quarantine", "list", PIPELINE, "--rows", 2)
    assert first.startswith(f"{PIPELINE}: ")
    assert first.endswith(" days are set aside, 0 of them discarded")
    assert header.split() == ["check", "rows", "discarded", "days", "first", "last"]
    assert set(rule) == {"-", " "}
    assert any(row.split() == ["day", "state", "run", "rows", "discarded"] for row in rows)
    assert rows[-1].endswith("}")
    days = ("--first", "2010-10-01", "--last", NIGHTS[-1])
    told = good(served, "quarantine", "discard", PIPELINE, *days, "--reason", "gifts", "--who", "ann")
    assert told[0].startswith("discarded ")
    assert good(served, "quarantine", "list", PIPELINE)[0].startswith(f"{PIPELINE}: 0 rows of 0 days")
    assert "already discarded: " in good(served, "quarantine", "discard", PIPELINE, *days, "--reason", "gifts")[0]
    same = good(served, "quarantine", "replay", PIPELINE, *days[:2], "--last", "2010-10-31", "--reason", "rule")
    assert same[0].startswith("already so: the rules as they are now set the same")
    assert "no row of daily_demand is set aside there" in bad(
        served, "quarantine", "replay", PIPELINE, "--first", "2009-01-01", "--reason", "x"
    )


def test_a_level_is_accepted(served: World) -> None:
    told = good(served, "accept-level", PIPELINE, "--since", NIGHTS[0], "--reason", "smaller range", "--who", "ann")
    assert told[0].startswith(f"accepted the level of {PIPELINE} from {NIGHTS[0]} on: trailing checks compare with")
    assert told[-1] == "decision 1, by ann"
    assert good(served, "decisions", PIPELINE)[-1].split()[4:6] == ["from", str(NIGHTS[0])]
