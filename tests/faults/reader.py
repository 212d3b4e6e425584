"""An analyst who reads all the while, and remembers every answer."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import psycopg2
from psycopg2 import sql

from nightcast.store import connect
from nightcast.store.queries import rows

PAUSE = 0.02
_NIGHTS = """
SELECT f.origin, f.run, f.revision, count(*) AS rows, count(DISTINCT ({keys})) AS keys,
    count(DISTINCT f.target_date) AS days, sum(hashtextextended(f::text, 0))::text AS content
FROM {view} AS f GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


@dataclass(frozen=True, order=True)
class Seen:
    """A night in an answer."""

    origin: date
    run: int
    revision: int
    rows: int
    keys: int
    days: int
    content: str


Answer = tuple[Seen, ...]


@dataclass
class Reader:
    """Polls the newest night and all nights; `newest` and `all` hold each answer that differs from the one before."""

    url: str
    pipeline: str
    keys: tuple[str, ...]
    polls: int = 0
    newest: list[Answer] = field(default_factory=list)
    all: list[Answer] = field(default_factory=list)
    broken: BaseException | None = None

    def __enter__(self) -> Reader:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="analyst", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self.broken is not None:
            raise self.broken

    def until(self, polls: int, seconds: float = 30.0) -> None:
        """Wait for some more answers."""
        wanted, end = self.polls + polls, time.monotonic() + seconds
        while self.polls < wanted and self._thread.is_alive():
            assert time.monotonic() < end, "the analyst gets no answers"
            time.sleep(PAUSE / 2)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                with closing(connect.connect(self.url)) as opened:
                    opened.autocommit = True
                    while not self._over.is_set():
                        self._poll(opened)
                        self._over.wait(PAUSE)
            except (psycopg2.OperationalError, psycopg2.InterfaceError, connect.StoreUnavailable):
                self._over.wait(PAUSE)  # no answer is no wrong answer
            except BaseException as error:  # noqa: BLE001 -- raised again where the reader is joined
                self.broken = error
                return

    def _poll(self, opened: Any) -> None:
        for view, kept in ((self.pipeline, self.newest), (f"{self.pipeline}_history", self.all)):
            keys = sql.SQL(", ").join(sql.Identifier("f", key) for key in self.keys)
            query = sql.SQL(_NIGHTS).format(keys=keys, view=sql.Identifier("forecast", view))
            answer = tuple(Seen(**found) for found in rows(opened, query))
            if not kept or kept[-1] != answer:
                kept.append(answer)
        self.polls += 1
