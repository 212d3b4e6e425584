"""The source's double load, 2010-12-01 to 2010-12-09: a night stops on it, the import only warns."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from nightcast.domain.night import RunState
from nightcast.errors import NightStopped
from nightcast.store import intake, scores
from steps.world import DOUBLED, EARLY, PIPELINE, World, scheduled

pytestmark = pytest.mark.postgres

AFTER = date(2010, 12, 10)  # Friday, the first day that the source has once
BETWEEN = [DOUBLED + timedelta(days=n) for n in range(1, 4)]


def check(world: World, run_id: int, check_id: str, scope: date) -> dict[str, Any]:
    query = f"SELECT * FROM internal.check_result WHERE run_id = {run_id} AND check_id = '{check_id}'"
    (found,) = [r for r in world.as_writer(query) if r["scope"] == str(scope)]
    return found


def test_the_night_is_stopped_by_its_duplicates(doubled: World) -> None:
    run = doubled.last_run()
    assert (run.origin, run.state) == (DOUBLED, RunState.STOPPED)
    assert str(run.reason).startswith("duplicates")
    found = check(doubled, run.run_id, "duplicates", DOUBLED)
    assert (found["state"], found["observed"]) == ("fail", "50 %")
    assert found["bad_rows"] * 2 == found["rows"] == run.pulled == run.accepted + run.quarantined + run.duplicates
    assert run.manifest_digest is run.row_digest is None
    steps = doubled.as_writer(
        f"SELECT step, state FROM internal.run_step WHERE run_id = {run.run_id} ORDER BY started_at"
    )
    assert [(s["step"], s["state"]) for s in steps] == [
        ("wait_for_source", "done"),
        ("extract", "done"),
        ("validate", "stopped"),
        ("monitor_drift", "done"),
        ("monitor_accuracy", "done"),
    ]


def test_readers_keep_the_night_before(doubled: World) -> None:
    assert doubled.as_analyst(f"SELECT DISTINCT origin FROM forecast.{PIPELINE}_history") == [{"origin": EARLY}]
    (fresh,) = doubled.as_analyst("SELECT last_published_origin FROM forecast.freshness")
    assert fresh["last_published_origin"] == EARLY


def test_its_drift_is_recorded_and_is_no_baseline(doubled: World, copy: Any) -> None:
    run = doubled.last_run()
    with doubled.writing() as tx:
        found = scores.of_run(tx, run.run_id)
        past = scores.past(tx, PIPELINE, BETWEEN[0])
        before = scores.past(tx, PIPELINE, DOUBLED)
        (taken,) = intake.of_run(tx, run.run_id)
    assert taken.state is intake.IntakeState.REJECTED
    assert {(s.reference, s.kind) for s in found} >= {("same_weekday_8", "measure"), ("training", "attribute")}
    assert past == before
    world: World = copy(doubled)
    following = DOUBLED + timedelta(days=7)
    world.import_days(DOUBLED + timedelta(days=1), following)  # the stopped day itself stays rejected
    whole = f"origin = '{following}' AND column_name = 'price' AND slice = ''"
    query = f"SELECT n_reference FROM internal.drift_score WHERE {whole}"
    (n,) = {r["n_reference"] for r in world.as_writer(query)}
    twins = [following - timedelta(weeks=w) for w in range(2, 10)]
    days = ", ".join(f"'{d}'" for d in twins)
    accepted = f"SELECT sum(accepted)::int AS n FROM internal.intake WHERE event_day IN ({days}) AND state = 'accepted'"
    assert world.as_writer(accepted) == [{"n": n}]


def test_the_same_days_pass_the_import_with_a_warning(doubled: World, copy: Any) -> None:
    world: World = copy(doubled)
    done = world.import_days(DOUBLED, AFTER)
    assert done["state"] == RunState.DONE
    assert done["pulled"] == done["accepted"] + done["quarantined"] + done["duplicates"]
    for day in (DOUBLED, *BETWEEN):
        assert check(world, done["run_id"], "duplicates", day)["state"] == "warn"
    assert check(world, done["run_id"], "duplicates", AFTER)["state"] == "pass"
    with world.writing() as tx:
        known = intake.newest(tx, PIPELINE, DOUBLED, AFTER)
    assert {r.state for day, r in known.items() if day.weekday() != 5} == {intake.IntakeState.ACCEPTED}
    assert all(known[day].duplicates * 2 == known[day].pulled for day in (DOUBLED, *BETWEEN))


def test_nights_go_on_stopping_while_too_many_days_are_missing(doubled: World, copy: Any) -> None:
    """After four rejected days the first good one stops too: features over the last week would be half empty."""
    world: World = copy(doubled)
    for origin in BETWEEN:
        with pytest.raises(NightStopped, match="duplicates"):
            world.night(origin, **scheduled(origin))
    with pytest.raises(NightStopped, match=r"days\.missing"):
        world.night(AFTER, **scheduled(AFTER))
    run = world.last_run()
    assert "found 4 missing open days lately" in str(run.reason)
    assert check(world, run.run_id, "duplicates", AFTER)["state"] == "pass"
    assert check(world, run.run_id, "duplicates", BETWEEN[-1])["state"] == "fail"  # looked at, and no reason by itself

    world.edit("pipeline.yaml", "max_missing_days: 1", "max_missing_days: 4")
    night = world.night(AFTER, **scheduled(AFTER))  # cleared from open_run: the changed spec is pinned
    assert night["run_id"] == run.run_id
    assert night["state"] == RunState.PUBLISHED
    manifest = world.rooms.lake.get_json(str(world.run(run.run_id).manifest_digest))
    missing = [d["day"] for d in manifest["days"] if d["state"] == "missing"]
    assert missing[-4:] == [str(d) for d in (DOUBLED, *BETWEEN)]


def test_a_stopped_night_resumes_once_its_day_is_taken_in_on_purpose(doubled: World, copy: Any) -> None:
    world: World = copy(doubled)
    stopped = world.last_run()
    world.import_days(DOUBLED, DOUBLED)
    night = world.night(DOUBLED, **scheduled(DOUBLED))
    run = world.run(night["run_id"])
    assert (run.run_id, run.state, run.reason) == (stopped.run_id, RunState.PUBLISHED, None)
    assert run.pulled == 0  # the import counts the rows
