"""A fault that is being played: what its conditions may lay hands on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.nights import Course, Scheduler
from faults.stage import Stage
from nightcast.store import connect
from nightcast.store.queries import Row, execute, rows


@dataclass(kw_only=True)
class Scene:
    """The installation, and tonight's course through it."""

    world: Any
    stage: Stage
    scheduler: Scheduler
    course: Course
    place: Path
    aside: ExitStack  # what is put away only after everything has been looked at

    def as_superuser(self, statement: str, database: str | None = None) -> None:
        """Run statements in our database, or another one, on a connection of their own."""
        with closing(connect.connect(self.world.server.url(database or self.world.database))) as opened:
            opened.autocommit = True
            execute(opened, "SET default_transaction_read_only = off")
            execute(opened, statement)

    def looked_up(self, query: str) -> Row:
        """The only row of a query in our database."""
        with connect.transaction(self.world.server.url(self.world.database)) as tx:
            (found,) = rows(tx, query)
        return found

    @property
    def run_id(self) -> int:
        """Tonight's run."""
        return int(dict(self.course.night or {})["run_id"])


def until(true: Callable[[], Any], what: str, seconds: float = 30.0) -> None:
    """Wait for something that will be so, however long it takes."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.02)
