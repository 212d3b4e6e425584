"""Postgres sources: COPY streamed into pyarrow's CSV reader, in memory that does not grow with the rows."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg2
import psycopg2.extensions
import pyarrow as pa
import sqlalchemy as sa
from psycopg2 import sql as pg
from psycopg2.extras import RealDictCursor

from nightcast.domain.contract import Column
from nightcast.errors import SourceMismatch, SourceUnavailable
from nightcast.source import csv_text
from nightcast.source.conversion import RoundingNeeded, check_columns, misfit_of, told, without_password
from nightcast.source.parameters import Piece, render

Connection = psycopg2.extensions.connection

_SEARCH_SECONDS = 60
_SESSION = {
    "application_name": "nightcast",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "client_encoding": "UTF8",
}


@dataclass(frozen=True, kw_only=True)
class Session:
    """How long a statement may take, and the time zone that days begin in."""

    timeout_seconds: int
    timezone: str


def read(
    address: sa.URL,
    found: list[Piece],
    values: Mapping[str, Any],
    columns: Mapping[str, Column],
    session: Session,
) -> Iterator[pa.RecordBatch]:
    """See `source.read`."""
    with _connection(address, session, columns) as connection:
        inner = _rendered(found, values, connection)
        _check(connection, inner, columns)
        names = pg.SQL(", ").join(pg.Identifier(name) for name in columns)
        copy = pg.SQL("COPY (SELECT {} FROM (\n{}\n) AS extracted) TO STDOUT (FORMAT csv, HEADER)").format(names, inner)
        stream = _Stream(connection, copy.as_string(connection))
        try:
            yield from _batches(stream, columns)
        except RoundingNeeded as error:
            raise misfit_of(
                error.column, columns, _too_precise(address, inner, error.column, columns, session)
            ) from None
        finally:
            stream.close()


def query(address: sa.URL, found: list[Piece], values: Mapping[str, Any], session: Session) -> list[dict[str, Any]]:
    """See `source.query`."""
    with (
        _connection(address, session, {}) as connection,
        connection.cursor(cursor_factory=RealDictCursor) as cursor,
    ):
        cursor.execute(_rendered(found, values, connection))
        return [dict(row) for row in cursor.fetchall()]


@contextlib.contextmanager
def _connection(address: sa.URL, session: Session, columns: Mapping[str, Column]) -> Iterator[Connection]:
    """A read-only transaction; the errors of its block become ours."""
    given = address.translate_connect_args(username="user", database="dbname") | dict(address.query)
    where = f"the source {address.host or 'localhost'}:{address.port or 5432}/{address.database}"
    connection = None
    try:
        connection = psycopg2.connect(**(_SESSION | given))
        connection.set_session(readonly=True, isolation_level="REPEATABLE READ")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config('timezone', %s, true), "
                "set_config('datestyle', 'ISO', true), set_config('extra_float_digits', '1', true)",
                (f"{session.timeout_seconds}s", session.timezone),
            )
        yield connection
    except psycopg2.Error as error:
        if isinstance(error, psycopg2.OperationalError) or error.pgcode is None:  # no code: the server did not speak
            raise SourceUnavailable(f"{where} did not answer: {without_password(error, address)}") from None
        raise SourceMismatch(
            f"{where} refuses the SQL: {told(error, address, columns)}. Correct it, or the role's rights"
        ) from None
    finally:
        if connection is not None:
            connection.close()


def _rendered(found: list[Piece], values: Mapping[str, Any], connection: Connection) -> pg.SQL:
    """The text with its parameters as quoted literals: COPY takes no bind parameters."""
    return pg.SQL(render(found, lambda name: pg.Literal(values[name]).as_string(connection)))


def _check(connection: Connection, inner: pg.SQL, columns: Mapping[str, Column]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(pg.SQL("SELECT * FROM (\n{}\n) AS extracted LIMIT 0").format(inner))
        check_columns([c.name for c in cursor.description or ()], columns)


def _too_precise(address: sa.URL, inner: pg.SQL, name: str, columns: Mapping[str, Column], session: Session) -> str:
    """A value with more digits than its column's scale: pyarrow says that there is one, not which."""
    rest = pg.SQL("SELECT {0}::text FROM (\n{1}\n) AS extracted WHERE {0}::numeric <> round({0}::numeric, {2}) LIMIT 1")
    searching = replace(session, timeout_seconds=_SEARCH_SECONDS)
    with _connection(address, searching, columns) as connection, connection.cursor() as cursor:
        cursor.execute(rest.format(pg.Identifier(name), inner, pg.Literal(columns[name].scale)))
        row = cursor.fetchone()
    return f"found {row[0]}" if row else "found a value with too many digits"


def _batches(stream: _Stream, columns: Mapping[str, Column]) -> Iterator[pa.RecordBatch]:
    try:
        yield from csv_text.batches(stream.source, columns, list(columns))
    except (SourceMismatch, RoundingNeeded):
        stream.check()  # where the source failed, what is wrong with the text is only an effect
        raise
    stream.check()


class _Stream:
    """A COPY that runs in a thread of its own and can be read from `source`."""

    def __init__(self, connection: Connection, copy: str):
        self._connection, self._copy = connection, copy
        self._error: BaseException | None = None
        self._is_over = False
        read_end, write_end = os.pipe()
        self.source = os.fdopen(read_end, "rb", buffering=1 << 20)
        self._sink = os.fdopen(write_end, "wb", buffering=1 << 20)
        self._thread = threading.Thread(target=self._run, name="nightcast-copy", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise the error of a COPY that failed. After the end of `source` it is known."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop the COPY unless it is over: nobody reads it any longer."""
        self.source.close()
        if not self._is_over:
            with contextlib.suppress(psycopg2.Error):
                self._connection.cancel()
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._connection.cursor() as cursor:
                cursor.copy_expert(self._copy, self._sink)
            self._is_over = True
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that reads
            self._error = error
        finally:
            with contextlib.suppress(BrokenPipeError):  # the reader left first
                self._sink.close()
