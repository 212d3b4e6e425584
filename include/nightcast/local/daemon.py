"""The supervisor: its configuration, its start, and talking to it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from xmlrpc.client import Fault, ProtocolError, ServerProxy

import psutil

from nightcast.errors import Transient
from nightcast.local.keeper import alive
from nightcast.local.state import Local, write_private

FOREVER = 1_000_000  # a part that fails is started again for as long as the supervisor runs
GRACE = 15  # seconds that a keeper has for its own work beside its program's drain
STARTED = ("RUNNING", "STARTING", "BACKOFF")
KEEP_LOGS = {"maxbytes": "10MB", "backups": 3}


@dataclass(frozen=True)
class Kept:
    """A program for the supervisor: a command (a keeper), its rank (lower ones stop last), its time to stop."""

    name: str
    command: tuple[str, ...]
    rank: int
    drain: float


@dataclass(frozen=True)
class State:
    """What the supervisor says of a program: RUNNING, STARTING, STOPPED, BACKOFF, EXITED or FATAL."""

    name: str
    state: str
    pid: int
    since: int


def configuration(local: Local, programs: Iterable[Kept]) -> str:
    """The text of supervisord.conf, for a start in the state folder: it reads signs in absolute paths as its own.

    It listens on a port, with a password, because deep folders exceed the length that a socket's path may have.
    """
    sections: dict[str, dict[str, object]] = {
        "supervisord": {
            "logfile": f"{local.logs.name}/supervisord.log",
            "logfile_maxbytes": KEEP_LOGS["maxbytes"],
            "logfile_backups": KEEP_LOGS["backups"],
            "pidfile": pid_file(local).name,
            "childlogdir": local.logs.name,
            "identifier": local.instance,
            "umask": "077",
            "minfds": 256,
            "minprocs": 50,
        },
        "inet_http_server": {
            "port": f"127.0.0.1:{local.ports['supervisor']}",
            "username": "nightcast",
            "password": local.secrets["supervisor"],
        },
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
    }
    if os.geteuid() == 0:
        sections["supervisord"]["user"] = "root"  # said, so that it does not warn
    for program in programs:
        sections[f"program:{program.name}"] = {
            "command": " ".join(_quoted(part) for part in program.command),
            "priority": program.rank,
            "autostart": "false",
            "autorestart": "true",
            "startsecs": 1,
            "startretries": FOREVER,
            "stopwaitsecs": round(program.drain) + GRACE,
            "redirect_stderr": "true",
            "stdout_logfile": f"{local.logs.name}/{program.name}.log",
            "stdout_logfile_maxbytes": KEEP_LOGS["maxbytes"],
            "stdout_logfile_backups": KEEP_LOGS["backups"],
        }
    return "\n".join(
        f"[{section}]\n" + "".join(f"{name}={str(value).replace('%', '%%')}\n" for name, value in options.items())
        for section, options in sections.items()
    )


class Supervisor:
    """The supervisor of one state folder."""

    def __init__(self, local: Local):
        self.local = local
        login = f"nightcast:{local.secrets['supervisor']}"
        self._proxy = ServerProxy(f"http://{login}@127.0.0.1:{local.ports['supervisor']}/RPC2")

    def answers(self) -> bool:
        """Whether it runs and is ours: it knows our password and has our name."""
        try:
            return bool(self._call("getIdentification") == self.local.instance)
        except (OSError, ProtocolError, Fault, Transient):
            return False

    def start(self, text: str, environment: Mapping[str, str]) -> None:
        """Start it in the background with this configuration; none of its programs runs yet.

        Raises:
            Transient: it does not answer; the message says what it said.
        """
        self.local.logs.mkdir(parents=True, exist_ok=True)
        write_private(configuration_file(self.local), text)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration_file(self.local))]
        ran = subprocess.run(
            command,
            env=dict(environment),
            cwd=self.local.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        deadline = time.monotonic() + 20
        while ran.returncode == 0 and time.monotonic() < deadline:
            if self.answers():
                return
            time.sleep(0.05)
        log = self.local.logs / "supervisord.log"
        raise Transient(f"the supervisor did not start: {ran.stdout.strip()[-1000:] or f'see {log}'}")

    def run(self, name: str) -> None:
        """Start a program if it does not run; return at once."""
        if self.states()[name].state not in STARTED:
            self._call("startProcess", name, False)

    def ask_to_stop(self, name: str) -> None:
        """Ask a program to stop, if it is there and runs; return at once."""
        if name in (states := self.states()) and states[name].state in STARTED:
            self._call("stopProcess", name, False)

    def states(self) -> dict[str, State]:
        """Every program's state, by name."""
        found = cast(list[dict[str, Any]], self._call("getAllProcessInfo"))
        return {info["name"]: State(info["name"], info["statename"], info["pid"], info["start"]) for info in found}

    def is_alive(self, name: str) -> bool:
        """Whether a program runs, or is being started or stopped; False for one that is not there."""
        found = self.states().get(name)
        return found is not None and found.state in (*STARTED, "STOPPING")

    def shut_down(self, seconds: float = 30.0) -> None:
        """End it, once its programs are stopped; return when its process is gone."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self._call("getPID"))
            self._call("shutdown")
            _end(process, seconds)

    def end(self, seconds: float = 30.0) -> bool:
        """Make sure that its process is gone, also one that no longer answers; False where there was none."""
        try:
            process = psutil.Process(int(pid_file(self.local).read_text()))
            if not alive(process) or str(configuration_file(self.local)) not in process.cmdline():
                return False
            process.terminate()  # a second request while it shuts down changes nothing
        except (OSError, ValueError, psutil.Error):
            return False
        _end(process, seconds)
        return True

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._proxy.supervisor, method)(*arguments)
        except Fault as fault:
            raise Transient(
                f"the supervisor refused {method} {' '.join(map(str, arguments))}: {fault.faultString}"
            ) from None


def pid_file(local: Local) -> Path:
    """Where the supervisor writes its process id; it removes the file when it ends."""
    return local.folder / "supervisord.pid"


def configuration_file(local: Local) -> Path:
    """The supervisor's configuration; it holds the password of its port."""
    return local.folder / "supervisord.conf"


def _end(process: psutil.Process, seconds: float) -> None:
    """Wait until a process is gone; kill it after its time."""
    deadline = time.monotonic() + seconds
    while alive(process):
        if time.monotonic() > deadline:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(0.05)


def _quoted(part: str) -> str:
    return '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'
