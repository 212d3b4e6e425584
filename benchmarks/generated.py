"""Rows that look like a shop's: twelve columns of mixed types, the same ones every time."""

from __future__ import annotations

from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

from nightcast.store import connect
from nightcast.store.queries import execute

FIRST = date(2024, 1, 1)

_ROWS = Path(__file__).with_suffix(".sql").read_text()


def fill(url: str, *, days: int, per_day: int, keys: int, first: date = FIRST) -> date:
    """Make the table of a source: so many rows on each of so many days, of so many articles; its last day."""
    asked = {"first": first, "per_day": per_day, "rows": days * per_day, "keys": keys}
    with closing(connect.connect(url)) as connection, connection:
        execute(connection, _ROWS, asked)
        execute(connection, "CREATE INDEX ON sales_line (sold_at)")
    with closing(connect.connect(url)) as connection:
        connection.autocommit = True
        execute(connection, "VACUUM (ANALYZE) sales_line")
    return first + timedelta(days=days - 1)
