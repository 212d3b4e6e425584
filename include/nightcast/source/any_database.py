"""Any source with an SQLAlchemy URL: rows by a server-side cursor where the driver has one, in chunks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from nightcast.domain.contract import Column
from nightcast.domain.rows import arrow_schema
from nightcast.errors import SettingMissing, SourceMismatch, SourceUnavailable
from nightcast.source.conversion import check_columns, check_texts, to_arrow, told, without_password
from nightcast.source.parameters import Piece, render

_BATCH_ROWS = 65_536


def read(
    address: sa.URL, found: list[Piece], values: Mapping[str, Any], columns: Mapping[str, Column]
) -> Iterator[pa.RecordBatch]:
    """See `source.read`."""
    schema = arrow_schema(columns)
    with _connection(address, columns) as connection:
        streaming = connection.execution_options(stream_results=True, max_row_buffer=_BATCH_ROWS)
        result = streaming.execute(_bound(found, values))
        names = list(result.keys())
        check_columns(names, columns)
        places = [names.index(name) for name in columns]
        for rows in result.partitions(_BATCH_ROWS):
            by_column = list(zip(*rows, strict=True))
            arrays = [to_arrow(n, c, by_column[at]) for (n, c), at in zip(columns.items(), places, strict=True)]
            batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
            check_texts(batch, columns)
            yield batch


def query(address: sa.URL, found: list[Piece], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """See `source.query`."""
    with _connection(address, {}) as connection:
        return [dict(row) for row in connection.execute(_bound(found, values)).mappings()]


def _bound(found: list[Piece], values: Mapping[str, Any]) -> sa.TextClause:
    """The text with bind parameters.

    SQLAlchemy looks for them in strings too: so every other colon is escaped, and the names are ones that no string
    holds by chance.
    """
    names: dict[str, Any] = {}

    def parameter(name: str) -> str:
        names[f"nightcast_{name}"] = values[name]
        return f":nightcast_{name}"

    text = render(found, parameter, lambda text: text.replace(":", "\\:"))
    return sa.text(text).bindparams(**names)


@contextlib.contextmanager
def _connection(address: sa.URL, columns: Mapping[str, Column]) -> Iterator[sa.Connection]:
    """A connection whose transaction is rolled back at the end; the errors of its block become ours."""
    where = f"the source {address.set(username=None, password=None, query={})}"
    engine = _engine(address)
    path = address.database if engine.dialect.name == "sqlite" else None
    if path and path != ":memory:" and not Path(path).exists():  # or SQLite would make an empty one
        raise SourceUnavailable(f"{where} did not answer: the file is not there")
    try:
        try:
            connection = engine.connect()
        except sa.exc.DBAPIError as error:
            raise SourceUnavailable(f"{where} did not answer: {_text(error, address)}") from None
        with connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = ON")
            yield connection
    except sa.exc.DBAPIError as error:
        if _is_transient(error):
            raise SourceUnavailable(f"{where} did not answer: {_text(error, address)}") from None
        raise SourceMismatch(
            f"{where} refuses the SQL: {told(error.orig or error, address, columns)}. Correct it"
        ) from None
    finally:
        engine.dispose()


def _engine(address: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(address, poolclass=sa.NullPool)
    except (sa.exc.NoSuchModuleError, ImportError) as error:
        raise SettingMissing(
            f"the source's URL needs a driver that is not installed: {error}; install the package of "
            f"{address.drivername}"
        ) from None


def _is_transient(error: sa.exc.DBAPIError) -> bool:
    """SQLite calls a mistake in the SQL operational too, like a lost connection; its own name tells them apart.

    Text that cannot be decoded is operational as well, and has no such name: SQLite did not say it, its driver did.
    """
    if type(error.orig).__module__ == "sqlite3" and getattr(error.orig, "sqlite_errorname", "") in ("", "SQLITE_ERROR"):
        return False
    return error.connection_invalidated or isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)


def _text(error: sa.exc.DBAPIError, address: sa.URL) -> str:
    return without_password(error.orig or error, address)
