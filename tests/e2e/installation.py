"""One real machine for the end-to-end tests: Postgres and Airflow under our supervisor, the excerpt as source."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from demo.retail_source import EXCERPT
from nightcast.demo import replay, source
from nightcast.demo.calendar import trading_days
from nightcast.domain.night import RunKind
from nightcast.local import airflow, environment, postgres, supervise
from nightcast.local.daemon import Supervisor, pid_file
from nightcast.local.place import place_of
from nightcast.local.state import CHECKOUT, Local
from nightcast.store import connect, runs
from nightcast.store.queries import rows

PIPELINE = "daily_demand"
INFERENCE, RETRAINING = f"{PIPELINE}_inference", f"{PIPELINE}_retraining"
COMPONENTS = ("postgres", *supervise.AIRFLOW)
HISTORY = timedelta(days=240)  # imported before the first night; all 23 months would take a minute more

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Calendar:
    """Where the replayed data stand at the machine's own time."""

    shift_days: int
    first_night: date

    @property
    def nights(self) -> list[date]:
        """Every origin that is due by now; one more where a test runs past the schedule's time."""
        last = replay.anchor(datetime.now(UTC)).last_due_origin
        return [self.first_night + timedelta(days=n) for n in range((last - self.first_night).days + 1)]

    @property
    def open_nights(self) -> list[date]:
        """Those of them on which the shop was open."""
        return [night for night in self.nights if is_open(night, self.shift_days)]


@dataclass(frozen=True)
class Installation:
    """What runs, and short ways to look at it. `extra` is what the components are given beside the user's settings."""

    local: Local
    user: Mapping[str, str]
    extra: Mapping[str, str]
    calendar: Calendar
    progress: Progress

    @property
    def client(self) -> airflow.Client:
        """Airflow's REST interface as its administrator."""
        return airflow.client(self.local)

    @property
    def server(self) -> postgres.Server:
        """The embedded Postgres, with its superuser's password."""
        found = postgres.running(self.local.postgres)
        assert found is not None, f"Postgres is not running; see {self.local.logs}"
        return found

    def url(self, role: str, database: str = "nightcast") -> str:
        """A role's login."""
        return place_of(self.local, {}).url(role, self.local.password(role), database)

    def read(self, query: str, role: str = "nightcast_writer", **parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query as one of our roles."""
        with connect.transaction(self.url(role)) as tx:
            return rows(tx, query, parameters)

    def digest(self, query: str) -> str:
        """SHA-256 of what an analyst who copies the query's rows gets."""
        with closing(psycopg2.connect(dsn(self.url("analyst")))) as connection, connection.cursor() as cursor:
            copied = io.BytesIO()
            cursor.copy_expert(f"COPY ({query}) TO STDOUT", copied)
            return hashlib.sha256(copied.getvalue()).hexdigest()

    def night(self, scheduler_run_id: str) -> runs.Run:
        """Our record of one of Airflow's runs."""
        with connect.transaction(self.url("nightcast_writer")) as tx:
            found = runs.find(tx, PIPELINE, scheduler_run_id)
        assert found is not None, f"no night was opened by {scheduler_run_id}"
        return found

    def recorded(self, kind: RunKind) -> list[runs.Run]:
        """Our runs of a kind, newest first."""
        with connect.transaction(self.url("nightcast_writer")) as tx:
            return runs.recent(tx, PIPELINE, kind)

    def command(self, *arguments: str) -> str:
        """What a `nightcast` command prints; it must end well."""
        done = subprocess.run(
            [sys.executable, "-m", "nightcast.cli", *arguments],
            env=environment.shell_environment(self.local, os.environ),
            cwd=self.local.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"nightcast {arguments} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def ended(self, dag: str, run: str, seconds: float = 300) -> str:
        """How a run of Airflow's ended."""
        state: str = self.client.wait(dag, run, seconds)["state"]
        self.progress(f"{run}: {state}")
        return state

    def task_states(self, run: str, dag: str = INFERENCE) -> dict[str, str]:
        """Task -> state in Airflow."""
        return {task["task_id"]: task["state"] for task in self.client.tasks(dag, run)}

    def task_log(self, run: str, task: str, attempt: int = 1) -> str:
        """The log of one try, as Airflow keeps it."""
        below = self.local.logs / "airflow" / f"dag_id={INFERENCE}" / f"run_id={run}" / f"task_id={task}"
        return "".join(file.read_text() for file in below.rglob(f"attempt={attempt}.log"))

    def processes(self) -> list[psutil.Process]:
        """The supervisor and everything below it."""
        top = psutil.Process(int(pid_file(self.local).read_text()))
        return [top, *top.children(recursive=True)]

    def below(self, component: str) -> list[psutil.Process]:
        """What the keeper of a component has started."""
        return psutil.Process(Supervisor(self.local).states()[component].pid).children(recursive=True)


def bring_up(folder: Path, user: Mapping[str, str], progress: Progress) -> Installation:
    """Everything up to the moment before the first training: history imported, Airflow healthy, both DAGs there."""
    calendar = _calendar()
    extra = _settings(_code(folder), calendar.first_night)
    local = supervise.start_postgres(user, extra, progress)
    made = Installation(local, user, extra, calendar, progress)
    source.load(made.url("source_owner", "retail"), "source_reader", EXCERPT, calendar.shift_days, progress)
    made.command("db", "apply")
    supervise.start_airflow(local, progress)
    first, last = calendar.first_night - HISTORY, calendar.first_night - timedelta(days=1)
    progress(f"importing {first} to {last}, first night {calendar.first_night}")
    made.command("import", PIPELINE, "--first", first.isoformat(), "--last", last.isoformat())
    progress("the history is imported")
    supervise.wait_healthy(local, progress, 300)
    until(lambda: {INFERENCE, RETRAINING} <= set(made.client.dag_ids()), "both DAGs are known to Airflow")
    progress("Airflow is healthy")
    return made


def is_open(day: date, shift_days: int) -> bool:
    """Whether the shop traded on the day that a replayed one stands for."""
    original = day - timedelta(days=shift_days)
    return trading_days(original, original)[0].open


def dsn(url: str) -> str:
    """An SQLAlchemy URL for the driver itself."""
    return url.replace("+psycopg2", "", 1)


def until(condition: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """Wait for a condition and return it; it must come, however slow the machine is."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not so after {seconds:g} s: {what}"
        time.sleep(0.1)
    return found


def _calendar() -> Calendar:
    """The last nights of which two are open days: two nights, and three around the closed Saturday."""
    anchor = replay.anchor(datetime.now(UTC))
    first, opened = anchor.last_due_origin, 0
    while (opened := opened + is_open(first, anchor.shift_days)) < 2:
        first -= timedelta(days=1)
    return Calendar(anchor.shift_days, first)


def _code(folder: Path) -> Path:
    """A copy of the code to run: a night refuses to go on with other code, and somebody may be editing ours."""
    code = folder / "code"
    for part in ("include", "dags", "plugins"):
        shutil.copytree(CHECKOUT / part, code / part, ignore=shutil.ignore_patterns("__pycache__"))
    return code


def _settings(code: Path, first_night: date) -> dict[str, str]:
    return {
        "PYTHONPATH": str(code / "include"),
        "NIGHTCAST_PIPELINES": str(code / "include/pipelines"),
        "NIGHTCAST_CODE_COMMIT": "test",
        f"NIGHTCAST_FIRST_NIGHT_{PIPELINE.upper()}": first_night.isoformat(),
        "AIRFLOW__CORE__DAGS_FOLDER": str(code / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(code / "plugins"),
        # A lost worker is noticed after half a minute instead of more than one.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    }
