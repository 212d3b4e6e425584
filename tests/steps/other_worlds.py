"""Installations of the pipelines in tests/pipelines, which share nothing with the excerpt."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from demo.retail_source import make_roles_and_database
from nightcast.local import postgres
from nightcast.store import connect, layout
from steps.other_sources import METERED, START, Rides, load_rides, write_meters
from steps.world import Installation, drop, empty, scheduled

FOLDERS = Path(__file__).resolve().parents[1] / "pipelines"
RIDES, METERS = "bike_rides", "meter_load"
TRAINED = date(2024, 6, 15)  # a Saturday: the last day that the models know
NIGHTS = tuple(TRAINED + timedelta(days=n) for n in (1, 2, 3))
NEXT = TRAINED + timedelta(days=4)


@dataclass(frozen=True, kw_only=True)
class Riding(Installation):
    """The installation of bike_rides."""

    rides: Rides


@contextmanager
def riding(server: postgres.Server, place: Path) -> Iterator[Riding]:
    """After three nights."""
    with make_roles_and_database(server) as (owner, reader):
        rides = load_rides(owner, reader)
        with installed(server, place, RIDES, {"rides": reader}, START) as made:
            served = Riding(**vars(made), rides=rides)
            for origin in NIGHTS:
                served.night(origin, **scheduled(origin))
            yield served


@contextmanager
def metered(server: postgres.Server, place: Path, later: timedelta = timedelta()) -> Iterator[Installation]:
    """After two nights; all of it by some days later, or earlier."""
    files = place / "files"
    write_meters(str(files), later=later)
    with installed(server, place, METERS, {"meters": f"file://{files}"}, METERED, later) as made:
        for origin in NIGHTS[:2]:
            made.night(origin + later, **scheduled(origin + later))
        yield made


@contextmanager
def installed(
    server: postgres.Server,
    place: Path,
    name: str,
    sources: Mapping[str, str],
    first: date,
    later: timedelta = timedelta(),
) -> Iterator[Installation]:
    """With its tables, its history from `first` on, and a live model."""
    made = Installation(
        server, f"world_{secrets.token_hex(4)}", place / "pipelines", place / "lake", name, dict(sources)
    )
    shutil.copytree(FOLDERS / name, made.folder / name)
    made.edit("pipeline.yaml", f"first_night: {NIGHTS[0]}", f"first_night: {NIGHTS[0] + later}")
    empty(made)
    with connect.transaction(made.url("nightcast_owner")) as tx:
        layout.apply(tx, made.pipeline)
    made.import_days(first + later, TRAINED + later)
    made.train(TRAINED + later)
    yield made
    drop(server, made.database)
