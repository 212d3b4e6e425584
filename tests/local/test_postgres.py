"""The embedded Postgres: starting, keeping, recovering, stopping."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import psycopg2
import pytest

from nightcast.local import postgres

pytestmark = pytest.mark.postgres


@pytest.fixture
def root(enterable: Path) -> Path:
    return enterable / "cluster"


def connect(server: postgres.Server, **extra: str) -> psycopg2.extensions.connection:
    login = {"host": server.host, "port": server.port, "user": "postgres", "password": server.password} | extra
    return psycopg2.connect(**login)


def test_start_twice_is_one_server_and_restart_keeps_port_and_rows(root: Path) -> None:
    first = postgres.start(root)
    try:
        assert postgres.start(root) == first
        with connect(first) as connection:
            connection.cursor().execute("CREATE TABLE kept (x int); INSERT INTO kept VALUES (1)")
        assert postgres.stop(root)
        assert postgres.running(root) is None
        assert not postgres.stop(root)
        again = postgres.start(root)
        assert again.port == first.port
        cursor = connect(again).cursor()
        cursor.execute("SELECT x FROM kept")
        assert cursor.fetchone() == (1,)
    finally:
        postgres.stop(root)


def test_a_killed_server_starts_again(root: Path) -> None:
    server = postgres.start(root)
    try:
        with connect(server) as connection:
            connection.cursor().execute("CREATE TABLE kept AS SELECT 1 AS x")
        os.kill(int((root / "data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        cursor = connect(postgres.start(root)).cursor()
        cursor.execute("SELECT x FROM kept")
        assert cursor.fetchone() == (1,)
    finally:
        postgres.stop(root)


def test_only_loopback_only_with_the_password_which_only_its_owner_can_read(
    server: postgres.Server, root: Path
) -> None:
    cursor = connect(server).cursor()
    cursor.execute("SHOW listen_addresses")
    assert cursor.fetchone() == ("127.0.0.1",)
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(server, password="wrong")
    postgres.start(root)
    try:
        assert stat.S_IMODE((root / "superuser.password").stat().st_mode) == 0o600
    finally:
        postgres.stop(root)
    assert server.password not in repr(server)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as another user")
def test_a_folder_that_the_server_cannot_enter_is_replaced_and_neither_moves_later(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    root = tmp_path / "cluster"
    before = os.umask(0o077)  # as under the supervisor
    try:
        server = postgres.start(root)
        assert not (root / "data").exists()
        tmp_path.chmod(0o755)  # now it could be entered, but the rows are elsewhere
        tmp_path.parent.chmod(0o755)
        assert postgres.running(root) == server
        assert postgres.stop(root)
        assert postgres.start(root).port == server.port
    finally:
        os.umask(before)
        tmp_path.parent.chmod(0o700)
        elsewhere = server.binaries.parents[2]
        postgres.remove(root)
    assert elsewhere.name.startswith("nightcast-postgres-")
    assert not elsewhere.exists()
    assert not root.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as another user")
def test_a_cluster_does_not_move_because_of_a_changed_mode(root: Path) -> None:
    server = postgres.start(root)
    try:
        root.parent.chmod(0o700)
        assert postgres.running(root) == server
    finally:
        root.parent.chmod(0o755)
        assert postgres.stop(root)
