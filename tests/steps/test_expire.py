"""Retention: rows and predictions go when their time is over, and what needs neither goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

import hunting
from nightcast.domain.decision import Asked
from nightcast.errors import RemovedOnPurpose
from nightcast.steps import erase, expire, reproduce
from steps.other_worlds import NIGHTS
from steps.personal_world import COURIER, CUSTOMER
from steps.world import Installation, clock_of, scheduled

pytestmark = pytest.mark.postgres

CLOCK = clock_of(NIGHTS[0] + timedelta(days=10))  # the day after: the first night's predictions are 11 days old


@pytest.fixture
def world(delivering: Installation, copy: Callable[..., Installation]) -> Installation:
    """An installation of the test's own, its lake too, whose spec has a retention."""
    made: Installation = copy(delivering, lake=True)
    made.edit("pipeline.yaml", "\nmonitoring:\n", "\nretention: {rows: 7, predictions: 10}\n\nmonitoring:\n")
    return made


def test_rows_and_old_predictions_go_and_the_rest_stays(world: Installation) -> None:
    first, second = world.as_writer(
        "SELECT run_id, predictions FROM internal.run WHERE state = 'published' ORDER BY origin"
    )
    raw = [
        r["raw_object"] for r in world.as_writer("SELECT raw_object FROM internal.intake WHERE raw_object IS NOT NULL")
    ]
    before, panels = world.fingerprint(), world.as_writer("SELECT panel_object FROM internal.intake ORDER BY event_day")
    asked = expire.run(world.name, "test", world.rooms, CLOCK, dry_run=True)
    assert world.fingerprint() == before
    assert all(world.rooms.lake.has(name) for name in raw)

    found = expire.run(world.name, "test", world.rooms, CLOCK)
    assert found == asked
    assert (found.rows_before, found.predictions_before) == (NIGHTS[0] + timedelta(days=4), NIGHTS[1])
    assert found.runs == (first["run_id"],)
    assert found.counts["predictions"] == first["predictions"] > 0
    assert found.counts["days"] == len(raw)
    assert found.counts["quarantined"] == 1
    assert not any(world.rooms.lake.has(name) for name in raw)
    assert world.as_writer("SELECT panel_object FROM internal.intake ORDER BY event_day") == panels
    wanted = {"customer": CUSTOMER, "courier": COURIER}
    lake = hunting.in_files(world.lake.rglob("*"), wanted)
    tables = hunting.in_database(world.server.url(world.database), wanted)
    assert set().union(*lake.values(), *tables.values()) == {"courier"}  # an entity: in panels and forecasts

    with pytest.raises(RemovedOnPurpose, match=r"expired on .* \(retention: rows 7, predictions 10 days\)"):
        reproduce.run(first["run_id"], world.rooms)
    assert reproduce.run(second["run_id"], world.rooms).identical
    assert not any(expire.run(world.name, "test", world.rooms, CLOCK).counts.values())  # again: nothing is left
    assert len(world.as_writer("SELECT * FROM internal.removal")) == 1

    world.night(NIGHTS[2], **scheduled(NIGHTS[2]))
    assert str(world.last_run().state) == "published"
    assert (
        erase.run(world.name, {"courier": COURIER}, Asked(who="test", reason="request"), world.rooms).counts["panels"]
        > 80
    )


def test_without_a_number_everything_is_kept(delivering: Installation, copy: Callable[..., Installation]) -> None:
    world = copy(delivering)
    before = world.fingerprint()
    found = expire.run(world.name, "test", world.rooms, CLOCK)
    assert (found.rows_before, found.predictions_before, dict(found.counts), found.runs) == (None, None, {}, ())
    assert world.fingerprint() == before
