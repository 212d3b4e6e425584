"""Locks that a test holds, so that a task of a real night waits at a chosen place, and the process that waits there."""

from __future__ import annotations

from typing import Any

import psutil
import psycopg2
from psycopg2 import extensions

from e2e.installation import Installation, dsn, until


class Gate:
    """A lock that is asked for at once and held until `open`. `lock` is the statement that takes it."""

    def __init__(self, machine: Installation, lock: str):
        self.machine, self.lock = machine, lock
        self._connection = psycopg2.connect(dsn(machine.server.url("nightcast")), async_=True)
        until(self._is_done, "the gate's connection is there", 30)
        self._backend = self._connection.info.backend_pid
        self._cursor = self._connection.cursor()  # kept: the driver only remembers it weakly
        self._cursor.execute(f"BEGIN; {lock}")

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self.open()

    def until_held(self) -> None:
        """Wait until the lock is ours."""
        until(self._is_done, f"granted: {self.lock}", 60)

    def until_asked(self) -> None:
        """Wait until the lock is ours or stands in the queue, so that those who come later wait behind it."""
        queued = "SELECT 1 AS yes WHERE cardinality(pg_blocking_pids(%(pid)s)) > 0"
        until(lambda: self._is_done() or self.machine.read(queued, pid=self._backend), f"asked for: {self.lock}", 30)

    def waiting(self, seconds: float = 120) -> psutil.Process:
        """The task that waits here, once there is one."""
        query = "SELECT client_port FROM pg_stat_activity WHERE %(pid)s = ANY(pg_blocking_pids(pid))"
        found = until(lambda: self.machine.read(query, pid=self._backend), f"somebody waits for: {self.lock}", seconds)
        assert len(found) == 1, f"{len(found)} wait for: {self.lock}"
        (process,) = [p for p in self.machine.below("scheduler") if _is_connected(p, found[0]["client_port"])]
        return process

    def open(self) -> None:
        """Let everybody pass."""
        self._connection.close()

    def _is_done(self) -> bool:
        return bool(self._connection.poll() == extensions.POLL_OK)


def _is_connected(process: psutil.Process, port: int) -> bool:
    """Whether a process has an open connection from this port of its side."""
    connections: list[Any] = process.net_connections("inet")
    return any(c.raddr and c.laddr.port == port for c in connections)
