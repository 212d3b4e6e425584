"""After an outage the schedule asks for every night that was missed, in order; those too old are listed, not made."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from cli.calling import good
from nightcast.domain.night import RunState
from nightcast.steps import sequence
from nightcast.store import intake, overview
from steps.world import FIRST_NIGHT, PIPELINE, World, asked, clock_of, scheduled

pytestmark = pytest.mark.postgres

MISSED = [FIRST_NIGHT + timedelta(days=n) for n in range(8)]
RETURN = clock_of(date(2011, 11, 11))  # on the 12th: 14 days before is 2011-10-29
OLD, MADE = MISSED[:5], MISSED[5:]


def test_nights_missed_are_caught_up_in_order_and_older_ones_are_listed(world: World, published: World) -> None:
    for origin in MISSED:
        sequence.run_night(asked(origin, **scheduled(origin)), world.rooms, RETURN)
    runs = world.as_writer("SELECT origin, state, model_version FROM internal.run WHERE kind = 'night' ORDER BY run_id")
    assert [(r["origin"], r["state"]) for r in runs] == [
        *((origin, RunState.TOO_OLD) for origin in OLD),
        *((origin, RunState.PUBLISHED) for origin in MADE),
    ]
    order = world.as_analyst("SELECT origin FROM forecast.changes ORDER BY published_at")
    assert [row["origin"] for row in order] == MADE

    with world.writing() as tx:
        listed = overview.unpublished(tx)
        taken = intake.newest(tx, PIPELINE, OLD[0], MADE[-1])
    assert [(n.origin, n.state) for n in listed] == [(origin, RunState.TOO_OLD) for origin in reversed(OLD)]
    assert all("catch_up_days (14)" in str(n.reason) for n in listed)
    said = good(world, "runs")
    at = said.index("due, and not published: 5 nights")
    assert [line.split()[:3] for line in said[at + 3 :]] == [[PIPELINE, str(o), "too_old"] for o in reversed(OLD)]
    assert list(taken) == MISSED, "the first night that was made takes in the days of those that were not"

    by_hand = world.night(OLD[0])  # as its reason says
    assert by_hand["state"] == RunState.PUBLISHED
    same = "SELECT row_digest, input_digest FROM internal.run WHERE run_id = {}"
    (live,) = published.as_writer(
        f"SELECT row_digest, input_digest FROM internal.run WHERE origin = '{OLD[0]}' AND kind = 'night'"
    )
    assert world.as_writer(same.format(by_hand["run_id"])) == [live]
    left = world.as_analyst("SELECT origin, state FROM forecast.unpublished ORDER BY origin")
    assert [row["origin"] for row in left] == OLD[1:]


def test_a_night_that_nobody_asked_for_between_others_is_listed_too(world: World) -> None:
    for origin in (MISSED[0], MISSED[2]):
        world.night(origin, **scheduled(origin))
    listed = world.as_analyst("SELECT origin, state, reason, run FROM forecast.unpublished")
    assert listed == [{"origin": MISSED[1], "state": None, "reason": None, "run": None}]
    assert "never run" in "\n".join(good(world, "runs"))


def test_days_between_a_long_outage_and_the_window_are_read_once(world: World) -> None:
    late = MISSED[-1]
    first = world.run(world.night(late, **scheduled(late))["run_id"])
    after = world.run(world.night(late + timedelta(days=1))["run_id"])
    assert (first.window_start, first.state) == (FIRST_NIGHT, RunState.PUBLISHED)
    assert after.window_start == late + timedelta(days=1 - world.pipeline.source.late_arrival)
