"""Measuring a piece of work in a process of its own, and what came out of it as lines of a table.

A task is a generator function: what comes before its one `yield` is preparation, what comes after it is measured.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nightcast.local.environment import library_settings

ROOT = Path(__file__).resolve().parents[1]
FLAT = 1.25  # what "does not grow" means: at most a quarter more for many times the work
MIB = 1 << 20

Task = Callable[..., Iterator[None]]
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a task took of this machine: CPU seconds (user and system) of its process, MiB of memory at the peak above
    what it held before, seconds on the clock, and what it returned."""

    cpu: float
    memory: float
    wall: float
    answer: Any = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """One comparison: a cost of ours, beside another. `goal` is what `ratio` may be at most; None: only reported.

    `runs` says over how many runs `ours` is a median. Numbers are None where nothing was measured; `note` says why.
    """

    subject: str
    name: str
    unit: str  # CPU-s | s | MiB
    ours: float | None
    other: float | None
    against: str
    goal: float | None = None
    runs: int = 1
    note: str = ""
    ratio: float | None = field(init=False)
    met: bool | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratio", ratio_of(self.ours, self.other))
        object.__setattr__(self, "met", met_by(self.ratio, self.goal))


def flatness(subject: str, found: Mapping[int, Mapping[str, Cost]]) -> list[Line]:
    """What our memory at the largest size is beside that at the smallest; nothing where there is one size."""
    small, large = min(found), max(found)
    if small == large:
        return []
    name = f"{subject}: memory at {in_words(large)} rows, beside {in_words(small)}"
    ours = found[large]["ours"].memory, found[small]["ours"].memory
    against = f"itself at {in_words(small)}"
    return [Line(subject=subject, name=name, unit="MiB", ours=ours[0], other=ours[1], against=against, goal=FLAT)]


def ratio_of(ours: float | None, other: float | None) -> float | None:
    """Ours over the other's, where both are there."""
    return None if ours is None or other is None or other <= 0 else round(ours / other, 3)


def met_by(ratio: float | None, goal: float | None) -> bool | None:
    """Whether a ratio meets its goal; None where there is no goal or no ratio."""
    return None if goal is None or ratio is None else ratio <= goal


def measure(task: Task, **arguments: Any) -> Cost:
    """Run a task in a fresh process, its libraries set as in Airflow's tasks. Its arguments and its answer are JSON.

    Raises:
        RuntimeError: the process failed; what it said is in the message.
    """
    asked = {"module": task.__module__, "task": task.__name__, "arguments": arguments}
    path = os.pathsep.join([str(ROOT), str(ROOT / "include")])
    environment = os.environ | library_settings(os.environ) | {"PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.measured"],
        input=json.dumps(asked),
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{task.__module__}.{task.__name__} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def side_by_side(runs: int, **tasks: Callable[[], Cost]) -> dict[str, Cost]:
    """The medians of each task over some rounds; in a round each runs once, so that they share the machine's moods."""
    found: dict[str, list[Cost]] = {name: [] for name in tasks}
    for _ in range(runs):
        for name, run in tasks.items():
            found[name].append(run())
    return {name: median(costs) for name, costs in found.items()}


def median(costs: Sequence[Cost]) -> Cost:
    """Each number's own median, and the last answer."""
    middle = {name: statistics.median(getattr(c, name) for c in costs) for name in ("cpu", "memory", "wall")}
    return Cost(**middle, answer=costs[-1].answer)


def in_words(rows: int) -> str:
    """1000000 -> 1 M."""
    for size, unit in ((1_000_000, " M"), (1_000, " k")):
        if rows >= size:
            return f"{rows / size:g}{unit}"
    return str(rows)
