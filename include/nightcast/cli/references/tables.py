"""The reference of the tables and views, asked of a Postgres in which they were just made."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nightcast import spec
from nightcast.local import postgres
from nightcast.local.state import CHECKOUT
from nightcast.store import connect, layout, migrate, roles
from nightcast.store.queries import named, rows

_EXAMPLE = "daily_demand"
_HEAD = f"""# Tables and views

Generated from the database by `make docs`: these are the COMMENTs that `\\d+` shows in psql. Every pipeline has the
views and tables named after it; here they are those of `{_EXAMPLE}`.

Analysts read the schema `forecast` and nothing else. The schema `internal` is ours: `bin/nightcast` and the pages in
Airflow read it; its tables change with the engine's version.
"""
_QUERIES = named((Path(__file__).parent / "tables.sql").read_text(encoding="utf-8"))


def page() -> str:
    """The page in Markdown. Starts a Postgres of its own for the few seconds that it takes."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # Airflow, asked for another page, would print its progress
    with tempfile.TemporaryDirectory(prefix="nightcast-docs-") as place:
        folder = Path(place)
        folder.chmod(0o755)  # as root, Postgres runs as nobody, who must be able to enter
        server = postgres.start(folder / "cluster")
        try:
            return _page_of(server)
        finally:
            postgres.stop(folder / "cluster")


def _page_of(server: postgres.Server) -> str:
    passwords = {role: f"docs-{role}" for role in (*roles.OURS, "analyst")}
    roles.create_roles(server.url(), passwords, database="docs")
    owner = server.url("docs", roles.OWNER, passwords[roles.OWNER])
    migrate.upgrade(owner)
    with connect.transaction(owner) as tx:
        layout.apply(tx, spec.load_folder(CHECKOUT / "include/pipelines" / _EXAMPLE).pipeline)
        relations, columns = rows(tx, _QUERIES["relations"]), rows(tx, _QUERIES["columns"])
        functions = rows(tx, _QUERIES["functions"])
    lines = [_HEAD, "\n# For analysts: schema forecast"]
    lines += [line for r in relations if r["schema"] == "forecast" for line in _relation(r, columns)]
    lines += [line for f in functions for line in (f"\n## {f['name']}\n", f["says"])]
    lines += ["\n# What is remembered: schema internal"]
    lines += [line for r in relations if r["schema"] == "internal" for line in _relation(r, columns)]
    return "\n".join(lines) + "\n"


def _relation(relation: Mapping[str, Any], columns: list[dict[str, Any]]) -> Iterator[str]:
    yield f"\n## {relation['name']}\n\n{relation['says']}\n"
    yield "| column | type | meaning |\n|---|---|---|"
    for column in columns:
        if column["oid"] == relation["oid"]:
            null = "" if column["required"] or relation["schema"] == "forecast" else ", may be null"
            yield f"| `{column['name']}` | {column['type']}{null} | {column['says'].replace('|', 'or')} |"
