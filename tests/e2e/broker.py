"""A real Redis for Celery: on the loopback interface, with a password, gone after the tests."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from e2e.installation import until

URL = "redis://:{password}@127.0.0.1:{port}/0"


def program() -> Path:
    """`redis-server` of our environment, or the system's. Without one, tests are skipped; in CI they fail."""
    beside = Path(sys.executable).with_name("redis-server")
    found = str(beside) if beside.exists() else shutil.which("redis-server")
    if found is None:
        lacking = "there is no redis-server: nothing was tested with Celery. Install Redis 6.2 or newer"
        if os.environ.get("REQUIRE_REDIS"):
            pytest.fail(lacking)
        pytest.skip(lacking)
    return Path(found)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A server in `folder`; its URL, which holds the password."""
    password = secrets.token_hex(16)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = folder / "redis.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ''\nappendonly no\ndir {folder}\n"
    )
    with (folder / "redis.log").open("w") as log:
        server = subprocess.Popen([program(), configuration], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        with redis.Redis(port=port, password=password) as client:
            until(lambda: server.poll() is not None or answers(client), "Redis answers", 20)
        assert server.poll() is None, (folder / "redis.log").read_text()
        yield URL.format(password=password, port=port)
    finally:
        server.terminate()
        server.wait(30)


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
