"""A source database with the excerpt, in original dates, for any test that needs real rows."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy import make_url

from nightcast.demo import source
from nightcast.local import postgres

EXCERPT = Path(__file__).resolve().parents[1] / "data" / "retail_excerpt.csv.xz"
FOLDER = Path(__file__).resolve().parents[2] / "include" / "pipelines" / "daily_demand"


@dataclass(frozen=True)
class Retail:
    """A loaded source database; `owner` may change it, `reader` is what a pipeline gets."""

    owner: str
    reader: str
    loaded: source.Loaded

    def query(self, statement: str, url: str | None = None) -> list[tuple[Any, ...]]:
        """Rows of a statement, run as the reader unless another URL is given."""
        with closing(connect(url or self.reader)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []


def wall_time(text: str) -> datetime:
    """A time as the published file writes it; like the shop's clock it has no zone."""
    return datetime.strptime(text, "%m/%d/%Y %H:%M")  # noqa: DTZ007


def connect(url: str) -> Any:
    """A psycopg2 connection to an SQLAlchemy URL."""
    return psycopg2.connect(url.replace("+psycopg2", ""))


@contextmanager
def make_roles_and_database(server: postgres.Server) -> Iterator[tuple[str, str]]:
    """URLs of a new empty database as its owner and as a reader, both roles of its own; dropped at the end."""
    name, password = f"retail_{secrets.token_hex(4)}", secrets.token_hex(8)
    owner, reader = f"{name}_owner", f"{name}_reader"
    with closing(connect(server.url())) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        for role in (owner, reader):
            cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        cursor.execute(f"CREATE DATABASE {name} OWNER {owner}")
    yield server.url(name, owner, password), server.url(name, reader, password)
    with closing(connect(server.url())) as connection:  # another one: the server may have been restarted
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
        cursor.execute(f"DROP ROLE {owner}, {reader}")


@contextmanager
def make(server: postgres.Server, shift_days: int = 0) -> Iterator[Retail]:
    """The excerpt in a source database of its own."""
    with make_roles_and_database(server) as (owner, reader):
        yield Retail(owner, reader, load(owner, reader, EXCERPT, shift_days))


def load(owner: str, reader: str, path: Path, shift_days: int = 0) -> source.Loaded:
    """Load a file in silence."""
    return source.load(owner, str(make_url(reader).username), path, shift_days, progress=lambda _: None)


def bound(file: str, start: date, end: date) -> str:
    """A statement of the pipeline with its two parameters filled in."""
    days = {"window_start": start, "window_end": end}
    text = (FOLDER / file).read_text()
    return re.sub(r"(?<!:):(window_start|window_end)", lambda m: f"'{days[m[1]]}'::date", text)
