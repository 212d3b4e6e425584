"""The supervised Postgres of one machine, for real; Airflow's half is in the end-to-end test."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest

from nightcast.local import environment, postgres, supervise
from nightcast.local.daemon import pid_file
from nightcast.local.keeper import alive
from nightcast.local.place import place_of
from nightcast.local.state import Local

pytestmark = pytest.mark.postgres


def quiet(_: str) -> None:
    """Say nothing."""


@pytest.fixture
def user(state_folder: Path) -> Iterator[dict[str, str]]:
    """The caller's variables; whatever was started with them is stopped."""
    found = dict(os.environ) | {"NIGHTCAST_STATE": str(state_folder)}
    yield found
    supervise.remove(found, quiet)


def login(local: Local, database: str = "nightcast", role: str = "nightcast_writer") -> psycopg2.extensions.connection:
    url = place_of(local, {}).url(role, local.password(role), database)
    return psycopg2.connect(url.replace("+psycopg2", ""))


def processes(local: Local) -> list[psutil.Process]:
    top = psutil.Process(int(pid_file(local).read_text()))
    return [top, *top.children(recursive=True)]


def listening(processes: list[psutil.Process]) -> set[str]:
    """Addresses on which they listen; some of them live only for a moment."""
    found = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found |= {c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    return found


def postmaster(local: Local) -> psutil.Process:
    return psutil.Process(int((local.postgres / "data/postmaster.pid").read_text().split()[0]))


def test_postgres_up_killed_up_down_and_removed(
    user: dict[str, str], until: Callable[..., None], state_folder: Path
) -> None:
    local = supervise.start_postgres(user, progress=quiet)
    with closing(login(local, "retail", "source_owner")) as connection, connection:
        connection.cursor().execute("CREATE TABLE kept AS SELECT 1 AS x")
    first = postmaster(local)

    assert supervise.start_postgres(user, progress=quiet) == local  # again: nothing is done
    assert postmaster(local) == first
    assert listening(processes(local)) == {"127.0.0.1"}

    os.kill(first.pid, signal.SIGKILL)
    until(lambda: not alive(first) and postgres.running(local.postgres))
    with closing(login(local, "retail", "source_owner")) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT x FROM kept")
        assert cursor.fetchone() == (1,)

    everything = processes(local)
    assert supervise.down(user, quiet)
    assert not [process for process in everything if alive(process)]
    assert not supervise.down(user, quiet)
    assert supervise.status(user) == []

    assert supervise.start_postgres(user, progress=quiet) == local  # the ports are kept
    supervise.remove(user, quiet)
    assert not state_folder.exists()


def test_new_settings_start_the_machine_again_and_foreign_ports_are_left(user: dict[str, str]) -> None:
    told: list[str] = []
    local = supervise.start_postgres(user, progress=told.append)
    before = processes(local)
    again = supervise.start_postgres(user | {"NIGHTCAST_LAKE": "s3://bucket"}, progress=told.append)
    assert again == local
    assert not any(alive(process) for process in before)
    assert environment.load(local)["components"]["NIGHTCAST_LAKE"] == "s3://bucket"
    assert any("settings have changed" in line for line in told)

    supervise.down(user, quiet)
    with socket.socket() as foreign:
        foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        foreign.bind(("127.0.0.1", local.ports["postgres"]))
        foreign.listen()
        moved = supervise.start_postgres(user, progress=told.append)
        assert moved.ports["postgres"] != local.ports["postgres"]
        assert moved.ports["api"] == local.ports["api"]
        assert any("ports of postgres" in line for line in told)
    with closing(login(moved)) as connection:
        assert connection.status == psycopg2.extensions.STATUS_READY


def test_an_existing_postgres_is_used_and_not_stopped(user: dict[str, str], cluster: postgres.Server) -> None:
    user = user | {"NIGHTCAST_POSTGRES_URL": cluster.url()}
    local = supervise.start_postgres(user, progress=quiet)
    assert "postgres" not in {part.name for part in supervise.status(user)}
    assert f":{cluster.port}/nightcast" in environment.load(local)["components"]["NIGHTCAST_DATABASE_URL"]
    assert not local.postgres.exists()
    supervise.remove(user, quiet)
    with closing(psycopg2.connect(cluster.url().replace("+psycopg2", ""))) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname IN ('nightcast', 'airflow', 'retail')")
        assert cursor.fetchone() == (0,)
