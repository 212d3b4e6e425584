"""The machine that all end-to-end tests share, what was made on it, and its end."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from docs.pages import ROOT, Terminal
from e2e.installation import INFERENCE, RETRAINING, Installation, Progress, bring_up, until
from nightcast.local import environment, supervise


@pytest.fixture(scope="session")
def progress(pytestconfig: pytest.Config) -> Progress:
    """A function that prints a line with the elapsed time, also where pytest keeps back what tests print."""
    begun, capture = time.monotonic(), pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n  [{time.monotonic() - begun:5.1f} s] {text}", end="", flush=True)

    return say


@pytest.fixture(scope="package")
def machine(
    request: pytest.FixtureRequest, progress: Progress, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A machine before its first training. Whatever was started is stopped; its logs are kept if a test failed."""
    folder = Path(tempfile.mkdtemp(prefix="nightcast-e2e-"))
    folder.chmod(0o755)  # as root, Postgres runs as nobody, who must be able to enter
    user = dict(os.environ) | {"NIGHTCAST_STATE": str(folder / "state")}
    failed = request.session.testsfailed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "user_environment", dict)  # a developer's own `.env` is left out
        try:
            yield bring_up(folder, user, progress)
        except BaseException:
            failed = -1
            raise
        finally:
            supervise.down(user, progress)
            logs = folder / "state/logs"
            if request.session.testsfailed != failed and logs.exists():
                kept = shutil.copytree(logs, tmp_path_factory.mktemp("e2e") / "logs")
                progress(f"the machine's logs are kept in {kept}")
            supervise.remove(user, progress)
            shutil.rmtree(folder)


@pytest.fixture(scope="package")
def first_model(machine: Installation) -> str:
    """Airflow's run of the training that made the first model, ended well."""
    through = (machine.calendar.first_night - timedelta(days=1)).isoformat()
    machine.client.pause(RETRAINING, paused=False)
    run = machine.client.trigger(RETRAINING, conf={"trained_through": through, "reason": "the first model"})
    assert machine.ended(RETRAINING, run) == "success", f"see {machine.local.logs}"
    return run


@pytest.fixture(scope="package")
def nights(machine: Installation, first_model: str) -> dict[str, str]:
    """Origin -> Airflow's run, of the nights that the schedule made by itself once its DAG was unpaused."""
    client = machine.client
    client.pause(INFERENCE, paused=False)

    def over() -> dict[str, str]:
        found = client.runs(INFERENCE)
        failed = [run["dag_run_id"] for run in found if run["state"] == "failed"]
        assert not failed, f"{failed} failed; see {machine.local.logs / 'airflow'}"
        done = {run["partition_key"]: run["dag_run_id"] for run in found if run["state"] == "success"}
        return done if len(done) == len(found) == len(machine.calendar.nights) else {}

    made: dict[str, str] = until(over, "every night that is due has ended", 400)
    machine.progress(f"the schedule has run {', '.join(made)}")
    return made


@pytest.fixture(scope="package")
def checkout(machine: Installation) -> Path:
    """The machine's copy of the code with what a checkout has beside it, and an environment that is up to date."""
    folder = Path(machine.extra["NIGHTCAST_PIPELINES"]).parents[1].resolve()
    for part in ("bin", "scripts"):
        shutil.copytree(ROOT / part, folder / part)
    for file in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / file, folder)
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (folder / ".venv/pyvenv.cfg").write_text(f"command = python3 -m venv {folder / '.venv'}\n")
    (folder / ".venv/.ready-1").touch()
    return folder


@pytest.fixture
def terminal(machine: Installation, checkout: Path) -> Iterator[Terminal]:
    kept = environment.inherited(os.environ) | {"NIGHTCAST_STATE": str(machine.local.folder), "TERM": "dumb"}
    with Terminal(checkout, kept) as opened:
        yield opened
