"""The compose file's commands, environments and health checks, run as processes of this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import enterable_folder
from containers import compose
from containers.stand import Stand, standing
from e2e.broker import program
from nightcast.local import airflow, containers, postgres

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

LONG_LIVED = ("redis", "api-server", "scheduler", "dag-processor", "triggerer", "worker")


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="module")
def secrets() -> dict[str, str]:
    return containers.made_secrets() | {"CONTAINER_EXECUTOR": "CeleryExecutor"}


@pytest.fixture(scope="module")
def stand(
    secrets: dict[str, str], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stand]:
    """Everything of the file with Celery, in its order, each healthy before what waits for it starts."""
    root, folder = Path(request.config.rootpath), tmp_path_factory.mktemp("stand")
    program()  # no broker, no test
    api, redis, health = free_ports(3)
    with enterable_folder() as place:
        server = postgres.start(place / "cluster")
        try:
            filled = compose.read(root).filled(secrets | {"CONTAINER_POSTGRES": server.password})
            swaps = {
                "@postgres:5432": f"@127.0.0.1:{server.port}",
                "@redis:6379": f"@127.0.0.1:{redis}",
                "//api-server:8080": f"//127.0.0.1:{api}",
                "//127.0.0.1:8080": f"//127.0.0.1:{api}",
                "//127.0.0.1:8974": f"//127.0.0.1:{health}",
                "/opt/airflow/passwords.json": str(folder / "api-server/passwords.json"),
                "/opt/nightcast": str(root),
                "/var/lib/nightcast": str(folder / "var"),
                # Redis: a port of its own, and its files in a folder of ours.
                "/tmp/redis.conf": str(folder / "redis/redis.conf"),
                "dir /data": f"dir {folder / 'redis'}\\nbind 127.0.0.1\\nport {redis}",
                "redis-cli ping": f"redis-cli -p {redis} ping",
            }
            also = {
                "AIRFLOW__API__HOST": "127.0.0.1",
                "AIRFLOW__API__PORT": str(api),
                "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(health),
            }
            dockerfile = (root / "Dockerfile").read_text()
            with standing(filled, dockerfile, folder, swaps, also) as made:
                made.up()
                yield made
        finally:
            postgres.stop(place / "cluster")


def test_everything_becomes_healthy_in_the_order_of_the_file(stand: Stand, secrets: dict[str, str]) -> None:
    assert stand.running.keys() == stand.services.keys() - {"postgres"}
    assert all(stand.healthy(name) for name in LONG_LIVED)
    assert not [name for name in LONG_LIVED if stand.running[name].poll() is not None]
    for name in ("databases", "migrate", "tables"):
        assert stand.running[name].returncode == 0
    assert "daily_demand: did" in stand.said("tables")
    url = stand.environment("scheduler")["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].removesuffix("/execution/")
    for user in ("admin", "operator", "viewer"):
        client = airflow.Client(url, user, secrets[containers.variable(f"login:{user}")])
        assert client.is_ours()
        assert set(client.health().values()) == {"healthy"}
        assert {"daily_demand_inference", "daily_demand_retraining"} <= set(client.dag_ids())
    assert airflow.Client(url, "admin", "guessed").is_ours() is False


def test_what_ends_is_no_longer_healthy(stand: Stand) -> None:
    """It stops what the tests before need."""
    for names in (("scheduler", "worker"), ("api-server", "redis")):
        stand.stop(*names)
        assert not [name for name in names if stand.healthy(name)]
    assert not stand.healthy("dag-processor")  # nobody answers who could tell


def test_no_output_holds_a_secret(stand: Stand, secrets: dict[str, str]) -> None:
    told = {name: stand.said(name) for name in stand.running}
    hidden = {k: v for k, v in secrets.items() if k != "CONTAINER_EXECUTOR"}
    assert [(name, s) for name, text in told.items() for s, value in hidden.items() if value in text] == []
