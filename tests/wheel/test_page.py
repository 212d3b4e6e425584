"""docs/how-to/install-the-wheel.md, in a project with an Airflow of its own, on a server of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from conftest import new_server
from docs.pages import Block, Terminal, blocks, follow
from nightcast.local import environment, postgres
from wheel.building import uv_cache

PAGE = "install-the-wheel.md"
pytestmark = [pytest.mark.airflow, pytest.mark.slow]


@pytest.fixture
def theirs() -> Iterator[postgres.Server]:
    """The team's server: the page makes roles there."""
    with new_server() as made:
        yield made


@pytest.fixture
def place(repository: Path, tmp_path: Path) -> Path:
    """The folder that holds both: a checkout that is installed, and the team's project."""
    shutil.copytree(
        repository / "include", tmp_path / "nightcast/include", ignore=shutil.ignore_patterns("__pycache__")
    )
    for file in ("pyproject.toml", "requirements.txt"):
        shutil.copy(repository / file, tmp_path / "nightcast")
    program(tmp_path / "nightcast/.venv/bin/python", f'{sys.executable} "$@"')
    (tmp_path / "our-airflow/dags").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def terminal(repository: Path, place: Path) -> Iterator[Terminal]:
    """A shell with uv and a Python on its path, and an Airflow that has its own database already."""
    program(place / "bin/uv", f'{uv.find_uv_bin()} "$@"')  # `python -m uv` would install beside itself
    project = place / "our-airflow"
    settings = {
        "PATH": f"{place / 'bin'}:{sys.base_prefix}/bin:{os.environ['PATH']}",
        "AIRFLOW_HOME": str(place / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(project / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    caller = environment.inherited(os.environ) | uv_cache(repository)
    assert "VIRTUAL_ENV" not in caller
    migrated = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"], env=caller | settings, capture_output=True
    )
    assert migrated.returncode == 0, migrated.stderr.decode()
    with Terminal(place, caller | settings) as opened:
        yield opened


def test_a_reader_who_follows_install_the_wheel_has_dags_in_an_airflow_of_ones_own(
    theirs: postgres.Server, place: Path, terminal: Terminal
) -> None:
    project = place / "our-airflow"

    def asked(block: Block) -> str:
        command = [str(theirs.binaries / "psql"), "-X", "-v", "ON_ERROR_STOP=1", theirs.url().replace("+psycopg2", "")]
        done = subprocess.run(
            command, input=block.text, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{block}: {done.stderr}"
        return done.stdout

    def set_(block: Block) -> str:
        there = block.text.replace("/opt/our-airflow", str(project)).replace(
            "db.example:5432", f"127.0.0.1:{theirs.port}"
        )
        return terminal.run(re.sub("^", "export ", there.strip(), flags=re.MULTILINE) + "\n", str(block))

    def written(block: Block) -> str:
        named = re.match(r"# (dags/\w+\.py): ", block.text)
        assert named, f"{block} does not say which file it is"
        (project / named[1]).write_text(block.text)
        return ""

    def typed(block: Block) -> str:
        return terminal.type(block).replace(str(project), "/opt/our-airflow")

    follow(blocks(PAGE), {"sql": asked, "ini": set_, "python": written, "bash": typed})

    where = terminal.run("python -c 'import nightcast; print(nightcast.__file__)'\n", "where it is")
    assert str(project / ".venv") in where
    (project / "forecasts/store_visits/pipeline.yaml").write_text("title: a mistake\n")
    errors = terminal.run("airflow dags list-import-errors --local --output plain || true\n", "a mistake")
    assert "nightcast_invalid_specs.py" in errors
    assert "nightcast_forecasts.py" not in errors


def program(file: Path, command: str) -> None:
    """A program on the path that is another one."""
    file.parent.mkdir(parents=True)
    file.write_text(f"#!/bin/sh\nexec {command}\n")
    file.chmod(0o755)
