"""`make psql`: a psql session on this machine's Postgres as one of its roles, without a password in sight."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from nightcast.errors import SettingMissing
from nightcast.local import environment, postgres
from nightcast.local.databases import OWNERS, VISITORS
from nightcast.local.place import place_of
from nightcast.local.state import ROLES, existing

HOMES = {role: name for name, owner in OWNERS.items() for role in (owner, *VISITORS[name])}  # each role's database


@dataclass(frozen=True)
class Session:
    """What to execute. The password is in the environment: a command line can be read by everybody."""

    command: list[str]
    environment: dict[str, str] = field(repr=False)


def session(user: Mapping[str, str], role: str, database: str | None = None, *, interactive: bool = True) -> Session:
    """A session as `role` (`postgres` is the superuser), in `database` or in the role's own.

    A script, which is what a session that is not interactive reads, ends at its first error.

    Raises:
        SettingMissing: no machine was started here, its embedded Postgres does not run, or there is no such role.
    """
    local = existing(user)
    if local is None:
        raise SettingMissing("no machine was started here; expected one. Run `make demo` first")
    if role not in (*ROLES, postgres.SUPERUSER):
        raise SettingMissing(f"there is no role {role!r}; expected one of {', '.join((*ROLES, postgres.SUPERUSER))}")
    place = place_of(local, user)
    server = postgres.running(local.postgres) if place.embedded else None
    if place.embedded and server is None:
        raise SettingMissing("this machine's Postgres does not run; expected it to. Start it with `make demo`")
    if role == postgres.SUPERUSER:
        address = place.admin_url or (server.url() if server else "")
    else:
        name = user.get("NIGHTCAST_ANALYST_ROLE") or role if role == "analyst" else role
        address = place.url(name, local.password(role), HOMES[role])
    found = urlsplit(address)
    login, _, host = found.netloc.rpartition("@")
    name, _, password = login.partition(":")
    target = found._replace(
        scheme="postgresql", netloc=f"{name}@{host}", path=f"/{database}" if database else found.path
    )
    program = str(server.binaries / "psql") if server else "psql"
    script = () if interactive else ("-X", "-v", "ON_ERROR_STOP=1")
    return Session([program, *script, target.geturl()], environment.inherited(user) | {"PGPASSWORD": unquote(password)})


def run(arguments: Sequence[str]) -> None:
    """Become psql. `arguments`: the role (default analyst), and the database (default the role's own)."""
    role, database = (*arguments, None, None)[:2]
    user = environment.user_environment()
    made = session(user, role or "analyst", database, interactive=sys.stdin.isatty())
    try:
        os.execvpe(made.command[0], made.command, made.environment)  # noqa: S606 - no shell is meant
    except FileNotFoundError:
        raise SettingMissing(f"{made.command[0]} was not found; expected PostgreSQL's client on the PATH") from None
