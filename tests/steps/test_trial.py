"""`try`: what a night would be with the folder as it is now. Readers and later nights see nothing of it."""

from __future__ import annotations

import pyarrow.compute as pc
import pytest

from nightcast.domain.night import RunKind, RunState
from nightcast.domain.verdict import CheckState
from nightcast.errors import BundleRejected
from nightcast.steps import trial
from steps.world import NEXT, NIGHTS, PIPELINE, World, clock_of, scheduled

pytestmark = pytest.mark.postgres

LAST = NIGHTS[-1]
OWN = {"run", "run_step", "check_result", "quarantined_row", f"prediction_{PIPELINE}"}


def try_(world: World) -> trial.Trial:
    """Try the newest published night; whatever comes of it, only the trial's own rows are new."""
    before, shown = world.fingerprint(but=OWN), world.shown()
    try:
        return trial.run(PIPELINE, LAST, world.rooms, clock_of(LAST))
    finally:
        assert world.fingerprint(but=OWN) == before
        assert world.shown() == shown


def test_an_unchanged_folder_gives_the_published_rows(served: World) -> None:
    found = try_(served)
    assert (found.run.kind, found.run.state, found.stopped) == (RunKind.TRY, RunState.DONE, None)
    assert found.forecast is not None
    assert found.forecast.equals(found.published)
    night = next(r for r in served.as_writer(f"SELECT * FROM internal.run WHERE origin = '{LAST}' AND kind = 'night'"))
    assert (found.run.row_digest, found.run.input_digest) == (night["row_digest"], night["input_digest"])
    assert found.run.pulled == found.run.accepted + found.run.quarantined > night["pulled"]  # all days of the window
    assert all(c.state is not CheckState.FAIL for c in found.checks)


def test_a_changed_rule_shows_its_effect_on_rows_and_forecast(served: World) -> None:
    served.edit("expectations.yaml", "min_value: -20000, max_value: 20000", "min_value: -20000, max_value: 40")
    served.edit("pipeline.yaml", "quarantine: {max_share: 0.10", "quarantine: {max_share: 0.90")
    found = try_(served)
    (huge,) = [c for c in found.checks if (c.check_id, c.scope) == ("huge_quantity", str(LAST))]
    assert (huge.state, huge.bad_rows > 0) == (CheckState.QUARANTINE, True)
    assert found.forecast is not None
    assert found.published is not None
    assert found.forecast["sku"].equals(found.published["sku"])
    assert pc.sum(found.forecast["mean"]).as_py() < pc.sum(found.published["mean"]).as_py()


def test_a_rule_that_would_stop_the_night_says_so(served: World) -> None:
    served.edit("expectations.yaml", "min_value: -20000, max_value: 20000", "min_value: -20000, max_value: 2")
    found = try_(served)
    assert found.run.state is RunState.STOPPED
    assert found.stopped is not None
    assert "quarantine.share" in found.stopped
    assert found.forecast is None


def test_a_trial_that_fails_does_not_stay_open(served: World) -> None:
    served.edit("pipeline.yaml", "  - days_since_active: {of: units}\n", "")
    with pytest.raises(BundleRejected):
        try_(served)
    run = served.last_run(RunKind.TRY)
    assert run.state is RunState.FAILED
    assert str(run.reason).startswith("try: BundleRejected")


def test_a_night_after_a_trial_is_the_night_without_it(world: World, published: World) -> None:
    first = NIGHTS[0]
    world.edit("expectations.yaml", "min_value: -20000, max_value: 20000", "min_value: -20000, max_value: 40")
    trial.run(PIPELINE, first, world.rooms, clock_of(first))
    world.edit("expectations.yaml", "min_value: -20000, max_value: 40", "min_value: -20000, max_value: 20000")
    night = world.night(first, **scheduled(first))
    live = published.as_writer(f"SELECT row_digest FROM internal.run WHERE origin = '{first}' AND kind = 'night'")
    assert live == [{"row_digest": world.run(night["run_id"]).row_digest}]
    assert first < LAST < NEXT
