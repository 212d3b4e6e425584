"""`make soak`: nights in a row with faults at random moments; afterwards the promises are checked over all of them.

One seed gives one plan: which task of which night is hit, how, and at which part of the time that it usually takes.
What the fault meets there depends on the machine. The same nights are made undisturbed beside them, and must come to
the same.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psutil

from faults import truths
from faults.breaking_files import lake_away
from faults.breaking_postgres import connection_cut, server_killed
from faults.nights import TASKS, Course, Scheduler
from faults.reader import Reader
from faults.report import stages
from faults.scene import Scene
from faults.stage import Stage, Undisturbed
from nightcast.domain.night import RunState
from nightcast.errors import NightcastError, NightStopped
from nightcast.steps import reproduce
from nightcast.store import runs
from steps.world import EARLY, World, copied, scheduled

FIRST = date(2011, 1, 17)  # a Monday, when the shop has long been open again
CLEARED_AT_MOST = 5  # times that the operator clears one night
FIRST_GUESS = 0.4  # seconds that a try takes, before one has been seen
Hit = tuple[str, float]  # how, and the part of the try that has passed, from 0 to 1


@dataclass
class Soak:
    """A run of many nights; `plan` says which tries of a night are hit: (task, number of the try) -> how and when."""

    scene: Scene
    random: random.Random
    faults: Counter[str] = field(default_factory=Counter)
    cleared: int = 0
    threads: list[threading.Thread] = field(default_factory=list)
    plan: dict[tuple[str, int], Hit] = field(default_factory=dict)
    happened: list[str] = field(default_factory=list)
    usual: dict[str, float] = field(default_factory=dict)  # seconds of the last undisturbed try of each task
    running: tuple[str, float] | None = None  # the undisturbed try that runs, and when it started
    one: threading.Lock = field(default_factory=threading.Lock)  # a fault at a time

    def night(self, origin: Any) -> str:
        """One night, until it is over; what came of it, in words."""
        scheduler = self.scene.scheduler
        self.plan, self.happened = self._planned(), []
        course = scheduler.run(scheduler.begin(origin))
        for _ in range(CLEARED_AT_MOST):
            if self._over(course):
                break
            self.cleared += 1
            scheduler.run(course, course.broken or "open_run")
        run, said = self._run(course), ", ".join(self.happened)
        why = f" ({run.reason})" if run and run.state is RunState.STOPPED else ""
        return f"{origin}  {run.state if run else 'none':<10} {said or 'undisturbed'}{why}"

    def disturb(self, process: Any, task: str, number: int) -> None:
        """Called when a try has been started: let the planned fault happen beside it."""
        hit, now = self.plan.pop((task, number), None), time.monotonic()
        if self.running:  # it has ended: a task starts as soon as the one before it is over
            self.usual[self.running[0]] = now - self.running[1]
        self.running = None if hit or self.threads else (task, now)
        if hit is None:
            return
        how, part = hit
        after = part * self.usual.get(task, FIRST_GUESS)
        self.faults[how] += 1
        self.happened.append(f"{how} at {task} after {after:.2f} s")
        thread = threading.Thread(target=self._later, args=(HITS[how], process, after), daemon=True)
        thread.start()
        self.threads.append(thread)

    def settle(self) -> None:
        """Wait until nothing is broken any more."""
        while self.threads:
            self.threads.pop().join()

    def _planned(self) -> dict[tuple[str, int], Hit]:
        count = self.random.choices((0, 1, 2, 3), (1, 3, 2, 1))[0]
        places = [(self.random.choice(TASKS), self.random.choice((1, 1, 1, 2))) for _ in range(count)]
        return {at: (self.random.choice(tuple(HITS)), self.random.random()) for at in places}

    def _later(self, hit: Callable[[Scene, Any], None], process: Any, after: float) -> None:
        time.sleep(after)
        with self.one:
            hit(self.scene, process)

    def _over(self, course: Course) -> bool:
        self.settle()
        run = self._run(course)
        return run is not None and run.state in (RunState.PUBLISHED, RunState.STOPPED)

    def _run(self, course: Course) -> runs.Run | None:
        with self.scene.world.writing() as tx:
            return runs.find(tx, self.scene.world.name, str(course.request["scheduler_run_id"]))


def _kill(_: Scene, process: Any) -> None:
    process.kill()


def _terminate(_: Scene, process: Any) -> None:
    process.terminate()


def _stand_still(_: Scene, process: Any) -> None:
    """As under a machine that swaps; then it goes on."""
    try:
        found = psutil.Process(process.pid)
        found.suspend()
        time.sleep(0.5)
        found.resume()
    except psutil.NoSuchProcess:
        pass


def _for_a_while(condition: Any, seconds: float) -> Callable[[Scene, Any], None]:
    def hit(scene: Scene, _: Any) -> None:
        with condition(scene, True):
            time.sleep(seconds)

    return hit


HITS: dict[str, Callable[[Scene, Any], None]] = {
    "SIGKILL": _kill,
    "SIGTERM": _terminate,
    "stand still": _stand_still,
    "connections cut": _for_a_while(connection_cut, 0),
    "Postgres killed": _for_a_while(server_killed, 0.2),
    "lake away": _for_a_while(lake_away, 0.3),
}


def main(arguments: Sequence[str]) -> int:
    """Run the nights; 0 where all promises hold."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--nights", type=int, default=60)
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args(arguments)
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1_000_000)
    print(f"seed={seed}; the same plan again: make soak ARGS='--seed {seed} --nights {asked.nights}'", flush=True)
    with stages() as made, ExitStack() as held:
        world = held.enter_context(copied(made.early, made.place / "soak", lake=True))
        world.import_days(EARLY + timedelta(days=1), FIRST - timedelta(days=2))
        world.night(FIRST - timedelta(days=1))  # so that readers have something to lose
        twin = held.enter_context(copied(world, made.place / "twin", lake=True))
        nothing = Undisturbed(digest="", checks=frozenset())
        stage = Stage(tonight=FIRST, retail=world.retail, cluster=made.cluster, before={}, undisturbed=nothing)
        return soaked(stage, world, twin, made.place / "soak", random.Random(seed), asked.nights, seed)


def soaked(stage: Stage, world: World, twin: World, place: Path, dice: random.Random, nights: int, seed: int) -> int:
    """The nights, disturbed and undisturbed, and what holds of them."""
    scheduler = Scheduler(world=world, log=place / "tries.log")
    course = scheduler.begin(stage.tonight)
    with ExitStack() as aside:
        scene = Scene(world=world, stage=stage, scheduler=scheduler, course=course, place=place, aside=aside)
        soak = Soak(scene=scene, random=dice)
        scheduler.started.append(soak.disturb)
        with Reader(world.url("analyst"), world.name, tuple(world.pipeline.keys)) as reader:
            for number in range(nights):
                print(soak.night(stage.tonight + timedelta(days=number)), flush=True)
            soak.settle()
            reader.until(2)
    found = truths.of(world, reader)
    found.wrong += _beside_undisturbed(stage, world, twin, nights)
    reproduced, published = _reproduced(world, found)
    print(*(f"WRONG: {wrong}" for wrong in found.wrong), sep="\n")
    print(f"faults: {', '.join(f'{how} {count}' for how, count in sorted(soak.faults.items()))}")
    print(
        f"nights={nights} faults={soak.faults.total()} cleared={soak.cleared} published={published} "
        f"reproduced={reproduced} partial_reads={found.partial} lost_rows={found.lost} "
        f"duplicate_rows={found.duplicate} wrong={len(found.wrong)} seed={seed}"
    )
    return 1 if found.wrong else 0


def _beside_undisturbed(stage: Stage, world: World, twin: World, nights: int) -> list[str]:
    """The same nights without a fault: the same states and rows."""
    wrong = []
    for number in range(nights):
        origin = stage.tonight + timedelta(days=number)
        with suppress(NightStopped):
            twin.night(origin, **scheduled(origin))
        ended = []
        for each in (world, twin):
            with each.writing() as tx:
                run = runs.recent(tx, each.name, runs.RunKind.NIGHT, origin=origin)[0]
            ended.append((str(run.state), run.row_digest))
        if ended[0] != ended[1]:
            wrong.append(f"{origin} came to {ended[0]}; undisturbed to {ended[1]}")
    return wrong


def _reproduced(world: World, found: truths.Found) -> tuple[int, int]:
    """P4 and P5: from the pins of each published run the same rows come out again."""
    with world.writing() as tx:
        shown = [r for r in runs.recent(tx, world.name, runs.RunKind.NIGHT, 1000) if r.state is RunState.PUBLISHED]
    same = 0
    for run in shown:
        try:
            again = reproduce.run(run.run_id, world.rooms)
        except NightcastError as error:
            found.wrong.append(f"run {run.run_id} of {run.origin} cannot be reproduced: {error}")
            continue
        same += again.identical
        found.holds(again.identical, f"run {run.run_id} of {run.origin} is not reproduced")
    return same, len(shown)
