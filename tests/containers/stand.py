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
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from containers.compose import Compose
from containers.rules import depends
from nightcast.local import keeper

PATIENCE = 240.0  # seconds, for everything to become healthy on a busy machine


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

    def up(self) -> None:
        """Start everything, each service as soon as what it waits for has ended well or is healthy, as Compose does."""
        ready, deadline = {"postgres"}, time.monotonic() + PATIENCE
        while lacking := self.services.keys() - ready:
            for name in lacking - self.running.keys():
                if depends(self.services[name]).keys() <= ready:
                    self.running[name] = self._start(name)
            ready |= {name for name in lacking & self.running.keys() if self._is_ready(name)}
            told = "\n".join(self.said(name)[-2000:] for name in sorted(lacking & self.running.keys()))
            assert time.monotonic() < deadline, f"not ready after {PATIENCE:g} s: {', '.join(sorted(lacking))}\n{told}"
            time.sleep(0.5)

    def said(self, name: str) -> str:
        """What a service has printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def healthy(self, name: str) -> bool:
        """Whether the service's health check succeeds."""
        kind, *command = self.services[name]["healthcheck"]["test"]
        asked = ["sh", "-c", command[0]] if kind == "CMD-SHELL" else command
        asked = [self.here(part) for part in asked]
        return subprocess.run(asked, env=self.environment(name), capture_output=True, timeout=60).returncode == 0

    def stop(self, *names: str) -> None:
        """Ask services to stop, as Docker does, and wait for their end."""
        for name in names:
            self.running[name].send_signal(signal.SIGTERM)
        for name in names:
            self.running[name].wait(PATIENCE)

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

    def _is_ready(self, name: str) -> bool:
        """Whether a one-shot has ended well, or a service is healthy. What it should not do is told at once."""
        ended = self.running[name].poll()
        if self.services[name].get("restart") == "no":
            assert not ended, f"{name} has failed:\n{self.said(name)}"
            return ended == 0
        assert ended is None, f"{name} has ended:\n{self.said(name)}"
        return self.healthy(name)


@contextmanager
def standing(
    filled: Compose, dockerfile: str, folder: Path, swaps: Mapping[str, str], also: Mapping[str, str]
) -> Iterator[Stand]:
    """A stand on which nothing runs yet; what was started is gone afterwards, with all that it started itself."""
    stand = Stand(filled.services, image_environment(dockerfile), folder, swaps, also)
    try:
        yield stand
    finally:
        leaders = {process.pid for process in stand.running.values()}
        keeper.kill(lambda: sessions(leaders))
        for process in stand.running.values():
            process.wait()


def sessions(leaders: Set[int]) -> list[psutil.Process]:
    """What runs in these sessions."""
    found = []
    for process in psutil.process_iter():
        with suppress(OSError):
            if os.getsid(process.pid) in leaders:
                found.append(process)
    return found


def image_environment(dockerfile: str) -> dict[str, str]:
    """What the Dockerfile's ENV lines set."""
    joined = dockerfile.replace("\\\n", " ")
    lines = re.findall(r"^ENV (.+)$", joined, re.MULTILINE)
    return {name: value for line in lines for name, value in re.findall(r"(\w+)=(\S+)", line) if "$" not in value}
