"""Which Postgres this machine uses: the embedded one, or one that the user names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from nightcast.errors import SettingMissing
from nightcast.local.state import Local


@dataclass(frozen=True)
class Place:
    """Where a Postgres listens; `admin_url` is None for the embedded one, whose superuser has its own password file."""

    base: URL
    admin_url: str | None

    @property
    def embedded(self) -> bool:
        """Whether the server is ours to start and stop."""
        return self.admin_url is None

    def url(self, role: str, password: str, database: str) -> str:
        """The SQLAlchemy URL of a role's login. It holds the password: do not print it."""
        login = self.base.set(username=role, password=password, database=database)
        return login.render_as_string(hide_password=False)


def place_of(local: Local, environment: Mapping[str, str]) -> Place:
    """The Postgres that NIGHTCAST_POSTGRES_URL names, else the embedded one.

    Raises:
        SettingMissing: the variable is not a Postgres URL.
    """
    given = environment.get("NIGHTCAST_POSTGRES_URL", "")
    if not given:
        return Place(URL.create("postgresql+psycopg2", host="127.0.0.1", port=local.ports["postgres"]), None)
    try:
        base = make_url(given)
    except ArgumentError:
        raise SettingMissing(_UNREADABLE) from None  # the library's message quotes the URL, password included
    if base.get_backend_name() not in ("postgresql", "postgres") or not base.host:
        raise SettingMissing(_UNREADABLE)
    base = base.set(drivername="postgresql+psycopg2")
    return Place(base, base.render_as_string(hide_password=False))


_UNREADABLE = (
    "NIGHTCAST_POSTGRES_URL cannot be used; expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE of a login that may "
    "create roles and databases"
)
