"""A whole installation in small: a source, our Postgres, a lake, a pipeline, its models. `World` is the excerpt's."""

from __future__ import annotations

import hashlib
import importlib
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar

from psycopg2 import sql

from demo.retail_source import Retail
from nightcast import spec
from nightcast.domain.pipeline import Pipeline
from nightcast.local import postgres
from nightcast.settings import from_environment
from nightcast.steps import import_history, rooms, sequence
from nightcast.store import connect, layout, migrate, models, roles, runs
from nightcast.store.connect import Connection
from nightcast.store.queries import execute, rows

PIPELINE = "daily_demand"
PASSWORDS = {
    "nightcast_owner": "owner-secret",
    "nightcast_writer": "writer-secret",
    "nightcast_monitor": "monitor-secret",
    "analyst": "analyst-secret",
}
FIRST_DAY = date(2010, 10, 1)  # a shorter history than the excerpt has: importing is most of what a world costs
EARLY = date(2010, 12, 5)  # the last day that the first model knows
TRAINED_THROUGH = date(2011, 10, 23)  # the last day that the second one knows
FIRST_NIGHT = date(2011, 10, 24)
NIGHTS = (FIRST_NIGHT, date(2011, 10, 25), date(2011, 10, 26))  # Monday to Wednesday
NEXT = date(2011, 10, 27)
RESTATED = NIGHTS[1]  # a day of which the source has more rows later
LATE = f"""
INSERT INTO raw_line (line, delivery, invoice, stock_code, description, quantity, sold_at, price, customer_id, country)
SELECT 9000000 + line, delivery, '7' || substr(invoice, 2), stock_code, description, quantity, sold_at, price,
    customer_id, country
FROM raw_line WHERE sold_at::date = '{RESTATED}' AND invoice NOT LIKE 'C%' AND quantity > 0 AND price > 0
"""
NOT_LATE = "DELETE FROM raw_line WHERE line > 9000000"
DOUBLED = date(2010, 12, 6)  # the source has it twice, as all days from 2010-12-01 to 2010-12-09
FOLDERS = Path(__file__).resolve().parents[2] / "include" / "pipelines"
RECIPE = ("training: {origins: 100, every_days: 7, sample: 0.25}", "calibration: {origins: 8, gap_origins: 2,")
SMALL = ("training: {origins: 8, every_days: 7, sample: 1.0}", "calibration: {origins: 2, gap_origins: 1,")
VOLATILE = {  # when it was, and which run was the last to see it; every other column must come out the same
    "check_result": ("at", "seconds"),
    "actual_day": ("recorded_at", "run_id"),
    "accuracy_basis": ("computed_at",),
}


@dataclass(frozen=True)
class Installation:
    """What serves the pipeline `name`. `rooms` is what steps are given; the clock stands shortly after each night's
    schedule. `sources` maps a connection to its URL."""

    server: postgres.Server
    database: str
    folder: Path  # of the pipelines
    lake: Path
    name: str
    sources: Mapping[str, str]

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
            "NIGHTCAST_CODE_COMMIT": "test",
            "NIGHTCAST_HASH_KEY": "test" * 8,
        } | {f"NIGHTCAST_SOURCE_{name.upper()}": url for name, url in self.sources.items()}

    @property
    def pipeline(self) -> Pipeline:
        return spec.load_folder(self.folder / self.name).pipeline

    def url(self, role: str) -> str:
        return self.server.url(self.database, role, PASSWORDS[role])

    def night(self, origin: date, **request: Any) -> dict[str, Any]:
        """A whole night, as Airflow would run it."""
        return sequence.run_night(self.asked(origin, **request), self.rooms, clock_of(origin))

    def asked(self, origin: date, **request: Any) -> dict[str, Any]:
        """What `open_run` is asked for."""
        return asked(origin, pipeline=self.name, **request)

    def step(self, name: str, subject: Mapping[str, Any], origin: date, **arguments: Any) -> Any:
        """One step of a night."""
        return importlib.import_module(f"nightcast.steps.{name}").run(
            subject, self.rooms, clock_of(origin), **arguments
        )

    def import_days(self, first: date, last: date) -> dict[str, Any]:
        days = {"first": first.isoformat(), "last": last.isoformat()}
        return import_history.run({"pipeline": self.name, **days}, self.rooms, clock_of(last))

    def train(self, through: date) -> dict[str, Any]:
        request = {"pipeline": self.name, "trained_through": through.isoformat(), "reason": "test"}
        return sequence.run_training(request, self.rooms, clock_of(through))

    def promote(self, version: int, effective_from: date) -> None:
        with self.writing() as tx:
            models.promote(tx, self.name, version, effective_from=effective_from, who="test", why="newer")

    def writing(self) -> AbstractContextManager[Connection]:
        return connect.transaction(self.url("nightcast_writer"))

    def run(self, run_id: int) -> runs.Run:
        with self.writing() as tx:
            return runs.get(tx, run_id)

    def last_run(self, kind: runs.RunKind = runs.RunKind.NIGHT) -> runs.Run:
        with self.writing() as tx:
            return runs.recent(tx, self.name, kind, 1)[0]

    def as_analyst(self, statement: str) -> list[dict[str, Any]]:
        with connect.transaction(self.url("analyst")) as tx:
            return rows(tx, statement)

    def as_writer(self, statement: str) -> list[dict[str, Any]]:
        with self.writing() as tx:
            return rows(tx, statement)

    def shown(self) -> str:
        """A digest of every published row as analysts read it, provenance and times included."""
        found = self.as_analyst(f"SELECT h::text AS line FROM forecast.{self.name}_history AS h ORDER BY 1")
        return hashlib.sha256("\n".join(r["line"] for r in found).encode()).hexdigest()

    def fingerprint(self, but: Collection[str] = ("run_step",)) -> dict[str, str]:
        """A digest of each table's rows, without columns that are `VOLATILE`."""
        with connect.transaction(self.url("nightcast_owner")) as tx:
            names = [r["name"] for r in rows(tx, _TABLES) if r["name"] not in but]
            return {name: _digest(tx, name) for name in names}

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a file of the pipeline's folder as a team would."""
        path = self.folder / self.name / file
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new))


@dataclass(frozen=True, kw_only=True)
class World(Installation):
    """The installation of the excerpt."""

    retail: Retail


Some = TypeVar("Some", bound=Installation)

_TABLES = """
SELECT relname AS name FROM pg_class
WHERE relnamespace = 'internal'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""


def _digest(tx: Connection, table: str) -> str:
    kept = sql.SQL("to_jsonb(t) - {}::text[]").format(sql.Literal(list(VOLATILE[table]))) if table in VOLATILE else None
    statement = sql.SQL(
        "SELECT count(*) AS n, sum(hashtextextended(({kept})::text, 0)) AS s FROM internal.{table} AS t"
    )
    (found,) = rows(tx, statement.format(kept=kept or sql.SQL("t"), table=sql.Identifier(table)))
    return f"{found['n']} rows {found['s']}"


def asked(origin: date, *, pipeline: str = PIPELINE, **request: Any) -> dict[str, Any]:
    """What `open_run` is asked for."""
    return {"pipeline": pipeline, "partition_key": origin.isoformat(), **request}


def scheduled(origin: date) -> dict[str, Any]:
    """How a night of the schedule asks."""
    return {"scheduler_run_id": f"scheduled__{origin}", "scheduled": True}


def clock_of(origin: date) -> rooms.Clock:
    """A clock that stands a little after the night's schedule."""
    at = datetime.combine(origin + timedelta(days=1), time(3), tzinfo=UTC)
    return lambda: at


@contextmanager
def changed(retail: Retail, do: str, undo: str) -> Iterator[None]:
    """The source with other rows for a while, as its owner changes them."""
    retail.query(do, retail.owner)
    try:
        yield
    finally:
        retail.query(undo, retail.owner)


@contextmanager
def prepared(server: postgres.Server, retail: Retail, place: Path) -> Iterator[World]:
    """History imported up to `EARLY`, and a first small model live from then on."""
    new = Installation(
        server,
        f"world_{secrets.token_hex(4)}",
        place / "pipelines",
        place / "lake",
        PIPELINE,
        {"retail": retail.reader},
    )
    made = World(**vars(new), retail=retail)
    shutil.copytree(FOLDERS, made.folder)
    empty(made)
    with connect.transaction(made.url("nightcast_owner")) as tx:
        layout.apply(tx, made.pipeline)
    made.import_days(FIRST_DAY, EARLY)
    for old, new in zip(RECIPE, SMALL, strict=True):
        made.edit("pipeline.yaml", old, new)
    made.train(EARLY)
    for old, new in zip(SMALL, RECIPE, strict=True):
        made.edit("pipeline.yaml", old, new)
    yield made
    drop(server, made.database)


def empty(made: Installation) -> None:
    """Its database, with the engine's tables and without any of a pipeline."""
    roles.create_roles(made.server.url(), PASSWORDS, database=made.database)
    migrate.upgrade(made.url("nightcast_owner"))


@contextmanager
def copied(world: Some, place: Path, *, lake: bool = False) -> Iterator[Some]:
    """A copy with a database and a pipelines' folder of its own. Its lake is shared, where objects never change."""
    name = f"world_{secrets.token_hex(4)}"
    with closing(connect.connect(world.server.url())) as maker:
        maker.autocommit = True
        execute(maker, f"CREATE DATABASE {name} TEMPLATE {world.database} OWNER nightcast_owner")
    folder = place / "pipelines"
    shutil.copytree(world.folder, folder)
    made = replace(world, database=name, folder=folder)
    if lake:
        made = replace(made, lake=place / "lake")
        shutil.copytree(world.lake, made.lake)
    migrate.upgrade(made.url("nightcast_owner"))  # rights on the database itself are not copied
    yield made
    drop(world.server, name)


def drop(server: postgres.Server, database: str) -> None:
    with closing(connect.connect(server.url())) as maker:
        maker.autocommit = True
        execute(maker, f"DROP DATABASE {database} WITH (FORCE)")
