"""Where and how a try comes to harm: armed in its own process, in front of or behind one of the engine's functions.

The engine has no hooks for this. A point names one of its functions as the caller looks it up, and which call is meant;
an act is what happens there.
"""

from __future__ import annotations

import functools
import importlib
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import psutil
from airflow.sdk.execution_time.timeout import TimeoutPosix


@dataclass(frozen=True)
class Point:
    """A moment: before or after the nth call of a function, or after the nth value of the iterator that it returns."""

    function: str  # module:name of where it is looked up when it is called
    when: str  # before | after | within
    nth: int = 1


LAST_DAY = 4  # of the window: the only one that the lake does not have
POINTS = {
    # every step
    "at its start": Point("nightcast.orchestration.bodies:result_of", "before"),
    "claimed": Point("nightcast.steps.running:pinned_folder", "before"),
    "computed": Point("nightcast.store.fence:own", "before"),
    "writing": Point("nightcast.store.fence:own", "after"),
    "written": Point("nightcast.store.fence:done", "after"),  # before the commit
    "committed": Point("nightcast.orchestration.bodies:result_of", "after"),
    # open_run
    "spec kept": Point("nightcast.lake.objects:Lake.put_json", "after"),
    "opened": Point("nightcast.store.runs:open_run", "after"),
    "unpinned": Point("nightcast.steps.open_run:_pinned", "before"),
    # extract
    "asking the source": Point("nightcast.source.csv_text:batches", "before"),
    "reading": Point("nightcast.steps.extract:rows_of", "within"),
    "object half written": Point("pathlib:Path.rename", "before"),
    "keeping an object": Point("nightcast.lake.objects:Lake.put_file", "before", LAST_DAY),
    "object kept": Point("nightcast.lake.objects:Lake.put_file", "after", LAST_DAY),
    # validate
    "judged": Point("nightcast.steps.validate:_judge", "after"),
    "checking": Point("nightcast.steps.validate:judge_day", "before"),
    "taken in": Point("nightcast.steps.validate:_store", "after"),
    "manifest kept": Point("nightcast.steps.validate:_settle", "before"),
    # predict
    "opening the bundle": Point("nightcast.models:open_bundle", "before"),
    "scoring": Point("nightcast.models:predict", "after"),
    "scored": Point("nightcast.steps.predict:keep", "after"),
    "month made": Point("nightcast.store.predictions:ensure_partition", "after"),
    "in the middle of COPY": Point("nightcast.store.copying:_Stream.readinto", "before", 3),
    "feeding COPY": Point("nightcast.store.copying:_rows", "after"),
    "between COPY and commit": Point("nightcast.store.predictions:copy_in", "after"),
    # audit
    "counting": Point("nightcast.store.predictions:aggregates", "after"),
    # publish
    "publish lock held": Point("nightcast.store.publication:lock_pipeline", "after"),
    "old night withdrawn": Point("nightcast.store.publication:execute", "after", 2),
    "pointer moved": Point("nightcast.store.publication:_move_pointer", "after"),
}


def arm(point: str | None, act: str, parent: Connection) -> None:
    """Let the act happen at the point, in this process, once."""
    found = POINTS[str(point)]
    module, _, path = found.function.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    doing = functools.partial(ACTS[act], parent)
    setattr(owner, name, _wrapped(getattr(owner, name), found, doing))


def _wrapped(real: Callable[..., Any], point: Point, act: Callable[[], Any]) -> Callable[..., Any]:
    calls = 0

    @functools.wraps(real)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        hit = calls == point.nth
        if hit and point.when == "before":
            act()
        result = real(*arguments, **named)
        if hit and point.when == "after":
            changed = act()
            result = changed(result) if changed else result
        return _interrupted(result, act) if hit and point.when == "within" else result

    return wrapper


def _interrupted(values: Any, act: Callable[[], None]) -> Any:
    for number, value in enumerate(values):
        yield value
        if number == 0:
            act()


def _tell(parent: Connection, what: str) -> None:
    parent.send((what, time.time()))


def _kill(parent: Connection) -> None:
    _tell(parent, "acting")
    os.kill(os.getpid(), signal.SIGKILL)


def _terminate(parent: Connection) -> None:
    _tell(parent, "acting")
    os.kill(os.getpid(), signal.SIGTERM)


def _run_out_of_memory(parent: Connection) -> None:
    """A limit a little above what the process has: the next larger allocation fails, whoever asks for it."""
    _tell(parent, "acting")
    limit = psutil.Process().memory_info().vms + (1 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    bytearray(1 << 26)


def _run_out_of_time(parent: Connection) -> None:
    """Airflow's own clock of a task, shorter than the work."""
    _tell(parent, "acting")
    TimeoutPosix(0.05, "the task's time is over").__enter__()
    time.sleep(60)


def _pause(parent: Connection) -> None:
    """Wait until the parent has done what it has to do meanwhile."""
    _tell(parent, "paused")
    parent.recv()


def _no_room(parent: Connection) -> None:
    """A quota on what a process may write: the next larger file fails."""
    _tell(parent, "acting")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))


def _answer(change: Callable[[Any], Any]) -> Callable[[Connection], Callable[[Any], Any]]:
    """The function gives another answer."""

    def act(parent: Connection) -> Callable[[Any], Any]:
        _tell(parent, "acting")
        return change

    return act


def _not_a_number(found: Any) -> Any:
    found[0] = np.nan
    return found


ACTS: dict[str, Callable[[Connection], Any]] = {
    "SIGKILL": _kill,
    "SIGTERM": _terminate,
    "out of memory": _run_out_of_memory,
    "task timeout": _run_out_of_time,
    "pause": _pause,
    "no room": _no_room,
    "a NaN": _answer(_not_a_number),
    "a row less": _answer(lambda found: found[:-1]),
    "always the same": _answer(np.zeros_like),
    "a thousandfold": _answer(lambda found: found * 1000),
}
