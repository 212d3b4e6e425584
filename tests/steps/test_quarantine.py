"""Rows that were set aside: counted, taken in again under a corrected rule, or dealt with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from nightcast.domain.decision import Asked, DecisionKind, Outcome
from nightcast.domain.night import RunKind, RunState
from nightcast.errors import DecisionRefused, NightStopped, NotFound
from nightcast.steps import discard, replay, undo
from nightcast.store import decisions, intake, quarantine
from nightcast.store.quarantine import Wanted
from steps.test_waive import GIFTS_BACK, GIVEN_AWAY
from steps.world import FIRST_NIGHT, NEXT, NIGHTS, PIPELINE, World, changed, clock_of, scheduled

pytestmark = pytest.mark.postgres

WHY = Asked(who="ann", reason="the shop's owner says that gifts count")
DRY = Asked(who="ann", reason="to see", dry_run=True)
DAY = NIGHTS[1]
STRICT = "kwargs: {column: free, value_set: [false]}"
CORRECTED = "kwargs: {column: free, value_set: [false, true]}"
FEW_GIFTS = GIVEN_AWAY.replace("line % 5 = 0", "line % 25 = 0")


def replayed(world: World, first: date, asked: Asked = WHY, **more: Any) -> Outcome:
    return replay.run(asked, world.rooms, clock_of(NEXT), pipeline=PIPELINE, first=first, **more)


def discarded(world: World, first: date, asked: Asked = WHY, **more: Any) -> Outcome:
    return discard.run(asked, world.rooms, clock_of(NEXT), pipeline=PIPELINE, first=first, **more)


def undone(world: World, outcome: Outcome) -> str:
    assert outcome.decision is not None
    return undo.run(WHY, world.rooms, clock_of(NEXT), decision_id=outcome.decision).text


def waiting(world: World, **more: Any) -> int:
    """Rows that are set aside and that nobody has dealt with."""
    with world.writing() as tx:
        return sum(day.rows for day in quarantine.days(tx, Wanted(pipeline=PIPELINE, **more)))


def in_use(world: World, day: date) -> intake.Revision:
    with world.writing() as tx:
        return intake.newest(tx, PIPELINE, day, day, states=[intake.IntakeState.ACCEPTED])[day]


def panel_of(world: World, run_id: int, day: date) -> str:
    manifest = world.rooms.lake.get_json(str(world.run(run_id).manifest_digest))
    (found,) = [d["panel"] for d in manifest["days"] if d["day"] == str(day)]
    return str(found)


def test_rows_are_counted_as_the_revisions_in_use_have_them(published: World) -> None:
    with published.writing() as tx:
        checks, days = quarantine.summary(tx, Wanted(pipeline=PIPELINE)), quarantine.days(tx, Wanted(pipeline=PIPELINE))
        some = quarantine.held(tx, Wanted(pipeline=PIPELINE, check_id="free_goods"), 3)
        taken = intake.newest(tx, PIPELINE, states=[intake.IntakeState.ACCEPTED])
    expected = {day: t.quarantined for day, t in taken.items() if t.quarantined}
    assert {d.event_day: d.rows for d in days} == expected
    assert sum(c.rows for c in checks) >= sum(expected.values())  # type: ignore[arg-type]
    assert [c.rows for c in checks] == sorted((c.rows for c in checks), reverse=True)
    assert all("free_goods" in row.reasons and row.row["free"] for row in some)
    assert waiting(published, run_id=published.last_run().run_id) == expected.get(NIGHTS[-1], 0)


@pytest.fixture
def gifts(world: World) -> Iterator[World]:
    """A shop that gave a few things away on the day of the first night."""
    with changed(world.retail, FEW_GIFTS, GIFTS_BACK):
        yield world


def test_a_corrected_rule_takes_kept_rows_in_again_for_later_nights_alone(gifts: World) -> None:
    world = gifts
    for origin in NIGHTS[:2]:
        world.night(origin, **scheduled(origin))
    shown, before = world.shown(), in_use(world, FIRST_NIGHT)
    assert waiting(world, first=FIRST_NIGHT, last=FIRST_NIGHT, check_id="free_goods") > 0
    assert replayed(world, FIRST_NIGHT).text.startswith("already so: the rules as they are now set the same")

    world.edit("expectations.yaml", STRICT, CORRECTED)
    whole = world.fingerprint(but=())
    told = replayed(world, FIRST_NIGHT, DRY).text
    assert told.startswith(f"would take in again\n{FIRST_NIGHT}: {before.quarantined} set aside before; now of ")
    assert world.fingerprint(but=()) == whole

    outcome = replayed(world, FIRST_NIGHT, check_id="free_goods")
    after, run = in_use(world, FIRST_NIGHT), world.last_run(RunKind.REPLAY)
    assert outcome.text.endswith(f"nights after {NIGHTS[1]} use them (run {run.run_id}); what is published stays")
    assert (after.revision, after.run_id) == (before.revision + 1, run.run_id)
    assert (after.content_digest, after.pulled) == (before.content_digest, before.pulled)
    assert after.panel_key != before.panel_key
    assert after.pulled == after.accepted + after.quarantined + after.duplicates  # type: ignore[operator]
    assert (run.state, run.pulled, run.accepted) == (RunState.DONE, after.pulled, after.accepted)
    assert after.quarantined < before.quarantined  # type: ignore[operator]
    assert waiting(world, first=FIRST_NIGHT, last=FIRST_NIGHT, check_id="free_goods") == 0
    assert waiting(world, first=FIRST_NIGHT, last=FIRST_NIGHT) == after.quarantined
    assert replayed_again(world).startswith("no row")
    with world.writing() as tx:
        (decision,) = decisions.of_run(tx, run.run_id)
    assert (decision.kind, decision.first_day, decision.last_day) == (DecisionKind.REPLAY, FIRST_NIGHT, FIRST_NIGHT)

    assert world.night(NIGHTS[1], scheduler_run_id="manual__again")["state"] == RunState.UNCHANGED
    assert world.shown() == shown
    following = world.night(NIGHTS[2], **scheduled(NIGHTS[2]))["run_id"]
    assert panel_of(world, following, FIRST_NIGHT) == after.panel_digest

    assert "later nights use its days as they were before it" in undone(world, outcome)
    assert in_use(world, FIRST_NIGHT) == before
    following = world.night(NEXT, **scheduled(NEXT))["run_id"]
    assert panel_of(world, following, FIRST_NIGHT) == before.panel_digest


def replayed_again(world: World) -> str:
    with pytest.raises(NotFound) as none:
        replayed(world, FIRST_NIGHT, check_id="free_goods")
    return str(none.value)


def test_a_day_that_was_rejected_for_its_rule_goes_on_once_that_is_corrected(world: World) -> None:
    with changed(world.retail, GIVEN_AWAY, GIFTS_BACK):
        with pytest.raises(NightStopped, match=r"quarantine\.share"):
            world.night(FIRST_NIGHT, **scheduled(FIRST_NIGHT))
        with pytest.raises(DecisionRefused, match=f"1 of 1 days do not pass.*{FIRST_NIGHT}: quarantine.share"):
            replayed(world, FIRST_NIGHT)
        world.edit("expectations.yaml", STRICT, CORRECTED)
        outcome = replayed(world, FIRST_NIGHT)
        assert f"{FIRST_NIGHT}: rejected before; now of " in outcome.text
        assert world.night(FIRST_NIGHT, **scheduled(FIRST_NIGHT))["state"] == RunState.PUBLISHED
    assert world.last_run().pulled == 0  # the replay counts the rows
    undone(world, outcome)
    with world.writing() as tx:
        assert FIRST_NIGHT not in intake.newest(tx, PIPELINE, FIRST_NIGHT, states=[intake.IntakeState.ACCEPTED])


def test_what_a_day_was_accepted_with_does_not_refuse_its_replay(early: World, copy: Any) -> None:
    """The import took the double load in with a warning; what the rules set aside is still limited."""
    world: World = copy(early)
    first, last = date(2010, 12, 1), date(2010, 12, 3)
    world.edit("expectations.yaml", STRICT, CORRECTED)
    told = replayed(world, first, DRY, last=last).text
    assert told.startswith(f"would take in again\n{first}: ")
    outcome = replayed(world, first, last=last)
    run = world.last_run(RunKind.REPLAY).run_id
    found = world.as_writer(f"SELECT state FROM internal.check_result WHERE run_id = {run} AND check_id = 'duplicates'")
    assert {f["state"] for f in found} == {"warn"}
    assert in_use(world, first).duplicates * 2 == in_use(world, first).pulled  # type: ignore[operator]
    undone(world, outcome)
    world.edit("expectations.yaml", CORRECTED, "kwargs: {column: free, value_set: [true]}")
    with pytest.raises(DecisionRefused, match=r"quarantine\.share"):
        replayed(world, first, last=last)


def test_rows_that_somebody_looked_at_wait_no_longer(served: World) -> None:
    first = NIGHTS[0] - timedelta(days=30)
    before = waiting(served, first=first)
    assert before > 0
    whole = served.fingerprint(but=())
    assert discarded(served, first, DRY, last=NEXT).text.startswith(f"would discard {before:,} of {before:,} rows of ")
    assert served.fingerprint(but=()) == whole
    outcome = discarded(served, first, last=NEXT)
    assert waiting(served, first=first) == 0
    assert waiting(served, first=first, discarded=True) == before
    assert discarded(served, first, last=NEXT).text.startswith(f"already discarded: {before:,} rows of ")
    with pytest.raises(NotFound, match="no row of daily_demand is set aside there"):
        discarded(served, NEXT + timedelta(days=9))
    assert undone(served, outcome).endswith(f"its {before:,} rows are listed again")
    assert waiting(served, first=first) == before


def test_discarding_by_check_leaves_the_other_rows(published: World, copy: Any) -> None:
    world: World = copy(published)
    with world.writing() as tx:
        counted = quarantine.summary(tx, Wanted(pipeline=PIPELINE))
    first, last = min(c.first_day for c in counted), max(c.last_day for c in counted)
    discarded(world, first, last=last, check_id=counted[0].check_id)
    with world.writing() as tx:
        left = {c.check_id for c in quarantine.summary(tx, Wanted(pipeline=PIPELINE))}
    assert counted[0].check_id not in left
    assert left
