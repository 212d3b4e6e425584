"""Thirty pipelines due at the same minute, under this project's own Airflow on one machine."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from benchmarks import growth, predict
from benchmarks.generated import fill
from benchmarks.harness import MIB, Line, Progress, measure
from benchmarks.place import FOLDERS, PIPELINE, Place
from nightcast import spec
from nightcast.local import airflow, environment, supervise
from nightcast.local.daemon import pid_file
from nightcast.local.state import Local
from nightcast.settings import from_environment
from nightcast.store import connect, fence, layout, migrate, runs

PIPELINES, FEW = 30, 2
ARTICLES, SALES, HISTORY = 400, 200, 63  # in all; lines a day; days
LONGEST = 1800.0  # seconds
LOOK_EVERY = 2.0  # seconds; looking costs, too
STEPS = 9  # tasks of a night with one shard


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """What thirty nights took. `ready` has, of every task, the seconds between what it waits for and its start."""

    wall: float
    cpu: float
    memory: float
    idle: float
    ours: float
    nights: Mapping[str, float]
    ready: Sequence[float]


def lines(place: Place, sizes: list[int], runs: int, progress: Progress) -> list[Line]:
    """Sizes below 100,000 rows make two pipelines of thirty. Measured once: every night is a run by itself."""
    del runs
    count = FEW if sizes[0] < 100_000 else PIPELINES
    names = [f"demand_{n:02d}" for n in range(count + 1)]
    with _machine(place, names, progress) as local:
        progress("fleet: one night alone")
        alone = _due(local, names[:1], progress)
        progress(f"fleet: {count} nights at once")
        found = _due(local, names[1:], progress)
    return _said(found, alone, count)


def _said(found: Fleet, alone: Fleet, count: int) -> list[Line]:
    common: dict[str, Any] = {"subject": "fleet"}
    ended = sorted(found.nights.values())
    tasks = f"{STEPS} tasks a night, each a process of its own; the engine's own part is in `run_step`"
    return [
        Line(name=f"{count} nights due at once: time until the last is published", unit="s", ours=found.wall,
             other=count * alone.wall, against=f"one night alone, {count} times", goal=1.0, **common),
        Line(name=f"{count} nights due at once: the last published, after they fell due", unit="s", ours=ended[-1],
             other=statistics.median(ended), against="the middle one", **common),
        Line(name=f"{count} nights due at once: longest wait of a task that could start", unit="s",
             ours=max(found.ready), other=statistics.median(found.ready), against="the median task", **common),
        Line(name=f"{count} nights due at once: memory of everything, Postgres included", unit="MiB",
             ours=found.memory, other=found.idle, against="the idle machine", note="PSS: shared pages count once",
             **common),
        Line(name="a night of many: CPU of all processes", unit="CPU-s", ours=found.cpu / count,
             other=found.ours / count, against="our own steps", note=tasks, **common),
        Line(name="a night alone: CPU of all processes", unit="CPU-s", ours=alone.cpu, other=alone.ours,
             against="our own steps", note=tasks, **common),
    ]  # fmt: skip


@contextmanager
def _machine(place: Place, names: list[str], progress: Progress) -> Iterator[Local]:
    """Airflow healthy, every pipeline with its history and a live model, all of them paused."""
    home = place.folder / "fleet"
    origin = datetime.now(UTC).date() - timedelta(days=1)
    source = place.database()
    fill(source, days=HISTORY + 1, per_day=SALES, keys=ARTICLES, first=origin - timedelta(days=HISTORY))
    _folders(home / "pipelines", names, origin)
    user = environment.inherited(os.environ) | {
        "NIGHTCAST_STATE": str(home / "state"),
        "NIGHTCAST_PIPELINES": str(home / "pipelines"),
        "NIGHTCAST_SOURCE_GENERATED": source,
        "NIGHTCAST_CODE_COMMIT": "benchmark",
    }
    try:
        local = supervise.start_postgres(user, progress=progress)
        _prepare(local, names, origin, predict.model_of(str(place.folder)), progress)
        supervise.start_airflow(local, progress)
        supervise.wait_healthy(local, progress)
        _until(lambda: {_dag(name) for name in names} <= set(airflow.client(local).dag_ids()), 300)
        yield local
    finally:
        supervise.remove(user, progress)


def _folders(folder: Path, names: list[str], origin: date) -> None:
    """The generated pipeline once under each name, whose first night is the one that is due."""
    for name in names:
        shutil.copytree(FOLDERS / PIPELINE, folder / name)
        file = folder / name / "pipeline.yaml"
        schedule = f'{{cron: "0 0 * * *", timezone: UTC, first_night: {origin}, catch_up_days: 14, ready_by: "06:00"}}'
        file.write_text(re.sub(r"^schedule:.*$", f"schedule: {schedule}", file.read_text(), flags=re.MULTILINE))


def _prepare(local: Local, names: list[str], origin: date, model: str, progress: Progress) -> None:
    """Tables, history and model of each pipeline, two at a time."""
    settings = environment.shell_environment(local, {})
    window = {"first": origin - timedelta(days=HISTORY), "last": origin - timedelta(days=1)}
    asked = {"environment": settings, "model": model} | {name: day.isoformat() for name, day in window.items()}
    migrate.upgrade(settings["NIGHTCAST_OWNER_URL"])
    with connect.transaction(settings["NIGHTCAST_OWNER_URL"]) as tx:
        for name in names:
            layout.apply(tx, spec.load_folder(Path(settings["NIGHTCAST_PIPELINES"]) / name).pipeline)
    progress(f"fleet: importing {HISTORY} days for each of {len(names)} pipelines")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: measure(growth.imported, pipeline=name, **asked), names))


def _due(local: Local, names: Sequence[str], progress: Progress) -> Fleet:
    """Let the pipelines run, and wait until each has published the night that is due."""
    client, told = airflow.client(local), time.monotonic()
    with _watched(local) as watched:
        begun, at = time.monotonic(), datetime.now(UTC)
        for name in names:
            client.pause(_dag(name), paused=False)
        ended: dict[str, dict[str, Any]] = {}
        while len(ended) < len(names):
            found = client.call("GET", "/dags/~/dagRuns", limit=1000, state=list(airflow.OVER))["dag_runs"]
            over = {run["dag_id"]: run for run in found}
            ended = {name: over[_dag(name)] for name in names if _dag(name) in over}
            if time.monotonic() - told > 20:
                told = time.monotonic()
                progress(f"fleet: {len(ended)} of {len(names)} nights have ended")
            if time.monotonic() - begun > LONGEST:
                raise RuntimeError(f"after {LONGEST:g} s only {len(ended)} of {len(names)} nights have ended")
            time.sleep(LOOK_EVERY)
        wall = time.monotonic() - begun
    after = {name: (_moment(run["end_date"]) - at).total_seconds() for name, run in ended.items()}
    ready = [wait for name, run in ended.items() for wait in _waits(client.tasks(_dag(name), run["dag_run_id"]))]
    ours = _own_seconds(local, names)
    return Fleet(wall=wall, nights=after, ready=ready, ours=ours, **watched)


def _waits(tasks: Sequence[Mapping[str, Any]]) -> list[float]:
    """Seconds from the end of each task to the start of the next; monitors run beside each other and are left out."""
    chain = [t for t in tasks if not t["task_id"].startswith("monitor_") and t["start_date"] and t["end_date"]]
    chain.sort(key=lambda t: str(t["start_date"]))
    return [
        max(0.0, (_moment(after["start_date"]) - _moment(before["end_date"])).total_seconds())
        for before, after in pairwise(chain)
    ]


def _own_seconds(local: Local, names: Sequence[str]) -> float:
    """CPU seconds of our own steps. RuntimeError: a night is not published."""
    settings = from_environment(environment.shell_environment(local, {}))
    total = 0.0
    with connect.transaction(settings.database_url) as tx:
        for name in names:
            (night,) = runs.recent(tx, name, runs.RunKind.NIGHT)
            if night.state is not runs.RunState.PUBLISHED:
                raise RuntimeError(f"the night of {name} is {night.state}: {night.reason}")
            total += sum(a.cpu_seconds or 0.0 for a in fence.attempts(tx, night.run_id))
    return total


@contextmanager
def _watched(local: Local) -> Iterator[dict[str, float]]:
    """Memory and CPU of the supervisor and everything below it: idle at the start, the peak, and what was used."""
    top, over = psutil.Process(int(pid_file(local).read_text())), threading.Event()
    found = {"idle": _memory(top), "memory": 0.0, "cpu": _cpu(top)}

    def look() -> None:
        while not over.wait(LOOK_EVERY):
            found["memory"] = max(found["memory"], _memory(top))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()
        found["cpu"] = _cpu(top) - found["cpu"]


def _tree(top: psutil.Process) -> list[psutil.Process]:
    return [top, *top.children(recursive=True)]


def _memory(top: psutil.Process) -> float:
    total = 0
    for process in _tree(top):
        with suppress(psutil.Error):  # it has ended meanwhile
            total += process.memory_full_info().pss
    return total / MIB


def _cpu(top: psutil.Process) -> float:
    """Seconds of processes that live, and of those that ended and were waited for."""
    total = 0.0
    for process in _tree(top):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _until(condition: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"Airflow does not know all DAGs after {seconds:g} s")
        time.sleep(1)


def _dag(name: str) -> str:
    return f"{name}_inference"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
