"""The settings that processes get: complete, documented, and nobody else's."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from nightcast import settings
from nightcast.errors import SettingMissing
from nightcast.local import environment, shell, supervise
from nightcast.local.place import place_of
from nightcast.local.state import Local, open_state

pytestmark = pytest.mark.unit

DEVELOPER = {
    "HOME": "/home/somebody",
    "PATH": "/usr/bin",
    "AIRFLOW_HOME": "/home/somebody/airflow",
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "_AIRFLOW_WWW_USER_CREATE": "1",
    "CONTAINER_JWT_SECRET": "for containers",
    "PGHOST": "production",
    "PGSERVICE": "production",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": "/home/somebody/lib",
    "VIRTUAL_ENV": "/home/somebody/venv",
    "HTTP_PROXY": "http://proxy.example:3128",
}


def test_what_steers_other_programs_does_not_get_through(local: Local) -> None:
    found = environment.inherited(DEVELOPER | {"NIGHTCAST_OWNER_URL": "x"})
    assert found == {name: DEVELOPER[name] for name in ("HOME", "PATH", "HTTP_PROXY")}
    given = environment.component_settings(local, DEVELOPER)
    assert given["AIRFLOW_HOME"] == str(local.airflow_home)
    assert given["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert "127.0.0.1" in given["NO_PROXY"].split(",")
    assert "HOME" not in given


def test_nothing_is_written_outside_the_state_folder(local: Local) -> None:
    given = environment.component_settings(local, {})
    written = ["AIRFLOW_HOME", "NIGHTCAST_LAKE"] + [name for name in given if name.endswith(("_FOLDER", "_DIRECTORY"))]
    for name in written:
        parent = (
            local.checkout if name in ("AIRFLOW__CORE__DAGS_FOLDER", "AIRFLOW__CORE__PLUGINS_FOLDER") else local.folder
        )
        assert Path(given[name]).is_relative_to(parent), name


def test_everything_listens_on_and_talks_to_the_loopback_interface_only(local: Local) -> None:
    given = environment.component_settings(local, {})
    assert given["AIRFLOW__API__HOST"] == "127.0.0.1"
    port = str(local.ports["api"])
    assert given["AIRFLOW__API__PORT"] == port
    assert given["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"http://127.0.0.1:{port}/execution/"
    assert f"@127.0.0.1:{local.ports['postgres']}/" in given["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]


def test_tasks_get_the_rights_that_nights_need_and_no_more(local: Local) -> None:
    given = environment.component_settings(
        local, {"NIGHTCAST_OWNER_URL": "owner", "NIGHTCAST_POSTGRES_URL": "postgresql://root:secret@db:5432/postgres"}
    )
    assert not {"NIGHTCAST_OWNER_URL", "NIGHTCAST_POSTGRES_URL"} & given.keys()
    for role in ("nightcast_owner", "source_owner"):
        assert local.password(role) not in json.dumps(given)
    assert "secret" not in json.dumps(given)
    assert "nightcast_writer:" in given["NIGHTCAST_DATABASE_URL"]
    assert given["NIGHTCAST_SOURCE_RETAIL"].endswith("/retail")


def test_the_engine_finds_every_setting_it_requires(local: Local) -> None:
    engine = settings.from_environment(environment.component_settings(local, {}))
    assert engine.database_url
    assert engine.lake_url == str(local.lake)
    assert engine.pipelines == local.checkout / "include/pipelines"
    assert engine.source_url("retail")
    with pytest.raises(SettingMissing):
        _ = engine.owner_url


def test_what_the_user_sets_wins_and_relative_paths_lie_below_the_checkout(local: Local) -> None:
    user = {"NIGHTCAST_LAKE": "s3://bucket/lake", "NIGHTCAST_PIPELINES": "teams", "NIGHTCAST_ANALYST_ROLE": ""}
    given = environment.component_settings(local, user, {"AIRFLOW__CORE__PARALLELISM": "2"})
    assert given["NIGHTCAST_LAKE"] == "s3://bucket/lake"
    assert given["NIGHTCAST_PIPELINES"] == str(local.checkout / "teams")
    assert given["AIRFLOW__CORE__PARALLELISM"] == "2"
    assert "NIGHTCAST_ANALYST_ROLE" not in given  # empty is unset


def test_an_existing_postgres_takes_the_place_of_the_embedded_one(local: Local) -> None:
    user = {"NIGHTCAST_POSTGRES_URL": "postgres://root:p%40ss@[::1]:6543/postgres?sslmode=require"}
    place = place_of(local, user)
    assert not place.embedded
    assert place.admin_url == "postgresql+psycopg2://root:p%40ss@[::1]:6543/postgres?sslmode=require"
    url = environment.component_settings(local, user)["NIGHTCAST_DATABASE_URL"]
    assert re.fullmatch(r"postgresql\+psycopg2://nightcast_writer:\w+@\[::1\]:6543/nightcast\?sslmode=require", url)
    assert place_of(local, {}).embedded


def test_a_broker_puts_celery_in_the_place_of_local_executor(local: Local, enterable: Path) -> None:
    user = {"NIGHTCAST_BROKER_URL": "redis://:secret@broker:6379/0"}
    given = environment.component_settings(local, user)
    assert given["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert given["AIRFLOW__CELERY__BROKER_URL"] == user["NIGHTCAST_BROKER_URL"]
    assert given["AIRFLOW__CELERY__RESULT_BACKEND"] == f"db+{given['AIRFLOW__DATABASE__SQL_ALCHEMY_CONN']}"
    assert "NIGHTCAST_BROKER_URL" not in given
    assert supervise.airflow_parts(given) == (*supervise.AIRFLOW, "worker")
    other = open_state({"NIGHTCAST_STATE": str(enterable / "other")})
    queues = {environment.component_settings(one, user)["AIRFLOW__OPERATORS__DEFAULT_QUEUE"] for one in (local, other)}
    assert len(queues) == 2  # two machines may share a broker
    without = environment.component_settings(local, {"NIGHTCAST_BROKER_URL": ""})
    assert supervise.airflow_parts(without) == supervise.AIRFLOW
    assert not [name for name in without if "CELERY" in name]


@pytest.mark.parametrize(
    "url", ["mysql://u:topsecret@h/d", "postgresql:///d", "topsecret", "postgresql://u:topsecret@h:port/d"]
)
def test_a_wrong_url_is_refused_without_being_repeated(local: Local, url: str) -> None:
    with pytest.raises(SettingMissing, match="NIGHTCAST_POSTGRES_URL") as caught:
        place_of(local, {"NIGHTCAST_POSTGRES_URL": url})
    assert "topsecret" not in str(caught.value)


def test_a_role_or_password_with_signs_of_its_own_survives_the_url(local: Local) -> None:
    from sqlalchemy import make_url

    parsed = make_url(place_of(local, {}).url("an@lyst/x", "p:a@s s%", "d"))
    assert (parsed.username, parsed.password, parsed.database) == ("an@lyst/x", "p:a@s s%", "d")


def test_env_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert environment.read_env_file(file) == {}
    file.write_text("# comment\n\nA=1\nexport B = 'two # 2'\nC=\nD=x=y\nE=\"$HOME\"\n")
    assert environment.read_env_file(file) == {"A": "1", "B": "two # 2", "C": "", "D": "x=y", "E": "$HOME"}
    file.write_text("A=1\nnonsense\n")
    with pytest.raises(SettingMissing, match=r"\.env:2 is 'nonsense'"):
        environment.read_env_file(file)


def test_real_variables_win_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    assert environment.user_environment({"A": "shell"}, tmp_path) == {"A": "shell", "B": "file"}


def test_the_command_line_gets_what_the_components_got_and_the_owner(local: Local) -> None:
    started = environment.component_settings(local, {"NIGHTCAST_LAKE": "s3://bucket"})
    environment.save(local, started, environment.owner_settings(local, {}))
    given = environment.shell_environment(local, DEVELOPER)
    assert given["NIGHTCAST_LAKE"] == "s3://bucket"
    assert "nightcast_owner:" in given["NIGHTCAST_OWNER_URL"]
    assert given["HOME"] == DEVELOPER["HOME"]
    assert "PGHOST" not in given
    assert environment.shell_environment(local, {"NIGHTCAST_LAKE": "/other"})["NIGHTCAST_LAKE"] == "/other"
    assert stat.S_IMODE(local.environment_file.stat().st_mode) == 0o600


def test_before_the_first_start_the_command_line_knows_the_pipelines(state_folder: Path) -> None:
    given = shell.settings({"NIGHTCAST_STATE": str(state_folder)})
    assert Path(given["NIGHTCAST_PIPELINES"]).name == "pipelines"
    assert not state_folder.exists()


def test_libraries_share_the_machine_unless_told_otherwise(local: Local) -> None:
    given = environment.component_settings(local, {"OMP_NUM_THREADS": "7"})
    assert (given["OMP_NUM_THREADS"], given["OMP_WAIT_POLICY"], given["MIMALLOC_ALLOW_THP"]) == ("7", "PASSIVE", "0")
    assert environment.component_settings(local, {"OMP_WAIT_POLICY": "ACTIVE"})["OMP_WAIT_POLICY"] == "ACTIVE"


def test_the_web_users_have_our_passwords_in_a_private_file(local: Local) -> None:
    environment.write_passwords(local)
    file = environment.passwords_file(local)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    users = environment.component_settings(local, {})["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"].split(",")
    assert {user.split(":")[0] for user in users} == json.loads(file.read_text()).keys()
    assert json.loads(file.read_text())["admin"] == local.login()


def test_every_setting_is_documented_and_every_documented_one_exists(repository: Path) -> None:
    code = "".join(file.read_text() for file in (repository / "include/nightcast").rglob("*.py"))
    read = set(re.findall(r"NIGHTCAST_[A-Z_]+", code))
    text = (repository / ".env.example").read_text()
    documented = {line[1:].partition("=")[0] for line in text.splitlines() if re.match(r"#\w+=", line)}
    documented = {found for found in documented if not found.startswith(("COMPOSE_", "CONTAINER_"))}  # tests/containers
    families = {prefix for prefix in read if prefix.endswith("_")}
    assert families == {"NIGHTCAST_SOURCE_", "NIGHTCAST_FIRST_NIGHT_"}
    single = {found for found in read if not found.startswith(tuple(families))}
    assert {found for found in documented if not found.startswith(tuple(families))} - {"OMP_NUM_THREADS"} == single
    assert all(any(found.startswith(family) for found in documented) for family in families)


def test_the_example_sets_nothing_and_is_valid_when_it_does(repository: Path, tmp_path: Path) -> None:
    assert environment.read_env_file(repository / ".env.example") == {}
    text = (repository / ".env.example").read_text()
    (tmp_path / ".env").write_text(re.sub(r"^#(\w+=)", r"\1", text, flags=re.MULTILINE))
    assert "NIGHTCAST_LAKE" in environment.read_env_file(tmp_path / ".env")
