"""Which Postgres this machine uses: the embedded one, or one that the user names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from nightcast.errors import SettingMissing
from nightcast.local.state import Local


@dataclass(frozen=True)
class Place:
    """Where a Postgres listens.

    `host` is `name:port`, `options` the URL's query. `admin_url` is None for the embedded one, whose superuser has a
    password file of its own.
    """

    host: str
    options: str
    admin_url: str | None

    @property
    def embedded(self) -> bool:
        """Whether the server is ours to start and stop."""
        return self.admin_url is None

    def url(self, role: str, password: str, database: str) -> str:
        """The SQLAlchemy URL of a role's login. It holds the password: do not print it."""
        login = f"{quote(role, safe='')}:{quote(password, safe='')}"
        options = f"?{self.options}" if self.options else ""
        return f"postgresql+psycopg2://{login}@{self.host}/{quote(database, safe='')}{options}"


def place_of(local: Local, environment: Mapping[str, str]) -> Place:
    """The Postgres that NIGHTCAST_POSTGRES_URL names, else the embedded one.

    Raises:
        SettingMissing: the variable is not a Postgres URL.
    """
    given = environment.get("NIGHTCAST_POSTGRES_URL", "")
    if not given:
        return Place(f"127.0.0.1:{local.ports['postgres']}", "", None)
    try:
        found = urlsplit(given)
        scheme, usable = found.scheme.partition("+")[0], bool(found.hostname) and found.port != 0
    except ValueError:
        scheme, usable = "", False
    if scheme not in ("postgresql", "postgres") or not usable:
        raise SettingMissing(  # without the URL, which holds a password
            "NIGHTCAST_POSTGRES_URL cannot be used; expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE of a login "
            "that may create roles and databases"
        )
    host = found.netloc.rpartition("@")[2]
    return Place(host, found.query, found._replace(scheme="postgresql+psycopg2").geturl())
