"""No look-ahead: what lies after the origin changes nothing, and a model that saw it is marked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nightcast.domain.night import RunState
from nightcast.store import scores
from steps.world import FIRST_NIGHT, PIPELINE, RECIPE, SMALL, TRAINED_THROUGH, World, changed, scheduled

pytestmark = pytest.mark.postgres

AFTERWARDS = FIRST_NIGHT + timedelta(days=1)
SCRAMBLED = f"UPDATE raw_line SET quantity = quantity * 7 WHERE sold_at >= '{AFTERWARDS}'"
AS_IT_WAS = f"UPDATE raw_line SET quantity = quantity / 7 WHERE sold_at >= '{AFTERWARDS}'"
DIGESTS = "SELECT row_digest, input_digest, manifest_digest FROM internal.run WHERE kind = 'night' ORDER BY run_id"


def test_rows_after_the_origin_change_nothing(world: World, published: World) -> None:
    """Neither in the source nor taken in by others: here the scrambled days are even known to the database."""
    live = published.as_writer(DIGESTS)[0]
    with changed(world.retail, SCRAMBLED, AS_IT_WAS):
        world.import_days(AFTERWARDS, AFTERWARDS + timedelta(days=3))
        world.night(FIRST_NIGHT, **scheduled(FIRST_NIGHT))
        (found,) = world.as_writer(DIGESTS)
        assert found == live
        changed_night = world.night(AFTERWARDS, **scheduled(AFTERWARDS))  # the scrambling is not without effect
    assert world.run(changed_night["run_id"]).row_digest != published.as_writer(DIGESTS)[1]["row_digest"]


def test_a_model_that_saw_the_future_is_marked_and_left_out(world: World) -> None:
    """A model of the next Monday serves from this Monday on, as an operator may decide."""
    monday = FIRST_NIGHT + timedelta(days=7)
    world.import_days(FIRST_NIGHT, monday)
    for old, new in zip(RECIPE, SMALL, strict=True):
        world.edit("pipeline.yaml", old, new)
    world.edit("pipeline.yaml", "max_iter: 150", "max_iter: 10")
    world.promote(world.train(monday)["version"], TRAINED_THROUGH)
    runs = [world.run(world.night(origin, **scheduled(origin))["run_id"]) for origin in (FIRST_NIGHT, monday)]
    assert [(r.state, r.look_ahead) for r in runs] == [(RunState.PUBLISHED, True), (RunState.PUBLISHED, False)]
    assert not world.as_analyst(f"SELECT * FROM forecast.{PIPELINE}_accuracy")
    shown = world.as_analyst(f"SELECT DISTINCT origin, look_ahead FROM forecast.{PIPELINE}_vs_actual ORDER BY 1")
    assert [s["look_ahead"] for s in shown] == [True, False]
    with world.writing() as tx:
        kinds = {(s.reference, s.kind) for s in scores.of_run(tx, runs[1].run_id) if s.value is not None}
        baselines = scores.past(tx, PIPELINE, monday + timedelta(days=1))
    assert ("same_weekday_8", "measure") in kinds
    assert ("training", "feature") in kinds
    assert ("same_weekday_8", "feature") not in kinds  # the Monday before does not count
    assert {len(values) for identity, values in baselines.items() if identity[1] == "feature"} == {1}
