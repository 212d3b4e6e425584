"""What a step is given: the settings, and doors to the rooms that need them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from nightcast.lake import Lake
from nightcast.settings import Settings
from nightcast.store import connect
from nightcast.store.connect import Connection

Clock = Callable[[], datetime]  # aware, in UTC


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """Settings, the lake, and transactions in our Postgres."""

    settings: Settings
    lake: Lake

    def transaction(self) -> AbstractContextManager[Connection]:
        """One transaction as role writer: committed at its end, rolled back on any error."""
        return connect.transaction(self.settings.database_url)


def build(settings: Settings) -> Rooms:
    """The rooms that the settings describe. Nothing is connected to yet."""
    return Rooms(settings=settings, lake=Lake(settings.lake_url))
