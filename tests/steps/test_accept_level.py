"""The ratchet: a true drop is rejected for ever, until a person accepts the new level."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest

from nightcast.domain.decision import Asked, Outcome
from nightcast.domain.night import RunState
from nightcast.errors import DecisionRefused, NightStopped
from nightcast.steps import accept_level, undo
from nightcast.store import intake
from steps.world import FIRST_NIGHT, NEXT, NIGHTS, PIPELINE, World, changed, clock_of, scheduled

pytestmark = pytest.mark.postgres

WHY = Asked(who="ann", reason="four fifths of the range were given up")
DRY = Asked(who="ann", reason="to see", dry_run=True)
WEEK = timedelta(days=7)
AFTER = FIRST_NIGHT + 2 * WEEK  # the Monday with two days of its weekday at the new level
SMALLER = f"""
CREATE TABLE gone AS SELECT * FROM raw_line WHERE sold_at >= '{FIRST_NIGHT}' AND line % 5 > 0;
DELETE FROM raw_line WHERE sold_at >= '{FIRST_NIGHT}' AND line % 5 > 0
"""
AS_BEFORE = "INSERT INTO raw_line SELECT * FROM gone; DROP TABLE gone"


@contextmanager
def a_fifth(world: World) -> Iterator[None]:
    """The source at a fifth of its level, from the first night on."""
    with changed(world.retail, SMALLER, AS_BEFORE):
        yield


def accepted(world: World, since: date, asked: Asked = WHY) -> Outcome:
    return accept_level.run(asked, world.rooms, clock_of(NEXT), pipeline=PIPELINE, since=since)


def volume(world: World, day: date) -> dict[str, Any]:
    """What the night's own run found of its volume."""
    (found,) = world.as_writer(
        "SELECT c.state, c.message, c.limit_text FROM internal.check_result AS c INNER JOIN internal.run AS r"
        f" ON c.run_id = r.run_id AND r.kind = 'night' AND r.origin = '{day}'"
        f" WHERE c.check_id = 'rows_far_off' AND c.scope = '{day}'"
    )
    return found


def test_a_true_drop_stops_every_night_until_its_level_is_accepted(world: World) -> None:
    with a_fifth(world):
        for origin in NIGHTS:
            with pytest.raises(NightStopped, match="rows_far_off"):
                world.night(origin, **scheduled(origin))
            said = f"nightcast accept-level {PIPELINE} --since {FIRST_NIGHT} --reason TEXT"
            assert said in str(world.last_run().reason), "every night names the day on which the level changed"
        with world.writing() as tx:
            known = intake.trailing(tx, PIPELINE, FIRST_NIGHT + WEEK, count=4)
        assert FIRST_NIGHT not in {r.event_day for r in known}, "a rejected day is no baseline"

        outcome = accepted(world, FIRST_NIGHT)
        runs = [
            r["run_id"] for r in world.as_writer("SELECT run_id FROM internal.run WHERE state = 'stopped' ORDER BY 1")
        ]
        waiting = ", ".join(f"run {run} ({origin})" for run, origin in zip(runs, NIGHTS, strict=True))
        assert outcome.text.endswith(f"oldest first: {waiting}")
        for origin in NIGHTS:
            assert world.night(origin, **scheduled(origin))["state"] == RunState.PUBLISHED
            found = volume(world, origin)
            assert found["state"] == "warn"
            assert found["message"].startswith(
                f"provisional, 0 of 2 days since the level of {FIRST_NIGHT} was accepted; not judged"
            )

        world.import_days(NEXT, AFTER - timedelta(days=1))
        assert world.night(AFTER, **scheduled(AFTER))["state"] == RunState.PUBLISHED
        twins = [FIRST_NIGHT, FIRST_NIGHT + WEEK]
        level = world.as_writer(
            "SELECT avg((signals ->> 'rows')::int) AS rows FROM internal.intake WHERE state = 'accepted'"
            f" AND event_day IN ('{twins[0]}', '{twins[1]}')"
        )[0]["rows"]
        found = volume(world, AFTER)
        assert found["state"] == "pass"
        assert found["limit_text"].startswith(f"min_value {round(0.33 * float(level))}, "), (
            "the new level is the normal"
        )
    day = AFTER + timedelta(days=7)
    world.import_days(AFTER + timedelta(days=1), day - timedelta(days=3))
    with pytest.raises(NightStopped, match="rows_far_off"):  # the old level, come back: five times the new one
        world.night(day, **scheduled(day))
    assert volume(world, day)["state"] == "fail"


def test_a_level_is_accepted_once_and_can_be_undone(served: World) -> None:
    before = served.fingerprint(but=())
    assert accepted(served, FIRST_NIGHT, DRY).text.startswith(
        f"would accept the level of {PIPELINE} from {FIRST_NIGHT} on"
    )
    with pytest.raises(DecisionRefused, match="expected a day that has come"):
        accepted(served, NEXT + timedelta(days=2))
    assert served.fingerprint(but=()) == before
    first = accepted(served, FIRST_NIGHT)
    assert "stopped nights" not in first.text
    assert accepted(served, FIRST_NIGHT).text == (
        f"already accepted: {PIPELINE} from {FIRST_NIGHT}, by ann (decision {first.decision}): {WHY.reason}"
    )
    second = accepted(served, NIGHTS[1])
    for made, says in ((second, f"days from {FIRST_NIGHT} on again"), (first, "all accepted days again")):
        assert made.decision is not None
        told = undo.run(WHY, served.rooms, clock_of(NEXT), decision_id=made.decision).text
        assert told.endswith(says)
    assert served.night(NEXT, **scheduled(NEXT))["state"] == RunState.PUBLISHED
    assert volume(served, NEXT)["message"].startswith("found ")


def test_the_total_is_compared_with_nights_of_the_accepted_level_alone(served: World) -> None:
    accepted(served, NEXT)
    assert served.night(NEXT, **scheduled(NEXT))["state"] == RunState.PUBLISHED
    found = served.as_writer(
        f"SELECT check_id, state, message FROM internal.check_result WHERE run_id = {served.last_run().run_id}"
        " AND check_id LIKE 'audit.total%'"
    )
    told = f"not compared: no night published since the level of {NEXT} was accepted"
    assert {(f["state"], f["message"]) for f in found} == {("warn", told)}
    assert len(found) == 2
