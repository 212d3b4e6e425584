"""A database as an installation has it: roles, shared tables, and one pipeline's tables."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from nightcast.domain.contract import Column, ColumnType, Role
from nightcast.domain.features import Windowed
from nightcast.domain.model_spec import Model, Scale
from nightcast.domain.night import RunKind
from nightcast.domain.pipeline import Forecast, Measure, Pipeline, Schedule, Source, Universe
from nightcast.local.postgres import Server
from nightcast.store import layout, migrate, models, predictions, roles, runs
from nightcast.store.connect import Connection, connect, transaction
from nightcast.store.queries import execute
from nightcast.store.runs import Run

PASSWORDS = {
    "nightcast_owner": "owner-secret",
    "nightcast_writer": "writer-secret",
    "nightcast_monitor": "monitor-secret",
    "analyst": "analyst-secret",
}
ORIGIN = date(2011, 10, 31)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Memory:
    """URLs of the roles, the applied pipeline, and short ways to what tests need."""

    server: Server
    name: str
    pipeline: Pipeline

    def url(self, role: str) -> str:
        return self.server.url(self.name, role, PASSWORDS[role])

    def writing(self) -> AbstractContextManager[Connection]:
        return transaction(self.url("nightcast_writer"))

    def owning(self) -> AbstractContextManager[Connection]:
        return transaction(self.url("nightcast_owner"))

    def reading(self) -> AbstractContextManager[Connection]:
        return transaction(self.url("analyst"))

    def live_model(self, origin: date = date(2011, 1, 1)) -> int:
        with self.writing() as tx:
            made = models.register(
                tx,
                self.pipeline.name,
                bundle_digest=digest("bundle"),
                trained_through=date(2011, 1, 1),
                training_digest=digest("training"),
                spec_digest=digest("spec"),
                who="test",
                why="first",
            )
            models.promote(tx, self.pipeline.name, made.version, effective_from=origin, who="test", why="first")
            return made.version

    def forecast(self, keys: Sequence[str] = ("A", "B"), days: int = 3, level: float = 1.0) -> pa.Table:
        rows = [
            {"sku": key, "target_date": ORIGIN + timedelta(day), "horizon": day}
            | {"mean": level * day, "q10": level * day / 3, "q50": level * day / 2, "q90": level * day * 2}
            for key in keys
            for day in range(1, days + 1)
        ]
        names = ("sku", "target_date", "horizon", "mean", "q10", "q50", "q90")
        return pa.table({name: [row[name] for row in rows] for name in names})

    def scored_run(self, table: pa.Table | None = None, inputs: str = "inputs", **asked: Any) -> Run:
        """A night that has all that publishing asks for."""
        table = self.forecast() if table is None else table
        with self.writing() as tx:
            run = runs.open_run(tx, self.pipeline.name, **{"origin": ORIGIN, "kind": RunKind.NIGHT} | asked)
            predictions.ensure_partition(tx, self.pipeline, run.origin)
        with self.writing() as tx:
            predictions.replace_shard(tx, self.pipeline, run.run_id, 0, table)
            rows = predictions.row_digest(tx, self.pipeline, run.run_id)
        with self.writing() as tx:
            runs.pin(
                tx,
                run.run_id,
                spec_digest=digest("spec"),
                model_version=1,
                manifest_digest=digest("manifest"),
                input_digest=digest(inputs),
                row_digest=rows,
            )
            counts = {"pulled": 10, "accepted": 7, "quarantined": 2, "duplicates": 1}
            return runs.count(tx, run.run_id, **counts, expected=len(table), predictions=len(table))


def pipeline_of(**changes: Any) -> Pipeline:
    base = Pipeline(
        name="demand",
        version=1,
        title="Units per sku and day",
        owner="team",
        schedule=Schedule(cron="0 2 * * *", timezone="Europe/London", first_night=date(2011, 10, 24)),
        source=Source(
            connection="shop",
            late_arrival=3,
            columns={
                "sku": Column(type=ColumnType.STRING, role=Role.KEY),
                "sold_at": Column(type=ColumnType.TIMESTAMP, role=Role.TIME),
                "quantity": Column(type=ColumnType.INTEGER, role=Role.MEASURE),
            },
        ),
        measures={"units": Measure(sum="quantity"), "more": Measure(sum="quantity")},
        forecast=Forecast(target="units", horizon=14, universe=Universe(min_active_days=1, trailing_days=56)),
        features=(Windowed(feature="rolling_mean", of="units", windows=(7,)),),
        model=Model(family="hist_gradient_boosting", parameters={}, scale=Scale(blend={7: 1.0}, floor=0.5)),
    )
    return replace(base, **changes)


@pytest.fixture
def pipeline() -> Pipeline:
    """A pipeline's spec, without a database."""
    return pipeline_of()


@pytest.fixture
def bare(server: Server, make_database: Callable[[], str]) -> Memory:
    """An empty database of the owner, with roles."""
    name = make_database().rpartition("/")[2]
    roles.create_roles(server.url(), PASSWORDS, database=name)
    with transaction(server.url(name)) as tx:
        execute(tx, f"ALTER DATABASE {name} OWNER TO nightcast_owner")
    return Memory(server, name, pipeline_of())


@pytest.fixture(scope="session")
def template(server: Server) -> str:
    """Name of a database with everything applied, to be copied."""
    made = Memory(server, f"template_{secrets.token_hex(6)}", pipeline_of())
    roles.create_roles(server.url(), PASSWORDS, database=made.name)
    migrate.upgrade(made.url("nightcast_owner"), "analyst")
    with made.owning() as tx:
        layout.apply(tx, made.pipeline, "analyst")
    return made.name


@pytest.fixture
def memory(server: Server, template: str) -> Iterator[Memory]:
    """A database with everything applied."""
    name = f"test_{secrets.token_hex(6)}"
    with closing(connect(server.url())) as maker:
        maker.autocommit = True
        execute(maker, f"CREATE DATABASE {name} TEMPLATE {template} OWNER nightcast_owner")
        migrate.upgrade(server.url(name, "nightcast_owner", PASSWORDS["nightcast_owner"]))  # rights are not copied
        yield Memory(server, name, pipeline_of())
        execute(maker, f"DROP DATABASE {name} WITH (FORCE)")
