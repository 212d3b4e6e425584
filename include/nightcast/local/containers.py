"""What containers need beside Airflow's own commands: `python -m nightcast.local.containers COMMAND`.

On the host, `env` makes the secrets; it needs nothing but Python. In containers, `databases` makes roles and databases
once, `api-server` serves with the web users' passwords, and `check-worker` is a health check.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from nightcast.errors import NightcastError, SettingMissing
from nightcast.local.state import CHECKOUT, LOGINS, ROLES, new_secrets, write_private

PREFIX = "CONTAINER_"
ONE_MACHINE = ("supervisor",)  # secrets that only it has
OURS = ("postgres", "redis")  # superuser, broker: secrets that only containers have
HEADING = "\n# The containers' secrets, made by `make env`. Deleting one makes a new one the next time.\n"


def variable(secret: str) -> str:
    """The variable in `.env` that holds a secret of `state`: `role:airflow` is in CONTAINER_ROLE_AIRFLOW."""
    return PREFIX + re.sub(r"\W", "_", secret).upper()


def made_secrets() -> dict[str, str]:
    """A new value for each variable that holds a secret of the containers."""
    made = {name: value for name, value in new_secrets().items() if name not in ONE_MACHINE}
    made |= {name: secrets.token_hex(24) for name in OURS}
    return {variable(name): value for name, value in made.items()}


def complete(file: Path) -> list[str]:
    """Add the secrets that `file` lacks, and let only its owner read it; their names. What is there stays as it is."""
    text = file.read_text() if file.exists() else ""
    present = set(re.findall(r"^\s*(?:export\s+)?(\w+)\s*=\s*[^\s#]", text, re.MULTILINE))
    lacking = {name: value for name, value in made_secrets().items() if name not in present}
    if lacking:
        if text and not text.endswith("\n"):
            text += "\n"
        text += HEADING + "".join(f"{name}={value}\n" for name, value in lacking.items())
        write_private(file, text)
    file.chmod(0o600)
    return list(lacking)


class Settings:
    """The containers as an installation: its roles' passwords come from the environment."""

    instance = "in containers"

    def __init__(self, environment: Mapping[str, str]):
        self._environment = environment

    def secret(self, name: str) -> str:
        """A secret, by its name in `state`.

        Raises:
            SettingMissing: its variable is not set.
        """
        return self.required(variable(name), "a secret made by `make env`, and a line in docker-compose.yaml for it")

    def password(self, role: str) -> str:
        """The password of a Postgres role."""
        return self.secret(f"role:{role}")

    def required(self, name: str, meaning: str) -> str:
        """The value of a variable, or `SettingMissing` with what it means."""
        if value := self._environment.get(name):
            return value
        raise SettingMissing(f"{name} is not set in this container; expected {meaning}")


def make_env() -> None:
    """Add the secrets that are missing to the checkout's `.env`."""
    file = CHECKOUT / ".env"
    made = complete(file)
    print(f"{file}: made {', '.join(made)}" if made else f"{file}: has every secret already")


def make_databases() -> None:
    """Make the roles and databases on the containers' Postgres, or renew their passwords and rights."""
    from nightcast.local import databases

    settings = Settings(os.environ)
    admin = settings.required("NIGHTCAST_POSTGRES_URL", "the URL of the superuser of the containers' Postgres")
    databases.ensure(settings, admin.replace("postgresql:", "postgresql+psycopg2:", 1), os.environ, shared=False)
    print(f"made or renewed: databases {', '.join(databases.OWNERS)}; roles {', '.join(ROLES)}")


def serve() -> None:
    """Write the web users' passwords where Airflow reads them, then become its api-server."""
    settings, option = Settings(os.environ), "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
    file = Path(settings.required(option, "a path in a folder that this container can write"))
    write_private(file, json.dumps({user: settings.secret(f"login:{user}") for user in LOGINS}) + "\n")
    for user in LOGINS:
        os.environ.pop(variable(f"login:{user}"))
    os.execvp("airflow", ["airflow", "api-server"])  # noqa: S606 - the image's own


def check_worker() -> None:
    """Exit with 1 unless the Celery worker of this container answers through the broker."""
    from nightcast.local import worker

    broker = Settings(os.environ).required("AIRFLOW__CELERY__BROKER_URL", "the broker's URL")
    if not worker.answers(broker, f"celery@{socket.gethostname()}"):
        sys.exit("the worker does not answer")


COMMANDS: Mapping[str, Callable[[], None]] = {
    "env": make_env,
    "databases": make_databases,
    "api-server": serve,
    "check-worker": check_worker,
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m nightcast.local.containers", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    for name, function in COMMANDS.items():
        commands.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
    return made


if __name__ == "__main__":
    try:
        COMMANDS[parser().parse_args().command]()
    except NightcastError as error:
        sys.exit(f"{type(error).__name__}: {error}")
