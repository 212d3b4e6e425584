"""Runs what docker-compose.yaml says without containers: each service as a process of this machine.

Commands, environments, health checks and their order are the file's; only hosts, ports and folders are replaced by ones
that exist here. So a variable that a container lacks, or a health check that cannot succeed, shows.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from containers.compose import Compose
from containers.rules import ENDED, HEALTHY, depends
from nightcast.local import keeper

PATIENCE = 150.0  # seconds, for a service to become healthy on a busy machine


@dataclass
class Stand:
    """The services that run. `postgres` is not among them: its real server is the tests' own."""

    services: Mapping[str, Any]
    image: Mapping[str, str]
    folder: Path
    swaps: Mapping[str, str]
    also: Mapping[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def here(self, text: str) -> str:
        """A text of the file with what exists here in the place of what exists in containers."""
        for there, instead in self.swaps.items():
            text = text.replace(there, instead)
        return text

    def environment(self, service: str) -> dict[str, str]:
        """What a container is given, by the image and by the file; nothing of ours but the path of the programs."""
        given = {**self.image, **{k: str(v) for k, v in self.services[service].get("environment", {}).items()}}
        home = self.folder / service
        home.mkdir(exist_ok=True)
        path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
        return {k: self.here(v) for k, v in given.items()} | {
            "PATH": path, "HOME": str(home), "AIRFLOW_HOME": str(home), **self.also,
        }  # fmt: skip

    def up(self, name: str) -> None:
        """Start a service after what it waits for."""
        for other, how in depends(self.services[name]).items():
            if other in ("postgres", *self.running):
                continue
            self.up(other)
            assert how in (ENDED, HEALTHY)
        self.running[name] = self._start(name)
        if self.services[name].get("restart") == "no":
            assert self.running[name].wait(PATIENCE) == 0, self.said(name)
        else:
            self._until_healthy(name)

    def said(self, name: str) -> str:
        """What a service has printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def healthy(self, name: str) -> bool:
        """Whether the service's health check succeeds."""
        kind, *command = self.services[name]["healthcheck"]["test"]
        asked = ["sh", "-c", command[0]] if kind == "CMD-SHELL" else command
        asked = [self.here(part) for part in asked]
        return subprocess.run(asked, env=self.environment(name), capture_output=True, timeout=60).returncode == 0

    def stop(self, name: str) -> int:
        """Ask a service to stop, as Docker does; its exit status."""
        self.running[name].send_signal(signal.SIGTERM)
        return self.running[name].wait(PATIENCE)

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        command = [self.here(str(part)) for part in self.services[name]["command"]]
        with (self.folder / f"{name}.log").open("w") as log:
            return subprocess.Popen(
                command,
                env=self.environment(name),
                cwd=self.folder / name,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _until_healthy(self, name: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.healthy(name):
            assert self.running[name].poll() is None, f"{name} has ended:\n{self.said(name)}"
            assert time.monotonic() < deadline, f"{name} is not healthy after {PATIENCE:g} s:\n{self.said(name)}"
            time.sleep(0.5)


@contextmanager
def standing(
    filled: Compose, dockerfile: str, folder: Path, swaps: Mapping[str, str], also: Mapping[str, str]
) -> Iterator[Stand]:
    """A stand on which nothing runs yet; what was started is gone afterwards, with all that it started itself."""
    stand = Stand(filled.services, image_environment(dockerfile), folder, swaps, also)
    try:
        yield stand
    finally:
        for process in stand.running.values():
            keeper.kill(lambda pid=process.pid: session(pid))
            process.wait()


def session(leader: int) -> list[Any]:
    """What runs in a session."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader:
                found.append(process)
        except OSError:
            continue
    return found


def image_environment(dockerfile: str) -> dict[str, str]:
    """What the Dockerfile's ENV lines set."""
    joined = dockerfile.replace("\\\n", " ")
    lines = re.findall(r"^ENV (.+)$", joined, re.MULTILINE)
    return {name: value for line in lines for name, value in re.findall(r"(\w+)=(\S+)", line) if "$" not in value}
