"""A past day that the source states anew: told, without touching what is published; and made anew where asked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cli.calling import bad, cli, good
from nightcast.domain.night import RunMode, RunState
from nightcast.domain.verdict import CheckState
from nightcast.steps import restate
from nightcast.store import checks, publication
from steps.world import FIRST_NIGHT, LATE, NEXT, NIGHTS, NOT_LATE, PIPELINE, RESTATED, World, changed, scheduled

pytestmark = pytest.mark.postgres

SHUT = "UPDATE trading_calendar SET open = false, note = 'stocktaking' WHERE day = '2011-11-07'"
OPEN = "UPDATE trading_calendar SET open = true, note = NULL WHERE day = '2011-11-07'"
HISTORY = f"SELECT * FROM forecast.{PIPELINE}_history WHERE origin <= '{NIGHTS[-1]}' ORDER BY origin, sku, target_date"


def test_a_restated_day_is_told_and_published_nights_stay(served: World) -> None:
    before = served.as_analyst(HISTORY)
    with changed(served.retail, LATE, NOT_LATE):
        night = served.night(NEXT, **scheduled(NEXT))
    with served.writing() as tx:
        (told,) = [c for c in checks.of_run(tx, night["run_id"], "validate") if c.check_id == "days.restated"]
    assert told.state is CheckState.WARN
    assert told.observed == "1"
    assert f"({RESTATED})" in told.message
    assert f"nightcast restate {PIPELINE} --since {RESTATED} --dry-run" in told.message
    assert served.as_analyst(HISTORY) == before
    text = "\n".join(good(served, "show", night["run_id"]))
    assert f"restated past days: {RESTATED}" in text
    assert "days.restated" in text


def test_a_night_without_restated_days_passes_that_check(published: World) -> None:
    with published.writing() as tx:
        found = [c for c in checks.of_run(tx, published.last_run().run_id) if c.check_id == "days.restated"]
    assert [(c.state, c.observed) for c in found] == [(CheckState.PASS, "0")]


def test_restate_makes_the_nights_anew_whose_data_changed_and_no_other(served: World) -> None:
    untouched = served.fingerprint(but=())
    old = served.as_analyst(HISTORY)
    with changed(served.retail, LATE, NOT_LATE):
        dry = good(served, "restate", PIPELINE, "--since", FIRST_NIGHT, "--dry-run")
        assert served.fingerprint(but=()) == untouched
        done = good(served, "restate", PIPELINE, "--since", FIRST_NIGHT)
        again = good(served, "restate", PIPELINE, "--since", FIRST_NIGHT)
    said = [line.split(maxsplit=3) for line in dry[2:-1]]
    assert [(words[0], words[2:]) for words in said] == [
        (str(night), ["1", f"data of {RESTATED} restated"]) for night in NIGHTS[1:]
    ]
    assert (
        dry[-1] == f"2 of 3 published nights from {FIRST_NIGHT} to the newest have other data now; nothing was changed"
    )
    assert [line.split()[:3] for line in done[-2:]] == [[str(night), "published", "2"] for night in NIGHTS[1:]]
    assert again == ["(none)", f"0 of 3 published nights from {FIRST_NIGHT} to the newest have other data now"]
    with served.writing() as tx:
        shown = publication.published(tx, PIPELINE)
        first, _ = publication.revisions(tx, PIPELINE, RESTATED)
    runs = [served.run(p.run_id) for p in shown]
    assert [p.revision for p in shown] == [1, 2, 2]
    assert [r.mode for r in runs] == [RunMode.KNOWN_THEN, RunMode.KNOWN_NOW, RunMode.KNOWN_NOW]
    assert first.reason == f"replaced by run {runs[1].run_id}: data of {RESTATED} restated"
    then = first.published_at.isoformat()
    as_of = served.as_analyst(f"SELECT * FROM forecast.{PIPELINE}_as_of('{then}') ORDER BY sku, target_date")
    kept = ("sku", "target_date", "mean", "q10", "q50", "q90", "run", "revision")
    assert [[row[k] for k in kept] for row in as_of] == [
        [row[k] for k in kept] for row in old if row["origin"] == RESTATED
    ]


def test_another_calendar_is_other_data_and_another_folder_is_not(served: World) -> None:
    served.edit("pipeline.yaml", "min_active_days: 3", "min_active_days: 20")
    with changed(served.retail, SHUT, OPEN):
        found = restate.plan(PIPELINE, FIRST_NIGHT, None, served.rooms)
    assert [each.changes.words for each in found] == ["calendar of 2011-11-07; pipeline.yaml edited"] * 3
    unchanged = restate.plan(PIPELINE, FIRST_NIGHT, None, served.rooms)
    assert [(each.changes.data, each.changes.words) for each in unchanged] == [(False, "pipeline.yaml edited")] * 3


def test_a_night_that_a_gate_stops_keeps_what_it_has_and_ends_with_1(served: World) -> None:
    shown = served.shown()
    twice = LATE.replace("delivery, '7' || substr(invoice, 2)", "delivery + 1, invoice")
    assert twice != LATE
    with changed(served.retail, twice, NOT_LATE):
        done = cli(served, "restate", PIPELINE, "--since", RESTATED, "--until", RESTATED)
    assert done.returncode == 1
    assert "stopped" in done.stdout.splitlines()[-1]
    assert "duplicates" in done.stdout
    assert served.last_run().state is RunState.STOPPED
    assert served.shown() == shown


def test_nights_that_are_not_there_or_the_wrong_way_round(published: World) -> None:
    after = NIGHTS[-1] + timedelta(days=1)
    assert good(published, "restate", PIPELINE, "--since", after)[0] == "(none)"
    wrong = bad(published, "restate", PIPELINE, "--since", NIGHTS[1], "--until", NIGHTS[0])
    assert f"from {NIGHTS[1]} to {NIGHTS[0]}; expected a first night that is not later" in wrong
