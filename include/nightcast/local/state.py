"""The state folder: everything that one machine must remember between two starts, secrets included.

It is `.run/` in the checkout unless NIGHTCAST_STATE names another place. Ports and secrets are made once, kept in
one file that only its owner can read, and never change by themselves.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nightcast
from nightcast.errors import SettingMissing

CHECKOUT = Path(nightcast.__file__).resolve().parents[2]
PORTS = ("postgres", "api", "supervisor")
ROLES = (
    "nightcast_owner",
    "nightcast_writer",
    "nightcast_monitor",
    "analyst",
    "source_owner",
    "source_reader",
    "airflow",
)
LOGINS = ("admin", "operator", "viewer")  # of Airflow's web pages
# Below the ranges that systems take the ports of outgoing connections from, so that a kept port stays free.
PORT_RANGE = (18_000, 31_999)


@dataclass(frozen=True, kw_only=True)
class Local:
    """One machine's state: where it lies, and the ports and secrets in it.

    `instance` is random and tells this installation from any other. `ports` has the keys of `PORTS`. `secrets` has
    `fernet_key`, `api_secret`, `jwt_secret`, `hash_key`, `supervisor`, `role:<role>` and `login:<user>`.
    """

    checkout: Path
    folder: Path
    instance: str
    ports: Mapping[str, int]
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def postgres(self) -> Path:
        """Folder of the embedded Postgres."""
        return self.folder / "postgres"

    @property
    def airflow_home(self) -> Path:
        """Airflow's home; its generated configuration file goes here."""
        return self.folder / "airflow"

    @property
    def logs(self) -> Path:
        """Logs: one file per component, and Airflow's task logs below `airflow/`."""
        return self.folder / "logs"

    @property
    def lake(self) -> Path:
        """The lake where no other is set."""
        return self.folder / "lake"

    @property
    def run(self) -> Path:
        """What the keepers of running components write: their process ids and locks."""
        return self.folder / "processes"

    @property
    def environment_file(self) -> Path:
        """The variables that the running components were started with."""
        return self.folder / "environment.json"

    @property
    def api_url(self) -> str:
        """Where Airflow's web pages and REST interface answer."""
        return f"http://127.0.0.1:{self.ports['api']}"

    def password(self, role: str) -> str:
        """The generated password of a Postgres role."""
        return self.secrets[f"role:{role}"]

    def login(self, user: str = "admin") -> str:
        """The generated password of a user of Airflow's web pages."""
        return self.secrets[f"login:{user}"]


def folder_of(environment: Mapping[str, str]) -> Path:
    """The state folder that the environment names; a relative one lies below the checkout."""
    return (CHECKOUT / (environment.get("NIGHTCAST_STATE") or ".run")).resolve()


def open_state(environment: Mapping[str, str] = os.environ) -> Local:
    """The state, made where there is none. Safe to call from several processes at once."""
    folder = folder_of(environment)
    folder.mkdir(parents=True, exist_ok=True)
    # As root, Postgres runs as user nobody, who must be able to pass through, and can see nothing on the way.
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    with locked(folder / "state.lock"):
        file = folder / "state.json"
        kept = _read(file) if file.exists() else {}
        complete = _completed(kept)
        if complete != kept:
            write_private(file, json.dumps(complete, indent=1))
    return _local(folder, complete)


def existing(environment: Mapping[str, str] = os.environ) -> Local | None:
    """The state if it has been made, else None."""
    return open_state(environment) if (folder_of(environment) / "state.json").exists() else None


def move_ports(local: Local, names: Iterable[str]) -> Local:
    """Choose other ports for `names` and keep them: for ports that another program has taken meanwhile."""
    ports = dict(local.ports)
    for name in names:
        ports[name] = _free_port(set(ports.values()))
    with locked(local.folder / "state.lock"):
        file = local.folder / "state.json"
        write_private(file, json.dumps(_read(file) | {"ports": ports}, indent=1))
    return replace(local, ports=ports)


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: past connections do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, all of it or nothing."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes; it ends with the process, however that ends."""
    with file.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _local(folder: Path, kept: Mapping[str, Any]) -> Local:
    return Local(
        checkout=CHECKOUT, folder=folder, instance=kept["instance"], ports=kept["ports"], secrets=kept["secrets"]
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        kept = json.loads(file.read_text())
        if isinstance(kept, dict) and {"instance", "ports", "secrets"} <= kept.keys():
            return kept
    except ValueError:
        pass
    raise SettingMissing(
        f"{file} cannot be read as Nightcast's state; expected JSON with instance, ports and secrets. "
        "Restore it, or start afresh with `make demo-reset`"
    )


def _completed(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What was kept, with anything that this version needs beside it."""
    ports: dict[str, int] = dict(kept.get("ports", {}))
    for name in PORTS:
        ports.setdefault(name, 0)
        ports[name] = ports[name] or _free_port(set(ports.values()))
    return {
        "instance": kept.get("instance") or secrets.token_hex(8),
        "ports": ports,
        "secrets": new_secrets() | kept.get("secrets", {}),
    }


def new_secrets() -> dict[str, str]:
    """Every secret that an installation has, freshly made; safe inside a URL."""
    return {
        "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "api_secret": secrets.token_hex(32),
        "jwt_secret": secrets.token_hex(64),  # Airflow signs with SHA-512: shorter keys are weaker than the hash
        "hash_key": secrets.token_hex(32),
        "supervisor": secrets.token_hex(24),
        **{f"role:{role}": secrets.token_hex(24) for role in ROLES},
        **{f"login:{user}": secrets.token_urlsafe(12) for user in LOGINS},
    }


def _free_port(taken: set[int]) -> int:
    """A loopback port that nobody listens on and that is not in `taken`."""
    first, last = PORT_RANGE
    for _ in range(200):
        port = first + secrets.randbelow(last - first + 1)
        if port not in taken and port_is_free(port):
            return port
    raise SettingMissing(f"no free loopback port was found between {first} and {last}; free some and start again")
