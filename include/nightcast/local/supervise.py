"""One machine, up and down: Postgres and Airflow's components under a supervisor that restarts them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nightcast.errors import StoreUnavailable, Transient
from nightcast.local import airflow, databases, environment, postgres, worker
from nightcast.local.component import COMPONENTS, DRAIN_OF_TASKS
from nightcast.local.daemon import Kept, State, Supervisor, configuration
from nightcast.local.keeper import sweep
from nightcast.local.place import Place, place_of
from nightcast.local.state import Local, existing, locked, move_ports, open_state, port_is_free

Progress = Callable[[str], None]
HEALTHY_WITHIN = 180.0  # seconds
POSTGRES_WITHIN = 120.0  # it may have to recover from a crash first
PATIENCE = DRAIN_OF_TASKS + 30.0  # with keepers whose supervisor was killed, and who are stopping
KEEP_PARSING_LOGS = 14 * 86_400.0
AIRFLOW = ("api-server", "triggerer", "dag-processor", "scheduler")


@dataclass(frozen=True)
class Part:
    """A component for `status`: what the supervisor says, and what Airflow says (empty for those it does not know)."""

    name: str
    state: str
    pid: int
    health: str


def up(
    user: Mapping[str, str] = os.environ, extra: Mapping[str, str] | None = None, progress: Progress = print
) -> Local:
    """Start everything and return when it is healthy. Safe to repeat: what runs already is left alone.

    `user` holds the caller's variables (those of `.env` are added), `extra` ones for the components that win.

    Raises:
        Transient: a part did not become healthy; the message says which log to read.
        SettingMissing: a setting cannot be used.
    """
    local = start_postgres(user, extra, progress)
    start_airflow(local, progress)
    wait_healthy(local, progress)
    return local


def start_postgres(
    user: Mapping[str, str] = os.environ, extra: Mapping[str, str] | None = None, progress: Progress = print
) -> Local:
    """The first half of `up`: the supervisor, Postgres with its roles and databases, and every setting written."""
    user = environment.user_environment(user)
    worker.check_broker(user)
    local = open_state(user)
    with locked(local.folder / "up.lock"):
        local = _supervised(local, user, extra or {}, progress)
        place = place_of(local, user)
        admin_url = place.admin_url or _start_embedded(local)
        databases.ensure(local, admin_url, user, shared=not place.embedded)
    return local


def start_airflow(local: Local, progress: Progress = print) -> None:
    """The second half of `up`: Airflow's database and components. It does not wait for them; see `wait_healthy`."""
    settings = environment.load(local)["components"]
    with locked(local.folder / "up.lock"):
        environment.write_passwords(local)
        forget_old_logs(local)
        if airflow.migrate(local, environment.inherited(os.environ) | settings):
            progress("Airflow's database is migrated")
        supervisor = Supervisor(local)
        for name in airflow_parts(settings):
            supervisor.run(name)


def airflow_parts(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Airflow's components under these settings: with a broker, a worker too."""
    return (*AIRFLOW, "worker") if "AIRFLOW__CELERY__BROKER_URL" in settings else AIRFLOW


def wait_healthy(local: Local, progress: Progress = print, seconds: float = HEALTHY_WITHIN) -> None:
    """Return when all of Airflow's components are healthy, and the answering Airflow is ours.

    Raises:
        Transient: they are not after `seconds`.
    """
    client, supervisor, settings = airflow.client(local), Supervisor(local), environment.load(local)["components"]
    parts = airflow_parts(settings)
    judged = (*airflow.HEALTHY, *(part for part in parts if part not in AIRFLOW))
    begun, told = time.monotonic(), time.monotonic()
    while True:
        states = supervisor.states()
        health = _health(local, settings, states)
        lacking = [name for name in judged if health.get(name) != "healthy"]
        lacking += [name for name in parts if name not in states or states[name].state != "RUNNING"]
        if not lacking and client.is_ours():
            return
        now = time.monotonic()
        if now - begun > seconds:
            raise Transient(
                f"not healthy after {seconds:g} s: {', '.join(dict.fromkeys(lacking)) or 'login'}; "
                f"read the logs in {local.logs}"
            )
        if now - told > 5:
            progress(f"waiting for {', '.join(dict.fromkeys(lacking))} ({now - begun:.0f} s)")
            told = now
        time.sleep(0.25)


def _health(local: Local, settings: Mapping[str, str], states: Mapping[str, State]) -> dict[str, str]:
    """What Airflow says of its components, and whether the worker answers; empty where Airflow does not."""
    health = airflow.client(local).health({name.replace("-", "_"): found.since for name, found in states.items()})
    broker = settings.get("AIRFLOW__CELERY__BROKER_URL")
    if health and broker:
        health["worker"] = "healthy" if worker.answers(broker, worker.name(local)) else "no answer"
    return health


def down(user: Mapping[str, str] = os.environ, progress: Progress = print) -> bool:
    """Stop everything that `up` started, and only that; False where nothing ran.

    The scheduler is first: it waits for the running tasks, which need the others.
    """
    local = existing(environment.user_environment(user))
    if local is None:
        return False
    with locked(local.folder / "up.lock"):
        supervisor = Supervisor(local)
        ran = supervisor.answers()
        if ran:
            _stop_all(supervisor, progress)
        ended = supervisor.end()
        return sweep(local.run, PATIENCE) or ended or ran


def status(user: Mapping[str, str] = os.environ) -> list[Part]:
    """What runs; an empty list where the supervisor does not."""
    local = existing(environment.user_environment(user))
    if local is None or not (supervisor := Supervisor(local)).answers():
        return []
    states = supervisor.states()
    health = _health(local, environment.load(local)["components"], states)
    known = {"api-server": "healthy" if health else "no answer", "postgres": health.get("metadatabase", "")}
    known |= {name.replace("_", "-"): found for name, found in health.items()}
    return [Part(name, s.state, s.pid, known.get(name, "")) for name, s in states.items()]


def remove(user: Mapping[str, str] = os.environ, progress: Progress = print) -> None:
    """Stop everything and delete the state: Postgres with all that is in it, lake, logs, passwords.

    On a Postgres that was there before us, the roles and databases that carry our mark are dropped.
    """
    user = environment.user_environment(user)
    local = existing(user)
    if local is None:
        return
    down(user, progress)
    place = place_of(local, user)
    if place.admin_url:
        progress(f"dropped {', '.join(databases.drop(local, place.admin_url))}")
    postgres.remove(local.postgres)
    shutil.rmtree(local.folder)


def _supervised(local: Local, user: Mapping[str, str], extra: Mapping[str, str], progress: Progress) -> Local:
    """A supervisor with today's settings; one with others is stopped first."""
    supervisor, started_with = Supervisor(local), local.folder / "started-with"
    if supervisor.answers():
        if started_with.exists() and started_with.read_text() == _fingerprint(local, user, extra):
            return local
        progress("the settings have changed: starting again with the new ones")
        _stop_all(supervisor, progress)
    supervisor.end()
    sweep(local.run, PATIENCE)
    if taken := [name for name, port in local.ports.items() if not port_is_free(port)]:
        local = move_ports(local, taken)
        progress(f"other programs use the ports of {', '.join(taken)}; now they are {dict(local.ports)}")
    for folder in (local.logs, local.airflow_home):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = environment.component_settings(local, user, extra)
    environment.save(local, settings, environment.owner_settings(local, user))
    ours = environment.process_settings(local, user) | {"NIGHTCAST_STATE": str(local.folder)}
    text = configuration(local, _kept(place_of(local, user), settings))
    Supervisor(local).start(text, environment.inherited(user) | ours)
    started_with.write_text(_fingerprint(local, user, extra))
    return local


def _kept(place: Place, settings: Mapping[str, str]) -> list[Kept]:
    command = (sys.executable, "-m", "nightcast.local.component")
    names = (("postgres",) if place.embedded else ()) + airflow_parts(settings)
    parts = [part for part in COMPONENTS.values() if part.name in names]
    return [Kept(part.name, (*command, part.name), part.rank, part.drain) for part in parts]


def _fingerprint(local: Local, user: Mapping[str, str], extra: Mapping[str, str]) -> str:
    """What running components depend on: their settings and the installed packages."""
    components = environment.component_settings(local, user, extra)
    settings = components | environment.owner_settings(local, user)
    ours = {
        name: value
        for name, value in settings.items()
        if name.startswith(("NIGHTCAST_", "AIRFLOW", "OMP_", "MIMALLOC_"))
    }
    parts = [
        configuration(local, _kept(place_of(local, user), components)),
        repr(sorted(ours.items())),
        (local.checkout / "requirements.txt").read_text(),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def forget_old_logs(local: Local) -> None:
    """Delete what Airflow writes at every look at a DAG file, in a folder a day, and never deletes itself."""
    for day in (local.logs / "airflow/dag_processor").glob("20*-*-*"):
        if time.time() - day.stat().st_mtime > KEEP_PARSING_LOGS:
            shutil.rmtree(day)


def _start_embedded(local: Local) -> str:
    """Start the embedded Postgres under the supervisor; its superuser's URL once it answers."""
    Supervisor(local).run("postgres")
    deadline = time.monotonic() + POSTGRES_WITHIN
    while time.monotonic() < deadline:
        if server := postgres.running(local.postgres):
            return server.url()
        time.sleep(0.1)
    raise StoreUnavailable(
        f"Postgres does not answer after {POSTGRES_WITHIN:g} s; expected it on port {local.ports['postgres']}. "
        f"Read {local.logs / 'postgres.log'}"
    )


def _stop_all(supervisor: Supervisor, progress: Progress) -> None:
    """Stop in the order in which the parts need each other, then the supervisor."""
    for names in (("scheduler",), ("worker",), ("triggerer", "dag-processor", "api-server"), ("postgres",)):
        for name in names:
            supervisor.ask_to_stop(name)
        begun, tell_at = time.monotonic(), 3.0
        while left := [name for name in names if supervisor.is_alive(name)]:
            if time.monotonic() - begun > tell_at:
                progress(f"waiting for {', '.join(left)} to finish ({tell_at:.0f} s)")
                tell_at += 10
            time.sleep(0.1)
    supervisor.shut_down()
