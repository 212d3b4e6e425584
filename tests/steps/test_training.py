"""From an imported history to a live model, and what is recorded when that does not work."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from nightcast import models as models_room
from nightcast.domain.night import RunKind, RunState
from nightcast.errors import CalendarTooShort, TrainingImpossible
from nightcast.store import models
from steps.world import EARLY, PIPELINE, TRAINED_THROUGH, World, changed

pytestmark = pytest.mark.postgres


def test_the_first_version_went_live_by_itself_and_the_second_by_decision(imported: World) -> None:
    with imported.writing() as tx:
        live, versions, ledger = models.live(tx, PIPELINE), models.versions(tx, PIPELINE), models.ledger(tx, PIPELINE)
        as_of = {day: models.model_as_of(tx, PIPELINE, day) for day in (EARLY, date(2011, 10, 22), TRAINED_THROUGH)}
    assert live is not None
    assert {v.version: (v.state, v.trained_through) for v in versions} == {
        1: ("retired", EARLY),
        2: ("live", TRAINED_THROUGH),
    }
    told = sorted((e.event_id, e.version, str(e.event), e.effective_from) for e in ledger)
    assert [t[1:] for t in told] == [
        (1, "register", None),
        (1, "promote", EARLY),
        (2, "register", None),
        (1, "retire", None),
        (2, "promote", TRAINED_THROUGH),
    ]
    first = next(e for e in ledger if e.event == "promote" and e.version == 1)
    assert first.why == "the first version of a pipeline goes live by itself"
    assert [m and m.version for m in as_of.values()] == [1, 1, 2]


def test_a_bundle_carries_its_metrics_beside_seasonal_naive_and_its_profiles(imported: World) -> None:
    with imported.writing() as tx:
        live = models.live(tx, PIPELINE)
    assert live is not None
    opened = models_room.open_bundle(imported.rooms.lake.get(live.bundle_digest), live.bundle_digest)
    assert opened.about["metrics"] == live.metrics
    assert 0 < live.metrics["calibration_wape"] < live.metrics["seasonal_naive_wape"]
    assert live.metrics["training_origins"] == 53  # as many as the history has
    profiles = {kind: set(columns) for kind, columns in opened.profiles.items()}
    assert profiles["feature"] == set(imported.pipeline.feature_names)
    assert profiles["prediction"] == {"mean", "q10", "q50", "q90"}
    assert profiles["measure"] == {"quantity", "price", "amount"}
    assert profiles["attribute"] == {"country", "kind", "cancels", "free"}


def test_a_training_that_cannot_be_done_is_recorded(early: World, copy: Any) -> None:
    """Nine weeks are too few for the whole recipe."""
    world: World = copy(early)
    with pytest.raises(TrainingImpossible, match="Import a longer history"):
        world.train(EARLY)
    run = world.last_run(RunKind.TRAINING)
    assert run.state is RunState.FAILED
    assert str(run.reason).startswith("train: TrainingImpossible")
    hidden = "UPDATE trading_calendar SET day = day {} 9999 WHERE day = date '2010-11-01' {} 0"
    with (
        changed(world.retail, hidden.format("+", "+"), hidden.format("-", "+ 9999 +")),
        pytest.raises(CalendarTooShort),
    ):
        world.train(EARLY)
    run = world.last_run(RunKind.TRAINING)
    assert (run.state, str(run.reason).split(":")[0]) == (RunState.FAILED, "build_training_set")
    with pytest.raises(TrainingImpossible, match="has no accepted day up to 2009-01-01"):
        world.train(date(2009, 1, 1))
