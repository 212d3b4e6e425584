"""Fixtures that every test may ask for: a real Postgres, and databases of one's own in it."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from nightcast.local import postgres

pytest_plugins = ["steps.fixtures"]

for name in [n for n in os.environ if n.startswith(("PG", "NIGHTCAST_", "AIRFLOW"))]:
    del os.environ[name]  # a developer's own settings must not decide a test


MACHINE, INSTALLATIONS = (
    "tests/e2e/",
    ("tests/steps/", "tests/cli/", "tests/wheel/", "tests/web/", "tests/demo/", "tests/faults/"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first: the machine, then what needs installations."""
    items.sort(key=lambda item: (not item.nodeid.startswith(MACHINE), not item.nodeid.startswith(INSTALLATIONS)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests that share what is costly to make go to one worker, all others by file to whoever is free."""
    from xdist.scheduler import LoadScopeScheduling

    class ByCost(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith(MACHINE):
                return MACHINE
            return "installations" if nodeid.startswith(INSTALLATIONS) else nodeid.split("::")[0]

    return ByCost(config, log)


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """The embedded Postgres, started for this session and stopped with it."""
    with new_server() as made:
        yield made


@pytest.fixture
def enterable() -> Iterator[Path]:
    """A folder for what runs as user nobody: a Postgres that root starts."""
    with enterable_folder() as root:
        yield root


@contextmanager
def new_server() -> Iterator[postgres.Server]:
    """An embedded Postgres of one's own, where roles matter: they belong to a whole server."""
    with enterable_folder() as root:
        yield postgres.start(root / "cluster")
        postgres.stop(root / "cluster")


@contextmanager
def enterable_folder() -> Iterator[Path]:
    """Not below pytest's own folder, which only its owner may enter; and no other folder's mode is touched."""
    root = Path(tempfile.mkdtemp(prefix="nightcast-test-"))
    root.chmod(0o755)
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def make_database(server: postgres.Server) -> Iterator[Callable[[], str]]:
    """A function that makes an empty database and returns its superuser URL; dropped after the test."""
    made: list[str] = []

    def execute(statement: str) -> None:
        connection = psycopg2.connect(host=server.host, port=server.port, user="postgres", password=server.password)
        connection.autocommit = True
        try:
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def make() -> str:
        database = f"test_{secrets.token_hex(6)}"
        execute(f"CREATE DATABASE {database}")
        made.append(database)
        return server.url(database)

    yield make
    for database in made:
        execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


@pytest.fixture
def repository() -> Path:
    """The checkout's root."""
    return Path(__file__).resolve().parents[1]
