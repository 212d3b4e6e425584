"""Plays one fault: the world stands before a task, the fault happens, the night comes to its verdict, it is mended."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults import truths
from faults.catalogue import Fault, in_words
from faults.conditions import CONDITIONS
from faults.nights import Course, Scheduler, Trap
from faults.reader import Reader
from faults.scene import Scene
from faults.stage import Stage, checks_of
from nightcast.domain.night import RunState
from nightcast.store import publication, runs
from steps.world import Installation

STOPPING, NOTED = {"fail", "error"}, {"warn", "quarantine"}


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The night at its verdict, in the words of the catalogue."""

    run: str
    told: tuple[str, ...]
    tries: int | None
    readers: str

    def __str__(self) -> str:
        told = f", {' '.join(self.told)}" if self.told else ""
        return f"{in_words(self.run, self.tries)}{told}, readers {self.readers}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a fault came to. Seconds: from the fault to the verdict; from the operator's move (or, without one, from the
    fault) to the night published.
    """

    fault: Fault
    observed: Observed
    verdict: float
    recovery: float | None
    found: truths.Found
    wrong: Sequence[str] = field(default_factory=list)

    @property
    def as_expected(self) -> bool:
        return not self.wrong


def play(fault: Fault, stage: Stage, place: Path) -> Outcome:
    """Play a fault on a copy of the stage."""
    with ExitStack() as held:
        world, course = held.enter_context(stage.at(fault.task, place, source=_touches_source(fault)))
        aside = held.enter_context(ExitStack())
        scheduler = Scheduler(world=world, log=place / "tries.log", hours=fault.hours)
        scene = Scene(world=world, stage=stage, scheduler=scheduler, course=course, place=place, aside=aside)
        trouble = held.enter_context(ExitStack())
        reader = held.enter_context(Reader(world.url("analyst"), world.name, tuple(world.pipeline.keys)))
        reader.until(2)
        _enter(trouble, fault.before, scene)
        if fault.point is None:
            _enter(trouble, fault.world, scene)
            if fault.heals == "at once":
                trouble.close()
        begun = time.time()
        scheduler.run(course, fault.task, _trap(fault, scene, trouble))
        begun, judged = course.acted[0] if course.acted else begun, time.time()
        if course.broken is None:
            reader.until(2)  # an answer that was asked for after the publication
        seen = "new" if stage.tonight in {night.origin for night in reader.all[-1]} else "old"
        trouble.close()
        observed = _observe(fault, course, world, stage, seen)
        healed = time.time()
        _mend(fault, scene)
        reader.until(2)
        found = truths.of(world, reader)
        wrong = [*_differences(fault, observed), *_in_the_end(fault, world, stage), *found.wrong]
        published = _published(world, stage)
    since = begun if fault.expect.mended == "by itself" else healed
    recovery = max(0.0, published - since) if published else None
    return Outcome(fault=fault, observed=observed, verdict=judged - begun, recovery=recovery, found=found, wrong=wrong)


def _published(world: Installation, stage: Stage) -> float | None:
    """When tonight was published: seconds of the clock."""
    with world.writing() as tx:
        shown = publication.current(tx, world.name, stage.tonight)
    return shown.published_at.timestamp() if shown else None


def _touches_source(fault: Fault) -> bool:
    return any(name.startswith(("source", "file")) for name in (*fault.before, *fault.world))


def _enter(trouble: ExitStack, conditions: Mapping[str, Any], scene: Scene) -> str | None:
    """Break the world; the word "lost" where the process is to be believed so."""
    words = [trouble.enter_context(CONDITIONS[name](scene, argument)) for name, argument in conditions.items()]
    return "lost" if "lost" in words else None


def _trap(fault: Fault, scene: Scene, trouble: ExitStack) -> Trap:
    def paused(_: object) -> str | None:
        word = _enter(trouble, fault.world, scene)
        if fault.heals == "at once":
            trouble.close()
        return word

    def again() -> None:
        if fault.heals == "retry":
            trouble.close()

    hits = fault.hits if fault.point else 0
    return Trap(task=fault.task, point=fault.point, act=fault.act, hits=hits, paused=paused, again=again)


def _observe(fault: Fault, course: Course, world: Installation, stage: Stage, seen: str) -> Observed:
    with world.writing() as tx:
        run = runs.find(tx, world.name, str(course.request["scheduler_run_id"]))
    task = course.tasks.get(fault.task)
    return Observed(
        run=str(run.state) if run else "none",
        told=tuple(_told(course, world, run, stage, fault)),
        tries=task.tries if task else None,
        readers=seen,
    )


def _told(course: Course, world: Installation, run: runs.Run | None, stage: Stage, fault: Fault) -> list[str]:
    """Classes of errors, without the one that only says that a check stopped the night; then the checks."""
    broken = course.broken or fault.task
    errors = dict.fromkeys(e for n in (fault.task, broken) if n in course.tasks for e in course.tasks[n].errors)
    checks = checks_of(world, run.run_id) if run else set()
    states = STOPPING if run and run.state is RunState.STOPPED else STOPPING | NOTED
    unusual = sorted({check for check, state in checks - stage.undisturbed.checks if state in states})
    return [*(e for e in errors if e != "NightStopped"), *unusual]


def _mend(fault: Fault, scene: Scene) -> None:
    """What the operator does."""
    how, scheduler, course = fault.expect.mended, scene.scheduler, scene.course
    if how == "clear" and course.broken:
        scheduler.run(course, course.broken)
    elif how == "clear cause":
        scheduler.run(course, fault.task)
    elif how == "clear all":
        scheduler.run(course, "open_run")
    elif how == "run again":
        scene.others.append(scheduler.run(scheduler.begin(course.origin, "manual")))


def _differences(fault: Fault, observed: Observed) -> list[str]:
    expected = fault.expect
    wanted = Observed(run=expected.run, told=tuple(expected.told), tries=expected.tries, readers=expected.readers)
    return [] if wanted == observed else [f"expected {wanted}; observed {observed}"]


def _in_the_end(fault: Fault, world: Installation, stage: Stage) -> list[str]:
    """Tonight is published with the rows and the revision that it should have."""
    expected = fault.expect
    with world.writing() as tx:
        latest = runs.latest(tx, world.name, stage.tonight)
    if expected.mended == "never":
        return [f"published in the end: {latest}"] if latest else []
    if latest is None:
        return ["tonight is not published in the end"]
    query = f"SELECT DISTINCT revision FROM forecast.{world.name}_history WHERE origin = '{stage.tonight}'"
    revision = world.as_analyst(query)
    wrong = []
    if (latest.row_digest == stage.undisturbed.digest) != (expected.rows == "same"):
        wrong.append(f"tonight's rows: expected the {expected.rows} as undisturbed; found {latest.row_digest}")
    if revision != [{"revision": expected.revision}]:
        wrong.append(f"tonight's revision: expected {expected.revision}; found {revision}")
    return wrong
