"""Airflow from outside: its database, its health, and its REST interface. Airflow itself is not imported."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

import psycopg2

from nightcast.errors import NotFound, Permanent, Transient
from nightcast.local.state import Local, write_private

HEALTHY = ("metadatabase", "scheduler", "triggerer", "dag_processor")
NOT_SINCE: Mapping[str, float] = {}
TIMEOUT = 10.0  # seconds
OVER = ("success", "failed")
_opener = build_opener(ProxyHandler({}))  # a proxy of the user's must not see what stays on this machine


class Client:
    """Airflow's REST interface as one user.

    Raises:
        Transient: it does not answer.
        Permanent: it refuses; the message holds its reason.
        NotFound: there is no such thing.
    """

    def __init__(self, url: str, user: str, password: str):
        self.url, self._user, self._password = url, user, password
        self._token = ""

    def login(self) -> None:
        """Get a token: only the Airflow that knows our generated password gives one."""
        given = {"username": self._user, "password": self._password}
        self._token = self._send("POST", "/auth/token", given, authorised=False)["access_token"]

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """One request below `/api/v2`, logged in, and once more where the token has run out."""
        target = f"/api/v2{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        if not self._token:
            self.login()
        try:
            return self._send(method, target, body)
        except _TokenRefused:
            self.login()
            return self._send(method, target, body)

    def health(self, since: Mapping[str, float] = NOT_SINCE) -> dict[str, str]:
        """Status of each component; empty where nobody answers. Airflow says 200 even when all is broken.

        `since` maps a component to the second of its start. Airflow calls a dead one healthy until half a minute after
        its last heartbeat; here it is `starting` until a heartbeat comes that is younger than its start.
        """
        try:
            found = self._send("GET", "/api/v2/monitor/health", authorised=False)
        except (Transient, Permanent):
            return {}
        statuses: dict[str, str] = {}
        for name in HEALTHY:
            part = found.get(name) or {}
            beat = part.get(f"latest_{name}_heartbeat")
            late = name in since and (not beat or datetime.fromisoformat(beat).timestamp() < since[name])
            statuses[name] = "starting" if late and part.get("status") == "healthy" else str(part.get("status"))
        return statuses

    def is_ours(self) -> bool:
        """Whether what answers is our Airflow: it takes our generated password."""
        try:
            self.login()
        except (Transient, Permanent):
            return False
        return True

    def dag_ids(self) -> list[str]:
        """The DAGs that Airflow has seen."""
        return [dag["dag_id"] for dag in self.call("GET", "/dags", limit=1000)["dags"]]

    def import_errors(self) -> dict[str, str]:
        """File -> error of the DAG files that could not be read."""
        found = self.call("GET", "/importErrors", limit=1000)["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in found}

    def pause(self, dag: str, paused: bool = True) -> None:
        """Pause a DAG, or let it run."""
        self.call("PATCH", f"/dags/{_part(dag)}", {"is_paused": paused}, update_mask="is_paused")

    def trigger(
        self,
        dag: str,
        *,
        partition_key: str | None = None,
        conf: Mapping[str, Any] | None = None,
        note: str | None = None,
    ) -> str:
        """Ask for a run, of a partition where the DAG has them; the run's id."""
        body: dict[str, Any] = {"logical_date": None}
        given = {"partition_key": partition_key, "conf": dict(conf) if conf else None, "note": note}
        body |= {name: value for name, value in given.items() if value is not None}
        return str(self.call("POST", f"/dags/{_part(dag)}/dagRuns", body)["dag_run_id"])

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """Runs of a DAG, the oldest first."""
        found = self.call("GET", f"/dags/{_part(dag)}/dagRuns", limit=1000, order_by="run_after")
        runs: list[dict[str, Any]] = found["dag_runs"]
        return runs

    def run(self, dag: str, run: str) -> dict[str, Any]:
        """One run."""
        found: dict[str, Any] = self.call("GET", f"/dags/{_part(dag)}/dagRuns/{_part(run)}")
        return found

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """Task instances of a run."""
        path = f"/dags/{_part(dag)}/dagRuns/{_part(run)}/taskInstances"
        tasks: list[dict[str, Any]] = self.call("GET", path, limit=1000)["task_instances"]
        return tasks

    def is_idle(self) -> bool:
        """Whether no task is running in any DAG; False where Airflow does not say."""
        try:
            path = "/dags/~/dagRuns/~/taskInstances"
            return int(self.call("GET", path, state="running", limit=1)["total_entries"]) == 0
        except (Transient, Permanent):
            return False

    def clear(self, dag: str, run: str) -> None:
        """Let a whole run be done again."""
        self.call("POST", f"/dags/{_part(dag)}/dagRuns/{_part(run)}/clear", {"dry_run": False, "only_failed": False})

    def wait(
        self, dag: str, run: str, seconds: float, tick: Callable[[dict[str, Any]], None] = lambda _: None
    ) -> dict[str, Any]:
        """The run once it is over. `tick` is called at every look, about twice a second.

        Raises:
            Transient: it is not over after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while True:
            found = self.run(dag, run)
            if found["state"] in OVER:
                return found
            if time.monotonic() > deadline:
                raise Transient(
                    f"{dag} {run} is {found['state']} after {seconds:g} s; expected it to be over. Look at {self.url}"
                )
            tick(found)
            time.sleep(0.5)

    def _send(self, method: str, target: str, body: Mapping[str, Any] | None = None, authorised: bool = True) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if authorised:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + target, data, headers, method=method)  # noqa: S310 - the URL is http://127.0.0.1
        try:
            with _opener.open(request, timeout=TIMEOUT) as answer:
                return json.loads(answer.read() or b"{}")
        except HTTPError as error:
            raise _meaning(error, method, target) from None
        except (URLError, OSError, ValueError) as error:
            raise Transient(f"Airflow does not answer at {self.url}: {error}. `make status` shows what runs") from None


class _TokenRefused(Permanent):
    """The token has run out, or was given by an earlier Airflow."""


def _meaning(error: HTTPError, method: str, target: str) -> Exception:
    said = error.read().decode(errors="replace")[:500]
    found = f"Airflow answered {method} {target} with {error.code}: {said}"
    if error.code >= 500:
        return Transient(found)
    return {401: _TokenRefused, 404: NotFound}.get(error.code, Permanent)(found)


def client(local: Local, user: str = "admin") -> Client:
    """The REST interface of this machine's Airflow."""
    return Client(local.api_url, user, local.login(user))


def migrate(local: Local, environment: Mapping[str, str]) -> bool:
    """Bring Airflow's database to the installed version; False where it was there already.

    Raises:
        Permanent: `airflow db migrate` failed; the message holds the end of what it said.
    """
    file, wanted = local.folder / "airflow-database.json", version("apache-airflow-core")
    done = json.loads(file.read_text()) if file.exists() else {}
    if done.get("version") == wanted and done.get("head") == _head(environment):
        return False
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    ran = subprocess.run(command, env=dict(environment), cwd=local.folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise Permanent(f"`airflow db migrate` failed:\n{(ran.stdout + ran.stderr)[-3000:]}")
    made = {"version": wanted, "head": _head(environment), "at": datetime.now(UTC).isoformat()}
    write_private(file, json.dumps(made))
    return True


def _head(environment: Mapping[str, str]) -> str | None:
    """The migration that Airflow's database is at; None for an empty one."""
    url = environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("postgresql+psycopg2:", "postgresql:", 1)
    with closing(psycopg2.connect(url, connect_timeout=10)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('alembic_version') IS NOT NULL")
        if cursor.fetchone() == (False,):
            return None
        cursor.execute("SELECT version_num FROM alembic_version")
        found = cursor.fetchone()
        return str(found[0]) if found else None


def _part(text: str) -> str:
    return quote(text, safe="")
