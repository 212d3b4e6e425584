"""The real steps inside Airflow tasks, on a real database: without a source, and a whole night from files."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import hunting
from nightcast import source, spec
from nightcast.domain.night import RunState
from nightcast.local.postgres import Server
from nightcast.store import layout, migrate, runs
from orchestration.conftest import HERE, ROOT, run_python
from steps.other_worlds import METERS, NIGHTS
from steps.test_sensitive import NEVER, TOO_LONG
from steps.world import Installation
from store.conftest import PASSWORDS, Memory, bare

__all__ = ["bare"]  # a fixture of the store's tests

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]


@pytest.fixture
def installed(bare: Memory) -> Memory:
    """A database with the tables of daily_demand and a live model; the source is not known to anybody."""
    memory = replace(bare, pipeline=spec.load_folder(ROOT / "include/pipelines/daily_demand").pipeline)
    migrate.upgrade(memory.url("nightcast_owner"), "analyst")
    with memory.owning() as tx:
        layout.apply(tx, memory.pipeline, "analyst")
    memory.live_model()
    return memory


@pytest.fixture
def ended(installed: Memory, airflow_environment: Callable[..., dict[str, str]], tmp_path: Path) -> dict[str, Any]:
    """How two nights ended: one that is asked for as it should be, one without a key."""
    env = airflow_environment(
        ROOT / "dags",
        NIGHTCAST_DATABASE_URL=installed.url("nightcast_writer"),
        NIGHTCAST_LAKE=str(tmp_path / "lake"),
        NIGHTCAST_PIPELINES=str(ROOT / "include/pipelines"),
        AIRFLOW_CONN_SHOP="postgres://reader:word@db.example:5433/shop?sslmode=require",
    )
    return nights(env, "daily_demand", ["2011-11-01", None], ["shop", "unknown"])


def nights(env: dict[str, str], pipeline: str, keys: list[str | None], connections: list[str]) -> dict[str, Any]:
    asked = {"pipeline": pipeline, "keys": keys, "connections": connections}
    output = run_python([str(HERE / "real_nights.py")], env, json.dumps(asked))
    found: dict[str, Any] = json.loads(output.rpartition("=== nights ===\n")[2])
    return found


def test_a_night_without_a_source_fails_and_both_records_say_so(ended: dict[str, Any], installed: Memory) -> None:
    night, without_key = ended["nights"]
    assert night["state"] == without_key["state"] == "failed"
    assert night["tasks"]["open_run"] == "success"
    assert night["tasks"]["wait_for_source"] == "failed"
    assert night["tasks"]["publish"] == "upstream_failed"
    assert without_key["tasks"]["open_run"] == "failed"
    assert without_key["tasks"]["monitor_drift"] == without_key["tasks"]["monitor_accuracy"] == "skipped"
    with installed.writing() as tx:
        (run,) = runs.recent(tx, "daily_demand")  # without a key there is no night to open
    assert run.state is RunState.FAILED
    assert run.origin.isoformat() == "2011-11-01"
    assert run.reason is not None
    assert run.reason.startswith("wait_for_source: SettingMissing: source connection 'retail' is unknown")

    # Airflow's Connections are sources too, in the form that SQLAlchemy reads.
    url = "postgresql://reader:word@db.example:5433/shop?sslmode=require"
    assert ended["connections"] == {"shop": url, "unknown": None}


def test_a_night_that_cannot_log_in_tells_nobody_a_secret(
    installed: Memory, airflow_environment: Callable[..., dict[str, str]], server: Server, tmp_path: Path
) -> None:
    """Passwords with signs that URLs, JSON and patterns write otherwise; the source refuses the login."""
    canaries = {
        "source": "s0urce pa/ss:w@rd%41&?#'\"ü",
        "connection": "c0nnection=&%s {}/w0rd",
        "fernet": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "api": "api-canary-" + secrets.token_hex(16),
        "jwt": "jwt-canary-" + secrets.token_hex(48),
    }
    held = canaries | {"writer": PASSWORDS["nightcast_writer"], "metadata": server.password}
    source_url = (
        f"postgresql+psycopg2://nightcast_writer:{quote(canaries['source'], safe='')}@127.0.0.1:{server.port}/x"
    )
    env = airflow_environment(
        ROOT / "dags",
        NIGHTCAST_DATABASE_URL=installed.url("nightcast_writer"),
        NIGHTCAST_LAKE=str(tmp_path / "lake"),
        NIGHTCAST_PIPELINES=str(ROOT / "include/pipelines"),
        NIGHTCAST_SOURCE_RETAIL=source_url,
        AIRFLOW_CONN_SHOP=json.dumps({"conn_type": "postgres", "login": "u", "password": canaries["connection"]}),
        AIRFLOW__CORE__FERNET_KEY=canaries["fernet"],
        AIRFLOW__API__SECRET_KEY=canaries["api"],
        AIRFLOW__API_AUTH__JWT_SECRET=canaries["jwt"],
        AIRFLOW__LOGGING__LOGGING_LEVEL="DEBUG",
    )
    said = said_by_night(env, "daily_demand", "2011-11-01")
    assert b"SourceUnavailable" in said
    assert b"password authentication failed" in said
    assert hunting.in_bytes(said, held) == set()
    assert hunting.in_files([*Path(env["AIRFLOW_HOME"]).rglob("*"), *tmp_path.rglob("*")], held) == {}
    assert hunting.in_database(env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], held) == {}
    assert hunting.in_database(installed.server.url(installed.name), held) == {}
    with installed.writing() as tx:
        (run,) = runs.recent(tx, "daily_demand")
    assert "SourceUnavailable" in str(run.reason)


def said_by_night(env: dict[str, str], pipeline: str, key: str) -> bytes:
    """Everything that a process which runs a night under Airflow writes, logs included."""
    asked = json.dumps({"pipeline": pipeline, "keys": [key], "connections": []})
    command = [sys.executable, str(HERE / "real_nights.py")]
    done = subprocess.run(command, env=env, input=asked.encode(), capture_output=True, check=True, timeout=300)
    return done.stdout + done.stderr


def test_a_stopped_night_tells_nobody_a_sensitive_or_undeclared_value(
    delivering: Installation, copy: Callable[..., Installation], airflow_environment: Callable[..., dict[str, str]]
) -> None:
    """In Airflow's logs, XComs and all of its tables; a check that quotes rows stops the night."""
    world = copy(delivering, lake=True)
    world.edit("expectations.yaml", "rows:\n", f"rows:\n{TOO_LONG}")
    env = airflow_environment(ROOT / "dags", AIRFLOW__LOGGING__LOGGING_LEVEL="DEBUG", **world.environment)
    said = said_by_night(env, world.name, str(NIGHTS[2]))
    assert b"phone_is_short" in said
    assert str(world.last_run().state) == "stopped"
    assert hunting.in_bytes(said, NEVER) == set()
    assert hunting.in_files(Path(env["AIRFLOW_HOME"]).rglob("*"), NEVER) == {}
    assert hunting.in_database(env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], NEVER) == {}
    assert hunting.in_database(world.server.url(world.database), NEVER) == {}


def test_a_pipeline_of_files_is_published_by_airflow(
    metered: Installation,
    copy: Callable[..., Installation],
    airflow_environment: Callable[..., dict[str, str]],
) -> None:
    """Its source is an Airflow Connection, whose extra has the URL and the options of the file system."""
    served, place = copy(metered), metered.sources["meters"]
    extra = {"url": place, "auto_mkdir": False, "secret": "12 & 34?"}
    env = airflow_environment(
        ROOT / "dags",
        AIRFLOW_CONN_METERS=json.dumps({"conn_type": "generic", "extra": extra}),
        **{name: value for name, value in served.environment.items() if name != "NIGHTCAST_SOURCE_METERS"},
    )
    found = nights(env, METERS, [str(NIGHTS[2])], ["meters"])
    (night,) = found["nights"]
    assert night["state"] == "success", night
    assert set(night["tasks"].values()) == {"success"}
    assert {"predict[0]", "predict[1]", "publish", "monitor_accuracy"} <= night["tasks"].keys()
    run = served.last_run()
    assert (run.origin, run.state) == (NIGHTS[2], RunState.PUBLISHED)
    assert found["connections"]["meters"] == place + "?auto_mkdir=false&secret=%2212+%26+34%3F%22"
    declared = served.pipeline.source
    assert declared.files is not None
    read = source.read_files(
        f"{place}?auto_mkdir=false", declared.files, NIGHTS[2], NIGHTS[2] + timedelta(days=1), declared.columns
    )
    assert sum(batch.num_rows for batch in read) == run.pulled
