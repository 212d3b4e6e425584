"""The environment of the processes of one machine: settings of the engine and of Airflow, and nothing by accident.

Three sources, the later wins: defaults of this machine, the file `.env` in the checkout, real variables. What steers
Python, Postgres clients or Airflow in the user's shell does not get through.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from nightcast.errors import SettingMissing
from nightcast.local import options, worker
from nightcast.local.place import place_of
from nightcast.local.state import CHECKOUT, LOGINS, Local, write_private

# Prefixes of what a user's shell or `.env` may hold for other programs, and for the containers.
FOREIGN = ("AIRFLOW", "PG", "_AIRFLOW", "COMPOSE_", "CONTAINER_")
FOREIGN_NAMES = ("PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV")
NOT_FOR_NIGHTS = ("NIGHTCAST_BROKER_URL", "NIGHTCAST_OWNER_URL", "NIGHTCAST_POSTGRES_URL")  # rights that no night needs
PATHS = ("NIGHTCAST_LAKE", "NIGHTCAST_PIPELINES", "NIGHTCAST_DEMO_DATA")
PARALLELISM = 4  # LocalExecutor keeps as many processes, also when idle


def user_environment(environment: Mapping[str, str] = os.environ, checkout: Path = CHECKOUT) -> dict[str, str]:
    """The caller's variables over those of the file `.env`, where there is one."""
    return read_env_file(checkout / ".env") | dict(environment)


def read_env_file(file: Path) -> dict[str, str]:
    """`NAME=value` lines of a file; empty where there is none. A value may be quoted; nothing is expanded.

    Raises:
        SettingMissing: a line is neither that, nor empty, nor a comment.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(file.read_text().splitlines() if file.exists() else [], 1):
        name, equals, value = (part.strip() for part in line.strip().removeprefix("export ").partition("="))
        if not name or name.startswith("#"):
            continue
        if not equals or not name.isidentifier():
            raise SettingMissing(f"{file}:{number} is {line.strip()!r}; expected NAME=value")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name] = value
    return found


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """What may pass from the user's shell to our processes: everything but what steers other programs, or us."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith((*FOREIGN, "NIGHTCAST_")) and name not in FOREIGN_NAMES
    }


def engine_settings(local: Local, environment: Mapping[str, str]) -> dict[str, str]:
    """NIGHTCAST_ variables for nights: this machine's defaults under those that the user set."""
    place = place_of(local, environment)
    defaults = {
        "NIGHTCAST_DATABASE_URL": place.url("nightcast_writer", local.password("nightcast_writer"), "nightcast"),
        "NIGHTCAST_LAKE": str(local.lake),
        "NIGHTCAST_PIPELINES": str(local.checkout / "include/pipelines"),
        "NIGHTCAST_SOURCE_RETAIL": place.url("source_reader", local.password("source_reader"), "retail"),
        "NIGHTCAST_HASH_KEY": local.secrets["hash_key"],
        "NIGHTCAST_STATE": str(local.folder),
    }
    chosen = _chosen(environment)
    return defaults | {name: value for name, value in chosen.items() if name not in NOT_FOR_NIGHTS}


def owner_settings(local: Local, environment: Mapping[str, str]) -> dict[str, str]:
    """What `db apply` needs beside the settings of nights."""
    place = place_of(local, environment)
    default = place.url("nightcast_owner", local.password("nightcast_owner"), "nightcast")
    return {"NIGHTCAST_OWNER_URL": environment.get("NIGHTCAST_OWNER_URL") or default}


def airflow_settings(local: Local, environment: Mapping[str, str]) -> dict[str, str]:
    """Airflow's configuration: what this place decides, over what every place has in common (see `options`)."""
    logs, place = local.logs / "airflow", place_of(local, environment)
    here: options.Sections = {
        "core": {
            "executor": "LocalExecutor",
            "parallelism": PARALLELISM,
            "dags_folder": local.checkout / "dags",
            "plugins_folder": local.checkout / "plugins",
            "fernet_key": local.secrets["fernet_key"],
            "execution_api_server_url": f"{local.api_url}/execution/",
            "simple_auth_manager_passwords_file": passwords_file(local),
        },
        "database": {"sql_alchemy_conn": place.url("airflow", local.password("airflow"), "airflow")},
        "api": {
            "host": "127.0.0.1",
            "port": local.ports["api"],
            "base_url": local.api_url,
            "secret_key": local.secrets["api_secret"],
        },
        "api_auth": {"jwt_secret": local.secrets["jwt_secret"]},
        "logging": {
            "base_log_folder": logs,
            "dag_processor_child_process_log_directory": logs / "dag_processor",
        },
    }
    home = {"AIRFLOW_HOME": str(local.airflow_home)}
    return home | options.variables(options.EVERYWHERE) | options.variables(here) | _celery(local, environment)


def _celery(local: Local, environment: Mapping[str, str]) -> dict[str, str]:
    """What replaces LocalExecutor where the user names a broker."""
    broker = environment.get("NIGHTCAST_BROKER_URL")
    if not broker:
        return {}
    backend = place_of(local, environment).url("airflow", local.password("airflow"), "airflow")
    sections: options.Sections = {
        "core": {"executor": "CeleryExecutor"},
        "celery": {"broker_url": broker, "result_backend": f"db+{backend}", "worker_concurrency": PARALLELISM},
        # The broker may serve others, too: their tasks are not ours.
        "operators": {"default_queue": worker.queue(local)},
    }
    return options.variables(sections)


def process_settings(local: Local, environment: Mapping[str, str]) -> dict[str, str]:
    """What Python and its libraries need to know."""
    path = [str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]
    found = {
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": str(local.checkout / "include"),
        "PYTHONUNBUFFERED": "1",
        **library_settings(environment),
        "NO_PROXY": ",".join(filter(None, [environment.get("NO_PROXY"), "127.0.0.1", "localhost"])),
    }
    if sys.platform == "darwin":  # forked tasks otherwise die in Apple's frameworks
        found |= {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES", "no_proxy": "*"}
    return found


def library_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """How numeric libraries use the machine, which several tasks share. What is set already stays."""
    settings = {
        "OMP_NUM_THREADS": str(min(4, os.cpu_count() or 1)),
        "OMP_WAIT_POLICY": "PASSIVE",  # a thread that waits leaves its core to the other tasks
        "MIMALLOC_ALLOW_THP": "0",  # Arrow's memory in small pages: a fifth less of it, and always as much
    }
    return {name: environment.get(name) or value for name, value in settings.items()}


def component_settings(
    local: Local, environment: Mapping[str, str], extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Every variable that we give to Airflow's components and so to every task. `extra` wins."""
    return {
        **process_settings(local, environment),
        **airflow_settings(local, environment),
        **engine_settings(local, environment),
        **(extra or {}),
    }


def save(local: Local, components: Mapping[str, str], owner: Mapping[str, str]) -> None:
    """Keep the components' variables for their restarts, and the owner's beside them for the command line."""
    kept = {"components": dict(sorted(components.items())), "owner": dict(owner)}
    write_private(local.environment_file, json.dumps(kept, indent=1))


def load(local: Local) -> dict[str, dict[str, str]]:
    """The variables of `components` and of the `owner` as the last start kept them; empty before the first."""
    file = local.environment_file
    found: dict[str, dict[str, str]] = json.loads(file.read_text()) if file.exists() else {}
    return {"components": found.get("components", {}), "owner": found.get("owner", {})}


def shell_environment(local: Local, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of the operator's command line: the components' and the owner's URL; real variables win."""
    kept = load(local)
    settings = kept["components"] or component_settings(local, environment)
    owner = kept["owner"] or owner_settings(local, environment)
    return inherited(environment) | settings | owner | _chosen(environment)


def _chosen(environment: Mapping[str, str]) -> dict[str, str]:
    """The NIGHTCAST_ variables that the user set. Relative paths lie below the checkout, wherever a process runs."""
    chosen = {name: value for name, value in environment.items() if name.startswith("NIGHTCAST_") and value}
    chosen.pop("NIGHTCAST_STATE", None)  # known from the state itself, and absolute there
    for name in PATHS:
        if name in chosen and "://" not in chosen[name]:
            chosen[name] = str(CHECKOUT / chosen[name])
    return chosen


def passwords_file(local: Local) -> Path:
    """Where Airflow reads the passwords of its web users."""
    return local.airflow_home / "passwords.json"


def write_passwords(local: Local) -> None:
    """Write the web users' passwords before Airflow makes its own, readable by everybody."""
    local.airflow_home.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(passwords_file(local), json.dumps({user: local.login(user) for user in LOGINS}) + "\n")
