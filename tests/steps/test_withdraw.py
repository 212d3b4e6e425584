"""A person takes a published night from readers, and what a rerun does then."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from nightcast.domain.decision import Asked, Outcome
from nightcast.domain.night import RunState
from nightcast.errors import DecisionRefused, NightStopped
from nightcast.steps import undo, withdraw
from nightcast.store import decisions, models, publication, scores
from nightcast.store.models import ModelEvent
from steps.world import LATE, NIGHTS, NOT_LATE, PIPELINE, World, asked, changed, clock_of

pytestmark = pytest.mark.postgres

WHY = Asked(who="ann", reason="prices of the wrong year")
DRY = Asked(who="ann", reason="to see", dry_run=True)
LAST = NIGHTS[-1]


def withdrawn(world: World, run_id: int, asked_: Asked = WHY, **more: Any) -> Outcome:
    return withdraw.run(asked_, world.rooms, clock_of(LAST), run_id=run_id, **more)


def undone(world: World, decision: int | None) -> Outcome:
    assert decision is not None
    return undo.run(WHY, world.rooms, clock_of(LAST), decision_id=decision)


def seen(world: World) -> dict[Any, int]:
    """What readers see: the run of each night."""
    found = world.as_analyst(f"SELECT DISTINCT origin, run FROM forecast.{PIPELINE}_history")
    return {r["origin"]: r["run"] for r in found}


def newer_revision(world: World) -> int:
    """The last night once more, with late rows of the day before."""
    with changed(world.retail, LATE, NOT_LATE):
        night = world.night(LAST, mode="known_now", scheduler_run_id="manual__late")
    assert night["state"] == RunState.PUBLISHED
    return int(night["run_id"])


def test_readers_fall_back_to_the_night_before_and_the_past_stays(served: World) -> None:
    run, before = served.last_run(), seen(served)
    moment = datetime.now(UTC)
    begun = time.perf_counter()
    outcome = withdrawn(served, run.run_id)
    seconds = time.perf_counter() - begun
    assert outcome.text == (
        f"withdrew revision 1 of {PIPELINE} {LAST} (run {run.run_id}); readers see no forecast of that night; "
        f"the newest that they see is {NIGHTS[-2]}"
    )
    assert seen(served) == {origin: shown for origin, shown in before.items() if origin != LAST}
    (change,) = served.as_analyst(f"SELECT * FROM forecast.changes WHERE origin = '{LAST}'")
    assert change["reason"] == f"withdrawn: {WHY.reason}"
    assert change["withdrawn_at"] > moment
    as_of = f"SELECT DISTINCT origin FROM forecast.{PIPELINE}_as_of"
    assert served.as_analyst(f"{as_of}('{moment}')") == [{"origin": LAST}]
    assert served.as_analyst(f"{as_of}(now())") == [{"origin": NIGHTS[-2]}]
    assert served.as_analyst("SELECT last_published_origin AS o FROM forecast.freshness") == [{"o": NIGHTS[-2]}]
    assert served.run(run.run_id).state is RunState.PUBLISHED
    assert seconds < 30  # it is milliseconds of a transaction; a bound for a machine that does much else


def test_deciding_twice_changes_nothing_and_a_dry_run_neither(served: World) -> None:
    run = served.last_run().run_id
    before = served.fingerprint(but=())
    assert withdrawn(served, run, DRY).text.startswith(f"would withdraw revision 1 of {PIPELINE} {LAST} (run {run}); ")
    assert served.fingerprint(but=()) == before
    first = withdrawn(served, run)
    decided = served.fingerprint(but=())
    again = withdrawn(served, run, Asked(who="bob", reason="me too"))
    assert again == Outcome(
        text=f"already withdrawn: run {run}, by ann (decision {first.decision}): {WHY.reason}", decision=first.decision
    )
    assert served.fingerprint(but=()) == decided


def test_the_same_inputs_are_not_shown_again_behind_a_persons_back(served: World) -> None:
    """A rerun stops in validate, a run that was on its way in publish; clearing the withdrawn run tells nobody."""
    first = served.last_run().run_id
    night = served.step("open_run", asked(LAST, mode="known_now", scheduler_run_id="manual__before"), LAST)
    with served.writing() as tx:  # as if it had come as far as publish when the other one was still shown
        pins = {name: getattr(served.run(first), name) for name in ("manifest_digest", "input_digest", "row_digest")}
        publication.runs.pin(tx, night["run_id"], **pins)
        counts = {"pulled": 0, "accepted": 0, "quarantined": 0, "duplicates": 0, "expected": 1, "predictions": 1}
        publication.runs.count(tx, night["run_id"], **counts)
    made = withdrawn(served, first)
    with pytest.raises(NightStopped, match=f"withdrawn by ann .decision {made.decision}.: prices of the wrong year"):
        served.step("publish", night, LAST)
    assert served.run(night["run_id"]).state is RunState.STOPPED
    with pytest.raises(NightStopped, match=f"validate stopped.*nightcast undo {made.decision} --reason"):
        served.night(LAST, scheduler_run_id="manual__again")
    stopped = served.last_run()
    assert (stopped.state, stopped.row_digest) == (RunState.STOPPED, None)
    assert stopped.input_digest == served.run(first).input_digest
    cleared = served.step("publish", {**night, "run_id": first}, LAST)
    assert (cleared["state"], cleared["skip"]) == ("withdrawn", True)
    assert "until: withdrawn: prices of the wrong year" in cleared["why"]
    assert LAST not in seen(served)

    undone(served, made.decision)
    assert seen(served)[LAST] == first
    night = {"run_id": stopped.run_id, "pipeline": PIPELINE, "origin": str(LAST), "shards": 1}
    assert served.step("validate", night, LAST)["state"] == RunState.UNCHANGED  # cleared once it is shown again


def test_other_inputs_are_published_as_a_new_revision(served: World) -> None:
    first = served.last_run().run_id
    withdrawn(served, first)
    second = newer_revision(served)
    assert seen(served)[LAST] == second
    changes = served.as_analyst(
        f"SELECT revision, withdrawn_at FROM forecast.changes WHERE origin = '{LAST}' ORDER BY 1"
    )
    assert [(c["revision"], c["withdrawn_at"] is None) for c in changes] == [(1, False), (2, True)]


def test_the_revision_before_is_restored_where_that_is_asked_for(served: World) -> None:
    first, second = served.last_run().run_id, newer_revision(served)
    made = withdrawn(served, second, restore_previous=True)
    assert made.text.endswith(f"readers see run {first} of that night again")
    assert seen(served)[LAST] == first
    old, withdrawn_one, again = _revisions(served)
    assert (old.run_id, withdrawn_one.run_id, again.run_id) == (first, second, first)
    assert withdrawn_one.withdrawn_at == again.published_at
    with pytest.raises(DecisionRefused, match=f"no revision before run {first}"):
        withdrawn(served, first, restore_previous=True)  # the other one is withdrawn
    assert undone(served, made.decision).text.endswith(f"readers see run {second} again, as revision 4")
    assert seen(served)[LAST] == second


def _revisions(world: World) -> list[publication.Publication]:
    with world.writing() as tx:
        return publication.revisions(tx, PIPELINE, LAST)


def test_only_what_readers_see_is_withdrawn(served: World) -> None:
    first, second = served.last_run().run_id, newer_revision(served)
    with pytest.raises(DecisionRefused, match=f"readers see run {second} .revision 2. of .* not run {first}"):
        withdrawn(served, first)
    withdrawn(served, second)
    only = next(run for origin, run in seen(served).items() if origin == NIGHTS[0])
    with pytest.raises(DecisionRefused, match="no revision before run"):
        withdrawn(served, only, restore_previous=True)
    with served.writing() as tx:
        assert len(decisions.of_pipeline(tx, PIPELINE)) == 1


def test_a_withdrawal_is_not_undone_over_a_later_revision_or_with_a_model_that_was_rejected(served: World) -> None:
    first = served.last_run().run_id
    made = withdrawn(served, first)
    second = newer_revision(served)
    with pytest.raises(DecisionRefused, match=f"run {second} of .* was published since .revision 2."):
        undone(served, made.decision)
    withdrawn(served, second)
    served.promote(1, LAST)
    with served.writing() as tx:
        models.record(tx, PIPELINE, 2, ModelEvent.ABORT, who="test", why="wrong")
    with pytest.raises(DecisionRefused, match="model version 2 is rejected"):
        undone(served, made.decision)


def test_a_withdrawn_night_is_no_baseline(served: World) -> None:
    """Neither of drift, nor of what the next night's total is compared with."""
    run = served.last_run().run_id

    def past() -> int:
        with served.writing() as tx:
            return sum(map(len, scores.past(tx, PIPELINE, LAST.replace(day=LAST.day + 1)).values()))

    before = past()
    withdrawn(served, run)
    assert past() < before
    with served.writing() as tx:
        shown = publication.before(tx, PIPELINE, LAST.replace(day=LAST.day + 1))
    assert shown is not None
    assert shown.origin == NIGHTS[-2]
