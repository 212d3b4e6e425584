"""docker-compose.yaml without an engine: every rule holds, and every rule notices when it is broken."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from containers import compose, rules
from containers.compose import Compose, fill
from nightcast.local import containers, options, postgres

pytestmark = pytest.mark.unit

PROGRAM = Path(__file__).with_name("program.py")
ELSEWHERE = ("listen_addresses", "unix_socket_directories", "dynamic_shared_memory_type", "max_connections")


@pytest.fixture(scope="module")
def written(request: pytest.FixtureRequest) -> Compose:
    """The file as it is."""
    return compose.read(Path(request.config.rootpath))


@pytest.fixture(scope="module")
def secrets() -> dict[str, str]:
    """What `make env` makes."""
    return containers.made_secrets()


@pytest.fixture(scope="module")
def filled(written: Compose, secrets: dict[str, str]) -> Compose:
    """As Compose would start it."""
    return written.filled(secrets)


@pytest.fixture(scope="module")
def told(filled: Compose, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> dict[str, Any]:
    """What the installed programs say of the commands and of Airflow's options."""
    home, include = tmp_path_factory.mktemp("airflow"), pytestconfig.rootpath / "include"
    return ask(commands_of(filled), options_of(filled), home, include)


def ask(commands: list[list[str]], named: list[tuple[str, str]], home: Path, include: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        input=json.dumps({"commands": commands, "options": named}),
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "AIRFLOW_HOME": str(home), "PYTHONPATH": str(include)},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def commands_of(filled: Compose) -> list[list[str]]:
    """What containers of ours run, health checks that are programs of ours included."""
    ours = {name: s for name, s in filled.services.items() if s["image"].startswith("nightcast")}
    checks = [s["healthcheck"]["test"][1:] for s in ours.values() if "healthcheck" in s]
    return [list(map(str, s["command"])) for s in ours.values()] + [c for c in checks if c[0] in ("python", "airflow")]


def options_of(filled: Compose) -> list[tuple[str, str]]:
    """Airflow's sections and options that any container is given."""
    named = [name.lower().split("__") for _, name, _ in filled.environments() if name.startswith("AIRFLOW__")]
    return sorted({(section, option) for _, section, option in named})


def test_the_schema_of_compose_knows_every_key(repository: Path, tmp_path: Path) -> None:
    assert schema(repository / "docker-compose.yaml").returncode == 0
    broken = tmp_path / "docker-compose.yaml"
    broken.write_text((repository / "docker-compose.yaml").read_text().replace("depends_on:", "depend_on:", 1))
    assert schema(broken).returncode != 0


def schema(file: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run(
        [program, "--builtin-schema", "vendor.compose-spec", file], capture_output=True, text=True, timeout=60
    )


def test_docker_itself_accepts_it_where_it_is_installed(
    repository: Path, secrets: dict[str, str], tmp_path: Path
) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("no `docker compose` here: only the schema and the rules below have judged the file")
    env_file = tmp_path / "env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in secrets.items()))
    command = [docker, "compose", "--env-file", env_file, "--profile", "celery", "config", "-q"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_rule_holds(written: Compose, filled: Compose, repository: Path) -> None:
    assert {"postgres", "databases", "migrate", "tables", "api-server", "scheduler"} < written.services.keys()
    wrong = rules.dangling(filled) + rules.order(written) + rules.supervision(written) + rules.doors(filled)
    wrong += rules.secrets(written) + rules.rights(written)
    wrong += rules.places(filled, (repository / "Dockerfile").read_text(), repository)
    assert wrong == []


LETTERS = r"postgresql+psycopg2://airflow:${CONTAINER_ROLE_AIRFLOW:?run make env once}@"


@pytest.mark.parametrize(
    ("rule", "old", "new", "said"),
    [
        (rules.dangling, "  postgres:\n    <<: *ours", "  database:\n    <<: *ours", "which is no service"),
        (rules.dangling, "@postgres:5432/nightcast", "@postgress:5432/nightcast", "talks to postgress"),
        (rules.dangling, "volumes: [redis:/data]", "volumes: [reddis:/data]", "mounts reddis, which is no volume"),
        (rules.dangling, "volumes: [redis:/data]", "volumes: []", "volume redis is used by nobody"),
        (rules.dangling, "    user: redis\n", "    networks: [inner]\n", "is in inner, which is no network"),
        (rules.order, "redis: {condition: service_healthy}", f"redis: {{condition: {rules.ENDED}}}", "waits for redis"),
        (rules.order, "      api-server: {condition: service_healthy}\n    deploy", "      scheduler: {condition: "
         "service_healthy}\n    deploy", "scheduler waits for itself"),
        (rules.order, "      migrate: {condition: service_completed_successfully}\n      tables", "      redis: "
         "{condition: service_healthy}\n      tables", "only there with celery"),
        (rules.order, "    healthcheck: # over TCP", "    labels: # over TCP", "postgres, which has no healthcheck"),
        (rules.supervision, "restart: unless-stopped", "restart: on-failure", "has the restart policy on-failure"),
        (rules.supervision, "    healthcheck: # over TCP", "    labels: # over TCP", "postgres has no healthcheck"),
        (rules.supervision, 'max-size: 10m, max-file: "4"', "tag: x", "keeps its output for ever"),
        (rules.supervision, '["no-new-privileges:true"]', "[]", "may gain rights"),
        (rules.supervision, "stop_grace_period: 150s", "stop_grace_period: 30s", "scheduler is killed after 30 s"),
        (rules.supervision, "limits: {memory: 6g}", "limits: {cpus: '1'}", "scheduler may take all memory"),
        (rules.supervision, "DUMB_INIT_SETSID: \"0\"", "DUMB_INIT_SETSID: \"1\"", "tasks are asked to stop"),
        (rules.doors, '"127.0.0.1:${CONTAINER_PORT:-8080}:8080"', '"8080:8080"', "api-server publishes 8080:8080"),
        (rules.doors, "    user: redis", "    network_mode: host", "in the network of host"),
        (rules.secrets, LETTERS, "postgresql+psycopg2://airflow:airflow@", "holds 'airflow' itself"),
        (rules.secrets, "${CONTAINER_JWT_SECRET:?run make env once}", "abc", "JWT_SECRET holds 'abc' itself"),
        (rules.secrets, '"$$REDISCLI_AUTH"', '"${CONTAINER_REDIS}"', "on the command line"),
        (rules.rights, "nightcast_writer:${CONTAINER_ROLE_NIGHTCAST_WRITER:", "x:${CONTAINER_ROLE_NIGHTCAST_OWNER:",
         "scheduler is told CONTAINER_ROLE_NIGHTCAST_OWNER"),
    ],
)  # fmt: skip
def test_every_rule_notices_when_it_is_broken(
    written: Compose, secrets: dict[str, str], rule: Callable[[Compose], list[str]], old: str, new: str, said: str
) -> None:
    assert old in written.text
    broken = Compose(written.text.replace(old, new))
    broken = broken.filled(secrets) if rule in (rules.dangling, rules.doors) else broken
    assert [found for found in rule(broken) if said in found], rule(broken)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("COPY plugins ", "COPY plugin ", "copies plugin, which is not there"),
        ("AIRFLOW__CORE__DAGS_FOLDER=/opt/nightcast/dags", "AIRFLOW__CORE__DAGS_FOLDER=/opt/nightcast/dag", "is /opt/"),
        ("NIGHTCAST_PIPELINES=/opt/nightcast/include/pipelines", "NIGHTCAST_PIPELINES=/opt/pipelines", "is /opt/pip"),
        ("/var/lib/nightcast/lake /var", "/var", "mounts a volume at /var/lib/nightcast/lake"),
    ],
)
def test_a_path_that_the_image_lacks_is_noticed(
    filled: Compose, repository: Path, old: str, new: str, said: str
) -> None:
    dockerfile = (repository / "Dockerfile").read_text()
    assert old in dockerfile
    broken = dockerfile.replace(old, new).replace("NIGHTCAST_LAKE=/var/lib/nightcast/lake", "")
    assert [found for found in rules.places(filled, broken, repository) if said in found]


def test_every_command_can_be_parsed_by_the_installed_programs(filled: Compose, told: dict[str, Any]) -> None:
    commands = commands_of(filled)
    assert len(commands) > 8
    assert [(" ".join(c), why) for c, why in zip(commands, told["commands"], strict=True) if why] == []


def test_every_command_of_the_how_to_can_be_parsed(repository: Path, tmp_path: Path) -> None:
    page = (repository / "docs/how-to/run-in-containers.md").read_text()
    lines = re.findall(r"^docker compose exec scheduler ((?:airflow|python) [^#\n]+)", page, re.MULTILINE)
    commands = [line.split() for line in lines]
    assert len(commands) >= 6
    answer = ask(commands, [], tmp_path, repository / "include")
    assert [told for told in zip(lines, answer["commands"], strict=True) if told[1]] == []
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", page)) <= targets
    switches = re.findall(r"^((?:COMPOSE|CONTAINER|NIGHTCAST)_\w+)=", page, re.MULTILINE)
    example = (repository / ".env.example").read_text()
    assert [name for name in switches if f"#{name}=" not in example] == []


def test_every_option_of_airflow_exists(filled: Compose, told: dict[str, Any]) -> None:
    assert len(options_of(filled)) > 25
    assert told["unknown"] == []


def test_a_command_or_an_option_that_does_not_exist_is_noticed(repository: Path, tmp_path: Path) -> None:
    said = [
        "airflow webserver",
        "airflow scheduler --skip-logs",
        "airflow celery work",
        "python -m nightcast.cli db up",
        "python -m nightcast.cli db apply --now",
        "python -m nightcast.local.containers database",
        "sh -c true",
    ]
    commands, named = [command.split() for command in said], [("core", "executer"), ("celery", "broker_uri")]
    answer = ask(commands, named, tmp_path, repository / "include")
    assert all(answer["commands"])
    assert answer["unknown"] == [["core", "executer"], ["celery", "broker_uri"]]


def test_airflow_is_configured_as_on_one_machine(filled: Compose) -> None:
    for name in ("api-server", "scheduler", "dag-processor", "triggerer", "worker", "migrate"):
        given = {k: str(v) for k, v in filled.services[name]["environment"].items()}
        shared = options.variables(options.EVERYWHERE)
        assert {k: given.get(k) for k in shared} == shared, name


def test_postgres_is_configured_as_on_one_machine(filled: Compose, repository: Path) -> None:
    service = filled.services["postgres"]
    given = dict(part.removeprefix("--").split("=") for part in service["command"][1:])
    wanted = {name: value for name, value in postgres.CONFIGURATION.items() if name not in ELSEWHERE}
    assert {name: given.get(name) for name in wanted} == wanted
    major = re.search(r'"(pginstall(\d+))/bin"', (repository / "include/nightcast/local/postgres.py").read_text())
    assert major, "which Postgres the tests run is no longer to be seen"
    assert service["image"] == f"postgres:{major[2]}"
    assert service["volumes"] == ["postgres:/var/lib/postgresql"]


def test_every_variable_is_documented_and_every_required_one_is_made(
    written: Compose, secrets: dict[str, str], repository: Path
) -> None:
    example = (repository / ".env.example").read_text()
    documented = set(re.findall(r"^#(\w+)=", example, re.MULTILINE))
    used = written.variables()
    assert {v.name for v in used} - documented == set()
    assert {v.name for v in used if "?" in v.operator} == secrets.keys()
    mentioned = {name for name in documented if name.startswith("CONTAINER_")}
    assert mentioned == {v.name for v in used if v.name.startswith("CONTAINER_")}
    assert all("make env" in v.text for v in used if "?" in v.operator)


def test_without_the_secrets_it_says_what_to_do(written: Compose, secrets: dict[str, str]) -> None:
    for missing in secrets:
        with pytest.raises(KeyError, match=f"{missing}: run make env once"):
            written.filled({name: value for name, value in secrets.items() if name != missing})


def test_each_container_is_given_what_its_command_asks_for(filled: Compose) -> None:
    """The variables that `nightcast.local.containers` and the engine require, by the container that runs them."""
    given = {name: service.get("environment", {}) for name, service in filled.services.items()}
    from nightcast.local.state import LOGINS, ROLES

    assert {containers.variable(f"role:{role}") for role in ROLES} <= given["databases"].keys()
    assert {containers.variable(f"login:{user}") for user in LOGINS} <= given["api-server"].keys()
    assert "AIRFLOW__CELERY__BROKER_URL" in given["worker"]
    assert "NIGHTCAST_OWNER_URL" in given["tables"]
    for name in ("scheduler", "worker"):
        assert {"NIGHTCAST_DATABASE_URL", "NIGHTCAST_LAKE", "NIGHTCAST_SOURCE_RETAIL"} <= given[name].keys()


def test_celery_is_one_switch_of_two_lines(written: Compose, secrets: dict[str, str], repository: Path) -> None:
    example = (repository / ".env.example").read_text()
    assert "#COMPOSE_PROFILES=celery\n#CONTAINER_EXECUTOR=CeleryExecutor\n" in example
    with_celery = {name for name, s in written.services.items() if s.get("profiles") == ["celery"]}
    assert with_celery == {"redis", "worker"}
    chosen = written.filled(secrets | {"CONTAINER_EXECUTOR": "CeleryExecutor"})
    for name in ("api-server", "scheduler", "worker"):
        assert chosen.services[name]["environment"]["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert written.filled(secrets).services["scheduler"]["environment"]["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"


@pytest.mark.parametrize(
    ("text", "environment", "filled_in"),
    [
        ("${A:-x}", {}, "x"),
        ("${A:-x}", {"A": ""}, "x"),
        ("${A-x}", {"A": ""}, ""),
        ("${A:-u:${B}@h}", {"B": "b"}, "u:b@h"),
        ("${A:+yes}", {"A": "1"}, "yes"),
        ("$${A} $$B", {}, "${A} $B"),
    ],
)
def test_variables_are_filled_in_as_compose_does(text: str, environment: dict[str, str], filled_in: str) -> None:
    assert fill(text, environment) == filled_in


def test_merges_are_what_yaml_makes_of_them(written: Compose) -> None:
    assert yaml.safe_load("a: &a {x: 1}\nb: {<<: *a, y: 2}")["b"] == {"x": 1, "y": 2}
    assert "CONTAINER_LOGIN_ADMIN" not in written.services["scheduler"]["environment"]
