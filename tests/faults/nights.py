"""Airflow's part of a night: which task is next, what becomes of a try, and whether another one follows.

Every try is a process of its own (`attempts`). How often, and after which errors, a task is tried again is what the DAG
itself says (`orchestration.retries`); only the waiting between two tries is left out.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import Any

from faults.tries import Ended, Try, run
from nightcast.steps import sequence
from steps.world import Installation, asked, scheduled

ROOT = Path(__file__).resolve().parents[2]
CHAIN = ("open_run", *sequence.BEFORE_PREDICT, "predict", *sequence.AFTER_PREDICT)
TASKS = (*CHAIN, *sequence.MONITORS)
PATIENCE = 120.0  # seconds after which a try is given up, and the harness with it
FORKING = multiprocessing.get_context("forkserver")


@contextmanager
def forge(home: Path) -> Iterator[None]:
    """The parent that has imported the engine; ended with what it forked."""
    given = dict(os.environ)
    os.environ |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "include"), str(ROOT / "tests")]),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONWARNINGS": "ignore:resource_tracker",  # of what killed processes leave
    }
    FORKING.set_forkserver_preload(["faults.attempts"])
    try:
        forkserver.ensure_running()
        yield
    finally:
        os.environ.clear()
        os.environ |= given
        forkserver._forkserver._stop()


def tries_of_a_task() -> int:
    """How often a task is tried at most. Imported late: Airflow has an opinion on every process's log."""
    from nightcast.orchestration.retries import RETRIES

    return 1 + RETRIES


@dataclass
class Task:
    """What became of a task, over all its tries."""

    state: str = "none"
    tries: int = 0
    errors: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


@dataclass
class Course:
    """A night so far. `night` is what `open_run` handed on."""

    request: Mapping[str, Any]
    origin: date
    night: Mapping[str, Any] | None = None
    tasks: dict[str, Task] = field(default_factory=dict)
    acted: list[float] = field(default_factory=list)  # when faults came into effect

    @property
    def broken(self) -> str | None:
        """The first task that did not end well."""
        return next((name for name in CHAIN if name in self.tasks and self.tasks[name].state != "success"), None)


@dataclass(frozen=True, kw_only=True)
class Trap:
    """A fault in the process of a task. `paused` is called while it waits there; it may return the word "lost" to let
    Airflow believe so. `again` is called before another try.
    """

    task: str
    point: str | None = None
    act: str = "pause"
    hits: int = 1
    paused: Callable[[Any], str | None] = lambda _: None
    again: Callable[[], None] = lambda: None


@dataclass(frozen=True, kw_only=True)
class Scheduler:
    """Runs the nights of an installation. `orphans` holds processes that were left running, with their pipes."""

    world: Installation
    log: Path
    hours: float = 0.0
    extra: dict[str, str] = field(default_factory=dict)  # environment that differs from the installation's
    started: list[Callable[[Any, str, int], None]] = field(default_factory=list)  # told: process, task, number of try
    orphans: list[tuple[Any, Any]] = field(default_factory=list)

    def begin(self, origin: date, name: str = "scheduled") -> Course:
        """A night that has not been opened."""
        request = asked(origin, pipeline=self.world.name, **scheduled(origin))
        return Course(request=request | {"scheduler_run_id": f"{name}__{origin}"}, origin=origin)

    def run(self, course: Course, first: str = "open_run", trap: Trap | None = None) -> Course:
        """The tasks from `first` on; after one that failed only the monitors."""
        for name in CHAIN[CHAIN.index(first) if first in CHAIN else len(CHAIN) :]:
            course.tasks[name] = task = self.task(course, name, trap)
            if task.state != "success":
                break
        for name in sequence.MONITORS if course.night else ():
            if first not in sequence.MONITORS or name == first:
                course.tasks[name] = self.task(course, name, trap)
        return course

    def task(self, course: Course, name: str, trap: Trap | None = None) -> Task:
        """All tries of a task, and of all its shards."""
        task = Task()
        shards = range(course.night["shards"]) if name == "predict" and course.night else [None]
        for shard in shards:
            self._tries(course, name, shard, task, trap if trap and trap.task == name else None)
            if task.state != "success":
                break
        return task

    def _tries(self, course: Course, name: str, shard: int | None, task: Task, trap: Trap | None) -> None:
        last = tries_of_a_task()
        for number in range(1, last + 1):
            if number > 1 and trap:
                trap.again()
            ended = self.attempt(course, name, shard, number, trap if trap and number <= trap.hits else None)
            task.tries += 1
            task.state = ended.state
            if ended.acted:
                course.acted.append(ended.acted)
            if ended.error:
                task.errors.append(ended.error)
                task.messages.append(ended.message)
            if name == "open_run" and ended.state == "success":
                course.night = ended.result
            if ended.state not in ("up_for_retry", "up_for_reschedule", "lost"):
                break
        task.errors += [str(orphan.error) for orphan in self._release()]
        task.state = "failed" if task.state == "lost" else task.state

    def attempt(self, course: Course, name: str, shard: int | None, number: int, trap: Trap | None) -> Ended:
        """One try, to its end."""
        told = Try(
            task=name,
            number=number,
            last=tries_of_a_task(),
            request=course.request,
            night=course.night,
            shard=shard,
            origin=course.origin,
            hours=self.hours,
            environment=self.world.environment | self.extra,
            log=self.log,
            point=trap.point if trap else None,
            act=trap.act if trap else "",
        )
        here, there = FORKING.Pipe()
        process = FORKING.Process(target=run, args=(told, there), daemon=True)
        process.start()
        there.close()
        for tell in self.started:
            tell(process, name, number)
        return self._listen(process, here, trap)

    def _listen(self, process: Any, here: Any, trap: Trap | None) -> Ended:
        acted, end = None, time.monotonic() + PATIENCE
        while True:
            if not connection.wait([here, process.sentinel], timeout=max(0.0, end - time.monotonic())):
                process.kill()
                raise AssertionError(f"a try did not end within {PATIENCE:.0f} s; see {self.log}")
            said = None
            if here.poll():
                with suppress(EOFError):
                    said = here.recv()
            if isinstance(said, Ended):
                process.join()
                return replace(said, acted=acted)
            if said is None:
                process.join()
                return Ended(state="lost", acted=acted)
            acted = said[1]
            if said[0] == "paused" and trap:
                if trap.paused(process) == "lost":
                    self.orphans.append((process, here))
                    return Ended(state="lost", acted=acted)
                with suppress(OSError):  # it was killed meanwhile
                    here.send("go on")

    def _release(self) -> list[Ended]:
        """Let the orphans go on to their end; what became of them."""
        ended = []
        while self.orphans:
            process, here = self.orphans.pop()
            here.send("go on")
            ended.append(self._listen(process, here, None))
        return ended
