"""The team's source: other rows, other columns, nobody there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import make_url

from faults.scene import Scene
from faults.stage import fill_source


@contextmanager
def source(scene: Scene, statement: str) -> Iterator[None]:
    """Its owner changes it; healed by bringing back what was there."""
    tonight = scene.stage.tonight
    days = {"tonight": tonight, "yesterday": tonight - timedelta(days=1), "before": tonight - timedelta(days=3)}
    for name, day in days.items():
        statement = statement.replace(f"{{{name}}}", day.isoformat())
    scene.world.retail.query(statement, scene.world.retail.owner)
    yield
    fill_source(scene.world.retail, scene.stage.retail, scene.world.server)


@contextmanager
def source_cut(scene: Scene, _: Any) -> Iterator[None]:
    """Every connection to it is ended."""
    database = make_url(scene.world.retail.reader).database
    scene.as_superuser(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
    yield


@contextmanager
def source_away(scene: Scene, _: Any) -> Iterator[None]:
    """Nobody gets in."""
    database = make_url(scene.world.retail.reader).database
    scene.as_superuser(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false", "postgres")
    yield
    scene.as_superuser(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true", "postgres")


@contextmanager
def right_taken(scene: Scene, _: Any) -> Iterator[None]:
    """The pipeline's role may no longer read it."""
    retail = scene.world.retail
    retail.query(f"REVOKE SELECT ON sales_line FROM {make_url(retail.reader).username}", retail.owner)
    yield
    fill_source(retail, scene.stage.retail, scene.world.server)


@contextmanager
def file(scene: Scene, how: str) -> Iterator[None]:
    """One of tonight's files is another; healed by bringing back the old one."""
    ((_, url),) = scene.world.sources.items()
    days = Path(url.removeprefix("file://")) / "readings"
    path = days / f"day={scene.stage.tonight}" / "north.parquet"
    good = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(good[:-100])
    elif how == "yesterday's":
        path.write_bytes((days / f"day={scene.stage.tonight - timedelta(days=1)}" / path.name).read_bytes())
    else:
        pq.write_table(FILES[how](pq.read_table(path)), path)
    yield
    path.write_bytes(good)


def _called(name: Callable[[int], bytes]) -> Callable[[pa.Table], pa.Table]:
    """The same rows, whose meters have other names."""

    def change(rows: pa.Table) -> pa.Table:
        names = pa.array([name(at) for at in range(len(rows))], pa.binary()).view(pa.string())
        return rows.set_column(rows.column_names.index("meter"), "meter", names)

    return change


FILES: dict[str, Callable[[pa.Table], pa.Table]] = {
    "NUL": _called(lambda at: b"GB-\0" + str(at % 12).encode()),
    "not UTF-8": _called(lambda at: b"GB-\xc3(" + str(at % 12).encode()),
    "long keys": _called(lambda at: random.Random(at % 12).randbytes(5000).hex().encode()),
    "text for numbers": lambda rows: rows.set_column(2, "watt_hours", pa.array(["n/a"] * len(rows))),
    "no rows": lambda rows: rows.slice(0, 0),
}
CONDITIONS = {
    "source": source,
    "file": file,
    "source right taken": right_taken,
    "source cut": source_cut,
    "source away": source_away,
}
