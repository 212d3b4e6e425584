"""The same night from a source of another kind: SQLite, through SQLAlchemy."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nightcast import source
from nightcast.domain.night import RunState
from nightcast.settings import from_environment
from nightcast.steps import sequence
from nightcast.steps.rooms import Rooms, build
from nightcast.store import intake
from steps.world import FIRST_DAY, FIRST_NIGHT, PIPELINE, World, asked, clock_of, scheduled

pytestmark = pytest.mark.postgres

WINDOW = {"window_start": FIRST_NIGHT - timedelta(days=3), "window_end": FIRST_NIGHT + timedelta(days=1)}
WHOLE = {"window_start": FIRST_DAY, "window_end": FIRST_NIGHT + timedelta(days=60)}


def fill(path: Path, world: World) -> None:
    """What the Postgres source has of the window, as SQLite keeps it: prices and times as text, flags as 0 and 1."""
    folder, columns = world.folder / PIPELINE, world.pipeline.source.columns
    batches = source.read(world.retail.reader, (folder / "extract.sql").read_text(), WINDOW, columns)
    lines = [row for batch in batches for row in batch.to_pylist()]
    days = source.query(world.retail.reader, (folder / "calendar.sql").read_text(), WHOLE)
    with closing(sqlite3.connect(path)) as database:
        for table, found in (("line", lines), ("calendar", days)):
            names = list(found[0])
            database.execute(f"CREATE TABLE {table} ({', '.join(names)})")
            marks = ", ".join("?" * len(names))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", [[plain(r[n]) for n in names] for r in found])
        database.commit()


def plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else str(value)


@dataclass(frozen=True)
class Sqlite:
    world: World
    path: Path

    @property
    def rooms(self) -> Rooms:
        return build(from_environment(self.world.environment | {"NIGHTCAST_SOURCE_RETAIL": f"sqlite:///{self.path}"}))


@pytest.fixture
def sqlite(world: World, tmp_path: Path) -> Sqlite:
    fill(tmp_path / "shop.sqlite", world)
    between = "WHERE {0} >= :window_start AND {0} < :window_end\n"
    names = ", ".join(world.pipeline.source.columns)
    folder = world.folder / PIPELINE
    (folder / "extract.sql").write_text(f"SELECT {names} FROM line " + between.format("sold_at"))
    (folder / "calendar.sql").write_text("SELECT * FROM calendar " + between.format("day"))
    return Sqlite(world, tmp_path / "shop.sqlite")


def test_a_night_from_sqlite_publishes_the_rows_of_a_night_from_postgres(sqlite: Sqlite, published: World) -> None:
    night = sequence.run_night(asked(FIRST_NIGHT, **scheduled(FIRST_NIGHT)), sqlite.rooms, clock_of(FIRST_NIGHT))
    run = sqlite.world.run(night["run_id"])
    assert run.state is RunState.PUBLISHED
    (live,) = published.as_writer(
        f"SELECT row_digest, pulled FROM internal.run WHERE origin = '{FIRST_NIGHT}' AND kind = 'night'"
    )
    assert (run.row_digest, run.pulled) == (live["row_digest"], live["pulled"])
    contents = []
    for world in (sqlite.world, published):
        with world.writing() as tx:
            contents.append({d: r.content_digest for d, r in intake.newest(tx, PIPELINE, last=FIRST_NIGHT).items()})
    assert contents[0] == contents[1]  # no day of the window came as restated
