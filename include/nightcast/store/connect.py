"""Connections and transactions, and what a failed one means to the operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import psycopg2
from psycopg2 import errors as pg
from psycopg2.extensions import connection, parse_dsn

from nightcast.errors import NightcastError, SettingMissing, StoreUnavailable, TablesDoNotFit

Connection: TypeAlias = connection  # what every function of the store takes as `tx`

SESSION = {
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "5min",  # a hung orphan must not block its own retry
    "statement_timeout": "30min",
    "timezone": "UTC",
    "extra_float_digits": "1",  # floats in text form keep all their bits
}
DEFAULTS = {
    "application_name": "nightcast",
    "client_encoding": "UTF8",
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
_NO_LONGER = (  # a class of its own in the driver, but gone by itself like the OperationalErrors
    pg.IdleInTransactionSessionTimeout,
    pg.ReadOnlySqlTransaction,
    psycopg2.InterfaceError,
    psycopg2.OperationalError,
)
_STAYS = (pg.ObjectNotInPrerequisiteState, pg.ProgramLimitExceeded)  # OperationalErrors that a retry meets again
_NOT_THERE = (
    pg.InsufficientPrivilege,
    pg.InvalidSchemaName,
    pg.UndefinedColumn,
    pg.UndefinedFunction,
    pg.UndefinedObject,
    pg.UndefinedTable,
)


def connect(url: str) -> Connection:
    """Open a connection to our Postgres, with timeouts, keepalives and time zone UTC.

    `url` is an SQLAlchemy or libpq URL; what it says of its own (sslmode, connect_timeout, …) wins.

    Raises:
        SettingMissing: the URL cannot be read, or names a login or database that does not exist.
        StoreUnavailable: nobody answers there.
    """
    login: dict[str, Any] = _login(url)
    session = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
    login["options"] = f"{session} {login.get('options', '')}".strip()
    try:
        opened: Connection = psycopg2.connect(**{**DEFAULTS, **login})
    except psycopg2.OperationalError as error:
        where = f"{login.get('user')}@{login.get('host')}:{login.get('port', '5432')}/{login.get('dbname')}"
        found = _without(str(error).strip(), login.get("password"))
        if "authentication failed" in found or "does not exist" in found or "permission denied" in found:
            raise SettingMissing(f"Nightcast's Postgres refuses {where}: {found}. Check the database URL") from None
        raise StoreUnavailable(f"Nightcast's Postgres does not answer at {where}: {found}") from None
    return opened


@contextmanager
def transaction(url: str) -> Iterator[Connection]:
    """One transaction on a connection of its own: committed at the end, rolled back on any error, then closed.

    Raises:
        StoreUnavailable: the connection was lost, or a lock, a deadlock or a timeout ended the transaction.
        TablesDoNotFit: a table, column or right is not there.
    """
    opened = connect(url)
    try:
        try:
            yield opened
            opened.commit()
        except BaseException:
            with suppress(psycopg2.Error):  # a lost connection is rolled back by the server
                opened.rollback()
            raise
    except psycopg2.Error as error:
        meaning = meaning_of(error)
        if meaning is None:
            raise
        raise meaning from error
    finally:
        opened.close()


def meaning_of(error: psycopg2.Error) -> NightcastError | None:
    """What a driver's error means to the operator; None for one that nothing outside explains (a defect)."""
    found = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, _NO_LONGER) and not isinstance(error, _STAYS):
        return StoreUnavailable(f"Nightcast's Postgres ended the transaction ({type(error).__name__}): {found}")
    if isinstance(error, _NOT_THERE):
        return TablesDoNotFit(
            f"the database does not fit this code ({type(error).__name__}): {found}. "
            "Run `nightcast db apply` as the owner; `nightcast db plan` shows what it would do"
        )
    return None


def _login(url: str) -> dict[str, str]:
    scheme, found, rest = url.partition("://")
    if not found or scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise SettingMissing(_UNREADABLE)
    try:
        return dict(parse_dsn(f"postgresql://{rest}"))
    except psycopg2.ProgrammingError:
        raise SettingMissing(_UNREADABLE) from None  # the driver's message quotes the URL, password included


def _without(text: str, secret: str | None) -> str:
    return text.replace(secret, "***") if secret else text


_UNREADABLE = "a database URL cannot be read; expected postgresql+psycopg2://USER:PASSWORD@HOST:PORT/DATABASE"
