"""`make env`, and the commands that containers run with what it made."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from conftest import new_server
from nightcast.errors import SettingMissing
from nightcast.local import containers, environment, postgres
from nightcast.local.state import LOGINS, ROLES

pytestmark = pytest.mark.postgres


def test_secrets_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    made = containers.complete(file)
    assert len(made) == len(set(made)) > 12
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = environment.read_env_file(file)
    assert set(made) == first.keys()
    assert len(set(first.values())) == len(first)
    assert all(re.fullmatch(r"[\w-]{12,}=?", value) for value in first.values())
    assert len(first["CONTAINER_JWT_SECRET"]) >= 64
    assert containers.complete(file) == []
    assert environment.read_env_file(file) == first


def test_what_is_in_the_file_stays(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# mine\nNIGHTCAST_LAKE=s3://bucket\nCONTAINER_REDIS=chosen\nCONTAINER_POSTGRES=\n#CONTAINER_JWT_SECRET="
    )
    file.chmod(0o644)
    made = containers.complete(file)
    assert {"CONTAINER_POSTGRES", "CONTAINER_JWT_SECRET"} <= set(made)
    assert "CONTAINER_REDIS" not in made
    assert file.read_text().startswith("# mine\nNIGHTCAST_LAKE=s3://bucket\nCONTAINER_REDIS=chosen\n")
    found = environment.read_env_file(file)
    assert found["CONTAINER_REDIS"] == "chosen"
    assert len(found["CONTAINER_POSTGRES"]) > 20
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_make_env_needs_nothing_installed(repository: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    ours = shutil.ignore_patterns("__pycache__", "pipelines")
    shutil.copytree(repository / "include", checkout / "include", ignore=ours)
    shutil.copy(repository / "Makefile", checkout)
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # without any installed package
    (bare / "python3").chmod(0o755)
    env = {"PATH": f"{bare}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["make", "env"], cwd=checkout, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "made CONTAINER_" in done.stdout
    assert environment.read_env_file(checkout / ".env").keys() == containers.made_secrets().keys()
    values = environment.read_env_file(checkout / ".env").values()
    assert not [value for value in values if value in done.stdout]


@pytest.fixture
def fresh() -> Iterator[postgres.Server]:
    """A server with nobody's roles."""
    with new_server() as made:
        yield made


def test_the_one_shot_makes_roles_and_databases_and_can_be_repeated(
    fresh: postgres.Server, repository: Path, tmp_path: Path
) -> None:
    secrets = containers.made_secrets()
    superuser = fresh.url().replace("+psycopg2", "")
    given = {name: value for name, value in secrets.items() if name.startswith("CONTAINER_ROLE_")}
    for _ in range(2):
        done = command(repository, tmp_path, "databases", NIGHTCAST_POSTGRES_URL=superuser, **given)
        assert done.returncode == 0, done.stderr
        assert "nightcast_owner" in done.stdout
    for role in ROLES:
        database = {"source_owner": "retail", "source_reader": "retail", "airflow": "airflow"}.get(role, "nightcast")
        url = fresh.url(database, role, secrets[containers.variable(f"role:{role}")]).replace("+psycopg2", "")
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == (role,)
    assert not [value for value in secrets.values() if value in done.stdout + done.stderr]
    forgotten = command(repository, tmp_path, "databases", NIGHTCAST_POSTGRES_URL=superuser)
    assert forgotten.returncode == 1
    assert "CONTAINER_ROLE_NIGHTCAST_OWNER is not set in this container" in forgotten.stderr


def command(repository: Path, cwd: Path, name: str, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nightcast.local.containers", name],
        env={"PATH": f"{cwd}{os.pathsep}/usr/bin{os.pathsep}/bin", "PYTHONPATH": str(repository / "include")} | given,
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def test_the_api_server_serves_with_our_passwords_and_forgets_them(repository: Path, tmp_path: Path) -> None:
    program = tmp_path / "airflow"
    program.write_text('#!/bin/sh\necho "$@"; env\n')
    program.chmod(0o755)
    secrets, file = containers.made_secrets(), tmp_path / "passwords.json"
    logins = {name: value for name, value in secrets.items() if name.startswith("CONTAINER_LOGIN_")}
    place = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(file)}
    done = command(repository, tmp_path, "api-server", **logins, **place)
    assert done.stdout.startswith("api-server\n"), done.stderr
    assert json.loads(file.read_text()) == {user: secrets[containers.variable(f"login:{user}")] for user in LOGINS}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not [value for value in logins.values() if value in done.stdout]


def test_a_missing_secret_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingMissing, match="CONTAINER_ROLE_ANALYST is not set"):
        containers.Settings({}).password("analyst")
