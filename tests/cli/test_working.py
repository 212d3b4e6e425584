"""Commands that do a step's work: night, try, step, import, train, db, lint."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from typing import Any

import pytest

from cli.calling import bad, cli, good
from nightcast.domain.night import RunKind, RunState
from steps.world import DOUBLED, EARLY, NEXT, NIGHTS, PIPELINE, RECIPE, SMALL, World

pytestmark = pytest.mark.postgres


def test_a_night_is_published_and_asked_again_is_unchanged(served: World) -> None:
    done = cli(served, "night", PIPELINE, "--origin", NEXT)
    run = served.last_run()
    assert (done.returncode, done.stdout) == (0, f"run {run.run_id}: published\n")
    told = [line.split("] ")[1] for line in done.stderr.splitlines() if line.startswith("[")]
    steps = [
        "wait_for_source",
        "extract",
        "validate",
        "predict",
        "audit",
        "publish",
        "monitor_drift",
        "monitor_accuracy",
    ]
    assert told == steps
    (again,) = good(served, "night", PIPELINE, "--origin", NEXT)
    assert again.startswith(f"run {run.run_id + 1}: unchanged (run {run.run_id + 1} is unchanged: the same inputs")
    assert served.as_analyst(f"SELECT DISTINCT origin, run FROM forecast.{PIPELINE}") == [
        {"origin": NEXT, "run": run.run_id}
    ]


def test_a_stopped_night_ends_with_1_and_says_why(doubled: World, copy: Any) -> None:
    world: World = copy(doubled)
    origin = DOUBLED + timedelta(days=1)
    told = bad(world, "night", PIPELINE, "--origin", origin)
    assert f"NightStopped: validate stopped {PIPELINE} {origin}: duplicates" in told
    assert told.endswith("Runbook: docs/runbooks/night-stopped.md\n")
    run = world.last_run()
    again = bad(world, "step", "validate", "--run", run.run_id)
    assert "NightStopped: validate stopped" in again
    assert world.run(run.run_id).state is RunState.STOPPED


def test_try_says_what_would_be_and_publishes_nothing(served: World) -> None:
    shown = served.shown()
    served.edit("expectations.yaml", "min_value: -20000, max_value: 20000", "min_value: -20000, max_value: 40")
    served.edit("pipeline.yaml", "quarantine: {max_share: 0.10", "quarantine: {max_share: 0.90")
    lines = good(served, "try", PIPELINE, "--origin", NIGHTS[-1])
    run = served.last_run(RunKind.TRY)
    assert lines[0] == f"{PIPELINE} {NIGHTS[-1]}: would be published (run {run.run_id}, nothing was published)"
    assert any(line.startswith("quarantine  huge_quantity") for line in lines)
    assert lines[-1].startswith(f"{run.predictions:,} rows, total of the means ")
    assert ", published " in lines[-1]
    assert "(-" in lines[-1]  # less than what is published
    assert served.shown() == shown
    served.edit("expectations.yaml", "max_value: 40", "max_value: 1")
    served.edit("pipeline.yaml", "quarantine: {max_share: 0.90", "quarantine: {max_share: 0.10")
    stopped = good(served, "try", PIPELINE, "--origin", NIGHTS[-1])
    assert stopped[0].startswith(f"{PIPELINE} {NIGHTS[-1]}: stopped: validate stopped")


def test_a_step_is_run_again_by_hand(served: World) -> None:
    run = served.last_run()
    before = served.fingerprint()
    (line,) = good(served, "step", "monitor_drift", "--run", run.run_id)
    result = json.loads(line)
    assert (result["run_id"], result["scores"] > 100) == (run.run_id, True)
    (line,) = good(served, "step", "predict", "--run", run.run_id)
    assert json.loads(line)["skip"] is True
    assert served.fingerprint() == before


def test_a_step_that_fails_by_hand_does_not_leave_its_run_open(doubled: World, copy: Any) -> None:
    world: World = copy(doubled)
    run = world.last_run()
    assert "has no snapshot; expected `validate` to have ended" in bad(world, "step", "predict", "--run", run.run_id)
    assert world.run(run.run_id).state is RunState.FAILED


def test_a_day_is_imported_and_a_model_made(early: World, copy: Any) -> None:
    world: World = copy(early)
    (line,) = good(world, "import", PIPELINE, "--first", DOUBLED, "--last", DOUBLED)
    run = world.last_run(RunKind.IMPORT)
    assert line.startswith(f"run_id {run.run_id}, pipeline {PIPELINE}, state done, days 1, pulled {run.pulled}, ")
    assert "TrainingImpossible" in bad(world, "train", PIPELINE, "--through", date(2009, 1, 1))
    for old, new in zip(RECIPE, SMALL, strict=True):
        world.edit("pipeline.yaml", old, new)
    world.edit("pipeline.yaml", "max_iter: 150", "max_iter: 5")
    (line,) = good(world, "train", PIPELINE, "--reason", "another recipe")
    assert line.startswith(f"model version 2 of {PIPELINE} is candidate (bundle ")
    assert world.last_run(RunKind.TRAINING).origin == DOUBLED > EARLY
    (entry,) = world.as_writer("SELECT who, why FROM internal.model_event WHERE version = 2")
    assert entry["why"] == "another recipe"
    assert world.train(DOUBLED)["version"] == 2  # the same bytes from this process: no other version
    assert entry["who"].endswith("(shell)")


def test_tables_are_planned_applied_and_named_by_a_night_that_needs_them(served: World) -> None:
    assert good(served, "db", "plan") == good(served, "db", "apply") == [f"{PIPELINE}: nothing to do"]
    served.edit("pipeline.yaml", "quantiles: [0.1, 0.5, 0.9]", "quantiles: [0.1, 0.5, 0.9, 0.95]")
    before = served.fingerprint()
    plan = good(served, "db", "plan")
    assert f"{PIPELINE}: would add column q95 to internal.prediction_{PIPELINE}" in plan
    assert served.fingerprint() == before
    assert "Run `nightcast db apply`" in bad(served, "night", PIPELINE, "--origin", NEXT)
    assert [line.replace(": did ", ": would ") for line in good(served, "db", "apply")] == plan
    assert good(served, "db", "plan", PIPELINE) == [f"{PIPELINE}: nothing to do"]
    assert "q95" in served.as_analyst(f"SELECT * FROM forecast.{PIPELINE} LIMIT 1")[0]


def test_lint_names_every_problem_and_hides_no_good_folder(served: World) -> None:
    for name in ("broken", "loose"):
        shutil.copytree(served.folder / PIPELINE, served.folder / name)
    spec, sql = served.folder / "broken" / "pipeline.yaml", served.folder / "loose" / "extract.sql"
    spec.write_text(spec.read_text().replace("horizon: 14", "horizon: -1\n  surprise: 1"))
    sql.write_text(sql.read_text().replace(":window_end", ":until"))
    done = cli(served, "lint")
    assert done.returncode == 1
    assert f"{PIPELINE}: ok" in done.stdout.splitlines()
    assert "broken: " in done.stdout.splitlines()
    assert "surprise" in done.stdout
    assert "horizon" in done.stdout
    assert "extract.sql: asks for :until; known are :window_start and :window_end" in done.stdout
    some = cli(served, "lint", PIPELINE, "nosuch")
    assert (some.returncode, some.stdout.splitlines()[0]) == (1, f"{PIPELINE}: ok")
    assert "no folder nosuch" in some.stdout
