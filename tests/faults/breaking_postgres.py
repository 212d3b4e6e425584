"""Our Postgres: killed, away, locked, full, and not ours any more."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
from psycopg2.extensions import connection as Connection  # noqa: N812

from faults.scene import Scene, until
from nightcast.local import postgres
from nightcast.store import connect, layout, migrate
from nightcast.store.queries import execute

WRITER = "nightcast_writer"


@contextmanager
def connection_cut(scene: Scene, _: Any) -> Iterator[None]:
    """Every connection of the nights is ended by an administrator."""
    scene.as_superuser(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{WRITER}'")
    yield


@contextmanager
def backend_killed(scene: Scene, _: Any) -> Iterator[None]:
    """SIGKILL of the server's process behind the night: the server restarts, and everybody is thrown out."""
    found = scene.looked_up(f"SELECT max(pid) AS pid FROM pg_stat_activity WHERE usename = '{WRITER}'")
    os.kill(found["pid"], signal.SIGKILL)
    until(lambda: not psutil.pid_exists(found["pid"]), "the server's process is gone")
    until(lambda: _answers(scene), "the server is back")
    yield


@contextmanager
def server_killed(scene: Scene, _: Any) -> Iterator[None]:
    """SIGKILL of the server and all its processes; healed by starting it again."""
    data = Path(scene.looked_up("SHOW data_directory")["data_directory"])
    postmaster = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=10)
    yield
    postgres.start(scene.stage.cluster)


@contextmanager
def server_away(scene: Scene, _: Any) -> Iterator[None]:
    """Stopped as for a restart."""
    postgres.stop(scene.stage.cluster)
    yield
    postgres.start(scene.stage.cluster)


@contextmanager
def sessions(scene: Scene, settings: Mapping[str, str]) -> Iterator[None]:
    """The nights' sessions have other limits, as the database's URL may say."""
    given = scene.world.environment["NIGHTCAST_DATABASE_URL"]
    options = quote(" ".join(f"-c {name}={value}" for name, value in settings.items()))
    scene.scheduler.extra["NIGHTCAST_DATABASE_URL"] = f"{given}?options={options}"
    yield
    scene.scheduler.extra.clear()


@contextmanager
def locked(scene: Scene, table: str) -> Iterator[None]:
    """Somebody holds a lock against which nobody can write."""
    with _opened(scene) as opened:
        execute(opened, f"LOCK TABLE internal.{table} IN SHARE ROW EXCLUSIVE MODE")
        yield


@contextmanager
def idle(_: Scene, seconds: float) -> Iterator[None]:
    """The process is stopped for a while in the middle of its transaction."""
    time.sleep(seconds)
    yield


@contextmanager
def deadlock(scene: Scene, table: str) -> Iterator[None]:
    """Somebody locks a table that the night needs, and waits for the row that the night holds."""
    with _opened(scene) as opened:
        execute(opened, "SET deadlock_timeout = '60s'")  # so that it is the night that finds out
        execute(opened, f"LOCK TABLE internal.{table} IN SHARE ROW EXCLUSIVE MODE")

        def ask_for_the_row() -> None:
            execute(opened, f"SELECT FROM internal.run_step WHERE run_id = {scene.run_id} FOR UPDATE")
            opened.rollback()

        waiting = threading.Thread(target=ask_for_the_row, daemon=True)
        waiting.start()
        pid = opened.get_backend_pid()
        held_up = f"SELECT wait_event_type = 'Lock' AS yes FROM pg_stat_activity WHERE pid = {pid}"
        until(lambda: scene.looked_up(held_up)["yes"], "somebody waits for the night")
        yield
        waiting.join()


@contextmanager
def statements(scene: Scene, pair: tuple[str, str]) -> Iterator[None]:
    """A statement of the superuser's, and the one that heals it."""
    break_, heal = (text.replace("{database}", scene.world.database) for text in pair)
    scene.as_superuser(break_)
    yield
    scene.as_superuser(heal)


@contextmanager
def rights_taken(scene: Scene, statement: str) -> Iterator[None]:
    """Somebody takes a right from the nights' role; `nightcast db apply` gives it back."""
    scene.as_superuser(statement)
    yield
    owner = scene.world.url("nightcast_owner")
    migrate.upgrade(owner)
    with connect.transaction(owner) as tx:
        layout.apply(tx, scene.world.pipeline)


@contextmanager
def disk_full(scene: Scene, month: str) -> Iterator[None]:
    """The disk under a month of the predictions has no room for another night; healed by a larger one."""
    disk, table, name = scene.place / "disk", f"internal.{month}", f"small_{scene.world.database}"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=64m", "none", str(disk))
    inside = disk / "tablespace"
    inside.mkdir()
    owner = Path(scene.looked_up("SHOW data_directory")["data_directory"]).stat()
    os.chown(inside, owner.st_uid, owner.st_gid)
    scene.as_superuser(f"CREATE TABLESPACE {name} LOCATION '{inside}'")
    scene.as_superuser(f"ALTER TABLE {table} SET TABLESPACE {name}")
    scene.as_superuser("CHECKPOINT")
    mount("-o", f"remount,size={shutil.disk_usage(disk).used + (16 << 10)}", str(disk))
    yield
    mount("-o", "remount,size=64m", str(disk))
    scene.as_superuser(f"ALTER TABLE {table} SET TABLESPACE pg_default")
    scene.as_superuser("CHECKPOINT")
    scene.as_superuser(f"DROP TABLESPACE {name}")
    subprocess.run(["umount", str(disk)], check=True)


def mount(*arguments: str) -> None:
    """For root only: a row of the catalogue that needs it says so."""
    subprocess.run(["mount", *arguments], check=True)


@contextmanager
def _opened(scene: Scene) -> Iterator[Connection]:
    with closing(connect.connect(scene.world.server.url(scene.world.database))) as opened:
        yield opened
        opened.rollback()


def _answers(scene: Scene) -> bool:
    try:
        return bool(scene.looked_up("SELECT 1 AS yes")["yes"])
    except connect.StoreUnavailable:
        return False


CONDITIONS = {
    "connection cut": connection_cut,
    "backend killed": backend_killed,
    "server killed": server_killed,
    "server away": server_away,
    "sessions": sessions,
    "locked": locked,
    "idle": idle,
    "deadlock": deadlock,
    "statements": statements,
    "rights taken": rights_taken,
    "disk full": disk_full,
}
