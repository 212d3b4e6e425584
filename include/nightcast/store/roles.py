"""Roles and databases: made once by whoever owns the server, from a superuser's URL."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress

from psycopg2 import errors as pg
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import encrypt_password

from nightcast.store.connect import connect
from nightcast.store.queries import execute, load, row

OURS = OWNER, WRITER, MONITOR = "nightcast_owner", "nightcast_writer", "nightcast_monitor"
_SQL = load("roles")


def create_roles(superuser_url: str, passwords: Mapping[str, str], database: str = "nightcast") -> None:
    """Make (or give new passwords to) login roles, and our database, owned by `nightcast_owner`. Safe to repeat.

    `passwords` maps a role to its password: those of `OURS`, and the analyst role's name.
    """
    for role, password in passwords.items():
        create_role(superuser_url, role, password)
    create_database(superuser_url, database, OWNER)


def identifiers(analyst_role: str) -> dict[str, sql.Composable]:
    """The roles that are given rights, as the names that statements have for them."""
    names = {"writer": WRITER, "monitor": MONITOR, "analyst": analyst_role}
    return {name: sql.Identifier(role) for name, role in names.items()}


def create_role(superuser_url: str, role: str, password: str) -> None:
    """Make a role that can log in with this password and has no other right. Safe to repeat."""
    with closing(_autocommit(superuser_url)) as server:
        with suppress(pg.DuplicateObject):
            execute(server, sql.SQL(_SQL["create_role"]).format(role=sql.Identifier(role)))
        # Only the verifier is sent: a statement may be logged.
        verifier = encrypt_password(password, role, scope=server, algorithm="scram-sha-256")
        set_password = sql.SQL(_SQL["set_password"])
        execute(server, set_password.format(role=sql.Identifier(role), password=sql.Literal(verifier)))


def create_database(superuser_url: str, database: str, owner: str) -> None:
    """Make a database that only its owner may enter. Safe to repeat."""
    names = {"database": sql.Identifier(database), "owner": sql.Identifier(owner)}
    with closing(_autocommit(superuser_url)) as server:
        if not row(server, _SQL["database"], {"name": database}):
            with suppress(pg.DuplicateDatabase):
                execute(server, sql.SQL(_SQL["create_database"]).format(**names))
        execute(server, sql.SQL(_SQL["close_database"]).format(**names))


def _autocommit(url: str) -> Connection:
    opened = connect(url)
    opened.autocommit = True  # CREATE DATABASE refuses a transaction
    return opened
