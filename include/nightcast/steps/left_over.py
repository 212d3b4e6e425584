"""Tables in the lake that nothing refers to: what interrupted runs left there, and what nobody would look into."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from nightcast.lake import Lake
from nightcast.store import removals
from nightcast.store.connect import Connection

AGE = timedelta(hours=1)  # a younger one may be about to be referred to, by a run of another pipeline too


def left_over(tx: Connection, lake: Lake, without: Callable[[pa.Table], pa.Table | None]) -> dict[str, int]:
    """Object -> rows in it that `without` leaves out, of tables to which no pipeline of this database refers."""
    before = datetime.now(UTC) - AGE
    found: dict[str, int] = {}
    for name, written in lake.names():
        if written < before and lake.is_table(name):
            table = lake.get_table(name)
            if (kept := without(table)) is not None:
                found[name] = table.num_rows - kept.num_rows
    wanted = removals.still_wanted(tx, list(found)) | removals.mentioned(tx, list(found))
    return {name: rows for name, rows in found.items() if name not in wanted}
