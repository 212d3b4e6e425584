"""Read from a source by its URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from nightcast.domain.contract import Column
from nightcast.errors import SettingMissing, SourceMismatch
from nightcast.source import any_database, postgres
from nightcast.source.parameters import Kind, Piece, single_select

TIMEOUT_SECONDS = 1800


def read(
    url: str,
    sql: str,
    values: Mapping[str, Any],
    columns: Mapping[str, Column],
    timeout_seconds: int = TIMEOUT_SECONDS,
    timezone: str = "UTC",
) -> Iterator[pa.RecordBatch]:
    """The declared columns of one SELECT, as batches in `domain.rows.arrow_schema`.

    `values` gives each `:name` of the text a str, int, float, bool, Decimal, date, datetime or None. Other columns
    never leave a Postgres source. `SourceMismatch`: a declared column is not there, a value does not fit its declared
    type, or the source refuses the SQL. `SourceUnavailable`: it does not answer, or not within `timeout_seconds`.
    In Postgres the session has `timezone`: days begin there, and a `timestamptz` cast to `timestamp` is its wall time.
    The connection is read only and is closed when the iterator ends or is dropped. An iterator that raises has not
    delivered all rows: what came before must not be used.
    """
    address, found = _address(url), _checked(sql, values)
    if _is_postgres(address):
        session = postgres.Session(timeout_seconds=timeout_seconds, timezone=timezone)
        return postgres.read(address, found, values, columns, session)
    return any_database.read(address, found, values, columns)


def query(
    url: str,
    sql: str,
    values: Mapping[str, Any],
    timeout_seconds: int = TIMEOUT_SECONDS,
    timezone: str = "UTC",
) -> list[dict[str, Any]]:
    """All rows of a small result, as the driver gives them. Errors and `timezone` as those of `read`."""
    address, found = _address(url), _checked(sql, values)
    if _is_postgres(address):
        return postgres.query(
            address, found, values, postgres.Session(timeout_seconds=timeout_seconds, timezone=timezone)
        )
    return any_database.query(address, found, values)


def _address(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # its text may hold the password
        raise SettingMissing(
            "the source's URL cannot be read; expected an SQLAlchemy URL such as postgresql://user:password@host/name"
        ) from None


def _is_postgres(address: sa.URL) -> bool:
    return address.get_backend_name() in ("postgresql", "postgres")


def _checked(sql: str, values: Mapping[str, Any]) -> list[Piece]:
    found = single_select(sql)
    unknown = sorted({p.text for p in found if p.kind is Kind.PARAMETER} - set(values))
    if unknown:
        raise SourceMismatch(
            f"the SQL asks for :{', :'.join(unknown)}; known are {', '.join(f':{n}' for n in values) or 'none'}"
        )
    return found
