"""A person lets a stopped night go on past one check."""

from __future__ import annotations

from typing import Any

import pytest

from nightcast.domain.decision import Asked, DecisionKind, Outcome
from nightcast.domain.night import RunState
from nightcast.errors import DecisionRefused, NightRefused, NightStopped, NotFound
from nightcast.steps import failure, undo, waive, withdraw
from nightcast.store import decisions, intake
from steps.world import DOUBLED, EARLY, FIRST_NIGHT, NEXT, PIPELINE, World, changed, clock_of, scheduled

pytestmark = pytest.mark.postgres

WHY = Asked(who="ann", reason="both loads are known; the second wins")
DRY = Asked(who="ann", reason="to see", dry_run=True)
GIVEN_AWAY = f"""
CREATE TABLE kept AS SELECT line, delivery, price FROM raw_line WHERE sold_at::date = '{FIRST_NIGHT}';
UPDATE raw_line SET price = 0 WHERE sold_at::date = '{FIRST_NIGHT}' AND line % 5 = 0 AND quantity > 0
"""

BAND = "audit: {stop_outside: [0.5, 2.0], warn_outside: [0.8, 1.25]}"
NARROW = "audit: {stop_outside: [0.9999, 1.0001], warn_outside: [0.9999, 1.0001]}"
GIFTS_BACK = """
UPDATE raw_line AS r SET price = k.price FROM kept AS k
WHERE r.line = k.line AND r.delivery = k.delivery AND r.price <> k.price;
DROP TABLE kept
"""


def waived(world: World, check_id: str, asked: Asked = WHY, **more: Any) -> Outcome:
    run = world.last_run()
    return waive.run(asked, world.rooms, clock_of(run.origin), run_id=run.run_id, check_id=check_id, **more)


def undone(world: World, decision: int | None, asked: Asked = WHY) -> Outcome:
    assert decision is not None
    return undo.run(asked, world.rooms, clock_of(DOUBLED), decision_id=decision)


def goes_on(world: World) -> RunState:
    """As when the red task is cleared: the same run, from the step that judged."""
    run = world.last_run()
    night = {"run_id": run.run_id, "pipeline": PIPELINE, "origin": run.origin.isoformat(), "shards": 1}
    for step in ("validate", "predict", "audit", "publish"):
        world.step(step, night, run.origin)
    return world.run(run.run_id).state


def result(world: World, check_id: str, scope: str) -> dict[str, Any]:
    run = world.last_run().run_id
    query = f"SELECT state, message FROM internal.check_result WHERE run_id = {run} AND check_id = '{check_id}'"
    (found,) = world.as_writer(f"{query} AND scope = '{scope}'")
    return found


def test_a_double_load_that_is_waived_is_published_without_its_copies(doubled: World, copy: Any) -> None:
    world: World = copy(doubled)
    stopped = world.last_run()
    outcome = waived(world, "duplicates")
    assert outcome.text.startswith(f"waived duplicates of run {stopped.run_id} ({PIPELINE} {DOUBLED}): found 269 of")
    assert "clear the task validate" in outcome.text
    assert goes_on(world) is RunState.PUBLISHED
    found = result(world, "duplicates", str(DOUBLED))
    assert found["state"] == "waived"
    assert found["message"].startswith(f"waived by ann (decision {outcome.decision}): {WHY.reason}; found 269 of 538")
    run = world.run(stopped.run_id)
    assert run.pulled == run.accepted + run.quarantined + run.duplicates  # type: ignore[operator]
    assert run.duplicates * 2 == run.pulled  # type: ignore[operator]
    with world.writing() as tx:
        (decision,) = decisions.of_run(tx, run.run_id)
        newest = intake.newest(tx, PIPELINE, DOUBLED, DOUBLED)[DOUBLED]
    assert (decision.kind, decision.who, decision.reason) == (DecisionKind.WAIVE, "ann", WHY.reason)
    assert decision.evidence == {"step": "validate", "rows": 538, "bad_rows": 269}
    assert (newest.state, newest.run_id, newest.revision) == (intake.IntakeState.ACCEPTED, run.run_id, 2)
    assert world.as_analyst(f"SELECT DISTINCT origin FROM forecast.{PIPELINE}") == [{"origin": DOUBLED}]


def test_deciding_twice_changes_nothing_and_a_dry_run_neither(doubled: World, copy: Any) -> None:
    world: World = copy(doubled)
    before = world.fingerprint(but=())
    assert waived(world, "duplicates", DRY).text.startswith("would waive duplicates")
    assert world.fingerprint(but=()) == before
    first = waived(world, "duplicates")
    decided = world.fingerprint(but=())
    again = waived(world, "duplicates", Asked(who="bob", reason="me too"))
    assert again.text.startswith("already waived: duplicates of run")
    assert "by ann (decision" in again.text
    assert again.decision == first.decision
    assert world.fingerprint(but=()) == decided
    assert goes_on(world) is RunState.PUBLISHED
    assert waived(world, "duplicates").text.startswith("already waived")


def test_a_waiver_that_is_undone_stops_the_night_again(doubled: World, copy: Any) -> None:
    world: World = copy(doubled)
    made = waived(world, "duplicates")
    assert undone(world, made.decision, DRY).text.startswith("would undo decision")
    back = undone(world, made.decision, Asked(who="bob", reason="the source will be corrected"))
    assert "is stopped by duplicates again" in back.text
    with pytest.raises(NightStopped, match="duplicates"):
        goes_on(world)
    assert undone(world, made.decision).text.startswith(f"already undone: decision {made.decision}, by bob")
    with pytest.raises(DecisionRefused, match="take that one again"):
        undone(world, back.decision)
    again = waived(world, "duplicates")
    assert again.decision not in (made.decision, back.decision)
    assert goes_on(world) is RunState.PUBLISHED
    with pytest.raises(DecisionRefused, match=r"readers see run .* which went past duplicates.*nightcast withdraw"):
        undone(world, again.decision)
    with world.writing() as tx:
        ledger = decisions.of_run(tx, world.last_run().run_id)
    assert [(d.decision_id, d.kind, d.undone_by) for d in ledger] == [
        (made.decision, DecisionKind.WAIVE, back.decision),
        (back.decision, DecisionKind.UNDO, None),
        (again.decision, DecisionKind.WAIVE, None),
    ]


def test_a_waiver_that_was_used_is_undone_once_readers_do_not_see_the_night(doubled: World, copy: Any) -> None:
    """What it let in counts no more, for the nights to come."""
    world: World = copy(doubled)
    run, made = world.last_run(), waived(world, "duplicates")
    assert goes_on(world) is RunState.PUBLISHED
    assert accepted(world)
    withdraw.run(WHY, world.rooms, clock_of(DOUBLED), run_id=run.run_id)
    assert undone(world, made.decision).text.endswith("the day that it let in counts no more")
    assert not accepted(world)


def test_a_night_that_went_past_a_check_and_failed_later_is_judged_anew(doubled: World, copy: Any) -> None:
    world: World = copy(doubled)
    run, made = world.last_run(), waived(world, "duplicates")
    night = {"run_id": run.run_id, "pipeline": PIPELINE, "origin": str(DOUBLED), "shards": 1}
    world.step("validate", night, DOUBLED)
    with pytest.raises(DecisionRefused, match="is on its way past duplicates"):
        undone(world, made.decision)
    failure.record(night, "predict", RuntimeError("the worker is gone"), world.rooms, clock_of(DOUBLED), final=True)
    before = world.fingerprint(but=())
    assert "is judged anew" in undone(world, made.decision, DRY).text
    assert world.fingerprint(but=()) == before
    assert "clear its task validate" in undone(world, made.decision).text
    assert (world.run(run.run_id).state, world.run(run.run_id).manifest_digest) == (RunState.STOPPED, None)
    with pytest.raises(NightRefused, match="has no snapshot"):
        world.step("predict", night, DOUBLED)
    with pytest.raises(NightStopped, match="duplicates"):
        world.step("validate", night, DOUBLED)
    assert not accepted(world)


def accepted(world: World) -> bool:
    """Whether nights count the double load as accepted."""
    with world.writing() as tx:
        return DOUBLED in intake.newest(tx, PIPELINE, DOUBLED, states=[intake.IntakeState.ACCEPTED])


def test_a_total_far_from_the_night_before_is_waived_in_audit(served: World) -> None:
    served.edit("pipeline.yaml", BAND, NARROW)
    with pytest.raises(
        NightStopped, match=rf"audit\.total_stop: .*accept-level {PIPELINE} --since {NEXT} --reason TEXT"
    ):
        served.night(NEXT, **scheduled(NEXT))
    with pytest.raises(DecisionRefused, match="says that the night is not whole"):
        waived(served, "audit.once")
    assert "clear the task audit and what follows it" in waived(served, "audit.total_stop").text
    night = {"run_id": served.last_run().run_id, "pipeline": PIPELINE, "origin": str(NEXT), "shards": 1}
    served.step("audit", night, NEXT)
    assert served.step("publish", night, NEXT)["state"] == RunState.PUBLISHED
    assert result(served, "audit.total_stop", "")["state"] == "waived"


def test_what_cannot_be_waived(doubled: World, copy: Any) -> None:
    world: World = copy(doubled)
    before = world.fingerprint(but=())
    stopped = world.last_run()
    for check_id in ("contract.types", "invoice_format"):
        with pytest.raises(DecisionRefused, match="belongs to the contract"):
            waived(world, check_id)
    with pytest.raises(DecisionRefused, match="in state pass, which stops nothing"):
        waived(world, "quarantine.share")
    with pytest.raises(NotFound, match=r"no result of a check 'nosuch'.*those that failed are: duplicates 2010-12-06"):
        waived(world, "nosuch")
    with pytest.raises(NotFound, match="no result of a check 'duplicates' for 2010-12-05"):
        waived(world, "duplicates", day=EARLY)
    with pytest.raises(DecisionRefused, match="in state published; expected a stopped night"):
        waive.run(WHY, world.rooms, clock_of(EARLY), run_id=stopped.run_id - 1, check_id="duplicates")
    with pytest.raises(NotFound, match="there is no run 999"):
        waive.run(WHY, world.rooms, clock_of(EARLY), run_id=999, check_id="duplicates")
    with pytest.raises(NotFound, match="there is no decision 999"):
        undone(world, 999)
    assert world.fingerprint(but=()) == before


def test_a_row_rule_that_is_waived_sets_nothing_aside_in_this_run_alone(world: World) -> None:
    """A day on which every fifth line was given away: more than the limit on what may be set aside."""
    with changed(world.retail, GIVEN_AWAY, GIFTS_BACK):
        with pytest.raises(NightStopped, match=r"quarantine\.share"):
            world.night(FIRST_NIGHT, **scheduled(FIRST_NIGHT))
        before = world.last_run()
        outcome = waived(world, "free_goods")
        assert "still stopping it: quarantine.share" in outcome.text
        assert goes_on(world) is RunState.PUBLISHED
    run = world.run(before.run_id)
    assert result(world, "free_goods", str(FIRST_NIGHT))["state"] == "waived"
    assert result(world, "quarantine.share", str(FIRST_NIGHT))["state"] == "pass"
    gone = f"SELECT reasons FROM internal.quarantined_row WHERE run_id = {run.run_id}"
    assert not [r for r in world.as_writer(gone) if "free_goods" in r["reasons"]]
    assert run.quarantined < before.quarantined  # type: ignore[operator]
    assert run.pulled == before.pulled == run.accepted + run.quarantined + run.duplicates  # type: ignore[operator]
    with world.writing() as tx:
        rejected, accepted = intake.history(tx, PIPELINE, FIRST_NIGHT)
    assert rejected.content_digest == accepted.content_digest
    assert (rejected.state, accepted.state) == (intake.IntakeState.REJECTED, intake.IntakeState.ACCEPTED)
