"""Roles and databases of one machine: the engine's, Airflow's and the demo's source.

On a server that was there before us nothing is touched that we did not make: what we make carries our mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any, Protocol

from psycopg2 import sql

from nightcast.errors import SettingMissing
from nightcast.local.state import ROLES
from nightcast.store.connect import connect
from nightcast.store.roles import create_database, create_role

OWNERS = {"nightcast": "nightcast_owner", "airflow": "airflow", "retail": "source_owner"}  # of each database
VISITORS = {
    "nightcast": ("nightcast_writer", "nightcast_monitor", "analyst"),
    "airflow": (),
    "retail": ("source_reader",),
}

MAINTENANCE = ("postgres", "template1")  # a server's own databases: on one of ours, for its superuser only


class Installation(Protocol):
    """Whose roles these are: a name that tells it from any other, and the roles' passwords."""

    @property
    def instance(self) -> str:
        """Random, or otherwise unique on this server."""

    def password(self, role: str) -> str:
        """The password of a role of `ROLES`."""


def ensure(local: Installation, admin_url: str, environment: Mapping[str, str], *, shared: bool) -> None:
    """Make the roles and databases, or renew their passwords and rights. Safe to repeat.

    `shared` says that the server was there before us. An analyst role that was, too, keeps its password.

    Raises:
        SettingMissing: a role or database of that name exists on a shared server and was made by somebody else.
    """
    analyst = environment.get("NIGHTCAST_ANALYST_ROLE") or "analyst"
    with closing(connect(admin_url)) as admin:
        admin.autocommit = True
        for name in ROLES:
            role = analyst if name == "analyst" else name
            mark = _mark(admin, sql.SQL("pg_roles WHERE rolname"), role, "pg_authid") if shared else None
            if name == "analyst" and mark not in (None, _sign(local)):
                continue
            _refuse_foreign("role", role, mark, local)
            create_role(admin_url, role, local.password(name))
            _execute(admin, "COMMENT ON ROLE {} IS {}", sql.Identifier(role), sql.Literal(_sign(local)))
        for database, owner in OWNERS.items():
            mark = _mark(admin, sql.SQL("pg_database WHERE datname"), database, "pg_database") if shared else None
            _refuse_foreign("database", database, mark, local)
            _execute(admin, "GRANT {} TO CURRENT_USER", sql.Identifier(owner))  # to give it away, one must be in it
            create_database(admin_url, database, owner)
            _execute(admin, "COMMENT ON DATABASE {} IS {}", sql.Identifier(database), sql.Literal(_sign(local)))
            for visitor in VISITORS[database]:
                role = analyst if visitor == "analyst" else visitor
                _execute(admin, "GRANT CONNECT ON DATABASE {} TO {}", sql.Identifier(database), sql.Identifier(role))
        for database in () if shared else MAINTENANCE:
            _execute(admin, "REVOKE ALL ON DATABASE {} FROM PUBLIC", sql.Identifier(database))


def drop(local: Installation, admin_url: str) -> list[str]:
    """Drop the databases and roles that `ensure` made on this server for this machine; their names."""
    dropped: list[str] = []
    with closing(connect(admin_url)) as admin:
        admin.autocommit = True
        cursor = admin.cursor()
        for statement, query in (
            (
                "DROP DATABASE {} WITH (FORCE)",
                "SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') = %s",
            ),
            ("DROP ROLE {}", "SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = %s"),
        ):
            cursor.execute(query, (_sign(local),))
            for (name,) in cursor.fetchall():
                _execute(admin, statement, sql.Identifier(name))
                dropped.append(name)
    return dropped


def _sign(local: Installation) -> str:
    return f"made by Nightcast {local.instance}"


def _mark(admin: Any, where: sql.SQL, name: str, catalog: str) -> str | None:
    """The comment on a role or database; None where there is no such thing, empty where it has no comment."""
    cursor = admin.cursor()
    query = sql.SQL("SELECT coalesce(shobj_description(oid, %s), '') FROM {} = %s").format(where)
    cursor.execute(query, (catalog, name))
    found = cursor.fetchone()
    return None if found is None else str(found[0])


def _refuse_foreign(kind: str, name: str, mark: str | None, local: Installation) -> None:
    if mark not in (None, _sign(local)):
        raise SettingMissing(
            f"the server has a {kind} {name!r} that this installation did not make (its comment is {mark!r}); expected "
            "none, or one of ours. Use another server, or remove it by hand if it is a leftover"
        )


def _execute(admin: Any, statement: str, *parts: sql.Composable) -> None:
    admin.cursor().execute(sql.SQL(statement).format(*parts))
