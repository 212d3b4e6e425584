"""Another family of models, by nothing but its declaration: trained, registered, run for a night and reproduced."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pytest

from nightcast import models as models_room
from nightcast.domain.night import RunKind, RunState
from nightcast.steps import reproduce
from nightcast.store import models
from steps.world import EARLY, FOLDERS, PIPELINE, RECIPE, SMALL, World, scheduled

pytestmark = pytest.mark.postgres

PAGE = FOLDERS.parents[1] / "docs" / "how-to" / "use-lightgbm.md"


def documented() -> str:
    """The model that the documentation gives as an example."""
    return PAGE.read_text().partition("```yaml\n")[2].partition("```")[0]


def declared() -> str:
    """The model of the pipeline as it is declared, up to its scale."""
    text = (FOLDERS / PIPELINE / "pipeline.yaml").read_text()
    return text[text.index("  family:") : text.index("  scale: {")]


def test_a_pipeline_with_lightgbm_has_the_same_life(early: World, copy: Any) -> None:
    world: World = copy(early)
    for old, new in zip(RECIPE, SMALL, strict=True):
        world.edit("pipeline.yaml", old, new)
    world.edit("pipeline.yaml", declared(), documented())

    trained, again = world.train(EARLY), world.train(EARLY)
    assert (again["version"], again["bundle"]) == (trained["version"], trained["bundle"])  # to the byte
    with world.writing() as tx:
        made = models.get(tx, PIPELINE, trained["version"])
    opened = models_room.open_bundle(world.rooms.lake.get(made.bundle_digest), made.bundle_digest)
    assert opened.family == "lightgbm"
    assert opened.trained_with["lightgbm"] == version("lightgbm")
    assert 0 < made.metrics["calibration_wape"] < made.metrics["seasonal_naive_wape"]
    assert world.last_run(RunKind.TRAINING).environment["lightgbm"] == version("lightgbm")

    world.promote(made.version, EARLY)
    night = world.night(EARLY, **scheduled(EARLY))
    run = world.run(night["run_id"])
    assert (run.state, run.model_version) == (RunState.PUBLISHED, made.version)
    assert run.environment["lightgbm"] == version("lightgbm")
    for threads, shards in ((1, 1), (2, 3)):
        found = reproduce.run(run.run_id, world.rooms, threads=threads, shards=shards)
        assert found.identical, (threads, shards)
        assert found.differences == ()


def test_a_night_of_another_family_does_not_say_lightgbm(early: World, copy: Any) -> None:
    world: World = copy(early)
    night = world.night(EARLY, **scheduled(EARLY))
    assert "lightgbm" not in world.run(night["run_id"]).environment
