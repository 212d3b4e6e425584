"""The tables that all pipelines share: Alembic migrations, whose statements are plain SQL, and grants."""

from __future__ import annotations

from pathlib import Path

from psycopg2 import errors as pg
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from nightcast.errors import TablesDoNotFit
from nightcast.store import roles
from nightcast.store.connect import connect, transaction
from nightcast.store.queries import execute, load, lock, row

HEAD = "v0007_unpublished"
_SQL = load("migrate")


def upgrade(owner_url: str, analyst_role: str = "analyst") -> None:
    """Bring a database to this code's tables and renew the grants. Safe to repeat and to run twice at once.

    Raises:
        TablesDoNotFit: the login may not create here, a role is missing, or the database is newer than this code.
    """
    with transaction(owner_url) as tx:
        lock(tx, "migrate", "schema")
        found = current(tx)
        if found not in (None, HEAD, *_known()):
            raise TablesDoNotFit(
                f"the database is at migration {found}, which this code does not know; expected {HEAD} or older. "
                "Use the version of the code that made it, or a newer one"
            )
        if found != HEAD:
            _run_migrations(owner_url)
        _grant(tx, analyst_role)


def current(tx: Connection) -> str | None:
    """Name of the newest migration that the database has; None before the first."""
    if not row(tx, _SQL["is_migrated"]):
        return None
    found = row(tx, _SQL["current"])
    return str(found["version_num"]) if found else None


def _known() -> list[str]:
    return [file.stem for file in (Path(__file__).parent / "migrations/versions").glob("v*.py")]


def _run_migrations(owner_url: str, to: str = "head") -> None:
    from alembic import command  # heavy, and needed by `db apply` alone
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine("postgresql+psycopg2://", creator=lambda: connect(owner_url), poolclass=NullPool)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with engine.begin() as connection:  # all of it or nothing
        connection.connection.cursor().execute(_SQL["schemas"])
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def _grant(tx: Connection, analyst_role: str) -> None:
    database = sql.Identifier(tx.info.dbname)
    try:
        execute(tx, sql.SQL(_SQL["grants"]).format(database=database, **roles.identifiers(analyst_role)))
    except pg.UndefinedObject as error:
        raise TablesDoNotFit(
            f"{error.diag.message_primary}; expected roles {roles.WRITER}, {roles.MONITOR} and {analyst_role}. "
            "Create them as a superuser (CREATE ROLE … LOGIN PASSWORD …), then run `nightcast db apply` again"
        ) from error
