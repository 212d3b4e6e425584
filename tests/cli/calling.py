"""The command line as people call it: another process, another folder, nothing but settings in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import make_url

from steps.world import PASSWORDS, Installation

ENGINE = Path(__file__).resolve().parents[2] / "include"


def cli(world: Installation, *arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    """`nightcast …` on an installation; whatever comes of it, no password is printed."""
    done = call(world.environment | settings, world.folder, *arguments)
    secrets = {*PASSWORDS.values(), world.server.password, *source_passwords(world)}
    assert not [s for s in secrets if s in done.stdout + done.stderr]
    return done


def source_passwords(world: Installation) -> set[str]:
    """Of the databases among the sources; files have none."""
    urls = [make_url(url) for url in world.sources.values() if "://" in url]
    return {str(url.password) for url in urls if url.password}


def call(settings: Mapping[str, str], folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ENGINE), "COLUMNS": "200", "TERM": "dumb", **settings}
    command = [sys.executable, "-m", "nightcast.cli", *map(str, arguments)]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def good(world: Installation, *arguments: object) -> list[str]:
    """The lines that a command prints that must end well."""
    done = cli(world, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def bad(world: Installation, *arguments: object, **settings: str) -> str:
    """What a command says that must end with an error of ours: on standard error alone, with a runbook that exists."""
    done = cli(world, *arguments, **settings)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    runbook = done.stderr.splitlines()[-1].removeprefix("Runbook: ")
    assert (ENGINE.parent / runbook).is_file()
    return done.stderr
