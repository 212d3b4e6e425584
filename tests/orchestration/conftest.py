"""Airflow on private databases: migrated once, cloned for whoever needs one. No scheduler ever serves them."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from nightcast.local import postgres

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]


def environment(home: Path, database: str, dags: Path, **more: str) -> dict[str, str]:
    """The environment of a process that runs Airflow: nothing of the developer's own, everything below `home`."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "include"), str(ROOT / "tests")]),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    } | more


def run_python(arguments: list[str], env: dict[str, str], stdin: str | None = None) -> str:
    """The standard output of a Python process; its whole output where it fails."""
    done = subprocess.run(
        [sys.executable, *arguments], env=env, input=stdin, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def airflow_template(server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database that `airflow db migrate` has been over; nobody connects to it again."""
    name = f"airflow_template_{secrets.token_hex(4)}"
    _execute(server, f"CREATE DATABASE {name}")
    home = tmp_path_factory.mktemp("airflow_migrate")
    run_python(["-m", "airflow", "db", "migrate"], environment(home, server.url(name), home))
    return name


@pytest.fixture(scope="session")
def airflow_environment(
    server: postgres.Server, airflow_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, str]]:
    """A function that makes the environment of an Airflow process with a migrated database of its own."""

    def make(dags: Path, **more: str) -> dict[str, str]:
        name = f"airflow_{secrets.token_hex(6)}"
        _execute(server, f"CREATE DATABASE {name} TEMPLATE {airflow_template}")
        return environment(tmp_path_factory.mktemp("airflow"), server.url(name), dags, **more)

    return make


@pytest.fixture(scope="session")
def night_runs(
    airflow_environment: Callable[..., dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function that runs scenarios (see night_runs.py) with Airflow's own code, and tells how they ended."""

    def run(scenarios: dict[str, Any]) -> dict[str, Any]:
        dags = tmp_path_factory.mktemp("dags")
        text = "# airflow dag\nfrom orchestration.sample_pipeline import sample_dags\nsample_dags()\n"
        (dags / "toys.py").write_text(text)
        output = run_python([str(HERE / "night_runs.py")], airflow_environment(dags), json.dumps(scenarios))
        found: dict[str, Any] = json.loads(output.rpartition("=== outcomes ===\n")[2])
        return found

    return run


def _execute(server: postgres.Server, statement: str) -> None:
    connection = psycopg2.connect(host=server.host, port=server.port, user="postgres", password=server.password)
    connection.autocommit = True
    try:
        connection.cursor().execute(statement)
    finally:
        connection.close()
