"""The parts of one machine, and what the supervisor runs for each: `python -m nightcast.local.component NAME`.

A part waits for what it needs, then its program runs in the foreground under a keeper.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg2

from nightcast.errors import NightcastError, SettingMissing
from nightcast.local import airflow, environment, postgres, worker
from nightcast.local.keeper import Keeper, Program
from nightcast.local.state import Local, existing

# Without the flag, it serves its logs on all network interfaces. The others spare a chat among workers at every start.
WORKER = ("--skip-serve-logs", "--without-mingle", "--without-gossip")
DRAIN_OF_TASKS = 120.0  # seconds: longer than the longest shard; a task that takes longer is tried again after a start


@dataclass(frozen=True)
class Component:
    """A part: the program's arguments after `airflow`, what it waits for, and how long it may take to stop.

    Parts with a lower `rank` are needed by those with a higher one, and are stopped after them.
    """

    name: str
    rank: int
    drain: float
    needs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


COMPONENTS = {
    part.name: part
    for part in (
        Component("postgres", 1, 60.0),
        Component("api-server", 2, 20.0, ("postgres",), ("api-server",)),
        # Without the flag, these two serve their logs on all network interfaces.
        Component("triggerer", 3, 5.0, ("postgres",), ("triggerer", "--skip-serve-logs")),
        Component("dag-processor", 3, 20.0, ("postgres",), ("dag-processor",)),
        # A task that starts while the api-server does not answer is lost, hence the wait.
        Component("scheduler", 4, DRAIN_OF_TASKS, ("postgres", "api-server"), ("scheduler", "--skip-serve-logs")),
        # Only where a broker is named. It stops after the scheduler, and first ends the tasks that it has begun.
        Component("worker", 3, DRAIN_OF_TASKS, ("postgres", "api-server"), ("celery", "worker", *WORKER)),
    )
}


def main() -> int:
    """Keep the part that the command line names."""
    part = COMPONENTS[sys.argv[1]]
    local = existing()
    if local is None:
        raise SettingMissing("there is no state folder; expected NIGHTCAST_STATE to name one that `make demo` made")
    keeper = Keeper(part.name, local.run)
    keeper.take_over()
    settings = environment.load(local)["components"]
    inherited = environment.inherited(os.environ)
    waiting_for = ""
    while not keeper.should_stop():
        lacking = next((need for need in part.needs if not _is_there(need, local, settings)), None)
        if lacking is None:
            keeper.keep(_program(part, local, inherited | settings))
            break
        if lacking != waiting_for:
            keeper.say(f"waits for {lacking}")
            waiting_for = lacking
        keeper.pause(0.25)
    return 0


def _program(part: Component, local: Local, settings: Mapping[str, str]) -> Program:
    if part.name == "postgres":
        cluster = postgres.foreground(local.postgres, local.ports["postgres"])
        # SIGINT is its fast shutdown: sessions are ended, nothing committed is lost.
        # Run in the root folder: user nobody may be kept out of any other.
        return Program(cluster.command, cluster.environment, Path("/"), signal.SIGINT, part.drain, cluster.identity)
    server = airflow.client(local)
    named = ("--celery-hostname", worker.name(local)) if part.name == "worker" else ()
    return Program(
        [sys.executable, "-m", "airflow", *part.arguments, *named],
        settings,
        local.airflow_home,
        drain=part.drain,
        # LocalExecutor's end counts its workers while the first of them leave, and may wait for one that nobody told:
        # when it is asked to stop, and also by itself when it has lost its database.
        at_rest=server.is_idle if part.name == "scheduler" else None,
        well=partial(_worker_is_well, local, settings)
        if part.name == "worker"
        else partial(_is_well, part.name.replace("-", "_"), server),
    )


def _is_well(name: str, server: airflow.Client, begun: float) -> bool:
    """Whether a part of Airflow has had a heartbeat since its start; taken for granted while nobody can tell."""
    health = server.health({name: begun})
    if name == "api_server":
        return bool(health)
    return health.get("metadatabase") != "healthy" or health.get(name) == "healthy"


def _worker_is_well(local: Local, settings: Mapping[str, str], _: float) -> bool:
    """Whether the worker answers; taken for granted while the broker does not, for its tasks may go on."""
    return worker.answers(settings["AIRFLOW__CELERY__BROKER_URL"], worker.name(local)) is not False


def _is_there(need: str, local: Local, settings: Mapping[str, str]) -> bool:
    """Whether what a part needs answers, and is ours: it knows our passwords."""
    if need == "postgres":
        return postgres_answers(settings["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    server = airflow.client(local)
    return server.health().get("metadatabase") == "healthy" and server.is_ours()


def postgres_answers(url: str) -> bool:
    """Whether a login to this database succeeds."""
    try:
        with closing(psycopg2.connect(url.replace("postgresql+psycopg2:", "postgresql:", 1), connect_timeout=5)):
            return True
    except psycopg2.OperationalError:
        return False


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NightcastError as error:  # the supervisor tries again
        sys.exit(str(error))
