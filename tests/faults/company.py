"""Others who are at work: further runs of tonight, other nights, other pipelines, a try that was believed lost."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from faults.nights import Course, Scheduler
from faults.scene import Scene, until
from faults.stage import BEFORE, TONIGHT
from nightcast.store import connect, layout
from steps.world import EARLY, FIRST_DAY, RECIPE, SMALL


@contextmanager
def beside(scene: Scene, which: Mapping[str, Any]) -> Iterator[None]:
    """A whole run of a night, tonight's or one some days away, by another name."""
    course = _another(scene, which)
    scene.scheduler.run(course)
    assert "failed" not in {task.state for task in course.tasks.values()}, course.tasks
    yield


@contextmanager
def waiting(scene: Scene, which: Mapping[str, Any]) -> Iterator[None]:
    """The same, and it comes to wait for what the paused night holds."""
    course = _another(scene, which)
    thread = threading.Thread(target=scene.scheduler.run, args=(course,), daemon=True)
    thread.start()
    held_up = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{}'"
    until(lambda: scene.looked_up(held_up.format(scene.world.database))["n"], "the other night waits", 60)
    yield
    thread.join()


@contextmanager
def lost(_: Scene, __: Any) -> Iterator[str]:
    """Airflow believes that the paused process is lost; it goes on once the next try has ended."""
    yield "lost"


@contextmanager
def second_pipeline(scene: Scene, name: str) -> Iterator[None]:
    """A pipeline of the same make in the same database comes from nothing to its first night."""
    shutil.copytree(scene.world.folder / scene.world.name, scene.world.folder / name)
    other = replace(scene.world, name=name)
    with connect.transaction(other.url("nightcast_owner")) as tx:
        layout.apply(tx, other.pipeline)
    other.import_days(FIRST_DAY, EARLY)
    for old, new in zip(RECIPE, SMALL, strict=True):
        other.edit("pipeline.yaml", old, new)
    other.train(EARLY)
    other.import_days(EARLY + timedelta(days=1), TONIGHT + BEFORE[-1])
    course = Scheduler(world=other, log=scene.scheduler.log)
    assert course.run(course.begin(scene.stage.tonight)).broken is None
    yield


def _another(scene: Scene, which: Mapping[str, Any]) -> Course:
    origin: date = scene.stage.tonight + timedelta(days=which.get("days", 0))
    return scene.scheduler.begin(origin, which.get("name", "manual"))


CONDITIONS = {"beside": beside, "waiting": waiting, "lost": lost, "second pipeline": second_pipeline}
