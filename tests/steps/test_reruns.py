"""Asking again for a night: nothing changes, unless the source is to be looked at anew."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest

from cli.calling import good
from nightcast.domain.night import RunMode, RunState
from nightcast.steps import failure, open_run
from nightcast.store import intake, models, publication
from steps.world import (
    FIRST_NIGHT,
    LATE,
    NEXT,
    NIGHTS,
    NOT_LATE,
    PIPELINE,
    RESTATED,
    World,
    asked,
    changed,
    clock_of,
    scheduled,
)

pytestmark = pytest.mark.postgres

LAST = NIGHTS[-1]


def test_a_cleared_published_night_does_nothing(served: World) -> None:
    """Airflow's clear runs every task again under the same scheduler run."""
    before, shown = served.fingerprint(but=()), served.shown()
    night = served.step("open_run", asked(LAST, **scheduled(LAST)), LAST)
    assert night["skip"]
    assert night["state"] == RunState.PUBLISHED
    for name in ("wait_for_source", "extract", "validate", "predict", "audit"):
        result = served.step(name, night, LAST)
        assert result["skip"], name
        assert "is published" in result["why"]
    assert served.step("publish", night, LAST) | {"revision": 1} == served.step("publish", night, LAST)
    assert served.fingerprint(but=()) == before
    assert served.shown() == shown


def test_another_run_of_a_published_night_ends_unchanged_without_scoring(served: World) -> None:
    shown, published = served.shown(), served.fingerprint()["publication"]
    served.edit("pipeline.yaml", "min_active_days: 3", "min_active_days: 20")  # a rerun is served from its own pins
    result = served.night(LAST, scheduler_run_id="manual__1")
    run, first = served.run(result["run_id"]), served.run(result["run_id"] - 1)
    assert (run.state, run.attempt, run.mode) == (RunState.UNCHANGED, 2, RunMode.KNOWN_THEN)
    assert "revision 1" in str(run.reason)
    assert run.input_digest == first.input_digest
    assert (run.pulled, run.predictions) == (0, None)
    steps = {r["step"] for r in served.as_writer(f"SELECT step FROM internal.run_step WHERE run_id = {run.run_id}")}
    assert steps == {"extract", "validate"}
    assert not served.as_writer(f"SELECT 1 FROM internal.prediction_{PIPELINE} WHERE run_id = {run.run_id}")
    assert served.shown() == shown
    assert served.fingerprint()["publication"] == published


def test_looking_anew_at_an_unchanged_source_ends_unchanged(served: World) -> None:
    shown = served.shown()
    result = served.night(LAST, scheduler_run_id="manual__1", mode="known_now")
    assert served.run(result["run_id"]).state is RunState.UNCHANGED
    assert served.shown() == shown


def test_looking_anew_at_a_restated_day_opens_a_revision_and_keeps_the_old_one(served: World) -> None:
    old = served.as_analyst(f"SELECT * FROM forecast.{PIPELINE} ORDER BY sku, target_date")
    with changed(served.retail, LATE, NOT_LATE):
        result = served.night(LAST, scheduler_run_id="manual__1", mode="known_now")
    run = served.run(result["run_id"])
    assert (run.state, run.mode, result["revision"]) == (RunState.PUBLISHED, RunMode.KNOWN_NOW, 2)
    with served.writing() as tx:
        first, second = publication.revisions(tx, PIPELINE, LAST)
        taken = intake.of_run(tx, run.run_id)
        revisions = intake.history(tx, PIPELINE, RESTATED)
    assert first.withdrawn_at == second.published_at
    assert first.row_digest != second.row_digest
    assert [(t.event_day, t.restated, t.revision) for t in taken] == [(RESTATED, True, 2)]
    assert revisions[1].pulled > revisions[0].pulled
    assert (run.pulled, run.accepted) == (taken[0].pulled, taken[0].accepted)
    then = first.published_at.isoformat()
    again = served.as_analyst(f"SELECT * FROM forecast.{PIPELINE}_as_of('{then}') ORDER BY sku, target_date")
    assert again == old
    now = served.as_analyst(f"SELECT DISTINCT origin, revision, run FROM forecast.{PIPELINE}")
    assert now == [{"origin": LAST, "revision": 2, "run": run.run_id}]
    changes = served.as_analyst(
        f"SELECT revision, withdrawn_at, reason FROM forecast.changes WHERE origin = '{LAST}' ORDER BY 1"
    )
    assert [c["withdrawn_at"] is None for c in changes] == [False, True]
    assert changes[0]["reason"] == f"replaced by run {run.run_id}: data of {RESTATED} restated"


def test_another_model_and_another_spec_open_a_revision_that_says_so(served: World) -> None:
    """The model that is live for the night is another one since; and once more, the folder was edited."""
    older = served.as_analyst(f"SELECT * FROM forecast.{PIPELINE} ORDER BY sku, target_date")
    with served.writing() as tx:
        models.promote(tx, PIPELINE, 1, effective_from=LAST, who="test", why="worse", event=models.ModelEvent.ROLL_BACK)
    modelled = served.night(LAST, scheduler_run_id="manual__1", mode="known_now")
    served.edit("pipeline.yaml", "min_active_days: 3", "min_active_days: 20")
    edited = served.night(LAST, scheduler_run_id="manual__2", mode="known_now")
    assert (modelled["revision"], edited["revision"]) == (2, 3)
    reasons = served.as_analyst(f"SELECT reason FROM forecast.changes WHERE origin = '{LAST}' ORDER BY revision")
    assert [r["reason"] for r in reasons] == [
        f"replaced by run {modelled['run_id']}: model v1 in the place of v2",
        f"replaced by run {edited['run_id']}: pipeline.yaml edited",
        None,
    ]
    with served.writing() as tx:
        first, *_ = publication.revisions(tx, PIPELINE, LAST)
    then = first.published_at.isoformat()
    again = served.as_analyst(f"SELECT * FROM forecast.{PIPELINE}_as_of('{then}') ORDER BY sku, target_date")
    assert again == older
    text = "\n".join(good(served, "show", modelled["run_id"]))
    assert re.search(rf"^ +3 +{edited['run_id']} .* -  +-$", text, re.MULTILINE)
    assert f"replaced by run {modelled['run_id']}: model v1 in the place of v2" in text


def test_a_restated_day_is_used_by_later_nights_only(served: World) -> None:
    shown = served.shown()
    with changed(served.retail, LATE, NOT_LATE):
        night = served.night(NEXT, **scheduled(NEXT))
        again = served.night(LAST, scheduler_run_id="manual__1")
    run, older = served.run(night["run_id"]), served.run(again["run_id"])
    assert (run.state, older.state) == (RunState.PUBLISHED, RunState.UNCHANGED)
    with served.writing() as tx:
        taken = {t.event_day: t.restated for t in intake.of_run(tx, run.run_id)}
    assert taken == {RESTATED: True, NEXT: False}
    manifest = served.rooms.lake.get_json(str(run.manifest_digest))
    before = served.rooms.lake.get_json(str(older.manifest_digest))
    assert panel_of(manifest, RESTATED) != panel_of(before, RESTATED)
    assert (
        served.as_analyst(f"SELECT count(*) AS n FROM forecast.{PIPELINE}_history WHERE origin < '{NEXT}'")[0]["n"] > 0
    )
    with served.writing() as tx:
        assert [r.revision for r in publication.revisions(tx, PIPELINE, LAST)] == [1]
    assert served.shown() != shown  # the new night is there


def panel_of(manifest: dict[str, Any], day: date) -> str:
    return next(d["panel"] for d in manifest["days"] if d["day"] == str(day))


def test_restated_actuals_are_kept_with_their_periods_and_an_older_monitor_takes_none_back(served: World) -> None:
    with changed(served.retail, LATE, NOT_LATE):
        served.night(NEXT, **scheduled(NEXT))
    sums = f"""SELECT known_to IS NULL AS open, sum(value)::int AS units FROM internal.actual_{PIPELINE}
        WHERE event_day = '{RESTATED}' GROUP BY 1 ORDER BY 1"""
    closed, current = served.as_writer(sums)
    assert current["units"] > closed["units"] > 0
    before = served.fingerprint()
    (older,) = served.as_writer(f"SELECT run_id FROM internal.run WHERE origin = '{RESTATED}' AND kind = 'night'")
    night = {**older, "pipeline": PIPELINE, "origin": str(RESTATED), "shards": 1}
    served.step("monitor_accuracy", night, RESTATED)
    assert served.fingerprint() == before


def test_a_night_knows_what_was_known_then_unless_it_is_to_look_anew(world: World, published: World) -> None:
    """An old day was restated by an import that ended after the night: the night may not know, a new look may."""
    old, after = NIGHTS[0] - timedelta(days=7), NIGHTS[0] + timedelta(days=1)
    late = LATE.replace(str(RESTATED), str(old))
    with changed(world.retail, late, NOT_LATE):
        world.import_days(old, after)
        first = world.run(world.night(NIGHTS[0], **scheduled(NIGHTS[0]))["run_id"])
        anew = world.run(world.night(NIGHTS[0], scheduler_run_id="manual__1", mode="known_now")["run_id"])
    live = published.as_writer(f"SELECT row_digest, input_digest FROM internal.run WHERE origin = '{NIGHTS[0]}'")
    assert [{"row_digest": first.row_digest, "input_digest": first.input_digest}] == live
    assert anew.state is RunState.PUBLISHED
    assert anew.row_digest != first.row_digest
    then, now = (world.rooms.lake.get_json(str(run.manifest_digest)) for run in (first, anew))
    assert panel_of(then, old) != panel_of(now, old)
    assert [d["day"] for d in then["days"]] == [d["day"] for d in now["days"]]  # neither knows the day after


def test_a_score_that_is_final_stays_final(world: World) -> None:
    """The monitor of an older night, run again, does not call it provisional."""
    origin, later = NIGHTS[0], NIGHTS[0] + timedelta(days=17)
    world.night(origin, **scheduled(origin))
    world.import_days(NIGHTS[1], later - timedelta(days=4))
    world.night(later, **scheduled(later))
    query = f"SELECT DISTINCT maturity FROM forecast.{PIPELINE}_accuracy WHERE origin = '{origin}'"
    assert world.as_analyst(query) == [{"maturity": "final"}]  # of the one day that both have seen, three days on
    before = world.fingerprint()
    run = world.last_run().run_id - 2
    assert world.run(run).origin == origin
    world.step("monitor_accuracy", {"run_id": run, "pipeline": PIPELINE, "origin": str(origin), "shards": 1}, origin)
    assert world.fingerprint() == before


def test_a_night_made_late_equals_the_night_made_in_time(world: World, published: World) -> None:
    """A backfill between two nights that were run before, whose windows overlap."""
    for origin in (NIGHTS[0], NIGHTS[2], NIGHTS[1]):
        world.night(origin, **scheduled(origin))
    query = "SELECT origin, row_digest, manifest_digest FROM internal.run WHERE kind = 'night' ORDER BY origin"
    late, live = ({r["origin"]: r for r in w.as_writer(query)} for w in (world, published))
    assert late[NIGHTS[1]]["row_digest"] == live[NIGHTS[1]]["row_digest"]
    assert {o: r["row_digest"] for o, r in late.items()} == {o: r["row_digest"] for o, r in live.items()}
    scored = f"SELECT count(*) AS n FROM forecast.{PIPELINE}_accuracy WHERE origin = '{NIGHTS[1]}'"
    assert world.as_analyst(scored) == published.as_analyst(scored) != [{"n": 0}]


def test_a_night_that_is_too_old_is_recorded_and_not_made(world: World) -> None:
    late = clock_of(date(2011, 11, 20))
    night = open_run.run(asked(FIRST_NIGHT, **scheduled(FIRST_NIGHT)), world.rooms, late)
    assert night["skip"]
    run = world.run(night["run_id"])
    assert (run.state, run.model_version) == (RunState.TOO_OLD, None)
    assert "catch_up_days (14)" in str(run.reason)
    for name in ("wait_for_source", "extract", "validate", "predict", "audit", "publish", "monitor_drift"):
        assert world.step(name, night, FIRST_NIGHT)["skip"]
    asked_for = open_run.run(asked(FIRST_NIGHT, scheduler_run_id="manual__1"), world.rooms, late)
    assert not asked_for.get("skip")  # a person asked


def test_a_failed_night_cleared_from_its_first_task_keeps_what_was_found_of_its_rows(world: World) -> None:
    request = asked(FIRST_NIGHT, **scheduled(FIRST_NIGHT))
    night = world.step("open_run", request, FIRST_NIGHT)
    for name in ("wait_for_source", "extract", "validate"):
        world.step(name, night, FIRST_NIGHT)
    found = f"SELECT check_id, scope, state FROM internal.check_result WHERE run_id = {night['run_id']} ORDER BY 1, 2"
    before, counted = world.as_writer(found), world.run(night["run_id"]).pulled
    failure.record(night, "predict", RuntimeError("the worker is gone"), world.rooms, clock_of(FIRST_NIGHT), final=True)
    assert world.night(FIRST_NIGHT, **scheduled(FIRST_NIGHT))["state"] == RunState.PUBLISHED
    after = [row for row in world.as_writer(found) if not row["check_id"].startswith("audit.")]
    assert after == before
    assert len(before) > 20
    assert world.run(night["run_id"]).pulled == counted > 0  # type: ignore[operator]
