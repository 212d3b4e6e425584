"""A whole installation in small: the excerpt as source, our Postgres, a lake, the real pipeline, its first model."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from demo.retail_source import Retail
from nightcast import spec
from nightcast.local import postgres
from nightcast.settings import from_environment
from nightcast.steps import import_history, rooms, sequence
from nightcast.store import connect, layout, migrate, roles
from nightcast.store.queries import execute, rows

PIPELINE = "daily_demand"
PASSWORDS = {"nightcast_owner": "owner-secret", "nightcast_writer": "writer-secret", "analyst": "analyst-secret"}
FIRST_DAY = date(2009, 12, 1)
TRAINED_THROUGH = date(2011, 10, 23)
FIRST_NIGHT = date(2011, 10, 24)
FOLDERS = Path(__file__).resolve().parents[2] / "include" / "pipelines"


@dataclass(frozen=True)
class World:
    """An installation. `rooms` is what steps are given; the clock stands shortly after each night's schedule."""

    server: postgres.Server
    database: str
    retail: Retail
    folder: Path  # of the pipelines
    lake: Path

    @property
    def rooms(self) -> rooms.Rooms:
        return rooms.build(from_environment(self.environment))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "NIGHTCAST_DATABASE_URL": self.url("nightcast_writer"),
            "NIGHTCAST_OWNER_URL": self.url("nightcast_owner"),
            "NIGHTCAST_LAKE": str(self.lake),
            "NIGHTCAST_PIPELINES": str(self.folder),
            "NIGHTCAST_SOURCE_RETAIL": self.retail.reader,
            "NIGHTCAST_CODE_COMMIT": "test",
        }

    def url(self, role: str) -> str:
        return self.server.url(self.database, role, PASSWORDS[role])

    def night(self, origin: date, **request: Any) -> dict[str, Any]:
        asked = {"pipeline": PIPELINE, "partition_key": origin.isoformat(), **request}
        return sequence.run_night(asked, self.rooms, clock_of(origin))

    def as_analyst(self, statement: str) -> list[dict[str, Any]]:
        with connect.transaction(self.url("analyst")) as tx:
            return rows(tx, statement)

    def as_writer(self, statement: str) -> list[dict[str, Any]]:
        with connect.transaction(self.url("nightcast_writer")) as tx:
            return rows(tx, statement)

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a file of the pipeline's folder as a team would."""
        path = self.folder / PIPELINE / file
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new))


def clock_of(origin: date) -> rooms.Clock:
    """A clock that stands a little after the night's schedule."""
    at = datetime.combine(origin + timedelta(days=1), time(3), tzinfo=UTC)
    return lambda: at


@contextmanager
def prepared(server: postgres.Server, retail: Retail, place: Path) -> Iterator[World]:
    """History imported up to the day before the first night, and the first model live."""
    folder = place / "pipelines"
    shutil.copytree(FOLDERS, folder)
    made = World(server, f"world_{secrets.token_hex(4)}", retail, folder, place / "lake")
    roles.create_roles(server.url(), PASSWORDS, database=made.database)
    migrate.upgrade(made.url("nightcast_owner"))
    with connect.transaction(made.url("nightcast_owner")) as tx:
        layout.apply(tx, spec.load_folder(folder / PIPELINE).pipeline)
    days = {"first": FIRST_DAY.isoformat(), "last": TRAINED_THROUGH.isoformat()}
    import_history.run({"pipeline": PIPELINE, **days}, made.rooms, clock_of(TRAINED_THROUGH))
    sequence.run_training({"pipeline": PIPELINE, "reason": "test"}, made.rooms, clock_of(TRAINED_THROUGH))
    yield made
    drop(server, made.database)


@contextmanager
def copied(world: World, place: Path) -> Iterator[World]:
    """A copy with a database and a pipelines' folder of its own; the lake is shared, its objects never change."""
    name = f"world_{secrets.token_hex(4)}"
    with closing(connect.connect(world.server.url())) as maker:
        maker.autocommit = True
        execute(maker, f"CREATE DATABASE {name} TEMPLATE {world.database} OWNER nightcast_owner")
    folder = place / "pipelines"
    shutil.copytree(world.folder, folder)
    made = World(world.server, name, world.retail, folder, world.lake)
    migrate.upgrade(made.url("nightcast_owner"))  # rights on the database itself are not copied
    yield made
    drop(world.server, name)


def drop(server: postgres.Server, database: str) -> None:
    with closing(connect.connect(server.url())) as maker:
        maker.autocommit = True
        execute(maker, f"DROP DATABASE {database} WITH (FORCE)")
